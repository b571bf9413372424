"""One calibrated score from the GNN, the two behaviour scorers and the rings.

A logistic model with non-negative weights, so more suspicion from any part never lowers the whole. Without
labels it is fitted on a planted log, where accounts of campaigns are balanced against the log's own users;
the share of such accounts in the user's own log is then estimated by expectation–maximisation (Saerens,
Latinne & Decaestecker 2002), and the score is the posterior under that share.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

Float = NDArray[np.float64]
PARTS = ("gnn", "cluster_distance", "probability", "ring")
RIDGE = 1e-2


@dataclass(frozen=True)
class Parts:
    """What is fused, per user, all float64[n_users].

    gnn: logit. cluster_distance, probability: scores in [0, 1]. ring: evidence of the strongest ring, 0 for
    none.
    """

    gnn: Float
    cluster_distance: Float
    probability: Float
    ring: Float

    def columns(self) -> Float:
        """On scales that add up: logits as they are, tail shares as −ln(1 − score): float64[n, 4]."""
        surprise = [-np.log(np.maximum(1 - part, 1e-3)) for part in (self.cluster_distance, self.probability)]
        return np.column_stack([np.clip(self.gnn, -15, 15), *surprise, self.ring])


@dataclass(frozen=True)
class Fusion:
    """weights float64[4] ≥ 0 on standardised columns; bias; mean, scale float64[4]; fitted_share of positives.

    labelled: whether it was fitted on labels (then the share is the labels') or on planted campaigns.
    """

    weights: Float
    bias: float
    mean: Float
    scale: Float
    fitted_share: float
    labelled: bool

    @classmethod
    def fit(cls, parts: Parts, y: NDArray[np.integer], labelled: bool) -> "Fusion":
        """Fit on users with y 1 or 0 (−1: unknown, left out); classes weigh the same unless `labelled`."""
        known = y >= 0
        x = parts.columns()[known]
        target = (y[known] == 1).astype(np.float64)
        mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        x = (x - mean) / scale
        weight = np.full(len(x), 1 / len(x))
        if not labelled:
            weight = np.where(target == 1, 0.5 / max(target.sum(), 1), 0.5 / max((1 - target).sum(), 1))

        def loss(w: Float) -> tuple[float, Float]:
            z = x @ w[:-1] + w[-1]
            gradient = weight * (expit(z) - target)
            value = float(weight @ (np.logaddexp(0, z) - target * z)) + 0.5 * RIDGE * float(w[:-1] @ w[:-1])
            return value, np.append(x.T @ gradient + RIDGE * w[:-1], gradient.sum())

        start = np.append(np.full(len(PARTS), 0.5), 0.0)
        bounds = [(0.0, None)] * len(PARTS) + [(None, None)]
        found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
        share = float(target.mean()) if labelled else 0.5
        return cls(found[:-1], float(found[-1]), mean, scale, share, labelled)

    def logits(self, parts: Parts) -> Float:
        """Log-odds at the share of the fit, float64[n_users]."""
        x = (parts.columns() - self.mean) / self.scale
        return np.asarray(x @ self.weights + self.bias)

    def strongest_part(self, parts: Parts) -> NDArray[np.int64]:
        """Which of PARTS adds most to each user's log-odds, int64[n_users]."""
        x = (parts.columns() - self.mean) / self.scale
        return np.asarray((x * self.weights).argmax(axis=1))

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "weights": self.weights.tolist(),
            "bias": self.bias,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "fitted_share": self.fitted_share,
            "labelled": self.labelled,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Fusion":
        """Read what to_json gave."""
        arrays = {name: np.asarray(document[name], np.float64) for name in ("weights", "mean", "scale")}
        return cls(**{**document, **arrays})
