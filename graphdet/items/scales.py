"""One p-value per item from those at several scales."""

import numpy as np
from numpy.typing import NDArray

from graphdet.evaluation.fdr import adaptive_q_values

CHOICE_FDR = 0.1
Float = NDArray[np.float64]
Int = NDArray[np.int64]


def any_of(p_window: Float, n_windows: Int) -> Float:
    """P(the least of n_windows p-values is that low), were they independent; dependence makes it smaller.

    >>> any_of(np.array([0.5]), np.array([2])).tolist()
    [0.75]
    """
    return np.asarray(-np.expm1(n_windows * np.log1p(-np.clip(p_window, 0.0, 1 - 1e-12))))


def over_scales(p: Float, tested: NDArray[np.bool_]) -> tuple[Float, Int]:
    """A p-value per item, and the scale that each is judged at, from p-values at every scale.

    Campaigns of a log mostly work at one pace. Items are dealt into two halves, by turns; each half is judged at the
    scale at which the other half has most discoveries (at a false discovery rate of CHOICE_FDR), so that the choice
    spends nothing. Where the best of all scales, paid for by their number (Bonferroni), has as many, it is taken.

    Shapes: p float64[n_scales, n_items], tested bool[n_items], items with anything to test. Returns p float64[n_items],
    1 for items not tested, and scale int64[n_items], rows of p.
    """
    n_scales, n_items = p.shape
    least = np.minimum(p.min(axis=0) * n_scales, 1.0)
    options = np.vstack([least, p])
    out, scale = np.ones(n_items), p.argmin(axis=0)
    rows = np.flatnonzero(tested)
    for half in (0, 1):
        mine, other = rows[half::2], rows[1 - half :: 2]
        found = [int((adaptive_q_values(option[other]) <= CHOICE_FDR).sum()) for option in options]
        best = int(np.argmax(found))  # the first of equals: all scales
        out[mine] = options[best, mine]
        if best:
            scale[mine] = best - 1
    return out, scale
