"""How often would a natural group look this much like a ring? p- and q-values of rings.

The null is the log itself: nearly all candidate groups of a real log are natural (tastes, news, columns), and those
that the judge holds for natural (logit below 0) show how its logits are spread among them. Their upper tail is fitted
by an exponential (Pickands 1975; the generalised Pareto with shape 0, which is conservative here because the judge's
logits fall off faster), truncated at 0 so that real rings, however many, do not widen it. With few groups the tail is
uncertain, and the predictive distribution (a Lomax) says so: p-values stay large when there is not enough data.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Float = NDArray[np.float64]
LEAST_GROUPS = 20  # fewer natural groups than this give no p-value below 1 / (n + 1)
TAIL_SHARE = 0.1
TAIL_LEAST = 20


def tail_p_values(logits: Float) -> Float:
    """p-value of each candidate's logit among the natural groups of the same log, float64[n] in (0, 1].

    Below the tail the add-one rank; in the tail  p = P(tail) (1 + (x − u) / (k s))^(−k)  with u where the tail begins,
    s the mean excess and k the number of groups that it was estimated from.

    >>> rng = np.random.default_rng(0)
    >>> p = tail_p_values(np.concatenate([rng.normal(-12, 4, 400), [15.0]]))
    >>> bool(p[-1] < 1e-3), bool(abs(np.median(p) - 0.5) < 0.05)
    (True, True)
    """
    natural = np.sort(logits[logits < 0])
    n = len(natural)
    above = n - np.searchsorted(natural, logits, side="left")
    ranks = np.minimum((above + 1) / (n + 1), 1.0)
    if n < LEAST_GROUPS:
        return ranks
    k = min(max(int(TAIL_SHARE * n), TAIL_LEAST), n // 2)
    start = natural[n - k]
    scale = _truncated_scale(natural[n - k :] - start, -start)
    tail = (k / n) * (1 + np.maximum(logits - start, 0) / (k * scale)) ** (-float(k))
    return np.where(logits >= start, np.minimum(tail, ranks if n < LEAST_GROUPS else 1.0), ranks)


def _truncated_scale(excess: Float, limit: float) -> float:
    """Scale of an exponential seen only below `limit`, by maximum likelihood (a one-dimensional root).

    The mean of such an exponential is  s − limit / (e^(limit / s) − 1). A mean of half the limit or more says the tail
    does not fall off before the limit; then the plain mean × 4 is taken, which makes p-values large.
    """
    mean = max(float(excess.mean()), 1e-6)
    if mean >= 0.45 * limit:
        return 4 * mean

    def gap(scale: float) -> float:
        return scale - limit / np.expm1(min(limit / scale, 700.0)) - mean

    return float(brentq(gap, mean * 0.5, 50 * mean))
