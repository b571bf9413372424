"""Pairs and small groups of accounts that act on the same items within seconds of each other, sitting after sitting.

Two accounts are no block of users and items, and have no crowd that a judge could hold them against. What they have is
time. That two accounts act on the same items at all is put down to taste: friends, followers of one channel. The null
is about *when*. Of an item that both act on, the earlier act is given, and the question is how likely the other account
comes within so many seconds of it. That chance is the larger of two:

* how often the item's other later acts come as soon, with what is usual among this log's users for items of such an
  audience counting as KAPPA more of them. Accounts that come close to the earlier one often, too, are left out: three
  in lockstep are no witnesses of each other;
* what two accounts would show that are both at work around that hour, at moments of their own (2 span ÷ 1 hour).

Nor is one sitting many coincidences: who sits beside another sees the same things in the same order. So time is cut
into sittings of SITTING_MS, and each speaks once: it is close when more than half of the items that both act on in it
are close. By Markov's inequality that is at most so likely as `closeness_nats` says, however these items hang together.
The number of close sittings has the tail of a sum of such trials, bounded by Chernoff. A later act that comes closer
to the earlier one never weakens it.

The bound is corrected for all pairs that have any item in common, not for those that are looked at; and where the log
has a hundred pairs that come close at times, their own tail has a say as well (`pair_p_values`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphdet.arrays import Float, Int
from graphdet.evaluation.tails import tail_p_values
from graphdet.features.pairs import FirstActs, Window, pairs_in_memory
from graphdet.rings.evidence_table import LEAST_SHARPNESS, EvidenceNumber
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS

SPANS_MS = (10_000, 60_000)  # how close is close; a log of coarser times has no pairs
SITTING_MS = 6 * HOUR_MS
LEAST_CLOSE = 3  # common items within the longest span, below which a pair is not looked at
BUDGET = 20.0  # of the pairs that are looked at, see features.pairs.Window
KAPPA = 2.0
LEAST_OF_LOG = 100  # ordinary pairs that are looked at, below which their tail is not known
FOLLOWING_MS = DAY_MS  # who acts on the same items no later than that may follow one source
MOST_IN_GROUP = 5  # accounts; larger groups are a matter of rings
ENOUGH_CLOSE = 8  # close items from which a pair that is held back is worth a look
TILTS = np.geomspace(0.05, 14.0, 60)  # of Chernoff's bound; each is valid, and the best is taken

# What the numbers of a pair's evidence mean, in the order in which reports show them.
PAIR_NUMBERS = (
    EvidenceNumber(
        "close_items",
        "Items in lockstep",
        "count",
        "items on which each acts within the span of another of them",
    ),
    EvidenceNumber(
        "close_items_expected",
        "Items in lockstep expected",
        "figure",
        "by how soon others follow on these items, and by being at work around the same hour",
    ),
    EvidenceNumber("close_span_s", "Span in seconds", "figure", "how close two acts have to be"),
    EvidenceNumber("common_items", "Common items", "count", "items that both act on at any time"),
    EvidenceNumber(
        "close_sittings",
        "Sittings in lockstep",
        "count",
        "spells of six hours in which more than half of the items that both act on are in lockstep",
    ),
    EvidenceNumber(
        "close_sittings_expected", "Sittings in lockstep expected", "figure", "at most so many by chance"
    ),
    EvidenceNumber("sittings", "Sittings together", "count", "spells of six hours with a common item"),
    EvidenceNumber(
        "followers",
        "Followers",
        "count",
        "other accounts that act on half of the same items within a day",
    ),
)


@dataclass(frozen=True)
class CommonActs:
    """The items that both accounts of some pairs act on, by pair: first acts.

    Shapes, all [n_common]: pair int64, rows of the pairs; item int64; earlier int64, who acts first; first_ms, gap_ms
    int64, when, and how long until the other does.
    """

    pair: Int
    item: Int
    earlier: Int
    first_ms: Int
    gap_ms: Int


@dataclass(frozen=True)
class Closeness:
    """How far pairs are beyond chance at one span. Shapes: span_ms; all others float64[n_pairs].

    nats: of Chernoff's bound. close, expected: items within the span; sittings_close, sittings_expected, sittings.
    """

    span_ms: int
    nats: Float
    close: Float
    expected: Float
    sittings_close: Float
    sittings_expected: Float
    sittings: Float


@dataclass(frozen=True)
class PairScan:
    """Pairs of a log that come close at times. Shapes: a < b int64[n_pairs], rows of users; p_value float64[n_pairs].

    at: which span says most of each, int64[n_pairs] into spans. n_met: how many pairs have an item in common, at most.
    """

    a: Int
    b: Int
    common: CommonActs
    spans: tuple[Closeness, ...]
    at: Int
    p_value: Float
    n_met: float

    def best(self, name: str) -> Float:
        """A number of Closeness at the span that says most, float64[n_pairs]."""
        return np.choose(self.at, [getattr(one, name) for one in self.spans])

    @property
    def span_ms(self) -> Int:
        """The span that says most of each pair, int64[n_pairs]."""
        return np.array([one.span_ms for one in self.spans])[self.at]

    @property
    def close(self) -> NDArray[np.bool_]:
        """Which common acts are close, at their pair's span, bool[n_common]."""
        return np.asarray(self.common.gap_ms <= self.span_ms[self.common.pair])

    @property
    def q_value(self) -> Float:
        """Benjamini–Hochberg over all pairs that have an item in common, float64[n_pairs]."""
        order = np.argsort(self.p_value, kind="stable")
        scaled = self.p_value[order] * self.n_met / np.arange(1, len(order) + 1)
        out = np.empty(len(order))
        out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
        return out


