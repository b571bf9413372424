"""The evidence for and against a block, as the numbers of evidence_table.EVIDENCE.

Every number is computed for all blocks at once. Those that speak for a ring are large when somebody steers the
accounts. `halo_lift` and `elsewhere_lift` speak against one: when members merely share a taste, outsiders share it in
part, and members share other items too.

What a log cannot show is NaN, which the judge takes as unknown: a log without times says nothing of spread, recurrence
and duration, one of whole days nothing of what was done in one sitting.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.rings.blocks import BlockActs, Blocks, block_acts, by_chunks, entry_rows
from graphdet.rings.evidence_table import EVIDENCE
from graphdet.rings.margin import Margins
from graphdet.rings.organic import Organic, dot_of_rows
from graphdet.rings.own_time import counted, in_own_time, own_time, recurrence
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS

LEAST_VARIANCE = 0.05  # of a binomial, where all members act on all targets
LEAST_UNLIKE = 0.02  # added to a ratio of variances, so that one habit that all share is not everything
MOST_OF_IT = 0.75  # of what a typical member does, from which an account acts like one


@dataclass(frozen=True)
class _Common:
    """What the evidence of all blocks is compared with, computed once.

    hours float64[n_acts] since the first act; audience float64[n_items], the variance of them on an item;
    user_pairs float64[n_users] and item_pairs float64[n_items], what a Gram matrix counts of a user (item) with itself;
    habits float64[n_users, n_habits], what is alike in accounts of one make (see _habits); span_ms, the log's length;
    timed, whether the log has times; sittings, whether it says what was done in one sitting.
    """

    hours: Float
    audience: Float
    user_pairs: Float
    item_pairs: Float
    habits: Float
    span_ms: float
    timed: bool
    sittings: bool


def _in_common(model: Organic, graph: GraphArrays) -> _Common:
    hours = (model.acts.at_ms - (model.acts.at_ms.min() if len(model.acts.at_ms) else 0)) / 3.6e6
    _, audience = _variance(model.acts.item_ix.astype(np.int64), hours, model.n_items)
    user_pairs = np.einsum(
        "ij,jk,ik->i", model.user_slices, model.item_gram, model.user_slices, optimize=True
    )
    item_pairs = np.einsum(
        "ij,jk,ik->i", model.item_slices, model.user_gram, model.item_slices, optimize=True
    )
    span_ms = 3.6e6 * float(hours.max(initial=0.0))
    timed = graph.timed and span_ms > 0
    sittings = timed and graph.resolution_ms < DAY_MS
    return _Common(hours, audience, user_pairs, item_pairs, _habits(model), span_ms, timed, sittings)


def _habits(model: Organic) -> Float:
    """How active each user is and how rare what it acts on, standardised over the log: float64[n_users, 3].

    ln distinct items, ln sessions and the mean of ln audience. Accounts of one make have these in common, an audience
    only as far as its taste goes.
    """
    degree = np.maximum(model.degree, 1.0)
    _, session = np.unique(model.acts.session_ix, return_index=True)
    n_sessions = np.bincount(model.acts.user_ix[session], minlength=model.n_users)
    popularity = np.asarray(model.by_user @ np.log(np.maximum(model.audience, 1.0)), np.float64) / degree
    habits = np.column_stack([np.log(degree), np.log(np.maximum(n_sessions, 1.0)), popularity])
    return np.asarray((habits - habits.mean(axis=0)) / np.maximum(habits.std(axis=0), 1e-6))


def gather_evidence(blocks: Blocks, model: Organic, graph: GraphArrays, margins: Margins) -> dict[str, Float]:
    """All of EVIDENCE by name, float64[n_blocks] each.

    margins: those of the same blocks, as margin.naming_margins gives them.
    """
    common = _in_common(model, graph)
    parts = by_chunks(len(blocks), lambda rows: _evidence(blocks.take(rows), model, graph, common))
    evidence = {name: np.concatenate([part[name] for part in parts]) for name in EVIDENCE if name in parts[0]}
    return evidence | {"margin_nats": margins.among_all, "margin_touched_nats": margins.among_touched}


def _evidence(blocks: Blocks, model: Organic, graph: GraphArrays, common: _Common) -> dict[str, Float]:
    acts = block_acts(blocks, model)
    m = np.diff(blocks.users.indptr).astype(np.float64)
    k = np.diff(blocks.items.indptr).astype(np.float64)
    n_acts = np.bincount(acts.block, minlength=len(blocks)).astype(np.float64)
    activity = np.asarray(blocks.users @ model.user_slices, np.float64)
    appeal = np.asarray(blocks.items @ model.item_slices, np.float64)
    expected = np.maximum(np.einsum("ij,ij->i", activity, appeal), 1e-9)
    half, most = (np.maximum(2, share * n_acts / m) for share in (0.5, MOST_OF_IT))
    own = own_time(acts, model, len(blocks))
    sharpness, exclusivity = in_own_time(blocks, own, model, most)
    touched = blocks.items @ model.by_item
    unknown = np.full(len(blocks), np.nan)
    return {
        "n_users": m,
        "n_items": k,
        "n_acts": n_acts,
        "expected_acts": expected,
        "density": n_acts / (m * k),
        "lift": n_acts / expected,
        "exclusivity": exclusivity,
        "focus": n_acts / (blocks.users @ model.degree),
        "sharpness": sharpness,
        "halo_lift": _halo(blocks, touched, model, appeal, common),
        "elsewhere_lift": _elsewhere(blocks, model, activity, common),
        "fading_nats": _fading(blocks, touched),
        "unlikeness": _unlikeness(blocks, common),
        "spread": _spread(blocks, model, acts, common),
        "session_share": _session_share(acts, model, len(blocks)) if common.sittings else unknown,
        "recurrence": recurrence(blocks, touched, acts, own, model, half) if common.timed else unknown,
        "duration_days": np.minimum(own[1] - own[0], common.span_ms) / DAY_MS if common.timed else unknown,
        "overdispersion": _overdispersion(acts, model, m, k),
        "shared_entity_share": _shared_entities(blocks, graph),
    }


def _halo(blocks: Blocks, touched: sp.csr_matrix, model: Organic, appeal: Float, common: _Common) -> Float:
    """The lift of outsiders' pairs of targets; touched CSR float32[n_blocks, n_users], targets each user acts on."""
    size = len(blocks)
    everybody = touched.tocoo()
    within_block = touched.multiply(blocks.users).tocoo()
    inside, inside_row = within_block.data, within_block.row
    total = np.bincount(everybody.row, everybody.data * (everybody.data - 1) / 2, minlength=size)
    within = np.bincount(inside_row, inside * (inside - 1) / 2, minlength=size)
    pairs = total - within
    # A user's expected pairs are ((sum mu)² - sum mu²) / 2; the Gram matrix sums that over all users at once.
    expected = 0.5 * (np.einsum("ij,jk,ik->i", appeal, model.user_gram, appeal, optimize=True))
    expected -= 0.5 * (blocks.items @ common.item_pairs)
    return np.asarray((pairs + 1) / (np.maximum(expected, 0) + 1))


