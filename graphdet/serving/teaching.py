"""A student taught from a network's logits on a log, and what other logits than the network's lose."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float, Float32
from graphdet.evaluation.columns import spearman
from graphdet.evaluation.splits import folds_by_id
from graphdet.features.behaviour import behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.inputs import closest_ties
from graphdet.graph.encode import read_graph
from graphdet.ports import GraphStore
from graphdet.progress import Progress
from graphdet.scores.trees import Trees, TreeSettings
from graphdet.serving.build import inputs_of
from graphdet.serving.inputs import TieTable
from graphdet.serving.network import Network
from graphdet.serving.student import Student, student_inputs

TOP_LOGIT_SHARE = 0.01  # of accounts: are those with the highest logits still the same?
MOST_TAUGHT = 60_000  # accounts that the student learns from: half of them those with the highest logits
STUDENT_SETTINGS = TreeSettings(rounds=300, learning_rate=0.08, leaves=31)
N_STUDENT_FOLDS = 2
_CHUNK = 16_384


@dataclass(frozen=True)
class NetworkView:
    """A log as the network sees it.

    Shapes: x float32[n_users, n_inputs]; fold int64[n_users], dealt by the ids.
    """

    x: Float32
    ties: TieTable
    fold: NDArray[np.int64]


def network_view(store: GraphStore, network: Network, progress: Progress) -> NetworkView:
    """Read a log as the network sees it."""
    graph = read_graph(store, progress)
    windows = find_pairs(graph, store.bench, progress)
    users, items = behaviour(graph, store.bench, progress)
    closest = closest_ties(graph, windows)
    x, _ = inputs_of(graph, users, items, closest.n_partners, network.scaling)
    ties = TieTable.of(closest.src, closest.dst, closest.attributes, graph.n_users)
    return NetworkView(x, ties, folds_by_id(graph.user_ids, N_STUDENT_FOLDS))


def logit_loss(teacher: Float, other: Float) -> dict[str, Any]:
    """How far other logits are off. Shapes: both float64[n_users].

    rank_correlation is Spearman's; same_at_top the share of the 1 % with the highest logits that stay among them.
    """
    n_top = max(round(TOP_LOGIT_SHARE * len(teacher)), 1)
    tops = [set(np.lexsort((np.arange(len(each)), -each))[:n_top].tolist()) for each in (teacher, other)]
    off = np.abs(teacher - other)
    rank = float(spearman(np.column_stack([teacher, other]))[0, 1])
    return {
        "n_accounts": len(teacher),
        "max_abs_logit": round(float(off.max()), 6),
        "mean_abs_logit": round(float(off.mean()), 6),
        "rank_correlation": None if np.isnan(rank) else round(rank, 6),
        "same_at_top": round(len(tops[0] & tops[1]) / n_top, 4),
    }


def teach(network: Network, view: NetworkView, seed: int = 0) -> tuple[Student, dict[str, Any]]:
    """Grow trees that give the network's logits, and what is lost on accounts of the other fold.

    Raises:
        GraphdetError: LightGBM cannot be loaded.
    """
    teacher = network.logits_of_all(view.x, view.ties)
    guessed = np.zeros(len(teacher))
    for k in range(N_STUDENT_FOLDS):
        trees = grow(teacher, view, np.flatnonzero(view.fold != k), seed)
        mine = np.flatnonzero(view.fold == k)
        guessed[mine] = guess(trees, view, mine)
    loss = logit_loss(teacher, guessed)
    trees = grow(teacher, view, np.arange(len(teacher)), seed)
    about = {"loss_out_of_fold": loss, "n_folds": N_STUDENT_FOLDS}
    return Student(trees, network.scaling, network.n_inputs, about), loss


def grow(teacher: Float, view: NetworkView, rows: NDArray[np.int64], seed: int) -> Trees:
    """Learn the teacher's logits from some accounts, or of very many from those with the highest and a sample."""
    if len(rows) > MOST_TAUGHT:
        order = rows[np.argsort(-teacher[rows], kind="stable")]
        half = MOST_TAUGHT // 2
        rest = np.random.default_rng((seed, 7)).choice(order[half:], MOST_TAUGHT - half, replace=False)
        rows = np.sort(np.concatenate([order[:half], rest]))
    x = np.concatenate([_student_inputs(view, part) for part in _chunks(rows)])
    return Trees.fit_values(x, teacher[rows], seed, STUDENT_SETTINGS)


def guess(trees: Trees, view: NetworkView, rows: NDArray[np.int64]) -> Float:
    """The student's logits of some accounts, float64[len(rows)]."""
    return np.concatenate(
        [np.zeros(0), *(trees.logits(_student_inputs(view, part)) for part in _chunks(rows))]
    )


def _student_inputs(view: NetworkView, rows: NDArray[np.int64]) -> Float32:
    layer = view.ties.layer(rows)
    return student_inputs(view.x[layer.nodes], layer)


def _chunks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[k : k + _CHUNK] for k in range(0, max(len(rows), 1), _CHUNK)]
