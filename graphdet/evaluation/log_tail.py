"""p-values from a log's own tail, for logits whose null nobody knows.

The null is the log itself: nearly all its users and groups are ordinary, and those that a judge holds for
ordinary (logit below 0) show how its logits are spread among them. Their upper tail is fitted by an
exponential (the generalised Pareto of Pickands 1975 with shape 0), truncated at 0 so that true positives,
however many, do not widen it. With few values the tail is uncertain, and the predictive distribution (a
Lomax) says so: p-values stay large when there is not enough data.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Float = NDArray[np.float64]
LEAST = 20  # fewer ordinary values than this give no p-value below 1 / (n + 1)
TAIL_SHARE = 0.1
TAIL_LEAST = 20


def tail_p_values(logits: Float) -> Float:
    """p-value of each logit among the ordinary ones of the same log, float64[n] in (0, 1].

    Below the tail the add-one rank; in the tail  p = (k / n) (1 + (x − u) / (k s))^(−k)  with u where the
    tail begins, s the mean excess and k of n the number of values that it was estimated from.

    >>> rng = np.random.default_rng(0)
    >>> p = tail_p_values(np.concatenate([rng.normal(-12, 4, 400), [15.0]]))
    >>> bool(p[-1] < 1e-3), bool(abs(np.median(p) - 0.5) < 0.05)
    (True, True)
    """
    ordinary = np.sort(logits[logits < 0])
    n = len(ordinary)
    above = n - np.searchsorted(ordinary, logits, side="left")
    ranks = np.minimum((above + 1) / (n + 1), 1.0)
    if n < LEAST:
        return ranks
    k = min(max(int(TAIL_SHARE * n), TAIL_LEAST), n // 2)
    start = ordinary[n - k]
    scale = _truncated_scale(ordinary[n - k :] - start, -start)
    tail = (k / n) * (1 + np.maximum(logits - start, 0) / (k * scale)) ** (-float(k))
    return np.where(logits >= start, tail, ranks)


def _truncated_scale(excess: Float, limit: float) -> float:
    """Scale of an exponential seen only below `limit`, by maximum likelihood (a one-dimensional root).

    The mean of such an exponential is  s − limit / (e^(limit / s) − 1). A mean near half the limit says the
    tail does not fall off before the limit; then four times the mean is taken, which makes p-values large.
    """
    mean = max(float(excess.mean()), 1e-6)
    if mean >= 0.45 * limit:
        return 4 * mean

    def gap(scale: float) -> float:
        return float(scale - limit / np.expm1(min(limit / scale, 700.0)) - mean)

    return float(brentq(gap, mean * 0.5, 50 * mean))
