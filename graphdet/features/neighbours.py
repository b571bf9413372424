"""A node beside its neighbourhood, per relation: the inputs of trees on a graph.

The idea is that of XGBGraph (Tang et al., "GADBench: Revisiting and Benchmarking Supervised Graph Anomaly
Detection", 2023): aggregate first, learn once. Kept here for every relation and own column: mean, spread and
extremes over the neighbours, the mean at two hops, one step of normalised propagation (Kipf and Welling 2017), the node
minus its neighbourhood, and how the neighbours spread over the column's quantile bins. No label is read.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.features.relations import Columns, Matrix, Relations, degrees

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
    own: Columns, relations: Relations, settings: NeighbourSettings | None = None
) -> Columns:
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
) -> Matrix:
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


def _renamed(relation: str, columns: Columns) -> Columns:
    return Columns(tuple(f"{relation}_{name}" for name in columns.names), columns.values)


def _around(own: Columns, graph: sp.csr_matrix, settings: NeighbourSettings) -> list[Columns]:
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


def _columns(kind: str, names: tuple[str, ...], values: NDArray[np.floating]) -> Columns:
    return Columns(tuple(f"{kind}_{name}" for name in names), _rounded(values))


def _rounded(values: NDArray[np.floating]) -> Matrix:
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


def _extremes(graph: sp.csr_matrix, x: Matrix) -> tuple[Matrix, Matrix]:
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


def _bin_shares(own: Columns, graph: sp.csr_matrix, n_bins: int) -> Columns:
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
    return Columns(tuple(names), _rounded(np.hstack(parts)))
