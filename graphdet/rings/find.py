"""The way from pairs to judged rings, in the order of the paper: candidates, blocks, evidence, judgement, rings.

Candidate groups: communities of the pair graph at several windows and resolutions.

From many overlapping blocks to rings that share few members.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.clustering.leiden import communities
from graphdet.evaluation.calibration import estimate_share, logit_for, posterior, posterior_q_values
from graphdet.evaluation.sketch import Sketch, sketch_of
from graphdet.evaluation.tails import benjamini_hochberg, tail_p_values
from graphdet.features.pairs import find_pairs
from graphdet.progress import Progress
from graphdet.rings.blocks import MIN_USERS, Blocks
from graphdet.rings.evidence import gather_evidence
from graphdet.rings.evidence_table import LEAST_SHARPNESS, MOST_RECURRENCE, judge_inputs
from graphdet.rings.margin import naming_margins, worth_naming
from graphdet.rings.organic import Organic, organic_model
from graphdet.rings.refine import refine
from graphdet.tables import GraphArrays, PairArrays
from graphdet.workbench import Workbench

MOST_TAKEN = 0.3  # a block is a ring of its own when at most this share of its users is in a stronger one
MOST_CONNECTED = 60  # blocks; a ring leads to a few dozen variants at most


PART_OF_LARGER = 0.9  # of a block's users in a larger one make it a part of that …
LARGER = 1.1  # … if that has this many times its users …
MUCH_ALIKE = 1.0  # … and it gives way unless it is stronger by more than this logit


def _parts(blocks: Blocks, strength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks are parts of larger ones that look like rings too, bool[n_blocks]."""
    size = np.diff(blocks.users.indptr)
    shared = (blocks.users @ blocks.users.T).tocoo()
    of, whole = shared.row, shared.col
    inside = (shared.data >= PART_OF_LARGER * size[of]) & (size[whole] > LARGER * size[of])
    inside &= (strength[whole] >= strength[of] - MUCH_ALIKE) & (strength[whole] > 0)
    part = np.zeros(len(blocks), bool)
    part[of[inside]] = True
    return part


