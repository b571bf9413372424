"""A node beside its neighbourhood, per relation: the inputs of trees on a graph.

The idea is that of XGBGraph (Tang et al., "GADBench: Revisiting and Benchmarking Supervised Graph Anomaly
Detection", 2023): aggregate first, learn once. Kept here for every relation and own column: mean, spread and
extremes over the neighbours, the mean at two hops, one step of normalised propagation (Kipf and Welling 2017), the node
minus its neighbourhood, and how the neighbours spread over the column's quantile bins. No label is read.

Users of a log beside those who act with them: columns for trees, one relation per co-action window.

Shared devices, addresses and the like are relations of their own, so that a user hears who else uses them.

What is known of a node's neighbours, without ever telling a node its own label.

Known nodes are dealt into folds that do not look at labels. A node of fold k hears the labels of the other folds
only; a node whose label is unknown hears all. So neither its own label nor that of a node judged with it
can come back over any number of hops, and flipping it leaves its own row as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float32
from graphdet.features.relations import NamedColumns, Relations, degrees, place_features
from graphdet.tables import GraphArrays, PairArrays

_EDGES_A_CHUNK = 4_000_000


@dataclass(frozen=True)
class NeighbourSettings:
    """What is aggregated.

    n_bins: quantile bins per column whose shares among the neighbours are given, 0 for none. two_hops: give
    means over the neighbours' neighbours. extremes: give minimum and maximum, which cost the most.
    """

    n_bins: int = 4
    two_hops: bool = True
    extremes: bool = True
    propagation: bool = True


def neighbour_features(
    own: NamedColumns, relations: Relations, settings: NeighbourSettings | None = None
) -> NamedColumns:
    """Give each node's own columns and what they are among its neighbours.

    A node without neighbours has NaN for means, extremes and differences: nothing was measured.

    Raises:
        ValueError: there are not as many rows as nodes, or a value is not finite.
    """
    settings = settings or NeighbourSettings()
    if len(own.values) != relations.n_nodes:
        raise ValueError(f"{len(own.values)} rows of features for {relations.n_nodes} nodes")
    if not np.isfinite(own.values).all():
        raise ValueError("features of nodes must be finite: fill what is missing before aggregation")
    parts = [own]
    for name, graph in relations.graphs.items():
        parts += [_renamed(name, part) for part in _around(own, graph, settings)]
    return parts[0].beside(*parts[1:])


def around_one(
    own: NDArray[np.floating], near: NDArray[np.floating], near_means: NDArray[np.float64]
) -> Float32:
    """What neighbour_features says of one node in one relation, without bins and propagation: float32[6 d].

    Shapes: own float[d], the node's own columns; near float[k, d], its neighbours'; near_means float64[k, d], theirs
    over their neighbours.
    """
    x, heard = np.asarray(own, np.float64), np.asarray(near, np.float64)
    if not len(heard):
        found = [np.full(len(x), np.nan)] * 6
    else:
        mean = heard.mean(axis=0)
        spread = np.sqrt(np.maximum((heard * heard).mean(axis=0) - mean * mean, 0.0))
        low, high = heard.min(axis=0), heard.max(axis=0)
        found = [mean, spread, x - mean, low, high, np.nan_to_num(near_means).mean(axis=0)]
    return _rounded(np.concatenate(found))


def mean_over_neighbours(graph: sp.csr_matrix, x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of rows of float[n, d] over each node's neighbours, float64[n, d]; NaN where there are none."""
    degree = degrees(graph).astype(np.float64)
    total = np.asarray(graph @ x.astype(np.float64))
    mean: NDArray[np.float64] = np.divide(
        total, degree[:, None], out=np.full(total.shape, np.nan), where=degree[:, None] > 0
    )
    return mean


def _renamed(relation: str, columns: NamedColumns) -> NamedColumns:
    return NamedColumns(tuple(f"{relation}_{name}" for name in columns.names), columns.values)


def _around(own: NamedColumns, graph: sp.csr_matrix, settings: NeighbourSettings) -> list[NamedColumns]:
    x = own.values.astype(np.float64)
    mean = mean_over_neighbours(graph, x)
    square = mean_over_neighbours(graph, x * x)
    spread = np.sqrt(np.maximum(square - mean * mean, 0.0))
    found = {"mean": mean, "std": spread, "residual": x - mean}
    if settings.extremes:
        found["min"], found["max"] = _extremes(graph, own.values)
    if settings.two_hops:
        found["mean2"] = mean_over_neighbours(graph, np.nan_to_num(mean))
    if settings.propagation:
        found["smooth"] = _propagated(graph, x)
    out = [_columns(kind, own.names, values) for kind, values in found.items()]
    if settings.n_bins > 1:
        out.append(_bin_shares(own, graph, settings.n_bins))
    return out


