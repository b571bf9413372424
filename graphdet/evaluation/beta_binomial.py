"""Shares that differ from thing to thing: the beta-binomial law, its fit and its upper tail."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, log_expit

from graphdet.arrays import Float, Int

MOST_TERMS = 4_000_000  # of a tail's sums held at a time
LEAST_GAIN = 3.0  # nats by which a law with one more parameter must fit better
SHARE_RANGE, SIZE_RANGE = (1e-6, 1 - 1e-6), (1e-2, 1e6)


def fit_beta_binomial(k: Int, n: Int, *, one_added: bool = False) -> tuple[float, float]:
    """Parameters (a, b) of Beta(a, b), the law of the share from thing to thing, by maximum likelihood.

    With `one_added` some things (a share that is fitted too) have one success that does not belong to them: a
    mixture of k of n and k − 1 of n − 1. It is kept where it gains LEAST_GAIN nats over the plain law: where hardly
    anything has two successes, nothing tells what is added from what is usual, and then all is taken for usual. What is
    never seen gets half a success in all.

    Shapes: k, n int64[m], k of n; things with n = 0 say nothing.

    >>> a, b = fit_beta_binomial(np.array([2, 0, 1, 1] * 50), np.array([10] * 200))
    >>> round(a / (a + b), 2)
    0.1
    """
    seen, count = np.unique(np.column_stack([k, n])[n > 0], axis=0, return_counts=True)
    if not len(seen):
        return 0.5, 0.5
    ks, ns = seen[:, 0], seen[:, 1]
    share = float(((ks * count).sum() + 0.5) / ((ns * count).sum() + 1))
    if not ks.any():
        return share * SIZE_RANGE[1], (1 - share) * SIZE_RANGE[1]

    def loss(theta: Float) -> float:
        a, b = _parameters(theta)
        kernel = log_pmf(ks, ns, a, b)
        if len(theta) == 3:
            added = np.where(ks > 0, log_pmf(np.maximum(ks - 1, 0), np.maximum(ns - 1, 0), a, b), -np.inf)
            kernel = np.logaddexp(log_expit(-theta[2]) + kernel, log_expit(theta[2]) + added)
        return float(-(count * kernel).sum())

    options = {"xatol": 1e-3, "fatol": 1e-4, "maxiter": 600}
    start = [np.log(share / (1 - share)), np.log(10.0)]
    best = minimize(loss, start, method="Nelder-Mead", options=options)
    if one_added:
        mixed = minimize(loss, [*start, -3.0], method="Nelder-Mead", options=options)
        if mixed.fun <= best.fun - LEAST_GAIN:
            best = mixed
    return _parameters(best.x)


def _parameters(theta: Float) -> tuple[float, float]:
    """(a, b) of a logit of the mean and a logarithm of the size, within their ranges."""
    mean = float(np.clip(expit(theta[0]), *SHARE_RANGE))
    size = float(np.exp(np.clip(theta[1], *np.log(SIZE_RANGE))))
    return mean * size, (1 - mean) * size


def log_pmf(k: NDArray[np.integer], n: NDArray[np.integer], a: Float | float, b: Float | float) -> Float:
    """ln P(K = k) of the beta-binomial; all of one shape or broadcast."""
    choose = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return np.asarray(choose + betaln(k + a, n - k + b) - betaln(a, b))


def upper_tail(k: Int, n: Int, a: Float, b: Float) -> Float:
    """P(K ≥ k), summed from the top, so that small tails keep their digits.

    Shapes: all [m]; returns float64[m] in [0, 1].

    >>> upper_tail(np.array([0, 2]), np.array([2, 2]), np.ones(2), np.ones(2)).round(3).tolist()
    [1.0, 0.333]
    """
    out = np.ones(len(k))
    rows = np.flatnonzero(k > 0)
    length = (n - k + 1)[rows]
    order = rows[np.argsort(length, kind="stable")]
    ends = np.cumsum((n - k + 1)[order])
    start = 0
    while start < len(order):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + MOST_TERMS)))
        some = order[start:stop]
        size = (n - k + 1)[some]
        row = np.repeat(np.arange(len(some)), size)
        term = k[some][row] + np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        value = np.exp(log_pmf(term, n[some][row], a[some][row], b[some][row]))
        out[some] = np.bincount(row, value, minlength=len(some))
        start = stop
    return np.clip(out, 0.0, 1.0)
