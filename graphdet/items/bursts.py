"""Bursts of throwaway accounts on single items: which are more than this log's own crowds and openings show.

That more throwaway accounts come at once than an item's past explains is what the scan of single items (scan.py) says
by their number alone. It is not guilt: crowds come for reasons. So each burst is held against four things that the log
itself shows.

* Ordinary crowds. Accounts that do other things too come in bursts as well, and nobody sent them. How surprising the
  strongest such burst of each item is, measured as for throwaways, is the null of a burst (crowd_p_values).
* Openings. The first accounts of a new item are new themselves. A burst that begins within OPENING_SHARE of the log's
  span after its item's first act is held against all openings to which several throwaways came. An item with fewer
  than LEAST_PAST acts outside the burst has no past that it could be held against, and is not flagged.
* Company. A mention or a sale brings everybody. Where more than CROWD_SHARE as many ordinary accounts as throwaways
  came beyond what the item is used to around that time, it is a crowd of all kinds.
* Ratings. Where a log has them, accounts that were sent say the same: the acts of one rating on one item are scanned
  apart, and only those of the highest and lowest, as nobody is paid for an opinion in between.

A log with fewer than LEAST_CROWDS items has no null to hold a burst against, and flags none.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.evaluation.tails import adaptive_q_values
from graphdet.items.acts import SHORTEST_MS, ItemActs, least_of_scales
from graphdet.items.crowds import CROWD_SHARE, throwaways
from graphdet.items.scan import NEWCOMERS, ORDINARY, Behind, Strongest, accounts_of, scan_items
from graphdet.rings.evidence_table import EvidenceNumber
from graphdet.rings.find import least_score
from graphdet.rings.rules import HeldBackBy

LEAST_IN_BURST = 4  # behind a burst; fewer are no crowd
OPENING_SHARE = (
    0.04  # of the log's span after an item's first act: 117 days of the eight years of Yelp's Chicago log
)
LEAST_PAST = 20  # acts on an item outside a burst, below which it has no past
WINDOWS_AROUND = 8  # windows before and after a burst that say what the item is used to
LEAST_CROWDS = 40  # items with ordinary accounts, below which their tail is not known
CROWDS_IN_TAIL = 20  # crowds that a tail is fitted to


# What the numbers of a burst's evidence mean, in the order in which reports show them.
BURST_NUMBERS = (
    EvidenceNumber(
        "throwaway_accounts",
        "Throwaway accounts",
        "count",
        "accounts that acted on the item in the burst's window and on nothing else in the whole log",
    ),
    EvidenceNumber(
        "throwaways_expected",
        "Throwaway accounts expected",
        "figure",
        "as many as the item's other times and the other items of the same time would have it",
    ),
    EvidenceNumber(
        "throwaway_share",
        "Share of throwaway accounts",
        "percent",
        "of all accounts that acted on it in the window",
    ),
    EvidenceNumber(
        "burst_span_s", "Span in seconds", "figure", "from the first to the last act of these accounts"
    ),
    EvidenceNumber(
        "burst_rating",
        "Rating",
        "figure",
        "what all of these accounts gave; other ratings are looked at apart",
    ),
    EvidenceNumber(
        "company",
        "Ordinary accounts beyond the usual",
        "figure",
        "accounts that do other things too and came at the same time, beyond what the item is used to",
    ),
    EvidenceNumber(
        "days_after_first_act",
        "Days after the item's first act",
        "figure",
        "a new item's first accounts are new themselves, and say little",
    ),
    EvidenceNumber(
        "acts_outside_burst", "Acts outside the burst", "count", "the past that the burst is held against"
    ),
)


@dataclass(frozen=True)
class Faces:
    """What is scanned on its own: an item, or in a log with ratings the acts of one rating on an item.

    Shapes, all [n_faces]: item int64, its row, ascending; rating float64, NaN in a log without ratings; tried bool,
    whether a burst on it may be a finding.
    """

    item: Int
    rating: Float
    tried: NDArray[np.bool_]

    @classmethod
    def of_items(cls, n_items: int) -> "Faces":
        """Every item by itself."""
        return cls(np.arange(n_items), np.full(n_items, np.nan), np.ones(n_items, bool))


@dataclass(frozen=True)
class Burst:
    """A burst of throwaway accounts on one face.

    behind: its accounts. observed, expected: throwaways in the window. n_users: who acts in the window on that face.
    age_ms: from the item's first act to the window. n_past: acts on the item outside it. company: ordinary accounts
    beyond what the item is used to.
    p_value: of the scan, of ordinary crowds and of openings the largest; q_value over the faces that are tried.
    held_back_by: "company", "ordinary_bursts", "little_known", "opening" or
    "score"; None where it is flagged.
    """

    face: int
    behind: Behind
    observed: int
    expected: float
    n_users: int
    scale_ms: int
    age_ms: int
    n_past: int
    company: float
    p_value: float
    q_value: float
    held_back_by: HeldBackBy | None


def find_bursts(acts: ItemActs, faces: Faces, explained: NDArray[np.bool_], fdr: float) -> list[Burst]:
    """The bursts that the scan finds at a false discovery rate of fdr, the strongest first, flagged or held back.

    acts: of faces instead of items. explained: bool[n_users], accounts that act together and are no ordinary crowd.
    """
    if throwaways(acts, acts.scales_ms()[-1]).sum() < LEAST_IN_BURST:
        return []  # in many logs nobody acts only once
    found = scan_items(acts, fdr, (NEWCOMERS,), choose=least_of_scales)[0]
    tried = faces.tried & (np.bincount(acts.item_ix, minlength=acts.n_items) > 0)
    q_scan = _q_values(found.strongest.p, tried)
    rows = np.flatnonzero((q_scan <= fdr) & (found.strongest.observed >= LEAST_IN_BURST))
    if not len(rows):
        return []
    first = np.full(int(faces.item.max()) + 1, acts.span_ms)
    np.minimum.at(first, faces.item[acts.item_ix], acts.at_ms)
    age = np.maximum(found.strongest.start_ms - first[faces.item], 0)
    surprise = -np.log(np.maximum(found.strongest.p, 1e-300))
    p_crowd = np.maximum(found.strongest.p, crowd_p_values(surprise, _ordinary_surprise(acts, explained)))
    past = np.bincount(faces.item[acts.item_ix])[faces.item] - found.strongest.n_users
    opening = age < OPENING_SHARE * acts.span_ms
    openings = opening & tried & (found.strongest.observed > 1)
    p_opening = p_crowd.copy()
    p_opening[opening] = np.maximum(p_crowd, crowd_p_values(surprise, surprise[openings]))[opening]
    q_crowd, q = _q_values(p_crowd, tried), _q_values(p_opening, tried)
    bursts = []
    for row in rows[np.lexsort((rows, found.strongest.p[rows], p_opening[rows]))].tolist():
        behind = accounts_of(acts, found, row)
        company = _company(acts, faces, row, behind, int(found.scale_ms[row]), explained)
        held: HeldBackBy | None = None
        if company > CROWD_SHARE * found.strongest.observed[row]:
            held = "company"
        elif q_crowd[row] > fdr:
            held = "ordinary_bursts"
        elif past[row] < LEAST_PAST:
            held = "little_known"
        elif q[row] > fdr:
            held = "opening"
        elif _sure(q[row], found.strongest, row) < least_score(fdr):
            held = "score"
        best = found.strongest
        bursts.append(
            Burst(
                row,
                behind,
                int(best.observed[row]),
                float(best.expected[row]),
                int(best.n_users[row]),
                int(found.scale_ms[row]),
                int(age[row]),
                int(past[row]),
                company,
                float(p_opening[row]),
                float(q[row]),
                held,
            )
        )
    return bursts


def _sure(q: float, best: Strongest, row: int) -> float:
    """How sure it is of an account in a burst that it was sent: it is neither chance nor one of those expected."""
    return float((1 - q) * (1 - min(best.expected[row] / max(best.observed[row], 1), 1.0)))


def crowd_p_values(surprise: Float, crowds: Float) -> Float:
    """How often a crowd of this log would be as surprising, float64[n] in (0, 1].

    surprise, crowds: −ln p of bursts and of the crowds that they are held against, float64[n] and [m]. The upper tail
    of the crowds, k of m, is an exponential whose scale is taken from its median, so that campaigns among the crowds do
    not widen it, and at least that of p-values which are right (1); what is not known of it for so few is allowed for
    as in evaluation.tails:  p = (k / m) (1 + (x − u) / (k s))^(−k).  1 where there are fewer than LEAST_CROWDS crowds.

    >>> crowds = np.random.default_rng(0).exponential(1.0, 400)
    >>> p = crowd_p_values(np.array([0.0, 3.0, 30.0]), crowds)
    >>> bool(p[0] == 1.0), bool(0.02 < p[1] < 0.1), bool(p[2] < 1e-8)
    (True, True, True)
    """
    m = len(crowds)
    if m < LEAST_CROWDS:
        return np.ones(len(surprise))
    ordered = np.sort(crowds)
    ranks = np.minimum((m - np.searchsorted(ordered, surprise, side="left") + 1) / (m + 1), 1.0)
    k = min(max(int(np.sqrt(m)), CROWDS_IN_TAIL), m // 2)
    start = ordered[m - k]
    scale = max(1.0, float(np.median(ordered[m - k :] - start)) / np.log(2.0))
    tail = (k / m) * (1 + np.maximum(surprise - start, 0.0) / (k * scale)) ** (-float(k))
    return np.where(surprise > start, tail, ranks)


def _ordinary_surprise(acts: ItemActs, explained: NDArray[np.bool_]) -> Float:
    """−ln p of the strongest burst of ordinary accounts of every face that has any, float64[m]."""
    kept = ~explained[acts.user_ix]
    others = ItemActs.of(acts.item_ix[kept], acts.user_ix[kept], acts.at_ms[kept], acts.n_items, acts.n_users)
    others = replace(others, elsewhere=acts.elsewhere)
    has = np.bincount(others.item_ix[others.lives_ms[others.user_ix] < 0], minlength=acts.n_items) > 0
    found = scan_items(others, kinds=(ORDINARY,), choose=least_of_scales)[0]
    return np.asarray(-np.log(np.maximum(found.strongest.p[has], 1e-300)))


def _company(
    acts: ItemActs, faces: Faces, face: int, behind: Behind, scale_ms: int, explained: NDArray[np.bool_]
) -> float:
    """How many ordinary accounts act on the item while a burst lasts, beyond what it is used to around that time.

    The burst lasts from the first to the last act of its accounts, and on either side as long as one of them waits for
    the next on the mean.
    """
    pad = max((behind.last_ms - behind.first_ms) // max(len(behind.user) - 1, 1), SHORTEST_MS // 2)
    start, end = behind.first_ms - pad, behind.last_ms + pad + 1
    its_faces = np.searchsorted(faces.item, faces.item[face] + np.arange(2))
    mine = slice(*np.searchsorted(acts.item_ix, its_faces))
    user, at = acts.user_ix[mine], acts.at_ms[mine]
    ordinary = ~explained[user] & ~((acts.lives_ms[user] >= 0) & (acts.lives_ms[user] <= scale_ms))
    user, at = user[ordinary], at[ordinary]
    inside = (at >= start) & (at < end)
    around = WINDOWS_AROUND * (end - start)
    near = (at >= start - around) & (at < end + around) & ~inside
    usual = max(near.sum() / (2 * WINDOWS_AROUND), (~inside).sum() * (end - start) / acts.span_ms)
    return float(len(np.unique(user[inside])) - usual)


def _q_values(p: Float, tried: NDArray[np.bool_]) -> Float:
    """q-values among the faces that are tried, 1 for the others."""
    q = np.ones(len(p))
    q[tried] = adaptive_q_values(p[tried])
    return q
