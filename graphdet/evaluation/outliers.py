"""Three ways to tell how far out a row of features lies: z-score, quartiles (IQR) and ECOD."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
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
