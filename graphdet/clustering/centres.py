"""Centres of clusters on quantile-binned inputs.

Every column is replaced by the normal score of its rank in a reference sample.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.cluster import MiniBatchKMeans

from graphdet.arrays import Float
from graphdet.errors import GraphdetError

CENTRE_ROWS_AT_ONCE = 50_000


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
    for start in range(0, len(x), CENTRE_ROWS_AT_ONCE):
        part = x[start : start + CENTRE_ROWS_AT_ONCE]
        squared = (part**2).sum(axis=1)[:, None] - 2 * part @ centres.T + square
        best = squared.argmin(axis=1)
        member[start : start + CENTRE_ROWS_AT_ONCE] = best
        # Not from `squared`: what cancels there leaves noise that depends on which rows are asked for together.
        distance[start : start + CENTRE_ROWS_AT_ONCE] = np.sqrt(((part - centres[best]) ** 2).sum(axis=1))
    return member, distance


MAX_KNOTS = 129


@dataclass(frozen=True)
class NormalScores:
    """Monotone map of each column to normal scores (van der Waerden scores with mid-ranks for ties).

    Shapes: per column j, knots[j] float64[k_j] ascending and heights[j] float64[k_j] in (0, 1). Values
    between knots are interpolated, values beyond the ends take the end's score, so no input can leave the
    range of the reference.
    """

    knots: tuple[NDArray[np.float64], ...]
    heights: tuple[NDArray[np.float64], ...]

    @staticmethod
    def fit(x: NDArray[Any]) -> "NormalScores":
        """Learn the columns' distribution functions from a reference sample float[n, d], n ≥ 1.

        Raises:
            ValueError: the sample is empty or not finite.
        """
        if x.ndim != 2 or not len(x) or not np.isfinite(x).all():
            raise ValueError("normal scores need a non-empty finite matrix")
        pairs = [_distribution(x[:, j].astype(np.float64)) for j in range(x.shape[1])]
        return NormalScores(tuple(k for k, _ in pairs), tuple(h for _, h in pairs))

    def transform(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Map float[n, d] to float32[n, d].

        Raises:
            GraphdetError: the number of columns is not the reference's.
        """
        if x.shape[1] != len(self.knots):
            raise GraphdetError(
                f"the model was fitted on {len(self.knots)} features, the data have {x.shape[1]}: train again"
            )
        height = np.empty(x.shape)
        for j, (knots, heights) in enumerate(zip(self.knots, self.heights, strict=True)):
            height[:, j] = np.interp(x[:, j], knots, heights)
        return np.asarray(ndtri(height, out=height).astype(np.float32))

    def to_json(self) -> dict[str, Any]:
        """Write as plain lists."""
        return {
            "knots": [k.tolist() for k in self.knots],
            "heights": [h.tolist() for h in self.heights],
        }

    @staticmethod
    def from_json(document: dict[str, Any]) -> "NormalScores":
        """Read what to_json wrote."""
        return NormalScores(
            tuple(np.asarray(k, np.float64) for k in document["knots"]),
            tuple(np.asarray(h, np.float64) for h in document["heights"]),
        )


def _distribution(column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mid-distribution function of a column at at most MAX_KNOTS of its values."""
    values, counts = np.unique(column, return_counts=True)
    height = (np.cumsum(counts) - counts / 2.0) / len(column)
    if len(values) > MAX_KNOTS:
        # Knots at even steps of the normal score keep the tails, where suspicion lives, as fine as the
        # middle.
        score = ndtri(height)
        steps = np.linspace(score[0], score[-1], MAX_KNOTS)
        at = np.unique(np.searchsorted(score, steps).clip(0, len(values) - 1))
        values, height = values[at], height[at]
    return values, height