def scan_pairs(graph: GraphArrays) -> PairScan | None:
    """Pairs with LEAST_CLOSE items within the longest span of SPANS_MS, and how surprising each is.

    None where there are none, or where times are coarser than that: two friends review one restaurant on one day.
    """
    spans = [span for span in SPANS_MS if span >= graph.resolution_ms]
    if not graph.timed or not spans:
        return None
    acts = FirstActs.of(graph)
    window = Window(max(spans) / 1000, LEAST_CLOSE, BUDGET)
    quiet = acts.quiet(window)
    found = pairs_in_memory(quiet, quiet.followers(window), window)
    if not len(found.a):
        return None
    a, b = found.a.astype(np.int64), found.b.astype(np.int64)
    common = common_acts(graph, a, b)
    closeness = tuple(closeness_nats(acts, common, len(a), span) for span in spans)
    nats = np.array([one.nats for one in closeness])
    audience = np.bincount(acts.item_ix).astype(np.float64)
    n_met = min((audience * (audience - 1) / 2).sum(), graph.n_users * (graph.n_users - 1) / 2)
    p_value = pair_p_values(nats.max(axis=0), len(spans), n_met)
    return PairScan(a, b, common, closeness, nats.argmax(axis=0), p_value, n_met)


def common_acts(graph: GraphArrays, a: Int, b: Int) -> CommonActs:
    """The items that both accounts of each pair act on; a, b int64[n_pairs]."""
    rows = graph.first_rows  # by user and item
    user, item = graph.user_ix[rows].astype(np.int64), graph.item_ix[rows].astype(np.int64)
    key, at_ms = user * graph.n_items + item, graph.at_ms[rows]
    begin = np.searchsorted(user, np.arange(graph.n_users + 1))
    degree = np.diff(begin)
    fewer, other = np.where(degree[a] > degree[b], (b, a), (a, b))
    n = degree[fewer]
    pair = np.repeat(np.arange(len(a)), n)
    row = np.repeat(begin[fewer] - (np.cumsum(n) - n), n) + np.arange(n.sum())
    want = other[pair] * graph.n_items + item[row]
    place = np.minimum(np.searchsorted(key, want), len(key) - 1)
    both = np.flatnonzero(key[place] == want)
    one, two = at_ms[row[both]], at_ms[place[both]]
    first = np.where(one <= two, fewer[pair[both]], other[pair[both]])
    return CommonActs(pair[both], item[row[both]], first, np.minimum(one, two), np.abs(one - two))


def closeness_nats(acts: FirstActs, common: CommonActs, n_pairs: int, span_ms: int) -> Closeness:
    """How far each pair's sittings are beyond chance, see the module."""
    chance = _chance_of_following(acts, common, span_ms)
    close = common.gap_ms <= span_ms
    spell = (common.first_ms - int(acts.at_ms.min())) // SITTING_MS
    stride = int(spell.max(initial=0)) + 1
    sittings, at = np.unique(common.pair * stride + spell, return_inverse=True)
    pair = sittings // stride
    size = np.bincount(at)
    needed = size // 2 + 1  # more than half
    success = np.bincount(at, close) >= needed
    p = np.minimum(np.bincount(at, chance) / needed, 1.0)
    observed = _per_pair(pair, success, n_pairs)
    nats = np.zeros(n_pairs)
    for tilt in TILTS:
        spread = np.bincount(pair, np.log1p(p * np.expm1(tilt)), n_pairs)
        nats = np.maximum(nats, tilt * observed - spread)
    return Closeness(
        span_ms,
        nats,
        _per_pair(common.pair, close, n_pairs),
        _per_pair(common.pair, chance, n_pairs),
        observed,
        _per_pair(pair, p, n_pairs),
        _per_pair(pair, np.ones(len(pair)), n_pairs),
    )


def _per_pair(pair: Int, value: NDArray[Any], n_pairs: int) -> Float:
    return np.asarray(np.bincount(pair, value, n_pairs), np.float64)


