"""Nodes of an attributed graph, scored by labels: flat trees, trees on neighbours, a network, and their fusion.

All see the same rows and the same validation nodes; what is used is what wins there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.nodes.net import NodeNetSettings, fit_node_net
from benchmarks.nodes.trees import NodeTrees, TreeSettings, fit_node_trees
from graphdet.errors import GraphdetError
from graphdet.features.neighbours import NeighbourSettings, label_folds, label_messages, neighbour_features
from graphdet.features.relations import NamedColumns, Relations, place_features

Float = NDArray[np.float64]
FLAT, TREES, LABELS, NETWORK, FUSION = (
    "flat trees",
    "trees + neighbours",
    "… + their labels",
    "network",
    "fusion",
)
_WEIGHTS = (0.25, 0.5, 0.75)  # of the network's logit in the fusion


@dataclass(frozen=True)
class NodeColumns:
    """What learners see of the nodes before any label: own columns, places, and neighbourhoods."""

    own: NamedColumns
    placed: NamedColumns
    around: NamedColumns

    @classmethod
    def of(
        cls, own: NamedColumns, relations: Relations, settings: NeighbourSettings | None = None
    ) -> "NodeColumns":
        """Make them. Raises ValueError as neighbour_features does."""
        placed = own.beside(place_features(relations))
        return cls(own, placed, neighbour_features(placed, relations, settings))


@dataclass(frozen=True)
class ScoredNodes:
    """scores[learner] float64[n] in [0, 1]; validation[learner], its average precision on the checked nodes.

    `chosen` is the learner with the best of these: what to use. Scores of nodes that were learned from are
    not honest. trees[learner] are the fitted trees.
    """

    scores: Mapping[str, Float]
    validation: Mapping[str, float]
    chosen: str
    trees: Mapping[str, NodeTrees]


def score_by_known_nodes(
    columns: NodeColumns,
    relations: Relations,
    y: NDArray[np.integer],
    checked: NDArray[np.bool_],
    seed: int = 0,
    trees: TreeSettings | None = None,
    network: NodeNetSettings | None = None,
    with_network: bool = True,
) -> ScoredNodes:
    """Learn from known nodes and score all.

    Shapes: y int[n], 1 fraud, 0 clean, −1 unknown; checked bool[n], known nodes that are kept from learning, stop
    it and choose the learner. The labels of checked nodes are told to no one.

    Raises:
        GraphdetError: too few nodes of a label to learn from or to check with.
    """
    y = np.asarray(y)
    if len(np.unique(y[checked & (y >= 0)])) < 2:
        raise GraphdetError("the nodes kept for checking need both labels: keep more of them")
    told = np.where(checked, -1, y)
    fold = label_folds(told, seed)
    inputs = {
        FLAT: columns.own,
        TREES: columns.around,
        LABELS: columns.around.beside(label_messages(relations, told, fold)),
    }
    grown = {
        name: fit_node_trees(part.names, part.values, y, checked, trees, seed)
        for name, part in inputs.items()
    }
    scores = {name: grown[name].score(part.names, part.values) for name, part in inputs.items()}
    if with_network:
        net = fit_node_net(columns.placed.values, relations.graphs, y, checked, network, seed)
        scores[NETWORK] = net.score(columns.placed.values, relations.graphs, told, fold)
        scores[FUSION] = _fused(scores, y, checked)
    validation = {name: _precision(y, score, checked) for name, score in scores.items()}
    return ScoredNodes(scores, validation, max(validation, key=lambda name: validation[name]), grown)


def _fused(scores: Mapping[str, Float], y: NDArray[np.integer], checked: NDArray[np.bool_]) -> Float:
    """Mean logit of the better trees and the network; the weight is what the checked nodes like best."""
    trees = max((TREES, LABELS), key=lambda name: _precision(y, scores[name], checked))
    tree, net = _logit(scores[trees]), _logit(scores[NETWORK])
    made = [1 / (1 + np.exp(-((1 - w) * tree + w * net))) for w in _WEIGHTS]
    return np.asarray(max(made, key=lambda score: _precision(y, score, checked)), np.float64)


def _precision(y: NDArray[np.integer], score: Float, checked: NDArray[np.bool_]) -> float:
    rows = checked & (y >= 0)
    return float(average_precision_score(y[rows], score[rows]))


def _logit(score: Float) -> Float:
    inside = score.clip(1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)), np.float64)
