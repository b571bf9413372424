"""Scores of nodes: trees as text, the network, their table, and outliers without labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.nodes.known_nodes import FLAT, TREES, NodeColumns, score_by_known_nodes
from benchmarks.nodes.net import NodeNetSettings, fit_node_net
from benchmarks.nodes.outliers import VIEWS, score_nodes, tail_surprise
from benchmarks.nodes.trees import NodeTrees, TreeSettings, fit_node_trees
from graphdet.errors import GraphdetError
from graphdet.features.neighbours import label_folds
from graphdet.features.relations import NamedColumns, Relations

QUICK = TreeSettings(n_rounds=60, n_members=1, learning_rate=0.1)
SMALL = NodeNetSettings(width=16, n_steps=40, eval_every=5)


def planted(seed: int, n: int = 600, n_fraud: int = 90) -> tuple[np.ndarray, Relations, np.ndarray]:
    """Frauds look like anybody, but their neighbours have a high first column; own columns say nothing."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, np.int64)
    y[rng.choice(n // 2, n_fraud, replace=False)] = 1
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[n // 2 :, 0] = np.sort(x[n // 2 :, 0])  # the second half are things, sorted by their first column
    things = np.where(
        y[: n // 2, None] == 1,
        rng.integers(n // 4, n // 2, (n // 2, 6)),
        rng.integers(0, n // 2, (n // 2, 6)),
    )
    edges = np.stack([np.repeat(np.arange(n // 2), 6), things.ravel() + n // 2])
    return x, Relations.from_edges(n, {"r": edges}), y


def names(x: np.ndarray) -> tuple[str, ...]:
    return tuple(f"x{k}" for k in range(x.shape[1]))


@pytest.mark.slow
def test_trees_on_neighbours_see_what_flat_trees_cannot() -> None:
    x, relations, y = planted(0)
    rng = np.random.default_rng(1)
    part = rng.random(len(y))
    user = np.arange(len(y)) < len(y) // 2
    known, checked, test = user & (part < 0.6), user & (part >= 0.6) & (part < 0.8), user & (part >= 0.8)
    columns = NodeColumns.of(NamedColumns(names(x), x), relations)
    labels = np.where(known | checked, y, -1)
    found = score_by_known_nodes(columns, relations, labels, checked, 0, QUICK, SMALL)
    assert roc_auc_score(y[test], found.scores[TREES][test]) > 0.85
    assert roc_auc_score(y[test], found.scores[FLAT][test]) < 0.7
    assert found.chosen != FLAT
    assert found.validation[found.chosen] == max(found.validation.values())
    assert all(((score >= 0) & (score <= 1)).all() for score in found.scores.values())


@pytest.mark.slow
def test_test_labels_change_nothing() -> None:
    x, relations, y = planted(2)
    columns = NodeColumns.of(NamedColumns(names(x), x), relations)
    checked = np.arange(len(y)) % 5 == 1
    labels = np.where(np.arange(len(y)) % 5 < 3, y, -1)
    first = score_by_known_nodes(columns, relations, labels, checked, 0, QUICK, SMALL)
    again = score_by_known_nodes(columns, relations, labels, checked, 0, QUICK, SMALL)
    for name, score in first.scores.items():
        np.testing.assert_array_equal(score, again.scores[name])


def test_trees_are_kept_as_text() -> None:
    x, _, y = planted(0)
    made = fit_node_trees(names(x), x, y, None, QUICK)
    kept = NodeTrees.from_json(json.loads(json.dumps(made.to_json())))
    np.testing.assert_array_equal(kept.score(names(x), x), made.score(names(x), x))
    assert made.importance().sum() == pytest.approx(1)
    assert fit_node_trees(names(x), x, y, None, QUICK).members == made.members
    with pytest.raises(GraphdetError, match="differ in z"):
        kept.score((*names(x)[:3], "z"), x)
    with pytest.raises(GraphdetError, match="format 9"):
        NodeTrees.from_json(made.to_json() | {"format": 9})
    with pytest.raises(GraphdetError, match="cannot be read"):
        NodeTrees.from_json(made.to_json() | {"members": ["nonsense"]})


def test_constant_columns_and_gaps_are_no_trouble() -> None:
    x, _, y = planted(0)
    x[:, 1], x[::2, 2] = 3, np.nan
    score = fit_node_trees(names(x), x, y, None, QUICK).score(names(x), x)
    assert np.isfinite(score).all()
    assert fit_node_trees(names(x), x, y, None, QUICK).score(names(x), x[:0]).shape == (0,)


def test_one_label_only_is_an_error() -> None:
    x, relations, y = planted(0)
    with pytest.raises(GraphdetError, match="of each label"):
        fit_node_trees(names(x), x, np.zeros_like(y))
    columns = NodeColumns.of(NamedColumns(names(x), x), relations)
    with pytest.raises(GraphdetError, match="checking need both"):
        score_by_known_nodes(columns, relations, y, y == 1)


def test_the_network_never_hears_the_label_it_is_to_guess() -> None:
    x, relations, y = planted(4)
    checked = np.arange(len(y)) % 4 == 0
    net = fit_node_net(x, relations.graphs, y, checked, SMALL)
    fold = label_folds(y, 0)
    before = net.score(x, relations.graphs, y, fold)
    flipped = y.copy()
    flipped[7] = 1 - y[7]
    after = net.score(x, relations.graphs, flipped, fold)
    np.testing.assert_array_equal(before[fold == fold[7]], after[fold == fold[7]])
    assert (before != after).any()
    with pytest.raises(GraphdetError, match="relations r, not other"):
        net.score(x, {"other": relations.graphs["r"]}, y, fold)


def outlier_graph(seed: int) -> tuple[np.ndarray, Relations, np.ndarray]:
    """Three groups with looks of their own; ten nodes sit in a group that they do not look like."""
    rng = np.random.default_rng(seed)
    n = 300
    group = np.arange(n) % 3
    x = rng.normal(size=(n, 5)) + 3 * np.eye(5)[group]
    odd = rng.choice(n, 10, replace=False)
    x[odd] = rng.normal(size=(10, 5)) + 3 * np.eye(5)[(group[odd] + 1) % 3]
    friends = group[:, None] + 3 * rng.integers(0, n // 3, (n, 6))
    edges = np.stack([np.repeat(np.arange(n), 6), friends.ravel()])
    return x, Relations.from_edges(n, {"r": edges}), np.isin(np.arange(n), odd)


def test_nodes_unlike_their_neighbours_stand_out() -> None:
    x, relations, odd = outlier_graph(0)
    found = score_nodes(x, relations.graphs["r"])
    assert not found.two_sided
    assert set(found.views) == set(VIEWS)
    assert roc_auc_score(odd, found.views["affinity"]) > 0.95
    assert roc_auc_score(odd, found.score) > roc_auc_score(odd, found.views["isolation"]) + 0.1


@pytest.mark.parametrize("two_sided", [False, True])
def test_renumbering_nodes_permutes_outlier_scores(two_sided: bool) -> None:
    x, relations, _ = (planted if two_sided else outlier_graph)(5)
    graph = relations.graphs["r"]
    place = np.random.default_rng(0).permutation(len(x))
    edges = place[np.stack(graph.nonzero())]
    moved = Relations.from_edges(len(x), {"r": edges}).graphs["r"]
    first, second = score_nodes(x, graph), score_nodes(x[np.argsort(place)], moved)
    assert first.two_sided == second.two_sided == two_sided
    np.testing.assert_allclose(second.score[place], first.score, atol=1e-6)


def test_constant_columns_isolated_nodes_and_the_empty_graph() -> None:
    alone = Relations.from_edges(20, {"r": np.zeros((2, 0))}).graphs["r"]
    found = score_nodes(np.ones((20, 3)), alone)
    np.testing.assert_allclose(found.score, 0.5)
    x = np.ones((20, 2))
    x[3] = 9
    assert np.argmax(score_nodes(x, alone).score) == 3  # by itself, without any neighbour
    empty = Relations.from_edges(0, {"r": np.zeros((2, 0))}).graphs["r"]
    assert score_nodes(np.zeros((0, 2)), empty).score.shape == (0,)
    with pytest.raises(ValueError, match="for 20 nodes"):
        score_nodes(np.ones((19, 3)), alone)


def test_tail_surprise_is_what_its_formula_says() -> None:
    """Columns skewed to the right: the largest of the sums over all left tails, all right ones, the skewed ones."""
    x = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.0], [9.0, 7.0]])
    left = [[np.mean(x[:, j] <= v) for j, v in enumerate(row)] for row in x]
    right = [[np.mean(x[:, j] >= v) for j, v in enumerate(row)] for row in x]
    sums = np.maximum(-np.log(left).sum(axis=1), -np.log(right).sum(axis=1))
    np.testing.assert_allclose(tail_surprise(x), sums)


def test_settings_are_kept_with_the_trees() -> None:
    x, _, y = planted(0)
    settings = replace(QUICK, n_members=2)
    made = fit_node_trees(names(x), x, y, np.arange(len(y)) % 3 == 0, settings)
    assert NodeTrees.from_json(made.to_json()).settings == settings
    assert len(made.n_rounds) == 2
