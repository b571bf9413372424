"""How far from every normal cluster? The cluster-distance scorer.

k-means on the normal scores of the features. A cluster is normal when it holds at least NORMAL_SHARE of the
users; a user's distance is taken to the nearest normal one, in units of that cluster's median distance.
Being in a small cluster that is denser than the median normal one, as accounts of one make are, counts as
far too.

How probable is this behaviour among clean users? The density scorer.

A Gaussian copula: every feature is mapped to a standard normal by its ranks, the dependence is a covariance
fitted twice, the second time without the least likely users (trimming, so that a few odd accounts do not
widen what counts as clean; no share of fraud is assumed). The score is the share of users whose behaviour is
more likely.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.clustering.centres import NormalScores, k_means, nearest

N_CLUSTERS = 24
NORMAL_SHARE = 0.01
N_LEVELS = 1_001


@dataclass(frozen=True)
class Clusters:
    """Fitted clusters: centres float64[k, d]; radius, normal, dense per cluster; levels of the statistic."""

    ranks: NormalScores
    centres: Float
    radius: Float
    normal: NDArray[np.bool_]
    dense: NDArray[np.bool_]
    levels: Float

    @classmethod
    def fit(cls, features: Float, seed: int) -> "Clusters":
        """Fit on float64[n_users, n_features] of the log's own users."""
        ranks = NormalScores.fit(features)
        x = ranks.transform(features).astype(np.float64)
        k = int(np.clip(len(x) // 20, 1, N_CLUSTERS))
        centres = k_means(x, k, seed)
        member, distance = nearest(x, centres)
        share = np.bincount(member, minlength=k) / max(len(x), 1)
        radius = np.array(
            [np.median(distance[member == c]) if (member == c).any() else np.inf for c in range(k)]
        )
        normal = share >= min(NORMAL_SHARE, float(share.max()))
        dense = ~normal & (radius < np.median(radius[normal]))
        radius = np.maximum(np.where(np.isfinite(radius), radius, 1.0), 1e-3)
        fitted = cls(ranks, centres, radius, normal, dense, np.zeros(N_LEVELS))
        levels = np.quantile(fitted._statistic(x), np.linspace(0, 1, N_LEVELS))
        return cls(ranks, centres, radius, normal, dense, levels)

    def _statistic(self, x: Float) -> Float:
        member, _ = nearest(x, self.centres)
        place, distance = nearest(x, self.centres[self.normal])
        ratio = distance / self.radius[self.normal][place]
        return np.where(self.dense[member], ratio + 1.0, ratio)

    def score(self, features: Float) -> Float:
        """Share of the log's users who are nearer to a normal cluster, float64[n] in [0, 1]."""
        statistic = self._statistic(self.ranks.transform(features).astype(np.float64))
        return np.interp(statistic, self.levels, np.linspace(0, 1, N_LEVELS)).round(9)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        arrays = {"centres": self.centres, "radius": self.radius, "levels": self.levels}
        flags = {"normal": self.normal, "dense": self.dense}
        return {"ranks": self.ranks.to_json(), **{k: v.tolist() for k, v in (arrays | flags).items()}}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Clusters":
        """Read what to_json gave."""
        return cls(
            NormalScores.from_json(document["ranks"]),
            np.asarray(document["centres"], np.float64),
            np.asarray(document["radius"], np.float64),
            np.asarray(document["normal"], bool),
            np.asarray(document["dense"], bool),
            np.asarray(document["levels"], np.float64),
        )


TRIM = 0.02


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
