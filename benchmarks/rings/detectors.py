"""graphdet and its peers, each from the graph of a log to rings and user scores."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc

from benchmarks.rings.as_trained import trained
from benchmarks.rings.peers import co_action, ecod, fraudar, isolation_forest, k_means
from benchmarks.rings.pygod_peer import pygod_gae
from benchmarks.rings.scoring import Found
from graphdet.detect.score import ScoringSettings, score_graph
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.find import Candidates, judge_rings, ring_candidates
from graphdet.rings.membership import user_membership
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

Detector = Callable[[GraphArrays, int], Found]

FDR = 0.05


def graphdet(graph: GraphArrays, seed: int) -> Found:
    """Rings and users as `graphdet run` tells of them in a log without labels; user score: of all parts together."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_store(f"duckdb:///{folder}/b.duckdb")) as store,
    ):
        models = trained(graph, store, seed).models
        windows, candidates = ring_candidates(graph, store.bench, seed, Silent())
        settings = ScoringSettings(FlagRule(FDR), "cpu")
        told, _ = score_graph(store, graph, windows, candidates, models, settings, Silent())
    row = pc.index_in(graph.user_ids, value_set=told["user_id"].combine_chunks()).to_numpy()
    score, flagged = (told[name].to_numpy()[row] for name in ("score", "flagged"))
    return replace(named(candidates, models.judge), user_score=score, user_flagged=flagged)


def zero_shot(graph: GraphArrays, seed: int) -> Found:
    """Rings as `graphdet rings` finds them with the judge that is shipped, untrained; user score: membership."""
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(graph, bench, seed, Silent())
    return named(candidates, shipped_judge())


def named(candidates: Candidates, judge: RingJudge) -> Found:
    """The rings that a judge names among candidates, and what they say of users."""
    judged = judge_rings(candidates, judge.logits, FDR).standing
    users = judged.blocks.users
    rings = [
        users.indices[a:b].astype(np.int64) for a, b in zip(users.indptr, users.indptr[1:], strict=False)
    ]
    return Found(rings, int(judged.flagged.sum()), user_membership(judged, candidates.model)[0], judged.level)


DETECTORS: dict[str, Detector] = {
    "graphdet": graphdet,
    "graphdet, untrained": zero_shot,
    "co-action": co_action,
    "FRAUDAR": fraudar,
    "Isolation Forest": isolation_forest,
    "ECOD": ecod,
    "k-means": k_means,
    "PyGOD GAE": pygod_gae,
}
