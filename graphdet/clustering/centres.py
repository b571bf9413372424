"""Centres of clusters."""

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

Float = NDArray[np.float64]
CHUNK = 50_000


def k_means(x: Float, k: int, seed: int) -> Float:
    """Centres of k clusters of float64[n, d], sorted by their first coordinates: float64[k, d]."""
    model = MiniBatchKMeans(n_clusters=k, random_state=seed, n_init=3, batch_size=4_096)
    centres = np.asarray(model.fit(x).cluster_centers_, np.float64)
    return centres[np.lexsort(centres.T[::-1])]


def nearest(x: Float, centres: Float) -> tuple[NDArray[np.int64], Float]:
    """The nearest centre of each row and the Euclidean distance to it: int64[n], float64[n]."""
    member = np.zeros(len(x), np.int64)
    distance = np.zeros(len(x))
    square = (centres**2).sum(axis=1)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        squared = (part**2).sum(axis=1)[:, None] - 2 * part @ centres.T + square
        best = squared.argmin(axis=1)
        member[start : start + CHUNK] = best
        # Not from `squared`: what cancels there leaves noise that depends on which rows are asked for together.
        distance[start : start + CHUNK] = np.sqrt(((part - centres[best]) ** 2).sum(axis=1))
    return member, distance