def _columns(kind: str, names: tuple[str, ...], values: NDArray[np.floating]) -> NamedColumns:
    return NamedColumns(tuple(f"{kind}_{name}" for name in names), _rounded(values))


def _rounded(values: NDArray[np.floating]) -> Float32:
    # Sums over neighbours come out in the order of their rows: seven digits are the same in any order, and a tree
    # that cuts between two equal values would otherwise see noise.
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(values != 0, np.floor(np.log10(np.abs(values))), 0.0)
    size = np.nan_to_num(size)
    scale = 10.0 ** (5 - size)
    return (np.round(values * scale) / scale).astype(np.float32)


def _propagated(graph: sp.csr_matrix, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """D^-1/2 (A + I) D^-1/2 x, D the degrees with the loop."""
    root = 1.0 / np.sqrt(degrees(graph) + 1.0)
    scaled = x * root[:, None]
    smooth: NDArray[np.float64] = (np.asarray(graph @ scaled) + scaled) * root[:, None]
    return smooth


def _extremes(graph: sp.csr_matrix, x: Float32) -> tuple[Float32, Float32]:
    """Minimum and maximum over neighbours; NaN where there are none."""
    has = degrees(graph) > 0
    low = np.full(x.shape, np.nan, np.float32)
    high = np.full(x.shape, np.nan, np.float32)
    if not has.any():
        return low, high
    starts = graph.indptr[:-1][has]
    step = max(_EDGES_A_CHUNK // max(graph.nnz, 1), 1)
    for first in range(0, x.shape[1], step):
        part = slice(first, first + step)
        heard = x[:, part][graph.indices]
        low[has, part] = np.minimum.reduceat(heard, starts, axis=0)
        high[has, part] = np.maximum.reduceat(heard, starts, axis=0)
    return low, high


def _bin_shares(own: NamedColumns, graph: sp.csr_matrix, n_bins: int) -> NamedColumns:
    """How the neighbours spread over the quantile bins of each column; the last bin is what the others leave."""
    names: list[str] = []
    parts: list[NDArray[np.float64]] = [np.zeros((len(own.values), 0))]
    for j, name in enumerate(own.names):
        x = own.values[:, j]
        cuts = np.unique(np.quantile(x, np.linspace(0, 1, n_bins + 1)[1:-1])) if len(x) else np.zeros(0)
        level = np.searchsorted(cuts, x, side="left")
        for k in range(len(cuts)):
            names.append(f"bin{k}_{name}")
            parts.append(mean_over_neighbours(graph, (level == k)[:, None].astype(np.float64)))
    return NamedColumns(tuple(names), _rounded(np.hstack(parts)))


TOGETHER, SHARED = "together", "shared"  # relations: of co-action in any window, and of common entities
MOST_OF_AN_ENTITY = 50  # users; whatever more than these share tells nobody apart, and its pairs are too many


def user_relations(graph: GraphArrays, windows: Mapping[str, PairArrays]) -> Relations:
    """Relations over user_ix: the co-action pairs of each named window, and "shared" for common entities."""
    edges: dict[str, NDArray[Any]] = {name: np.stack([pairs.a, pairs.b]) for name, pairs in windows.items()}
    if len(graph.entity_ix):
        edges[SHARED] = _sharing(graph.entity_user_ix, graph.entity_ix)
    return Relations.from_edges(graph.n_users, edges)


def user_neighbour_features(
    names: Sequence[str],
    users: NDArray[np.floating],
    relations: Relations,
    settings: NeighbourSettings | None = None,
) -> NamedColumns:
    """Own behaviour, places and neighbourhoods of all users, by user_ix; no label is read.

    Shapes: users float[n_users, len(names)], finite, as features.behaviour_arrays.behaviour gives; returns
    float32[n_users, …], NaN where a user has no neighbour.

    Raises:
        ValueError: there are not as many rows as users, or a value is not finite.
    """
    own = NamedColumns(tuple(names), np.asarray(users, np.float32))
    return neighbour_features(own.beside(place_features(relations)), relations, settings)


def _sharing(user: NDArray[np.int32], entity: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pairs of users of one entity, int64[2, n]; entities of very many users are left out."""
    links = np.unique(np.stack([entity, user]).astype(np.int64), axis=1)
    size = np.bincount(links[0])[links[0]]
    entity, user = links[:, size <= MOST_OF_AN_ENTITY]
    first = np.searchsorted(entity, entity, "left")
    count = np.arange(len(entity)) - first  # each with those before it
    later = np.repeat(np.arange(len(entity)), count)
    place = np.arange(len(later)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([user[np.repeat(first, count) + place], user[later]])


N_LABEL_FOLDS = 10
_PRIOR = 4.0  # how many average neighbours a node is given before its own are counted


def label_folds(y: NDArray[np.integer], seed: int, n_folds: int = N_LABEL_FOLDS) -> NDArray[np.int64]:
    """Deal the known nodes (y ≥ 0) into folds at random, by place and not by label; unknown ones get −1.

    Shapes: y int[n], 1 fraud, 0 clean, −1 unknown; returns int64[n] in −1 … n_folds − 1.
    """
    fold = np.full(len(y), -1, np.int64)
    known = np.flatnonzero(np.asarray(y) >= 0)
    fold[np.random.default_rng(seed).permutation(known)] = np.arange(len(known)) % n_folds
    return fold


def label_messages(
    relations: Relations, y: NDArray[np.integer], fold: NDArray[np.int64], usual: float | None = None
) -> NamedColumns:
    """Share of known fraud around each node, per relation, by labels of other folds only.

    Per relation: share1 and share2, the share of fraud among known neighbours and by walks of two steps, drawn to
    the share of fraud among all that may be heard (`usual` where nobody may); known1, ln(1 + known neighbours heard).

    Shapes: y int[n], 1 fraud, 0 clean, −1 unknown; fold int64[n], ≥ 0 where known. Returns float32[n, 3 r].

    Raises:
        ValueError: a known node has no fold.
    """
    y = np.asarray(y)
    if len(y) and (fold[y >= 0] < 0).any():
        raise ValueError("every known node needs a fold")
    names = tuple(f"{name}_{kind}" for name in relations.graphs for kind in ("share1", "share2", "known1"))
    out = np.zeros((len(y), len(names)), np.float32)
    for k in [-1, *np.unique(fold[fold >= 0]).tolist()]:
        rows = np.flatnonzero(fold == k)
        heard = (y >= 0) & (fold != k)
        out[rows] = _heard(relations, (y == 1) & heard, heard, usual)[rows]
    return NamedColumns(names, out)


def _heard(
    relations: Relations, fraud: NDArray[np.bool_], known: NDArray[np.bool_], usual: float | None
) -> NDArray[np.float32]:
    prior = share_of(int(fraud.sum()), int(known.sum()))
    if usual is not None and not known.any():
        prior = usual
    both = np.column_stack([fraud, known]).astype(np.float64)
    parts = [np.zeros((len(known), 0))]
    for graph in relations.graphs.values():
        first = np.asarray(graph @ both)
        second = np.asarray(graph @ (first / np.maximum(_degree(graph), 1.0)))
        parts += [_share(first, prior), _share(second, prior), np.log1p(first[:, 1:])]
    return np.hstack(parts).astype(np.float32)


def messages_to_one(
    partners: NDArray[np.int64],
    beyond: tuple[NDArray[np.int64], NDArray[np.integer]],
    fraud: NDArray[np.bool_],
    known: NDArray[np.bool_],
    prior: float,
) -> NDArray[np.float32]:
    """What label_messages tells one node in one relation, float32[3].

    Shapes: partners int64[k]; beyond, int[m] each, all their neighbours: the place among them of whose it is, and the
    neighbour; fraud, known bool[n], labels that it may hear, which is for the caller to see to.
    """
    owner, second = beyond
    size = np.maximum(np.bincount(owner, minlength=len(partners)), 1)
    owners = (owner[each[second]] for each in (fraud, known))
    walks = np.array([[(1.0 / size[whose]).sum() for whose in owners]], np.float64)
    first = np.array([[fraud[partners].sum(), known[partners].sum()]], np.float64)
    share1, share2 = _share(first, prior)[0, 0], _share(walks, prior)[0, 0]
    return np.array([share1, share2, np.log1p(first[0, 1])], np.float32)


def share_of(n_fraud: int, n_known: int) -> float:
    """The share of fraud among known nodes; one half of nobody."""
    return (n_fraud + 0.5) / (n_known + 1.0)


def _degree(graph: sp.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(np.diff(graph.indptr), np.float64)[:, None]


def _share(both: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (both[:, :1] + _PRIOR * prior) / (both[:, 1:] + _PRIOR)
    return share
