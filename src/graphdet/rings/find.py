"""The way from pairs to judged rings, in the order of the paper: candidates, blocks, evidence, judgement, rings."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.evaluation.fdr import benjamini_hochberg
from graphdet.rings.blocks import Blocks, refine
from graphdet.rings.candidates import candidate_groups
from graphdet.rings.evidence import gather_evidence, judge_inputs
from graphdet.rings.organic import Float, Organic, organic_model
from graphdet.rings.select import folds, strongest
from graphdet.evaluation.log_tail import tail_p_values
from graphdet.tables import GraphArrays, PairArrays

N_FOLDS = 2
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


@dataclass(frozen=True)
class Judged:
    """Rings, strongest first, nearly disjoint. Shapes: all arrays [n_rings]; evidence name → float64[n_rings]."""

    blocks: Blocks
    evidence: dict[str, Float]
    logit: Float
    score: Float
    p_value: Float
    q_value: Float
    flagged: NDArray[np.bool_]


def item_keys(graph: GraphArrays) -> NDArray[np.int64]:
    """A hash per item id, int64[n_items], the same in every log that has the item."""
    ids = graph.item_ids.to_pylist()
    return np.fromiter((zlib.crc32(name.encode()) for name in ids), np.int64, len(ids))


def find_candidates(graph: GraphArrays, windows: Iterable[PairArrays], seed: int = 0) -> Candidates:
    """Find blocks of a log and gather the evidence for each."""
    model = organic_model(graph)
    blocks = refine(candidate_groups(windows, model, seed), model)
    evidence = gather_evidence(blocks, model, graph)
    fold = folds(blocks, item_keys(graph), N_FOLDS)
    return Candidates(model, blocks, evidence, judge_inputs(evidence), fold)


def judge_rings(candidates: Candidates, judge: Judge, fdr: float) -> Judged:
    """Judge candidates and keep the strongest of those that overlap.

    score = 1 / (1 + e^−logit): how much more the evidence is like planted campaigns than like natural groups. flagged:
    q_value (Benjamini–Hochberg over all rings kept) at most fdr, and a logit above 0.
    """
    logits = judge(candidates.inputs, candidates.fold)
    rows = strongest(candidates.blocks, logits)
    logit = logits[rows]
    p_value = tail_p_values(logit)
    q_value = benjamini_hochberg(p_value)
    return Judged(
        blocks=candidates.blocks.take(rows),
        evidence={name: values[rows] for name, values in candidates.evidence.items()},
        logit=logit,
        score=1 / (1 + np.exp(-np.clip(logit, -30, 30))),
        p_value=p_value,
        q_value=q_value,
        flagged=(q_value <= fdr) & (logit > 0),
    )


def overlap(blocks: Blocks, campaign_of_user: NDArray[np.int32]) -> tuple[NDArray[np.int64], Float]:
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
