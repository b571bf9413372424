"""How probable is this behaviour among clean users? The density scorer.

A Gaussian copula: every feature is mapped to a standard normal by its ranks, the dependence is a covariance
fitted twice, the second time without the least likely users (trimming, so that a few odd accounts do not
widen what counts as clean; no share of fraud is assumed). The score is the share of users whose behaviour is
more likely.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.clustering.centres import NormalScores

Float = NDArray[np.float64]
TRIM = 0.02
N_LEVELS = 1_001


@dataclass(frozen=True)
class Density:
    """A fitted density: precision float64[d, d] of normal scores, levels float64[N_LEVELS] of the distance²."""

    ranks: NormalScores
    mean: Float
    precision: Float
    levels: Float

    @classmethod
    def fit(cls, features: Float) -> "Density":
        """Fit on float64[n_users, n_features] of the log's own users."""
        ranks = NormalScores.fit(features)
        x = ranks.transform(features).astype(np.float64)
        kept = np.ones(len(x), bool)
        mean: Float = np.zeros(x.shape[1])
        precision: Float = np.eye(x.shape[1])
        for _ in range(2):
            mean = np.asarray(x[kept].mean(axis=0), np.float64)
            covariance = np.cov(x[kept], rowvar=False) if kept.sum() > 1 else np.zeros((x.shape[1],) * 2)
            # Shrunk to the identity: features that hardly vary must not divide by nothing.
            shrunk = 0.95 * np.atleast_2d(covariance) + 0.05 * np.eye(x.shape[1])
            precision = np.asarray(np.linalg.inv(shrunk), np.float64)
            distance = _mahalanobis(x, mean, precision)
            kept = distance <= np.quantile(distance, 1 - TRIM)
        distance = _mahalanobis(x, mean, precision)
        return cls(ranks, mean, precision, np.quantile(distance, np.linspace(0, 1, N_LEVELS)))

    def score(self, features: Float) -> Float:
        """Share of the log's users whose behaviour is more likely, float64[n] in [0, 1]."""
        distance = _mahalanobis(self.ranks.transform(features).astype(np.float64), self.mean, self.precision)
        return np.interp(distance, self.levels, np.linspace(0, 1, N_LEVELS)).round(9)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "ranks": self.ranks.to_json(),
            "mean": self.mean.tolist(),
            "precision": self.precision.tolist(),
            "levels": self.levels.tolist(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Density":
        """Read what to_json gave."""
        return cls(
            NormalScores.from_json(document["ranks"]),
            *(np.asarray(document[name], np.float64) for name in ("mean", "precision", "levels")),
        )


def _mahalanobis(x: Float, mean: Float, precision: Float) -> Float:
    centred = x - mean
    return np.asarray(np.einsum("ij,ij->i", centred @ precision, centred))
