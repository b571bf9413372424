"""Spearman's rank correlation of many columns at once."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import rankdata


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