def _elsewhere(blocks: Blocks, model: Organic, activity: Float, common: _Common) -> Float:
    """Pairs of members who meet on items outside the block, over expectation (add-one on both)."""
    counts = blocks.users @ model.by_user
    outside = (counts - counts.multiply(blocks.items)).tocoo()
    observed = np.bincount(outside.row, outside.data * (outside.data - 1) / 2, minlength=len(blocks))
    at = entry_rows(blocks.items)
    meet = dot_of_rows(activity, at, model.item_slices, blocks.items.indices)
    inside_expected = np.bincount(at, meet**2, minlength=len(blocks))
    expected = np.einsum("ij,jk,ik->i", activity, model.item_gram, activity, optimize=True)
    expected = 0.5 * (expected - inside_expected - blocks.users @ common.user_pairs)
    return np.asarray((observed + 1) / (np.maximum(expected, 0) + 1))


def _fading(blocks: Blocks, touched: sp.csr_matrix) -> Float:
    """By how many nats more accounts act on as many targets as the members do than the audience, fading out, gives.

    Of outsiders who act on a target at all, ever fewer act on one more. Their mean fits a geometric law, which says how
    many should act on as many targets as the mean member: ln (members / that number). It is a null of ordinary users of
    this log with this taste. It may be negative.

    Shapes: touched CSR float32[n_blocks, n_users], targets each user acts on; returns float64[n_blocks].
    """
    n = len(blocks)
    m = np.maximum(np.diff(blocks.users.indptr), 1).astype(np.float64)
    row = entry_rows(touched)
    n_all, acts_all = np.bincount(row, minlength=n), np.bincount(row, touched.data, minlength=n)
    inside = touched.multiply(blocks.users).tocsr()
    row = entry_rows(inside)
    n_members, acts_members = np.bincount(row, minlength=n), np.bincount(row, inside.data, minlength=n)
    outsiders = (n_all - n_members).astype(np.float64)
    beyond_first = np.maximum(acts_all - acts_members - outsiders, 0.0)
    more = (beyond_first + 1) / (
        outsiders + beyond_first + 2
    )  # one of each added, as few outsiders say little
    return np.asarray(np.log(m) - np.log(outsiders + 1) - (acts_members / m - 1) * np.log(more))


