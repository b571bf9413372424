"""How sure a figure is: intervals of a share of trials, and by drawing groups anew.

In the cluster bootstrap the rows of one entity come and go together.
"""

from collections.abc import Iterator
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float


def draws(group: NDArray[np.integer], n_draws: int, seed: int) -> Iterator[Float]:
    """How often each row counts in each draw, float64[n]: as many groups as there are, with replacement.

    Shapes: group int[n], any numbers.
    """
    rng = np.random.default_rng(seed)
    names, row = np.unique(group, return_inverse=True)
    for _ in range(n_draws):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        yield drawn[row].astype(np.float64)


def interval(values: Float, level: float = 0.95) -> tuple[float, float] | None:
    """The middle `level` of the draws (percentiles); None where more than a tenth of them have no value.

    >>> interval(np.zeros(20))
    (0.0, 0.0)
    """
    known = values[np.isfinite(values)]
    if len(known) < 0.9 * len(values) or not len(known):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson(found: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927), by default at 95 %; (0, 1) without trials.

    >>> [round(bound, 3) for bound in wilson(9, 10)]
    [0.596, 0.982]
    """
    if trials == 0:
        return 0.0, 1.0
    share, extra = found / trials, z * z / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * sqrt(share * (1 - share) / trials + extra / (4 * trials)) / (1 + extra)
    return max(0.0, middle - half), min(1.0, middle + half)
