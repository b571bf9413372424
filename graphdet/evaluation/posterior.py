"""Posteriors at a log's own share of positives, and the false discovery rate they imply."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Float = NDArray[np.float64]
# Where nothing is found the likeliest share is 0, and nothing short of certainty would make a log's only ring a ring.
LEAST_SHARE = 0.01


def estimate_share(logits: Float, fitted_share: float, rounds: int = 200) -> float:
    """Share of positives in an unlabelled sample, by EM on a classifier's log-odds.

    Saerens, Latinne & Decaestecker 2002: reweigh the posteriors by the ratio of shares, average, repeat;
    starts at 1 % and stays between that and one half.

    >>> round(estimate_share(np.array([-20.0] * 95 + [20.0] * 5), 0.5), 6)
    0.05
    """
    share = LEAST_SHARE
    if not len(logits):
        return share
    for _ in range(rounds):
        mean = float(posterior(logits, fitted_share, share).mean())
        new = min(max(mean, LEAST_SHARE), 0.5)
        if abs(new - share) < 1e-9:
            break
        share = new
    return round(share, 9)


def posterior(logits: Float, fitted_share: float, share: float) -> Float:
    """Probability at another share of positives than that of the fit, float64[n]."""
    return np.asarray(expit(logits + _shift(fitted_share, share)))


def logit_for(probability: float, fitted_share: float, share: float) -> float:
    """The log-odds from which the posterior is at least `probability`.

    >>> round(float(posterior(np.array([logit_for(0.95, 0.2, 0.01)]), 0.2, 0.01)[0]), 6)
    0.95
    """
    return float(np.log(probability / (1 - probability)) - _shift(fitted_share, share))


def _shift(fitted_share: float, share: float) -> float:
    return float(np.log(share / (1 - share)) - np.log(fitted_share / (1 - fitted_share)))


def posterior_q_values(probability: Float) -> Float:
    """Expected share of negatives among all that are at least as probable, float64[n] (Efron 2010, ch. 5).

    >>> posterior_q_values(np.array([0.5, 1.0, 0.9])).round(3).tolist()
    [0.2, 0.0, 0.05]
    """
    order = np.argsort(-probability, kind="stable")
    q = np.empty(len(probability))
    q[order] = np.cumsum(1 - probability[order]) / np.arange(1, len(probability) + 1)
    return q
