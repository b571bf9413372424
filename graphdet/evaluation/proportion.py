"""A share of trials, and how sure it is."""

from math import sqrt


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
