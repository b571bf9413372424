"""p-values from a log's own tail, for logits whose null nobody knows.

The null is the log itself: nearly all its users and groups are ordinary, and those that a judge holds for
ordinary (logit below 0) show how its logits are spread among them. Their upper tail is fitted by an
exponential (the generalised Pareto of Pickands 1975 with shape 0), truncated at 0 so that true positives,
however many, do not widen it. With few values the tail is uncertain, and the predictive distribution (a
Lomax) says so: p-values stay large when there is not enough data.

How heavy the tail of counts is: exponents of a power law, concentration.

False discovery rates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import zeta

from graphdet.arrays import Float

LEAST_ORDINARY_VALUES = 20  # fewer ordinary values than this give no p-value below 1 / (n + 1)
TAIL_SHARE = 0.1
TAIL_LEAST = 20


def tail_p_values(logits: Float, among: Float | None = None) -> Float:
    """p-value of each logit among the ordinary ones of the same log, float64[n] in (0, 1].

    among: the logits that ordinary ones are taken from, float64[m]; None: the same.

    Below the tail the add-one rank; in the tail  p = (k / n) (1 + (x − u) / (k s))^(−k)  with u where the
    tail begins, s the mean excess and k of n the number of values that it was estimated from.

    >>> rng = np.random.default_rng(0)
    >>> p = tail_p_values(np.concatenate([rng.normal(-12, 4, 400), [15.0]]))
    >>> bool(p[-1] < 1e-3), bool(abs(np.median(p) - 0.5) < 0.05)
    (True, True)
    """
    return fitted_tail(logits if among is None else among)(logits)


def fitted_tail(among: Float) -> Callable[[Float], Float]:
    """The p-values of logits (float64[n] to float64[n]) among the ordinary ones of these, float64[m]."""
    ordinary = np.sort(among[among < 0])
    n = len(ordinary)
    k = min(max(int(TAIL_SHARE * n), TAIL_LEAST), n // 2)
    start = ordinary[n - k] if n >= LEAST_ORDINARY_VALUES else np.inf
    scale = _truncated_scale(ordinary[n - k :] - start, -start) if n >= LEAST_ORDINARY_VALUES else 1.0

    def p_values(logits: Float) -> Float:
        above = n - np.searchsorted(ordinary, logits, side="left")
        ranks = np.minimum((above + 1) / (n + 1), 1.0)
        if n < LEAST_ORDINARY_VALUES:
            return ranks
        tail = (k / n) * (1 + np.maximum(logits - start, 0) / (k * scale)) ** (-float(k))
        return np.where(logits >= start, tail, ranks)

    return p_values


def _truncated_scale(excess: Float, limit: float) -> float:
    """Scale of an exponential seen only below `limit`, by maximum likelihood (a one-dimensional root).

    The mean of such an exponential is  s − limit / (e^(limit / s) − 1). A mean near half the limit says the
    tail does not fall off before the limit; then four times the mean is taken, which makes p-values large.
    """
    mean = max(float(excess.mean()), 1e-6)
    if mean >= 0.45 * limit:
        return 4 * mean

    def gap(scale: float) -> float:
        return float(scale - limit / np.expm1(min(limit / scale, 700.0)) - mean)

    return float(brentq(gap, mean * 0.5, 50 * mean))


MOST_STARTS = 40  # values of x_min that are tried
LEAST_TAIL = 50  # things in a tail that an exponent is fitted to
LEAST_VALUES = 6  # distinct counts in it
_EXPONENTS = (1.01, 8.0)


@dataclass(frozen=True)
class PowerLaw:
    """A discrete power law P(k) ∝ k^-alpha from x_min on, and how well it fits.

    alpha is the maximum-likelihood exponent, alpha_se its standard error; hill is 1 + n / Σ ln(k / (x_min - 1/2)),
    Hill's estimate on the same tail; ks is the largest distance of the two distribution functions.
    """

    alpha: float
    alpha_se: float
    hill: float
    x_min: int
    n_tail: int
    ks: float


def fit_power_law(values: NDArray[np.int64], n: NDArray[np.int64]) -> PowerLaw | None:
    """Fit a power law to counts by maximum likelihood, x_min by the least distance (Clauset, Shalizi, Newman 2009).

    Args:
        values: int64[m], distinct counts from 1, ascending.
        n: int64[m], how many things have each.

    Returns:
        The fit, or None where too few things or too few different counts are left for one.
    """
    tails = np.cumsum(n[::-1])[::-1]
    usable = np.flatnonzero((tails >= LEAST_TAIL) & (np.arange(len(values), 0, -1) >= LEAST_VALUES))
    if not len(usable):
        return None
    # Spread over the logarithm of the counts: there are thousands of starts in the far tail, all alike.
    last = usable[-1]
    wanted = np.geomspace(values[0], values[last], MOST_STARTS)
    starts = np.unique(np.minimum(np.searchsorted(values, wanted), last))
    fits = [_fit(values[k:], n[k:]) for k in starts.tolist()]
    return min(fits, key=lambda fit: (fit.ks, fit.x_min))


def _fit(values: NDArray[np.int64], n: NDArray[np.int64]) -> PowerLaw:
    x_min, total = int(values[0]), int(n.sum())
    log_sum = float((n * np.log(values)).sum())
    found = minimize_scalar(
        lambda alpha: total * np.log(zeta(alpha, x_min)) + alpha * log_sum,
        bounds=_EXPONENTS,
        method="bounded",
    )
    alpha = float(found.x)
    model = zeta(alpha, values.astype(np.float64)) / zeta(alpha, x_min)
    seen = np.cumsum(n[::-1])[::-1] / total
    spread = float((n * np.log(values / (x_min - 0.5))).sum())
    return PowerLaw(
        alpha, (alpha - 1) / total**0.5, 1 + total / spread, x_min, total, float(np.abs(model - seen).max())
    )


def expected_tail(law: PowerLaw, k: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(K ≥ k | K ≥ x_min) by a fitted law. Shapes: k float64[m] from x_min on; returns float64[m]."""
    return np.asarray(zeta(law.alpha, k) / zeta(law.alpha, law.x_min))


