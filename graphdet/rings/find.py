"""From pairs of users to judged rings, in the order of the paper.

1. `candidate_groups`: communities of the pair graph, at several windows and resolutions.
2. `refine.refine`: each becomes a block of users and items (see refine.py), and `evidence.gather_evidence` measures it.
3. `judge_rings`: a judge gives each block a logit, and of blocks that overlap the strongest is kept.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.clustering.leiden import communities
from graphdet.evaluation.calibration import estimate_share, logit_for, posterior, posterior_q_values
from graphdet.evaluation.tails import benjamini_hochberg, fitted_tail, tail_p_values
from graphdet.features.pairs import find_pairs
from graphdet.progress import Progress
from graphdet.rings.blocks import MIN_USERS, Blocks
from graphdet.rings.evidence import gather_evidence
from graphdet.rings.evidence_table import judge_inputs
from graphdet.rings.margin import naming_margins, worth_naming
from graphdet.rings.organic import Organic, organic_model
from graphdet.rings.refine import refine
from graphdet.rings.rules import crowd_rules
from graphdet.tables import GraphArrays, PairArrays
from graphdet.workbench import Workbench

MOST_TAKEN = 0.3  # a block is a ring of its own when at most this share of its users is in stronger ones
MOST_CONNECTED = 60  # blocks that are put into the same fold; a ring leads to a few dozen variants at most

# A block is a part of a larger block when at least PART_OF_LARGER of its users are in it, and that has more than LARGER
# times its users. A part is left out unless its logit exceeds that of the larger block by more than MUCH_ALIKE.
PART_OF_LARGER = 0.9
LARGER = 1.1
MUCH_ALIKE = 1.0


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


def connected_blocks(blocks: Blocks) -> NDArray[np.int64]:
    """The connected group of each block, int64[n_blocks], from 0.

    Blocks are connected when they share at least half of the smaller one's users.
    """
    n, size = len(blocks), np.diff(blocks.users.indptr)
    shared = (blocks.users @ blocks.users.T).tocoo()
    close = shared.data >= 0.5 * np.minimum(size[shared.row], size[shared.col])
    links = sp.csr_matrix((np.ones(int(close.sum())), (shared.row[close], shared.col[close])), shape=(n, n))
    return np.asarray(sp.csgraph.connected_components(links, directed=False)[1], np.int64)


def block_folds(blocks: Blocks, item_keys: NDArray[np.int64], n_folds: int) -> NDArray[np.int64]:
    """Which fold a block belongs to, int64[n_blocks]: all blocks of one connected group fall into the same.

    A group (see connected_blocks) is anchored by its target with the smallest key (int64[n_items], a hash of the item's
    id), so the same group falls into the same fold whatever else is in the log. Groups of more than MOST_CONNECTED
    blocks, the great overlapping tastes of a log, are cut by the anchors of their blocks instead.
    """
    n = len(blocks)
    anchor = np.fromiter((item_keys[blocks.targets(row)].min() for row in range(n)), np.int64, n)
    group = connected_blocks(blocks)
    least = np.full(int(group.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, group, anchor)
    small = np.bincount(group)[group] <= MOST_CONNECTED
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
        for partition in communities(pairs.a, pairs.b, weight, RESOLUTIONS, seed):
            size = np.bincount(partition[:, 1]) if len(partition) else np.zeros(0, np.int64)
            large = size >= MIN_USERS
            number = np.cumsum(large) - 1 + n_groups
            kept = large[partition[:, 1]] if len(partition) else np.zeros(0, bool)
            rows.append(number[partition[kept, 1]])
            users.append(partition[kept, 0])
            n_groups += int(large.sum())
    row, user = np.concatenate(rows), np.concatenate(users)
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, user)), shape=(n_groups, model.n_users))


N_JUDGE_FOLDS = 2
JUDGE_SHARE = 0.2  # of rings among what the judge was trained on: campaigns and natural groups weigh 1 : 4
# A q-value is a mean over rings, so beside it each flagged ring has to be likely by itself: 1 - score may be at most
# MOST_DOUBT times the level, and at any level the score of a flagged ring or account is at least LEAST_SCORE.
MOST_DOUBT = 2.0
LEAST_SCORE = 0.5
LARGEST_LOGIT, HALVINGS = 64.0, 40  # of a search for the logit of a p-value
# A group that does not stand out is a lead all the same when the judge gives it a score of LEAST_LEAD_SCORE, or when
# its p-value is at most WORTH_A_LOOK. No more than MOST_LEADS groups that are not flagged are listed, the strongest.
LEAST_LEAD_SCORE = 0.1
WORTH_A_LOOK = 0.05
MOST_LEADS = 300
# In a log with at least so many ordinary groups (logit below 0) their tail says what is flagged: the null is the log.
# In a smaller one nobody could say from it how strong an ordinary group may look, and the judge's score has the say.
LEAST_ORDINARY = 100
Judge = Callable[[Float, NDArray[np.int64]], Float]  # (inputs, fold) → logits


class Groups(Protocol):
    """What a judge sees of groups. Shapes: evidence name → float64[n]; inputs float64[n, n_inputs]; fold int64[n]."""

    @property
    def blocks(self) -> Blocks:
        """Their users and items."""

    @property
    def evidence(self) -> dict[str, Float]:
        """All evidence by name."""

    @property
    def inputs(self) -> Float:
        """What the judge takes of it."""

    @property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each."""


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

    def take(self, rows: NDArray[np.int64]) -> "Candidates":
        """Those of some rows."""
        return replace(
            self,
            blocks=self.blocks.take(rows),
            evidence={name: values[rows] for name, values in self.evidence.items()},
            inputs=self.inputs[rows],
            fold=self.fold[rows],
        )


