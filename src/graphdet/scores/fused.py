"""One calibrated score from the GNN, the two behaviour scorers and the rings.

A logistic model with non-negative weights, so more suspicion from any part never lowers the whole. Without
labels it is fitted on a planted log, where accounts of campaigns are balanced against the log's own users.
Those are unknown rather than clean: a real ring among them looks like the planted ones, and counted as clean
it would halve every score. So they are taken for a mixture, and who is what is estimated along with the
weights (presence-only EM, Ward et al. 2009). The share of such accounts in the user's own log is then
estimated too (Saerens, Latinne & Decaestecker 2002), and the score is the posterior under that share.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from graphdet.evaluation.posterior import posterior

Float = NDArray[np.float64]
PARTS = ("gnn", "cluster_distance", "probability", "ring")
RIDGE = 1e-2
EM_RIDGE = 1e-3
EM_ROUNDS = 25
N_ORDINARY = 30_000  # of the log's own users without much evidence, as many stand for all in the EM


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
        """Fit on users with y 1 or 0 (−1: unknown, left out).

        labelled: y are labels, and count as they are. Otherwise y = 1 are planted accounts, y = 0 the log's own
        users, of whom some may be what was planted, and both weigh the same.
        """
        known = y >= 0
        x = parts.columns()[known]
        target = (y[known] == 1).astype(np.float64)
        mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
        x = (x - mean) / scale
        if labelled:
            weights = np.full(len(x), 1 / len(x))
            found = _logistic(x, target * weights, (1 - target) * weights, RIDGE, _start())
            return cls(found[:-1], float(found[-1]), mean, scale, float(target.mean()), True)
        found = _presence_only(x, target)
        return cls(found[:-1], float(found[-1]), mean, scale, 0.5, False)

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


def _start() -> Float:
    return np.append(np.full(len(PARTS), 0.5), 0.0)


def _logistic(x: Float, positive: Float, negative: Float, ridge: float, start: Float) -> Float:
    """Weights ≥ 0 and bias, float64[d + 1], where row i counts positive[i] times as 1, negative[i] times as 0."""
    total = positive + negative

    def loss(w: Float) -> tuple[float, Float]:
        z = x @ w[:-1] + w[-1]
        gradient = total * expit(z) - positive
        value = float(total @ np.logaddexp(0, z) - positive @ z) + 0.5 * ridge * float(w[:-1] @ w[:-1])
        return value, np.append(x.T @ gradient + ridge * w[:-1], gradient.sum())

    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    return np.asarray(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x)


def _presence_only(x: Float, planted: Float) -> Float:
    """Weights and bias with planted rows known to be positive and the others unknown, at an even share.

    E-step: the posterior of every other row at the current share of positives among them. M-step: the logistic
    weights with those posteriors as fractional counts, planted plus found positives against the rest, each half.
    """
    rows, n_each = _thinned(x, planted)
    x, planted = x[rows], planted[rows]
    own = (1 - planted) * n_each
    found = _logistic(
        x, 0.5 * planted / max(planted.sum(), 1), 0.5 * own / max(own.sum(), 1), EM_RIDGE, _start()
    )
    share = 1e-3
    for _ in range(EM_ROUNDS):
        belief = posterior(x @ found[:-1] + found[-1], 0.5, share)
        new = float(np.clip((own @ belief) / max(own.sum(), 1), 1e-6, 0.5))
        positive, negative = planted + own * belief, own * (1 - belief)
        found = _logistic(
            x, 0.5 * positive / positive.sum(), 0.5 * negative / max(negative.sum(), 1e-9), EM_RIDGE, found
        )
        if abs(new - share) < 1e-3 * share:
            break
        share = new
    return found


def _thinned(x: Float, planted: Float) -> tuple[NDArray[np.int64], Float]:
    """Rows to fit on and how many each stands for: all with evidence, and every so many of the ordinary ones."""
    strong = (planted == 1) | (x[:, 0] > np.quantile(x[:, 0], 0.98)) | (x[:, 3] > x[:, 3].min())
    ordinary = np.flatnonzero(~strong)
    step = max(len(ordinary) // N_ORDINARY, 1)
    drawn = ordinary[::step]
    rows = np.concatenate([np.flatnonzero(strong), drawn])
    n_each = np.ones(len(rows))
    n_each[int(strong.sum()) :] = len(ordinary) / max(len(drawn), 1)
    return rows, n_each
