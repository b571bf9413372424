"""Nodes beside their neighbourhoods: names, renumbering, isolated nodes, and that a label never reaches its own row."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphdet.features.neighbours import (
    NeighbourSettings,
    label_folds,
    label_messages,
    neighbour_features,
    user_neighbour_features,
    user_relations,
)
from graphdet.features.relations import NamedColumns, Relations, place_features
from graphdet.tables import PairArrays
from tests.helpers.small_graphs import graph_of


def graph(seed: int, n: int = 40, m: int = 90) -> tuple[NamedColumns, Relations, np.ndarray]:
    """Random nodes of three columns (one constant) under two relations; the last two nodes are alone."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    x[:, 2] = 4
    edges = {name: rng.integers(n - 2, size=(2, m)) for name in ("same_user", "same_day")}
    return NamedColumns(("a", "b", "c"), x), Relations.from_edges(n, edges), rng.integers(-1, 2, size=n)


def renumbered(relations: Relations, place: np.ndarray) -> Relations:
    """Node i becomes node place[i]."""
    edges = {name: place[np.stack(g.nonzero())] for name, g in relations.graphs.items()}
    return Relations.from_edges(relations.n_nodes, edges)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_renumbering_nodes_permutes_columns(seed: int) -> None:
    own, relations, y = graph(seed)
    place = np.random.default_rng(seed + 1).permutation(relations.n_nodes)
    back = np.argsort(place)
    other = renumbered(relations, place)
    moved = NamedColumns(own.names, own.values[back])
    first, second = neighbour_features(own, relations), neighbour_features(moved, other)
    assert first.names == second.names
    np.testing.assert_allclose(second.values[place], first.values, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(
        place_features(other).values[place], place_features(relations).values, atol=2e-5
    )
    fold = label_folds(y, seed)
    heard = label_messages(relations, y, fold).values
    np.testing.assert_allclose(label_messages(other, y[back], fold[back]).values[place], heard, rtol=1e-5)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_a_label_never_reaches_its_own_row(seed: int) -> None:
    _, relations, y = graph(seed)
    node = int(np.random.default_rng(seed).choice(np.flatnonzero(y >= 0)))
    fold = label_folds(y, seed)
    flipped = y.copy()
    flipped[node] = 1 - y[node]
    np.testing.assert_array_equal(label_folds(flipped, seed), fold)
    before, after = label_messages(relations, y, fold).values, label_messages(relations, flipped, fold).values
    np.testing.assert_array_equal(before[fold == fold[node]], after[fold == fold[node]])


def test_a_label_does_reach_its_neighbours_of_other_folds() -> None:
    relations = Relations.from_edges(3, {"r": np.array([[0, 1], [1, 2]])})
    y, fold = np.array([1, 0, -1]), np.array([0, 1, -1])
    share = label_messages(relations, y, fold)
    assert share.names == ("r_share1", "r_share2", "r_known1")
    told = label_messages(relations, np.array([0, 0, -1]), fold)
    assert share.values[1, 0] > told.values[1, 0]
    assert share.values[2, 1] > told.values[2, 1]  # two steps away


def test_values_are_what_they_say() -> None:
    own = NamedColumns(("a",), np.array([[1.0], [2.0], [6.0], [9.0]], np.float32))
    relations = Relations.from_edges(4, {"r": np.array([[0, 0, 1, 1], [1, 2, 0, 1]])})
    found = neighbour_features(own, relations, NeighbourSettings(n_bins=2))
    at = {name: found.values[:, k] for k, name in enumerate(found.names)}
    np.testing.assert_allclose(at["r_mean_a"], [4, 1, 1, np.nan])
    np.testing.assert_allclose(at["r_std_a"], [2, 0, 0, np.nan], atol=1e-6)
    np.testing.assert_allclose(at["r_residual_a"], [-3, 1, 5, np.nan])
    np.testing.assert_allclose(at["r_max_a"], [6, 1, 1, np.nan])
    np.testing.assert_allclose(at["r_min_a"], [2, 1, 1, np.nan])
    np.testing.assert_allclose(at["r_mean2_a"], [1, 4, 4, np.nan])
    np.testing.assert_allclose(
        at["r_bin0_a"], [0.5, 1, 1, np.nan]
    )  # half of node 0's neighbours are below the median


def test_places_agree_with_networkx() -> None:
    _, relations, _ = graph(3)
    ours = place_features(relations)
    at = {name: ours.values[:, k] for k, name in enumerate(ours.names)}
    theirs = nx.from_scipy_sparse_array(relations.graphs["same_day"])
    nodes = range(relations.n_nodes)
    np.testing.assert_allclose(
        at["same_day_clustering"], [nx.clustering(theirs)[k] for k in nodes], atol=1e-6
    )
    np.testing.assert_allclose(
        at["same_day_core"], np.log1p([nx.core_number(theirs)[k] for k in nodes]), atol=1e-6
    )
    np.testing.assert_allclose(
        at["same_day_triangles"], np.log1p([nx.triangles(theirs)[k] for k in nodes]), atol=1e-6
    )
    np.testing.assert_allclose(at["same_day_degree"], np.log1p([theirs.degree[k] for k in nodes]), atol=1e-6)


def test_isolated_nodes_have_nothing_around_them_and_no_graph_gives_own_columns() -> None:
    own, relations, _ = graph(0)
    found = neighbour_features(own, relations)
    around = [k for k, name in enumerate(found.names) if "_mean_" in name or "_max_" in name]
    assert np.isnan(found.values[-1, around]).all()
    assert np.isfinite(place_features(relations).values).all()
    assert neighbour_features(own, Relations(40, {})).names == own.names


def test_an_empty_graph_has_columns_and_no_rows() -> None:
    own, relations = (
        NamedColumns(("a",), np.zeros((0, 1), np.float32)),
        Relations.from_edges(0, {"r": np.zeros((2, 0))}),
    )
    assert neighbour_features(own, relations).values.shape[0] == 0
    assert place_features(relations).values.shape == (0, 6)
    assert label_messages(relations, np.zeros(0, int), np.zeros(0, int)).values.shape == (0, 3)


def test_mistakes_are_named() -> None:
    own, relations, y = graph(0)
    with pytest.raises(ValueError, match=r"outside 0\.\.3"):
        Relations.from_edges(4, {"r": np.array([[0], [4]])})
    with pytest.raises(ValueError, match="40 nodes"):
        neighbour_features(NamedColumns(own.names, own.values[1:]), relations)
    with pytest.raises(ValueError, match="finite"):
        neighbour_features(NamedColumns(own.names, own.values * np.float32(np.nan)), relations)
    with pytest.raises(ValueError, match="fold"):
        label_messages(relations, y, np.full(len(y), -1))


def test_users_of_a_log_hear_those_they_act_with() -> None:
    made = graph_of([("u0", "i", 0), ("u1", "i", 1), ("u2", "j", 2)])
    one = np.ones(1)
    pairs = PairArrays(np.array([0], np.int32), np.array([1], np.int32), one.astype(np.int32), one, one)
    relations = user_relations(made, {"day": pairs})
    found = user_neighbour_features(["acts"], np.array([[1.0], [5.0], [7.0]]), relations)
    assert found.values.dtype == np.float32
    mean = found.values[:, found.names.index("day_mean_acts")]
    np.testing.assert_allclose(mean, [5, 1, np.nan])