@dataclass(frozen=True)
class Judged:
    """Rings, strongest first, nearly disjoint; then leads that do not stand out, strongest first, nearly disjoint too.

    Shapes: all arrays [n_rings]; evidence name → float64[n_rings].

    apart: which stand out from the crowd (see stands_out). The others are never flagged, and no other ring's figures
    and no account's score depend on them.

    level: the lowest false discovery rate at which a ring is flagged, infinite where it is at none; fold int64, as in
    Candidates; threshold: the logit from which a ring of this log is flagged; by_tail: whether the log's own tail says
    so and not the judge's score (see judge_rings); overruled: how many rings the score alone would flag but the tail
    does not; candidate: rows of the candidates that were judged, int64; made_by_chance: which are known to be as strong
    as what chance makes of this log (see chance.beyond_chance); n_tested: how many nearly disjoint groups stand out.
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
    apart: NDArray[np.bool_]
    threshold: float
    by_tail: bool
    overruled: int
    made_by_chance: NDArray[np.bool_]
    candidate: NDArray[np.int64]
    n_tested: int = 0

    @property
    def flagged_users(self) -> sp.csr_matrix:
        """The members of flagged rings, CSR [n_flagged, n_users]."""
        return self.blocks.users[np.flatnonzero(self.flagged)]

    @property
    def standing(self) -> "Judged":
        """The rings that stand out, in the same rows: those that do not come after them."""
        return self if self.apart.all() else self.take(np.flatnonzero(self.apart))

    def take(self, rows: NDArray[np.int64]) -> "Judged":
        """Some of the rings."""
        arrays = {
            one.name: getattr(self, one.name)[rows]
            for one in fields(self)
            if isinstance(getattr(self, one.name), np.ndarray)
        }
        evidence = {name: values[rows] for name, values in self.evidence.items()}
        return replace(self, blocks=self.blocks.take(rows), evidence=evidence, **arrays)


def id_keys(ids: pa.StringArray) -> NDArray[np.int64]:
    """A hash of 32 bits per id, int64[n], the same in every log that has it."""
    return np.fromiter((zlib.crc32(name.encode()) for name in ids.to_pylist()), np.int64, len(ids))


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


def judge_rings(candidates: Groups, judge: Judge, fdr: float) -> Judged:
    """Judge candidates, and of those that overlap keep the strongest.

    score: the probability that a candidate is a ring of the kinds that the judge was taught, at the share of such among
    this log's candidates (estimated by EM). q_value: the expected share of natural groups among the rings at least this
    strong. p_value: how often a natural group of this log would look as strong (its own tail).

    A ring is flagged when it stands out and, in a log with LEAST_ORDINARY ordinary groups to compare with, its false
    discovery rate by their tail (Benjamini-Hochberg over p_value) is at most fdr and its score at least LEAST_SCORE. In
    a smaller log its q_value has to be at most fdr and its score at least `least_score(fdr)`, so that sure rings do not
    vouch for one that is not.

    What does not stand out but would be worth a look is kept behind the rings (see Judged and _leads).
    """
    logits = judge(candidates.inputs, candidates.fold)
    apart = stands_out(candidates.evidence)
    # Groups that do not stand out come after all others. They are no rings, but they count among the natural groups.
    natural = strongest_blocks(candidates.blocks, np.where(apart, logits, logits - 1e6))
    share = estimate_share(logits[natural], JUDGE_SHARE)
    standing = apart[natural]
    rows = natural[standing]
    score = posterior(logits[rows], JUDGE_SHARE, share)
    level = by_judge = level_of_judge(score, posterior_q_values(score))
    threshold = logit_for(
        least_score(fdr), JUDGE_SHARE, share
    )  # a q-value, a mean, is met wherever the score is
    by_tail = bool((logits[natural] < 0).sum() >= LEAST_ORDINARY)
    if by_tail:
        # Nobody else can be flagged, so p-values are corrected for those that stand out alone.
        tail = benjamini_hochberg(tail_p_values(logits[natural])[standing])
        level = np.where(score >= LEAST_SCORE, tail, np.inf)
        weakest = float(logits[rows][level <= fdr].min(initial=np.inf))
        least = logit_for(LEAST_SCORE, JUDGE_SHARE, share)
        threshold = min(weakest, max(_tail_logit(logits[natural], fdr / max(len(rows), 1)), least))
    leads = _leads(candidates, logits, apart, share, logits[natural], rows[level <= fdr])
    level = np.append(level, np.full(len(leads), np.inf))
    every = np.append(rows, leads)
    logit = logits[every]
    score = posterior(logit, JUDGE_SHARE, share)
    return Judged(
        blocks=candidates.blocks.take(every),
        evidence={name: values[every] for name, values in candidates.evidence.items()},
        logit=logit,
        score=score,
        p_value=tail_p_values(logit, logits[natural]),
        # That of a lead counts the rings before it and the leads, that of a ring no lead.
        q_value=np.append(posterior_q_values(score[: len(rows)]), posterior_q_values(score)[len(rows) :]),
        level=level,
        flagged=level <= fdr,
        fold=candidates.fold[every],
        apart=apart[every],
        threshold=threshold,
        by_tail=by_tail,
        candidate=every,
        overruled=int(((by_judge <= fdr) & (level[: len(rows)] > fdr)).sum()),
        made_by_chance=np.zeros(len(every), bool),
        n_tested=len(rows),
    )


def _tail_logit(natural: Float, p_value: float) -> float:
    """The logit whose p-value among natural ones (float64[n]) is p_value, within LARGEST_LOGIT."""
    p_values = fitted_tail(natural)
    low, high = -LARGEST_LOGIT, LARGEST_LOGIT
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        above = p_values(np.array([middle]))[0] > p_value
        low, high = (middle, high) if above else (low, middle)
    return high


def level_of_judge(score: Float, q_value: Float) -> Float:
    """The lowest false discovery rate at which the judge would flag each ring, float64[n]; infinite where at none."""
    return np.maximum(q_value, np.where(score >= LEAST_SCORE, (1 - score) / MOST_DOUBT, np.inf))


def _leads(
    candidates: Groups,
    logits: Float,
    apart: NDArray[np.bool_],
    share: float,
    natural: Float,
    flagged: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rows of candidates that do not stand out and are worth a look, strongest first, at most MOST_LEADS.

    natural: the logits that p-values are held against, float64[n]; flagged: rows of the flagged rings. Each has at most
    MOST_TAKEN of its users in flagged rings and stronger leads.
    """
    look = worth_a_look(posterior(logits, JUDGE_SHARE, share), tail_p_values(logits, natural))
    rows = np.append(flagged, np.flatnonzero(look & ~apart))
    strength = logits[rows] + np.where(apart[rows], 1e6, 0.0)
    strongest = rows[strongest_blocks(candidates.blocks.take(rows), strength)]
    return strongest[~apart[strongest]][:MOST_LEADS]


def worth_a_look(score: Float, p_value: Float) -> NDArray[np.bool_]:
    """Which groups are leads if they are not flagged, by score or by p-value, bool[n]."""
    return (score >= LEAST_LEAD_SCORE) | (p_value <= WORTH_A_LOOK)


def stands_out(evidence: dict[str, Float]) -> NDArray[np.bool_]:
    """Which groups stand out: neither slices of a larger crowd, of their own time or of another, nor chance meetings.

    Shapes: evidence name → float64[n]; returns bool[n].
    """
    return np.asarray(~np.logical_or.reduce(list(crowd_rules(evidence).values())))


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
