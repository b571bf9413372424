"""What the evidence at hand could show of a world, with its truth in hand: limits, no methods.

Read from what `graphdet run` left in its folder: the store, the model, the candidates. Each is told as `graphdet` is.

* `oracle: order`: users ordered by a monotone model of all evidence (trees; that of the fused score, of rings and of
  bursts), taught by the truth of the world and judged out of fold, folds of users.
* `oracle: threshold`: of the groups as the judge ranks them those from the best cut on.
* `oracle: judge`: the same where a monotone judge was taught by the truth of this world alone, out of fold, folds of
  candidates that share users.
* `oracle: pure`: all candidates that are pure, whatever the judge says of them: what no judge of candidates can exceed.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict

from benchmarks.worlds.scoring import PURE, Members, Said
from benchmarks.worlds.summary import ORACLE
from benchmarks.worlds.truth import World
from graphdet.arrays import Bool, Float
from graphdet.detect.bursts import burst_members
from graphdet.detect.rings import judge_and_remember
from graphdet.detect.score import parts_of, with_evidence_of_log
from graphdet.features.behaviour import behaviour
from graphdet.gnn.heterodata import graph_in_pyg
from graphdet.graph.encode import read_graph
from graphdet.learn.models import load_models
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.rings.find import Candidates, connected_blocks, judge_rings, ring_candidates
from graphdet.scores.fused import ScoreParts
from graphdet.store import open_store
from graphdet.tables import GraphArrays

FDR, N_FOLDS, SEED = 0.05, 5, 0
FEW_GROUPS = 10  # pure groups, below which a judge cannot be taught and judged by the same world


def oracles(world: World, findings: Path, folder: Path) -> Iterator[tuple[str, Said]]:
    """Each oracle, from the folder of `graphdet run`; folder: for a copy of the store."""
    shutil.copy(findings / "graph.duckdb", folder / "oracle.duckdb")
    with closing(open_store(f"duckdb:///{(folder / 'oracle.duckdb').resolve()}")) as store:
        graph = read_graph(store, Silent())
        windows, candidates = ring_candidates(graph, store.bench, SEED, Silent())
        models = load_models(findings / "model")
        judged, known = judge_and_remember(store, graph, candidates, models.judge, FDR)
        users, items = behaviour(graph, store.bench, Silent())
        data = graph_in_pyg(graph, users, items, windows, Silent()) if models.gnn is not None else None
        parts, _ = parts_of(models, judged.standing, candidates, windows, users, data, None, "cpu")
        parts = replace(parts, burst=burst_members(known.findings, graph)[0])
        parts = with_evidence_of_log(parts, store, graph, known.findings)
    ids = np.array(graph.user_ids.to_pylist(), object)
    is_known = np.array([name in world.known for name in ids])
    guilty = np.array([name in world.guilty for name in ids])
    yield f"{ORACLE}order", Said(dict(zip(ids, order(parts, is_known, guilty).tolist(), strict=True)))
    n_known = np.asarray(candidates.blocks.users @ is_known.astype(np.float64))
    share = np.asarray(candidates.blocks.users @ (is_known & guilty).astype(np.float64)) / np.maximum(
        n_known, 1
    )
    yield (
        f"{ORACLE}threshold",
        best_cut(candidates, models.judge.logits(candidates.inputs, candidates.fold), graph, world),
    )
    if (share >= PURE).sum() >= FEW_GROUPS and (share < PURE).sum() >= FEW_GROUPS:
        yield f"{ORACLE}judge", best_cut(candidates, taught(candidates, share), graph, world)
    pure = np.flatnonzero((share >= PURE) & (n_known > 0))
    groups = tuple(frozenset(ids[candidates.blocks.members(row)].tolist()) for row in pure.tolist())
    yield f"{ORACLE}pure", accusing(groups, groups)


def order(parts: ScoreParts, known: Bool, guilty: Bool) -> Float:
    """The probability of each user by all evidence, taught by the truth, out of fold: float64[n_users]."""
    evidence, _ = parts.evidence()
    burst = np.zeros(len(parts.ring)) if parts.burst is None else parts.burst
    x = np.column_stack([evidence, parts.ring, burst])
    out = np.zeros(len(x))
    model = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=8, monotonic_cst=[1] * x.shape[1], random_state=SEED
    )
    n_folds = int(min(N_FOLDS, (known & guilty).sum()))
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=SEED)
    out[known] = cross_val_predict(model, x[known], guilty[known], cv=folds, method="predict_proba")[:, 1]
    return out


def taught(candidates: Candidates, share: Float) -> Float:
    """The logit of each candidate by a judge of this world alone, out of fold: float64[n]; share: of guilty members."""
    group = connected_blocks(candidates.blocks)
    model = HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.05,
        max_leaf_nodes=8,
        monotonic_cst=list(JUDGE_DIRECTION),
        random_state=SEED,
    )
    known = np.isfinite(candidates.inputs)
    mean = np.where(known, candidates.inputs, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    inputs = np.where(known, candidates.inputs, mean)  # unknown counts as usual, as it does for the judge
    folds = GroupKFold(int(min(N_FOLDS, len(np.unique(group)))))
    chance = cross_val_predict(model, inputs, share >= PURE, groups=group, cv=folds, method="predict_proba")[
        :, 1
    ]
    return np.asarray(np.log((chance + 1e-9) / (1 - chance + 1e-9)))


def best_cut(candidates: Candidates, logits: Float, graph: GraphArrays, world: World) -> Said:
    """The standing groups from the logit on at which the F1 of the accounts in them is best, by the truth."""
    judged = judge_rings(candidates, lambda inputs, fold: logits, FDR).standing
    ids = graph.user_ids.to_pylist()
    groups = [
        frozenset(ids[user] for user in judged.blocks.members(row)) for row in range(len(judged.blocks))
    ]
    flagged: set[str] = set()
    best, n_best = 0.0, 0
    for n, group in enumerate(groups, 1):
        flagged |= group & world.known
        f1 = 2 * len(flagged & world.guilty) / max(len(flagged) + len(world.guilty & world.known), 1)
        best, n_best = max((best, n_best), (f1, n), key=lambda each: each[0])
    accused = tuple(groups[:n_best])
    return accusing(accused, tuple(groups))


def accusing(accused: tuple[Members, ...], listed: tuple[Members, ...]) -> Said:
    """What is said where groups alone speak: their members are flagged, and nobody is ranked among them."""
    flagged = frozenset().union(*accused)
    return Said(dict.fromkeys(flagged, 1.0), flagged, listed, accused)