def gini(values: NDArray[np.int64], n: NDArray[np.int64]) -> float:
    """Gini coefficient of counts: 0 all equal, towards 1 all with one; shapes as in fit_power_law.

    >>> gini(np.array([3]), np.array([10]))
    0.0
    """
    things, mass = np.cumsum(n), np.cumsum(n * values.astype(np.float64))
    area = float((n * (2 * mass - n * values)).sum())
    return max(0.0, round(1 - area / (float(things[-1]) * float(mass[-1])), 12))


def top_share(values: NDArray[np.int64], n: NDArray[np.int64], share: float) -> float:
    """Which part of all is with the largest `share` of things (rounded up to one thing); shapes as in fit_power_law.

    >>> top_share(np.array([1, 91]), np.array([9, 1]), 0.1)
    0.91
    """
    left = int(np.ceil(share * int(n.sum())))
    taken = 0.0
    for value, count in zip(values[::-1].tolist(), n[::-1].tolist(), strict=True):
        now = min(left, count)
        taken += now * value
        left -= now
        if not left:
            break
    return taken / float((n * values.astype(np.float64)).sum())


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values: the least false discovery rate at which each test is rejected (Benjamini & Hochberg 1995).

    Shapes: p float64[n] in [0, 1]; returns float64[n].

    >>> benjamini_hochberg(np.array([0.01, 0.02, 0.5])).round(3).tolist()
    [0.03, 0.03, 0.5]
    """
    n = len(p)
    if n == 0:
        return np.zeros(0)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * n / np.arange(1, n + 1)
    q = np.empty(n)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def null_share(p: NDArray[np.float64]) -> float:
    """Share of tests with nothing to find: of p-values above one half there are half as many (Storey 2002).

    One is added to their number, so that it is never zero; at most 1.

    >>> null_share(np.array([0.001] * 50 + [0.55, 0.65, 0.75, 0.85] * 6))
    0.6756756756756757
    """
    return min(1.0, 2 * (float((p > 0.5).sum()) + 1) / max(len(p), 1))


def adaptive_q_values(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """q-values of Benjamini–Hochberg times `null_share`: sharper where much is to be found, never larger.

    Shapes: p float64[n] in [0, 1]; returns float64[n].
    """
    return np.asarray(null_share(p) * benjamini_hochberg(p))
