"""How much a distribution has moved: population stability index and Kolmogorov–Smirnov distance."""

import numpy as np
from numpy.typing import NDArray

PSI_MOVED, PSI_FAR = 0.1, 0.25  # the practice: below the first stable, from the second another population
BINS = 10


def psi(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Population stability index of counts in the same bins: Σ (q - p) ln(q / p), half a count added to each bin.

    Half a count keeps an empty bin finite, and costs nothing where there is much.

    >>> psi(np.array([50, 50]), np.array([500, 500])) < 1e-12
    True
    """
    p = (before + 0.5) / (before.sum() + 0.5 * len(before))
    q = (after + 0.5) / (after.sum() + 0.5 * len(after))
    return float(((q - p) * np.log(q / p)).sum())


def ks(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Largest distance of two distribution functions, from counts in the same ascending bins; NaN without any.

    >>> ks(np.array([1, 0]), np.array([0, 1]))
    1.0
    """
    if not before.sum() or not after.sum():
        return float("nan")
    return float(np.abs(np.cumsum(before) / before.sum() - np.cumsum(after) / after.sum()).max())


def moved(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float]:
    """PSI over the deciles of `before`, and the exact KS distance, of two samples without gaps.

    Many equal values give fewer bins: a value is never split between two.

    >>> moved(np.arange(100.0), np.arange(100.0))[1]
    0.0
    """
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS, method="higher"))
    bins = len(edges) + 1
    counts = [
        np.bincount(np.searchsorted(edges, part, side="left"), minlength=bins) for part in (before, after)
    ]
    values = np.unique(np.concatenate([before, after]))
    fine = [np.bincount(np.searchsorted(values, part), minlength=len(values)) for part in (before, after)]
    return psi(counts[0], counts[1]), ks(fine[0], fine[1])
