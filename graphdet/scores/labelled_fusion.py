"""How much each part counts, by labels: many, few, or of frauds alone.

One logistic model with non-negative weights, on what is known of users:

    minimise  Σ a_i ln(1 + e^{z_i}) − Σ t_i z_i + penalty

* Labels of both kinds: a = 1 / n, t = label / n, the mean log loss.
* Frauds alone: a = 1 / N over all N users, t = π / n_p on the frauds. It is the unbiased risk of learning from positive
  and unlabelled data (du Plessis, Niu and Sugiyama 2015), convex for the logistic loss and in need of no correction
  below zero, as so few weights cannot learn the frauds by heart. Its minimum has mean probability π.
* Few labels: the penalty draws towards DEFAULT_WEIGHTS, what trees grown on few labels and the zero-shot fusion are
  worth to each other, as Gaussian priors of PRIOR_SD of each weight and SHIFT_SD of the bias would. Trees grown on few
  labels give log odds near nothing, so the fewer labels, the nearer is the order to that of the zero-shot score.
  Weights that were freer, or more of them, ranked worse (decisions/0012).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from graphdet.arrays import Float
from graphdet.scores.fused import RIDGE, TREES_PART, ZERO_SHOT, Fusion, ScoreParts, fusion_columns, names_of

DEFAULT_WEIGHTS = {TREES_PART: 1.0, ZERO_SHOT: 0.25}
PRIOR_SD = 0.1  # of each weight, as a share of it
SHIFT_SD = 4.0  # which users were labelled says more of the bias than the log does


@dataclass(frozen=True)
class Evidence:
    """What labels say. y int[n_users]: 1 fraud, 0 clean, −1 left out.

    share: where only frauds are known, y = 0 is everybody else, and this the share of frauds among all.
    """

    y: NDArray[np.integer]
    share: float | None = None

    @property
    def n(self) -> int:
        """Labels behind it."""
        return int((self.y == 1).sum() if self.share is not None else (self.y >= 0).sum())

    def sums(self) -> tuple[Float, Float]:
        """a and t of the formula above, float64[n_users]."""
        seen, fraud = self.y >= 0, self.y == 1
        weight = seen / max(int(seen.sum()), 1)
        if self.share is None:
            return weight, fraud / max(int(seen.sum()), 1)
        return weight, fraud * (self.share / max(int(fraud.sum()), 1))

    def without(self, rows: NDArray[np.bool_]) -> "Evidence":
        """The same of the other users."""
        return Evidence(np.where(rows, -1, self.y), self.share)


def fit_labelled_fusion(
    parts: ScoreParts,
    evidence: Evidence,
    used: Sequence[str] = (),
    zero_shot: Fusion | None = None,
) -> Fusion:
    """Weigh the parts of all users by evidence; used: names of parts (none: all), the others get no weight.

    zero_shot: the fusion without labels, given where labels are few.
    """
    names = names_of(parts, zero_shot)
    x = fusion_columns(parts, names, zero_shot)
    weight, target = evidence.sums()
    seen = weight > 0
    base = slice(None) if zero_shot is not None else seen  # a few labels say little of how wide a column is
    mean, scale = x[base].mean(axis=0), x[base].std(axis=0) + 1e-9
    columns = [j for j, name in enumerate(names) if not used or name in used]
    z = ((x - mean) / scale)[seen][:, columns]
    share = float(np.clip(target.sum(), 1e-6, 1 - 1e-6))
    ridge = np.append(np.full(len(columns), RIDGE * 4 * share * (1 - share)), 0.0)
    centre = np.append(np.zeros(len(columns)), np.log(share / (1 - share)))
    if zero_shot is not None:
        usual = np.array([DEFAULT_WEIGHTS.get(names[j], 0.0) for j in columns]) * scale[columns]
        centre = np.append(usual, DEFAULT_WEIGHTS[ZERO_SHOT] * mean[names.index(ZERO_SHOT)])
        spread = np.append(np.where(usual > 0, PRIOR_SD * usual, PRIOR_SD), SHIFT_SD)
        ridge = 1 / (spread**2 * max(evidence.n, 1))
    found = _weighted_logistic(z, weight[seen], target[seen], ridge, centre)
    weights = np.zeros(len(names))
    weights[columns] = found[:-1]
    return Fusion(weights, float(found[-1]), mean, scale, float(parts.ring.mean()), True, names, zero_shot)


def cross_fitted(
    parts: ScoreParts,
    evidence: Evidence,
    fold: NDArray[np.integer],
    used: Sequence[str] = (),
    zero_shot: Fusion | None = None,
) -> Float:
    """Scores of users by weights that were fitted without their fold, float64[n_users]."""
    out = np.zeros(len(fold))
    for k in np.unique(fold):
        rows = fold == k
        out[rows] = fit_labelled_fusion(parts, evidence.without(rows), used, zero_shot).score(parts)[rows]
    return out


def _weighted_logistic(x: Float, weight: Float, target: Float, ridge: Float, centre: Float) -> Float:
    """Weights ≥ 0 and bias, float64[d + 1]; penalty ½ Σ ridge (w − centre)²."""

    def loss(w: Float) -> tuple[float, Float]:
        z = x @ w[:-1] + w[-1]
        gradient = weight * expit(z) - target
        away = w - centre
        value = float(weight @ np.logaddexp(0, z) - target @ z) + 0.5 * float(ridge @ away**2)
        return value, np.append(x.T @ gradient, gradient.sum()) + ridge * away

    start = np.where(np.arange(len(centre)) < x.shape[1], np.maximum(centre, 0.1), centre)
    bounds = [(0.0, None)] * x.shape[1] + [(None, None)]
    return np.asarray(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x)
