"""Peers of graphdet, each from the graph of a log to groups and user scores."""

import random

import duckdb
import igraph
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import IsolationForest
from sklearn.preprocessing import StandardScaler

from benchmarks.rings.scoring import Found
from graphdet.features.behaviour import behaviour
from graphdet.progress import Silent
from graphdet.rings.organic import distinct_acts
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

Rows = NDArray[np.int32]
Float = NDArray[np.float64]

HUB = 300  # users on an item from which plain practice leaves it out
TOGETHER_S = 172_800
MOST_RINGS = 200  # that a peer may name
BLOCKS = 15  # that a dense-block peer peels off, one after the other


def co_action(graph: GraphArrays, seed: int) -> Found:
    """Plain practice: pairs with ≥ 2 common items within two days, no item above HUB users, Leiden communities.

    Edges weigh the sum of ln(users / audience) over the root of both degrees; communities (CPM) are ranked by the mean
    weight inside times the root of their size, as that practice reads them: tight and large first.
    """
    with duckdb.connect() as bench:
        edges = pa.table({"user_ix": graph.user_ix, "item_ix": graph.item_ix, "at_ms": graph.at_ms})
        bench.register("edges", edges)
        pairs = bench.execute(
            f"""WITH acts AS (SELECT user_ix, item_ix, min(at_ms) AS at_ms FROM edges GROUP BY ALL),
                 quiet AS (SELECT *, count(*) OVER (PARTITION BY item_ix) AS audience FROM acts
                           QUALIFY audience BETWEEN 2 AND {HUB})
            SELECT x.user_ix AS a, y.user_ix AS b, sum(ln({graph.n_users} / x.audience)) AS weight
            FROM quiet x JOIN quiet y ON x.item_ix = y.item_ix AND x.user_ix < y.user_ix
              AND abs(x.at_ms - y.at_ms) <= {TOGETHER_S * 1000}
            GROUP BY ALL HAVING count(*) >= 2 ORDER BY a, b"""
        ).fetchnumpy()
    degree = np.bincount(graph.user_ix, minlength=graph.n_users)
    weight = pairs["weight"] / np.sqrt(degree[pairs["a"]] * degree[pairs["b"]])
    network = igraph.Graph(graph.n_users, np.column_stack([pairs["a"], pairs["b"]]).tolist())
    igraph.set_random_number_generator(random.Random(seed))
    found = network.community_leiden("CPM", weights=weight.tolist(), resolution=0.05, n_iterations=4)
    of_user = np.asarray(found.membership)
    same = of_user[pairs["a"]] == of_user[pairs["b"]]
    size = np.bincount(of_user)
    inside = np.bincount(of_user[pairs["a"][same]], weight[same], minlength=len(size))
    strength = inside / np.maximum(size * (size - 1) / 2, 1) * np.sqrt(size)
    order = np.argsort(-np.where(size >= 3, strength, -1), kind="stable")[:MOST_RINGS]
    rings = [np.flatnonzero(of_user == group) for group in order if size[group] >= 3]
    return Found(rings, None, np.where(size[of_user] >= 3, strength[of_user], 0.0))


def fraudar(graph: GraphArrays, seed: int) -> Found:
    """FRAUDAR's measure (Hooi et al. 2016; an edge weighs 1 / ln(audience + 5)), BLOCKS times.

    Peeled in batches (Bahmani et al. 2012, epsilon .1: within a factor 2.2 of the densest), not one node at a time.
    """
    acts = distinct_acts(graph)
    user, item = acts.user_ix, acts.item_ix
    weight = 1 / np.log(np.bincount(item, minlength=graph.n_items) + 5.0)[item]
    rings, score = [], np.zeros(graph.n_users)
    for _ in range(BLOCKS):
        users, density, inside = _densest(user, item, weight, graph.n_users, graph.n_items)
        if len(users) < 2:
            break
        rings.append(users.astype(np.int64))
        score[users] = np.maximum(score[users], density)
        user, item, weight = user[~inside], item[~inside], weight[~inside]
    return Found(rings, None, score)


def _densest(
    user: Rows, item: Rows, weight: Float, n_users: int, n_items: int, epsilon: float = 0.1
) -> tuple[Rows, float, NDArray[np.bool_]]:
    """The densest block by weight per node: its users, its density, and which edges are in it."""
    live = np.ones(len(user), bool)
    best, best_live = -1.0, live
    while live.any():
        rows = np.flatnonzero(live)
        of_user = np.bincount(user[rows], weight[rows], minlength=n_users)
        of_item = np.bincount(item[rows], weight[rows], minlength=n_items)
        density = float(weight[rows].sum() / (np.count_nonzero(of_user) + np.count_nonzero(of_item)))
        if density > best:
            best, best_live = density, live
        # A node's mean weight is twice the density, so some node always goes.
        limit = 2 * (1 + epsilon) * density
        live = live & (of_user[user] > limit) & (of_item[item] > limit)
    return np.unique(user[best_live]), best, best_live


def _features(graph: GraphArrays) -> Float:
    with Workbench.in_memory() as bench:
        users, _ = behaviour(graph, bench, Silent())
    scaled: Float = StandardScaler().fit_transform(users)
    return scaled


def isolation_forest(graph: GraphArrays, seed: int) -> Found:
    """Isolation Forest on graphdet's behaviour features of users; names no rings."""
    x = _features(graph)
    return Found([], 0, -IsolationForest(random_state=seed).fit(x).score_samples(x))


def ecod(graph: GraphArrays, seed: int) -> Found:
    """ECOD (Li et al. 2022): the sum over features of −ln of the rarer tail of the empirical distribution."""
    x = _features(graph)
    low = np.empty_like(x)
    high = np.empty_like(x)
    for j in range(x.shape[1]):
        ordered = np.sort(x[:, j])
        low[:, j] = -np.log(np.searchsorted(ordered, x[:, j], side="right") / len(x))
        high[:, j] = -np.log(1 - np.searchsorted(ordered, x[:, j], side="left") / len(x))
    skewed = np.where((x**3).mean(axis=0) < 0, low, high).sum(axis=1)
    return Found([], 0, np.maximum(np.maximum(low.sum(axis=1), high.sum(axis=1)), skewed))


def k_means(graph: GraphArrays, seed: int) -> Found:
    """Distance to the nearest of 20 k-means centres on the behaviour features; names no rings."""
    x = _features(graph)
    centres = MiniBatchKMeans(20, random_state=seed, n_init=3).fit(x)
    return Found([], 0, centres.transform(x).min(axis=1))
