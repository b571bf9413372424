"""Columns of numbers: how far out a row lies, how columns go together, how much one has moved.

Outliers by z-score, quartiles (IQR) and ECOD; Spearman's rank correlation of many columns at once; the population
stability index and the Kolmogorov–Smirnov distance.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import rankdata

from graphdet.arrays import Float

FAR_Z = 3.0  # standard deviations
FAR_IQR = 3.0  # Tukey's far-out fences: quartile ± 3 interquartile ranges
NO_SPAN = 0.01


def z_scores(x: Float) -> Float:
    """Distance of each value from its feature's mean, in standard deviations; 0 where a feature is constant.

    Shapes: x float64[n, d] without gaps; returns float64[n, d], never negative.

    >>> z_scores(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    spread = x.std(axis=0)
    varied = spread > 1e-12 * np.maximum(np.abs(x).max(axis=0), 1.0)
    return np.asarray(np.where(varied, np.abs(x - x.mean(axis=0)) / np.where(varied, spread, 1.0), 0.0))


def iqr_distances(x: Float) -> Float:
    """Distance of each value beyond its feature's quartiles, in interquartile ranges; 0 between them.

    A feature whose quartiles are equal, or nearer than NO_SPAN of its whole range, has no scale and gives 0 throughout.

    Shapes: x float64[n, d] without gaps; returns float64[n, d], never negative.

    >>> iqr_distances(np.array([[0.0], [1.0], [2.0], [3.0], [10.0]])).ravel().tolist()
    [0.5, 0.0, 0.0, 0.0, 3.5]
    """
    low, high = np.quantile(x, (0.25, 0.75), axis=0)
    span = high - low
    beyond = np.maximum(np.maximum(low - x, x - high), 0.0)
    varied = span > NO_SPAN * np.ptp(x, axis=0)
    return np.asarray(np.where(varied, beyond / np.where(varied, span, 1.0), 0.0))


def ecod_parts(x: Float) -> Float:
    """ECOD (Li et al. 2022): per value -ln of how rare it is in the tail of its feature that counts.

    Of a value the left tail is P(X ≤ x), the right one P(X ≥ x), both as the feature itself shows them; the automatic
    one is the left where the feature is skewed to the left, the right where to the right, and both together where to
    neither. The largest of the three counts. A row's ECOD score is the sum over features, as in the authors' code
    (pyod); the paper takes the largest after summing. A constant feature gives 0.

    Shapes: x float64[n, d] without gaps; returns float64[n, d], never negative.
    """
    parts = np.zeros_like(x, dtype=np.float64)
    for j in range(x.shape[1]):
        column = x[:, j]
        ordered = np.sort(column)
        if ordered[0] == ordered[-1]:
            continue
        left = -np.log(np.searchsorted(ordered, column, side="right") / len(column))
        right = -np.log((len(column) - np.searchsorted(ordered, column, side="left")) / len(column))
        scaled = (column - column.mean()) / column.std()
        lean = float((scaled**3).mean())
        automatic = right if lean > 0 else left if lean < 0 else left + right
        parts[:, j] = np.maximum(np.maximum(left, right), automatic)
    return np.maximum(parts, 0.0)  # -ln 1 is -0.0


def spearman(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank correlation of each pair of columns; equal values share their mean rank, constant columns give NaN.

    Shapes: x float64[n, d] without gaps; returns float64[d, d], symmetric, 1 on the diagonal of what varies.

    >>> spearman(np.array([[1.0, 10.0], [2.0, 100.0], [3.0, 1000.0]])).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    n, d = x.shape
    ranks = rankdata(x, axis=0) - (n + 1) / 2
    length = np.sqrt((ranks**2).sum(axis=0))
    out = np.full((d, d), np.nan)
    varied = length > 0
    ranks = ranks[:, varied] / length[varied]
    out[np.ix_(varied, varied)] = np.clip((ranks.T @ ranks).round(12), -1, 1)
    return out


def alike_together(correlation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order columns so that those that go together, or against each other, stand side by side.

    The order of the leaves of average linkage on 1 - |r|. Shapes: float64[d, d] without gaps; returns int64[d].

    >>> order = alike_together(np.array([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]])).tolist()
    >>> abs(order.index(0) - order.index(2))
    1
    """
    d = len(correlation)
    if d < 3:
        return np.arange(d)
    above = np.triu_indices(d, 1)
    apart = 1 - np.abs(correlation[above])
    return np.asarray(leaves_list(linkage(apart, "average", optimal_ordering=True)), np.int64)


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