def _chance_of_following(acts: FirstActs, common: CommonActs, span_ms: int) -> Float:
    """How likely the later act comes within the span of the earlier one, float64[n_common]."""
    item = acts.item_ix.astype(np.int64)
    origin = int(acts.at_ms.min())
    stride = int(acts.at_ms.max()) - origin + span_ms + 1  # so that no span leads into another item
    place = item * stride + (acts.at_ms - origin)
    audience = np.bincount(acts.item_ix)
    size = np.log2(np.maximum(audience, 2)).astype(np.int64)

    def followers(of_item: Int, first_ms: Int) -> tuple[Int, Int]:
        """Acts on an item from a moment on, those within the span and all: the one at that moment counts too."""
        begin = of_item * stride + (first_ms - origin)
        low = np.searchsorted(place, begin)
        return np.searchsorted(place, begin + span_ms, "right") - low, np.searchsorted(
            place, (of_item + 1) * stride
        ) - low

    soon, later = followers(item, acts.at_ms)
    of_pairs = np.zeros(int(acts.user_ix.max()) + 1, bool)
    of_pairs[common.earlier] = True
    known = np.flatnonzero((later > 1) & ~of_pairs[acts.user_ix])
    usual = _usual_share(
        acts.user_ix[known].astype(np.int64), size[item[known]], (soon[known] - 1) / (later[known] - 1)
    )
    soon, later = followers(common.item, common.first_ms)
    # The other account, and all else that are close to the earlier one elsewhere.
    _, lead = np.unique(common.earlier * len(audience) + common.item, return_inverse=True)
    others_soon = soon - 1 - np.bincount(lead, common.gap_ms <= span_ms)[lead]
    others = later - 1 - np.bincount(lead)[lead]
    by_item = (others_soon + KAPPA * usual[size[common.item]]) / (others + KAPPA)
    return np.maximum(by_item, min(2 * span_ms / HOUR_MS, 1.0))


def _usual_share(user: Int, size: Int, share: Float) -> Float:
    """The usual share of later acts that come soon, by size of audience (in doublings), float64[n_sizes].

    Every account counts once for each size. No size has less than the whole log. Shapes: user, size int64[n]; share
    float64[n].
    """
    n_sizes = 64
    key, at = np.unique(user * n_sizes + size, return_inverse=True)
    mean = np.bincount(at, share) / np.bincount(at)
    n = np.bincount(key % n_sizes, minlength=n_sizes)
    by_size = np.bincount(key % n_sizes, mean, n_sizes) / np.maximum(n, 1)
    return np.maximum(by_size, mean.mean() if len(mean) else 0.0)


def pair_p_values(nats: Float, n_spans: int, n_met: float) -> Float:
    """p-values of pairs among all n_met that have an item in common, float64[n_pairs].

    nats: of Chernoff's bound, the most over spans, float64[n_pairs]. Where LEAST_OF_LOG pairs are ordinary (the bound
    would flag none of them alone) none is more surprising than their own tail says: friends and accounts of one
    household come close more often than accounts that know nothing of each other.
    """
    bound = np.minimum(n_spans * np.exp(-nats), 1.0)
    limit = float(np.log(n_spans * n_met / 0.05))
    if (nats < limit).sum() < LEAST_OF_LOG:
        return np.asarray(bound)
    return np.asarray(np.maximum(bound, tail_p_values(nats - limit) * len(nats) / n_met))


def tied_groups(a: Int, b: Int, n_users: int) -> list[Int]:
    """Groups of accounts that pairs (int64[n_pairs] each) tie together: rows of the pairs of each."""
    if not len(a):
        return []
    links = coo_matrix((np.ones(len(a)), (a, b)), shape=(n_users, n_users))
    group = connected_components(links, directed=False)[1][a]
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def followers_of(graph: GraphArrays, items: Int, first_ms: Int, members: Int) -> int:
    """How many others act on half of some items or more, each within FOLLOWING_MS of a moment.

    Shapes: items, distinct and ascending, and first_ms int64[n]; members int64[n_members].
    """
    rows = graph.first_rows
    place = np.minimum(np.searchsorted(items, graph.item_ix[rows]), len(items) - 1)
    same = items[place] == graph.item_ix[rows]
    mine = rows[same & (np.abs(graph.at_ms[rows] - first_ms[place]) <= FOLLOWING_MS)]
    n = np.bincount(graph.user_ix[mine], minlength=graph.n_users)
    n[members] = 0
    return int((2 * n >= len(items)).sum())


def is_slice(n_members: int, n_followers: int) -> bool:
    """Whether a group is a slice of a larger crowd that acts on the same items.

    >>> is_slice(2, 2), is_slice(2, 3)
    (False, True)
    """
    return n_members < LEAST_SHARPNESS * (n_members + n_followers)
