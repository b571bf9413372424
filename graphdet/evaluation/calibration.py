"""Whether a score means what it says: of things scored .8, eight in ten are frauds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.evaluation.proportion import wilson

Float = NDArray[np.float64]
N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows whose scores are alike: low ≤ score < high (the last one with 1), counts, mean score, and the share of
    frauds with its 95 % interval (Wilson)."""

    low: float
    high: float
    n: int
    n_fraud: int
    mean_score: float
    share: float
    share_low: float
    share_high: float


def reliability(score: Float, y: NDArray[np.integer], n_bins: int = N_BINS) -> list[Bin]:
    """Put rows into bins of equal width; empty ones are left out.

    Shapes: score float64[n] in [0, 1]; y[n], 1 fraud, 0 clean.

    >>> [(b.low, b.n, b.share) for b in reliability(np.array([0.05, 0.95, 1.0]), np.array([0, 1, 0]))]
    [(0.0, 1, 0.0), (0.9, 2, 0.5)]
    """
    place = np.minimum((score * n_bins).astype(np.int64), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    n_fraud = np.bincount(place, y, n_bins).astype(np.int64)
    total = np.bincount(place, score, n_bins)
    found = []
    for k in np.flatnonzero(n).tolist():
        low, high = wilson(int(n_fraud[k]), int(n[k]))
        found.append(
            Bin(k / n_bins, (k + 1) / n_bins, int(n[k]), int(n_fraud[k]), float(total[k] / n[k]),
                float(n_fraud[k] / n[k]), low, high)
        )  # fmt: skip
    return found


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean distance of score and share of frauds, weighted by rows (Naeini 2015)."""
    n = sum(each.n for each in bins)
    return sum(each.n * abs(each.mean_score - each.share) for each in bins) / n


def brier(score: Float, y: NDArray[np.integer], weight: Float | None = None) -> float:
    """Mean squared distance of score and label (Brier 1950); NaN without weight."""
    squared = (score - y) ** 2
    if weight is None:
        return float(squared.mean())
    total = float(weight.sum())
    return float(weight @ squared) / total if total > 0 else float("nan")
