"""Do scores mean what they say? Reliability, expected calibration error, Brier score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Reliability:
    """Users grouped by score.

    Shapes: n int64[bins]; mean_score and positive_share float64[bins], bins with no user left out.
    """

    n: NDArray[np.int64]
    mean_score: NDArray[np.float64]
    positive_share: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean |score − share| over users (Naeini et al. 2015)."""
        return float((self.n * np.abs(self.mean_score - self.positive_share)).sum() / self.n.sum())


def reliability(
    score: NDArray[np.floating], y: NDArray[np.integer], n_bins: int = 10, equal_width: bool = True
) -> Reliability:
    """Compare scores in [0, 1] with labels 0/1, in bins of equal width or of equally many users.

    Raises:
        ValueError: the arrays are empty or differ in length, or a score is outside [0, 1].

    >>> reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 0, 1, 1])).expected_error.__round__(3)
    0.1
    """
    score, y = np.asarray(score, np.float64), np.asarray(y)
    if not len(score) or len(score) != len(y) or score.min() < 0 or score.max() > 1:
        raise ValueError("reliability needs as many scores in [0, 1] as labels, and at least one")
    edges = (
        np.linspace(0, 1, n_bins + 1) if equal_width else np.quantile(score, np.linspace(0, 1, n_bins + 1))
    )
    bin_of = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, n_bins - 1)
    n = np.bincount(bin_of, minlength=n_bins)
    used = n > 0
    mean = np.bincount(bin_of, weights=score, minlength=n_bins)[used] / n[used]
    share = np.bincount(bin_of, weights=y, minlength=n_bins)[used] / n[used]
    return Reliability(n[used], mean, share)


def brier(score: NDArray[np.floating], y: NDArray[np.integer]) -> float:
    """Mean squared difference of score and label (Brier 1950); lower is better.

    >>> brier(np.array([0.0, 1.0]), np.array([0, 0]))
    0.5
    """
    return float(np.mean((np.asarray(score, np.float64) - np.asarray(y)) ** 2))
