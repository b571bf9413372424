"""False discovery rates."""

import numpy as np
from numpy.typing import NDArray


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