def strongest_blocks(blocks: Blocks, strength: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of blocks, strongest first, each with at most MOST_TAKEN of its users in stronger ones.

    strength: logits, float64[n_blocks]. A part of a block that is judged much like it is left out.
    """
    part = _parts(blocks, strength)
    taken = np.zeros(blocks.users.shape[1], bool)
    kept = []
    for row in np.argsort(-strength, kind="stable"):
        if part[row]:
            continue
        members = blocks.members(int(row))
        if taken[members].mean() <= MOST_TAKEN:
            taken[members] = True
            kept.append(int(row))
    return np.asarray(kept, np.int64)


def block_folds(blocks: Blocks, item_keys: NDArray[np.int64], n_folds: int) -> NDArray[np.int64]:
    """Which fold a block belongs to, int64[n_blocks]: all blocks of one connected group fall into the same.

    Blocks are connected when they share at least half of the smaller one's users. A group is anchored by its
    target with the smallest key (int64[n_items], a hash of the item's id), so the same group falls into the
    same fold whatever else is in the log. Groups of more than MOST_CONNECTED blocks, the great overlapping
    tastes of a log, are cut by the anchors of their blocks instead.
    """
    n = len(blocks)
    anchor = np.fromiter((item_keys[blocks.targets(row)].min() for row in range(n)), np.int64, n)
    size = np.diff(blocks.users.indptr)
    shared = (blocks.users @ blocks.users.T).tocoo()
    close = shared.data >= 0.5 * np.minimum(size[shared.row], size[shared.col])
    links = sp.csr_matrix((np.ones(int(close.sum())), (shared.row[close], shared.col[close])), shape=(n, n))
    n_groups, group = sp.csgraph.connected_components(links, directed=False)
    least = np.full(n_groups, np.iinfo(np.int64).max)
    np.minimum.at(least, group, anchor)
    small = np.bincount(group, minlength=n_groups)[group] <= MOST_CONNECTED
    return np.where(small, least[group], anchor) % n_folds


# Least average pair weight of a community, as a cosine: tight cores, ordinary groups, loose ones.
RESOLUTIONS = (0.004, 0.016, 0.064)


def candidate_groups(windows: Iterable[PairArrays], model: Organic, seed: int) -> sp.csr_matrix:
    """Communities of at least MIN_USERS users, as CSR float32[n_groups, n_users].

    A pair weighs its rarity, as a share of the largest possible, over the geometric mean of the two users'
    activity: a cosine, so that the very active are not drawn to everybody.
    """
    rows, users, n_groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    top = np.log(max(model.n_users, 3))
    for pairs in windows:
        weight = pairs.weight / top / np.sqrt(model.degree[pairs.a] * model.degree[pairs.b])
        for found in communities(pairs.a, pairs.b, weight, RESOLUTIONS, seed):
            size = np.bincount(found[:, 1]) if len(found) else np.zeros(0, np.int64)
            large = size >= MIN_USERS
            number = np.cumsum(large) - 1 + n_groups
            kept = large[found[:, 1]] if len(found) else np.zeros(0, bool)
            rows.append(number[found[kept, 1]])
            users.append(found[kept, 0])
            n_groups += int(large.sum())
    row, user = np.concatenate(rows), np.concatenate(users)
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, user)), shape=(n_groups, model.n_users))


N_JUDGE_FOLDS = 2
JUDGE_SHARE = 0.2  # of rings among what the judge was trained on: campaigns and natural groups weigh 1 : 4
# A group stands out from the crowd (see stands_out) when at least LEAST_SHARPNESS of the accounts that act like its
# members, while it is at work, are members. Below that it is an arbitrary slice of a larger crowd, and nobody could say
# why these accounts are accused and not the others, however much they have in common. For the same reason it does not
# stand out when, at another time, as many other accounts do the same (recurrence above MOST_RECURRENCE): then it is one
# visit of a crowd that comes regularly.
#
# Nor does it stand out when it may be a chance meeting. A group's two margins say by how many nats naming it shortens
# the description of the log, with its items named among all of the log or among those that its members touched (see
# margin.Margins). One of the two must reach its limit here. The limits were set so that in untouched logs, those too
# small to teach a judge better, no group reaches either.
LEAST_MARGIN_AMONG_ALL, LEAST_MARGIN_AMONG_TOUCHED = -30.0, 5.0
MOST_DOUBT = 2.0  # times the level that a flagged ring may be doubted by itself
LEAST_SCORE = 0.5  # of a flagged ring or account, at any level
LEAST_ORDINARY = 100  # ordinary groups from which on a log's own tail has a say
Judge = Callable[[Float, NDArray[np.int64]], Float]  # (inputs, fold) → logits


@dataclass(frozen=True)
class Candidates:
    """Blocks of a log with their evidence, before judgement.

    Shapes: evidence name → float64[n]; inputs float64[n, n_inputs]; fold int64[n].
    """

    model: Organic
    blocks: Blocks
    evidence: dict[str, Float]
    inputs: Float
    fold: NDArray[np.int64]
    graph: GraphArrays = field(repr=False)

    @cached_property
    def acts(self) -> Sketch:
        """A sketch of who acted on what in the log."""
        return acts_sketch(self.graph)


@dataclass(frozen=True)
class Judged:
    """Rings, strongest first, nearly disjoint. Shapes: all arrays [n_rings]; evidence name → float64[n_rings].

    level: the lowest false discovery rate at which a ring is flagged, infinite where it is at none; fold int64, as in
    Candidates; threshold: the logit from which a ring of this log is flagged, as far as the judge has the say;
    overruled: how many rings the judge would flag but the log's own tail does not let it.
    """

    blocks: Blocks
    evidence: dict[str, Float]
    logit: Float
    score: Float
    p_value: Float
    q_value: Float
    level: Float
    flagged: NDArray[np.bool_]
    fold: NDArray[np.int64]
    threshold: float
    overruled: int

    @property
    def flagged_users(self) -> sp.csr_matrix:
        """The members of flagged rings, CSR [n_flagged, n_users]."""
        return self.blocks.users[np.flatnonzero(self.flagged)]


def id_keys(ids: pa.StringArray) -> NDArray[np.int64]:
    """A hash of 32 bits per id, int64[n], the same in every log that has it."""
    return np.fromiter((zlib.crc32(name.encode()) for name in ids.to_pylist()), np.int64, len(ids))


def acts_sketch(graph: GraphArrays) -> Sketch:
    """A sketch of who acted on what. Items alone would not do: many logs number theirs from 1."""
    kept = graph.first_rows
    user, item = id_keys(graph.user_ids), id_keys(graph.item_ids)
    pair = (user[graph.user_ix[kept]] << 32) | item[graph.item_ix[kept]]
    mixed = pair.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing; wraps
    return sketch_of((mixed >> np.uint64(1)).astype(np.int64))


def find_candidates(graph: GraphArrays, windows: Iterable[PairArrays], seed: int = 0) -> Candidates:
    """Find blocks of a log and gather the evidence for each."""
    model = organic_model(graph)
    blocks = refine(candidate_groups(windows, model, seed), model)
    margins = naming_margins(blocks, model)
    kept = np.flatnonzero(worth_naming(margins))
    blocks = blocks.take(kept)
    evidence = gather_evidence(blocks, model, graph, margins.take(kept))
    fold = block_folds(blocks, id_keys(graph.item_ids), N_JUDGE_FOLDS)
    return Candidates(model, blocks, evidence, judge_inputs(evidence), fold, graph)


def judge_rings(candidates: Candidates, judge: Judge, fdr: float, *, at_home: bool = False) -> Judged:
    """Judge candidates and keep the strongest, of those that overlap, that stand out from the crowd.

    score: the probability that a candidate is a campaign of the kinds planted for training, at the share of
    such among this log's candidates (estimated by EM). q_value: the expected share of natural groups among
    the rings at least this strong. p_value: how often a natural group of this log would look as strong (its
    own tail). flagged: q_value at most fdr; score at least `least_score`, for sure rings do not vouch for one that is
    not; and, where the judge is not at home in the log and there are LEAST_ORDINARY ordinary groups to compare with,
    a false discovery rate by the log's own tail (Benjamini–Hochberg over p_value) of at most fdr too: a judge
    to whom half of a log looks alike does not know it. Who was trained on the log has weighed its tail already.
    """
    logits = judge(candidates.inputs, candidates.fold)
    apart = stands_out(candidates.evidence)
    # Slices of a crowd come after all others. They are no rings, but count among the natural groups.
    rows = strongest_blocks(candidates.blocks, np.where(apart, logits, logits - 1e6))
    share = estimate_share(logits[rows], JUDGE_SHARE)
    p_value = tail_p_values(logits[rows])
    tail = np.zeros(len(rows))
    if not at_home and (logits[rows] < 0).sum() >= LEAST_ORDINARY:
        tail[apart[rows]] = benjamini_hochberg(p_value[apart[rows]])  # nobody else can be flagged
    tail, p_value = tail[apart[rows]], p_value[apart[rows]]
    rows = rows[apart[rows]]
    logit = logits[rows]
    score = posterior(logit, JUDGE_SHARE, share)
    q_value = posterior_q_values(score)
    evidence = {name: values[rows] for name, values in candidates.evidence.items()}
    doubt = np.where(score >= LEAST_SCORE, (1 - score) / MOST_DOUBT, np.inf)
    by_judge = np.maximum(q_value, doubt)
    level = np.maximum(by_judge, tail)
    return Judged(
        blocks=candidates.blocks.take(rows),
        evidence=evidence,
        logit=logit,
        score=score,
        p_value=p_value,
        q_value=q_value,
        level=level,
        flagged=level <= fdr,
        fold=candidates.fold[rows],
        # A q-value is a mean over rings at least as strong, so it is met wherever the score is.
        threshold=logit_for(least_score(fdr), JUDGE_SHARE, share),
        overruled=int(((by_judge <= fdr) & (level > fdr)).sum()),
    )


def stands_out(evidence: dict[str, Float]) -> NDArray[np.bool_]:
    """Which groups stand out: neither slices of a larger crowd, of their own time or of another, nor chance meetings.

    Shapes: evidence name → float64[n]; returns bool[n].
    """
    sharp = evidence["sharpness"] >= LEAST_SHARPNESS
    beyond_chance = evidence["margin_nats"] >= LEAST_MARGIN_AMONG_ALL
    beyond_chance |= evidence["margin_touched_nats"] >= LEAST_MARGIN_AMONG_TOUCHED
    return np.asarray(sharp & beyond_chance & (evidence["recurrence"] <= MOST_RECURRENCE))


def least_score(fdr: float) -> float:
    """The score from which a ring may be flagged at a false discovery rate; never below one half.

    >>> least_score(0.05), least_score(0.4)
    (0.9, 0.5)
    """
    return max(1 - MOST_DOUBT * fdr, LEAST_SCORE)


def campaign_overlap(blocks: Blocks, campaign_of_user: NDArray[np.int32]) -> tuple[NDArray[np.int64], Float]:
    """For each block the planted campaign it overlaps most, and the Jaccard index: int64[n], float64[n]."""
    n = int(campaign_of_user.max(initial=-1)) + 1
    if n == 0:
        return np.full(len(blocks), -1), np.zeros(len(blocks))
    planted = np.flatnonzero(campaign_of_user >= 0)
    truth = np.zeros((len(campaign_of_user), n), np.float32)
    truth[planted, campaign_of_user[planted]] = 1
    shared = np.asarray(blocks.users @ truth, np.float64)
    size = np.diff(blocks.users.indptr)[:, None]
    jaccard = shared / (size + truth.sum(axis=0) - shared)
    best = jaccard.argmax(axis=1)
    value = jaccard[np.arange(len(blocks)), best]
    return np.where(value > 0, best, -1).astype(np.int64), value


def ring_candidates(
    graph: GraphArrays, bench: Workbench, seed: int, progress: Progress
) -> tuple[list[PairArrays], Candidates]:
    """Pairs and the blocks they lead to."""
    windows = find_pairs(graph, bench, progress)
    progress.start("ring candidates")
    candidates = find_candidates(graph, windows, seed)
    progress.done()
    return windows, candidates
