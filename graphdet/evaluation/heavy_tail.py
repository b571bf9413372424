"""How heavy the tail of counts is: exponents of a power law, concentration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import zeta

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
