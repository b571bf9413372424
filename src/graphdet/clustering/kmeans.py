"""k-means with a number of clusters that the data choose."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans
from threadpoolctl import threadpool_limits

_CHUNK = 65_536
_LLOYD_LIMIT = 20_000


@dataclass(frozen=True)
class Clusters:
    """Centres of a clustering: float64[k, d], in a fixed order (largest cluster first)."""

    centres: NDArray[np.float64]

    def assign(self, x: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Nearest centre and Euclidean distance to it: int64[n], float64[n]."""
        distances, nearest = nearest_two(x, self.centres)
        return nearest[:, 0], distances[:, 0]


def kmeans(x: NDArray[np.floating], k: int, seed: int) -> Clusters:
    """Lloyd's algorithm from k-means++ seeds, in mini-batches for large samples; the same bytes for the same seed.

    Shapes: x float[n, d], n ≥ 1. There are at most as many clusters as distinct rows.
    """
    x = np.ascontiguousarray(x, np.float64)
    k = min(k, len(np.unique(x[: 20 * k + 1], axis=0)) if len(x) <= 20 * k else k, len(x))
    if len(x) <= _LLOYD_LIMIT and k <= 64:
        algorithm = KMeans(k, n_init=2, max_iter=100, random_state=seed)
    else:
        algorithm = MiniBatchKMeans(
            k,
            n_init=1,
            max_iter=20,
            batch_size=4096,
            init_size=min(len(x), max(3 * k, 4096)),
            random_state=seed,
        )
    with threadpool_limits(1):  # more threads add in another order
        label = algorithm.fit_predict(x)
    size = np.bincount(label, minlength=k)
    order = np.lexsort((np.arange(k), -size))
    return Clusters(algorithm.cluster_centers_[order[size[order] > 0]])


def choose_k(x: NDArray[np.floating], candidates: Sequence[int], seed: int) -> int:
    """Choose the number of clusters with the best simplified silhouette.

    The silhouette of a row is 1 − a ÷ b with a, b its distances to the nearest and the second nearest centre
    (Hruschka, de Castro and Campello 2004); the mean over the rows is compared.
    """
    best, chosen = -1.0, min(candidates)
    for k in candidates:
        clusters = kmeans(x, k, seed)
        if len(clusters.centres) < 2:
            continue
        distances, _ = nearest_two(x, clusters.centres)
        value = float(np.mean(1.0 - distances[:, 0] / np.maximum(distances[:, 1], 1e-12)))
        if value > best + 1e-9:
            best, chosen = value, k
    return chosen


def nearest_two(
    x: NDArray[np.floating], centres: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances to the two nearest centres (one with a single centre), nearest first, and which they are."""
    keep = min(2, len(centres))
    distances, nearest = np.empty((len(x), keep)), np.empty((len(x), keep), np.int64)
    norm = (centres**2).sum(axis=1)
    for start in range(0, len(x), _CHUNK):
        rows = np.asarray(x[start : start + _CHUNK], np.float64)
        square = (rows**2).sum(axis=1)[:, None] + norm - 2.0 * rows @ centres.T
        order = np.argsort(square, axis=1, kind="stable")[:, :keep]
        nearest[start : start + _CHUNK] = order
        chosen = np.take_along_axis(square, order, axis=1)
        distances[start : start + _CHUNK] = np.sqrt(np.maximum(chosen, 0.0))
    return distances, nearest