def _unlikeness(blocks: Blocks, common: _Common) -> Float:
    """Variance of the members' habits over that of all users, the geometric mean over habits, float64[n_blocks]."""
    m = np.diff(blocks.users.indptr)[:, None].astype(np.float64)
    mean = np.asarray(blocks.users @ common.habits, np.float64) / m
    square = np.asarray(blocks.users @ common.habits**2, np.float64) / m
    variance = np.maximum(square - mean**2, 0.0) * m / np.maximum(m - 1, 1.0)
    return np.asarray(np.exp(np.log(variance + LEAST_UNLIKE).mean(axis=1)))


def _variance(group: NDArray[np.int64], value: Float, n: int) -> tuple[Float, Float]:
    """Count and population variance per group, in the square of value's unit."""
    count = np.bincount(group, minlength=n).astype(np.float64)
    mean = np.bincount(group, value, minlength=n) / np.maximum(count, 1)
    return count, np.bincount(group, (value - mean[group]) ** 2, minlength=n) / np.maximum(count, 1)


def _spread(blocks: Blocks, model: Organic, acts: BlockActs, common: _Common) -> Float:
    """Mean over targets of the ratio of standard deviations of act times, members over audience.

    NaN where no target can tell: it needs two members, and an audience that does not act all at one time.
    """
    key = acts.block * model.n_items + model.acts.item_ix[acts.act]
    keys, cell = np.unique(key, return_inverse=True)
    count, inside = _variance(cell, common.hours[acts.act], len(keys))
    audience = common.audience[keys % model.n_items]
    known = (count >= 2) & (audience > 0)
    ratio = np.sqrt((inside[known] + 1e-6) / (audience[known] + 1e-6))
    at = keys[known] // model.n_items
    seen = np.bincount(at, minlength=len(blocks))
    mean = np.bincount(at, ratio, minlength=len(blocks)) / np.maximum(seen, 1)
    return np.where(seen > 0, mean, np.nan)


def _overdispersion(acts: BlockActs, model: Organic, m: Float, k: Float) -> Float:
    """Variance of how many targets each member acts on over that of a binomial of the same mean, float64[n_blocks].

    Steered accounts are dealt their targets, and each gets about as many, so the ratio is 1 or less. The audience of a
    series of stories has a core and a fringe, so there it is larger.

    Shapes: m, k float64[n_blocks], members and targets.
    """
    key, targets = counted(acts.block * model.n_users + model.acts.user_ix[acts.act])
    block = key // model.n_users
    _, variance = _variance(block, targets.astype(np.float64), len(m))
    mean = np.bincount(block, targets, minlength=len(m)) / m
    return np.asarray(variance / np.maximum(mean * (1 - mean / k), LEAST_VARIANCE))


def _session_share(acts: BlockActs, model: Organic, n_blocks: int) -> Float:
    n_sessions = int(model.acts.session_ix.max(initial=0)) + 1
    key = acts.block * n_sessions + model.acts.session_ix[acts.act]
    _, cell, size = np.unique(key, return_inverse=True, return_counts=True)
    together = np.bincount(acts.block, size[cell] >= 2, minlength=n_blocks)
    return together / np.maximum(np.bincount(acts.block, minlength=n_blocks), 1)


def entity_links(graph: GraphArrays) -> sp.csr_matrix:
    """Users × shared entities, CSR float32[n_users, n_entities] of ones."""
    links = sp.csr_matrix(
        (np.ones(len(graph.entity_ix), np.float32), (graph.entity_user_ix, graph.entity_ix)),
        shape=(graph.n_users, len(graph.entity_ids)),
    )
    links.data[:] = 1
    return links


def _shared_entities(blocks: Blocks, graph: GraphArrays) -> Float:
    """Share of members who share an entity with another member; 0 where the log has none."""
    if not len(graph.entity_ix):
        return np.zeros(len(blocks))
    links = entity_links(graph)
    counts = blocks.users @ links
    counts.data = (counts.data >= 2).astype(np.float32)
    counts.eliminate_zeros()
    shared = (counts @ links.T).multiply(blocks.users)
    return np.asarray(np.diff(shared.tocsr().indptr) / np.maximum(np.diff(blocks.users.indptr), 1))
