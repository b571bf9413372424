"""Whether a score means what it says, and what share of a log is positive.

Three parts: calibration (of things scored .8, eight in ten are frauds); the share of frauds among the unlabelled, from
the scores of frauds that are known; posteriors at a log's own share of positives, and the false discovery rate that
they imply.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from graphdet.arrays import Float
from graphdet.evaluation.intervals import wilson

N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows whose scores are alike: low ≤ score < high (the last one with 1), counts, mean score, and the share of
    frauds with its 95 % interval (Wilson)."""

    low: float
    high: float
    n: int
    n_fraud: int
    mean_score: float
    share: float
    share_low: float
    share_high: float


def reliability(score: Float, y: NDArray[np.integer], n_bins: int = N_BINS) -> list[Bin]:
    """Put rows into bins of equal width; empty ones are left out.

    Shapes: score float64[n] in [0, 1]; y[n], 1 fraud, 0 clean.

    >>> [(b.low, b.n, b.share) for b in reliability(np.array([0.05, 0.95, 1.0]), np.array([0, 1, 0]))]
    [(0.0, 1, 0.0), (0.9, 2, 0.5)]
    """
    place = np.minimum((score * n_bins).astype(np.int64), n_bins - 1)
    n = np.bincount(place, minlength=n_bins)
    n_fraud = np.bincount(place, y, n_bins).astype(np.int64)
    total = np.bincount(place, score, n_bins)
    found = []
    for k in np.flatnonzero(n).tolist():
        low, high = wilson(int(n_fraud[k]), int(n[k]))
        found.append(
            Bin(k / n_bins, (k + 1) / n_bins, int(n[k]), int(n_fraud[k]), float(total[k] / n[k]),
                float(n_fraud[k] / n[k]), low, high)
        )  # fmt: skip
    return found


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean distance of score and share of frauds, weighted by rows (Naeini 2015)."""
    n = sum(each.n for each in bins)
    return sum(each.n * abs(each.mean_score - each.share) for each in bins) / n


def brier(score: Float, y: NDArray[np.integer], weight: Float | None = None) -> float:
    """Mean squared distance of score and label (Brier 1950); NaN without weight."""
    squared = (score - y) ** 2
    if weight is None:
        return float(squared.mean())
    total = float(weight.sum())
    return float(weight @ squared) / total if total > 0 else float("nan")


DELTA, GAMMA = 0.1, 0.01


def best_bin_share(frauds: Float, unlabelled: Float) -> float:
    """Estimate the share of frauds among the unlabelled, in (0, 1].

    Best bin estimation (Garg, Wu, Smola, Balakrishnan and Lipton 2021, algorithm 1): above a cut c lie q_p of the known
    frauds and q_u of the unlabelled, and q_u ÷ q_p is at least the share, equal where only frauds lie above c. The cut
    is the one with the lowest upper confidence bound. It rests on known frauds being drawn at random from all frauds.

    Shapes: frauds float64[n_p], unlabelled float64[n_u], scores by models that did not learn from them.

    Raises:
        ValueError: one of them is empty.

    >>> rng = np.random.default_rng(0)
    >>> rest = np.concatenate([rng.normal(0, 1, 900), rng.normal(5, 1, 100)])
    >>> round(best_bin_share(rng.normal(5, 1, 200), rest), 1)
    0.1
    """
    if not len(frauds) or not len(unlabelled):
        raise ValueError("a share needs scores of known frauds and of unlabelled ones")
    cut = np.unique(frauds)
    above = [1 - np.searchsorted(np.sort(part), cut, "left") / len(part) for part in (frauds, unlabelled)]
    doubt = sum(np.sqrt(np.log(4 / DELTA) / (2 * len(part))) for part in (frauds, unlabelled))
    bound = (above[1] + (1 + GAMMA) * doubt) / above[0]
    best = int(np.argmin(bound))
    share = above[1][best] / above[0][best]
    return float(np.clip(share, 1 / len(unlabelled), 1.0))


# Where nothing is found the likeliest share is 0, and nothing short of certainty would make a log's only ring a ring.
LEAST_FRAUD_SHARE = 0.01


def estimate_share(logits: Float, fitted_share: float, rounds: int = 200) -> float:
    """Share of positives in an unlabelled sample, by EM on a classifier's log-odds.

    Saerens, Latinne & Decaestecker 2002: reweigh the posteriors by the ratio of shares, average, repeat;
    starts at 1 % and stays between that and one half.

    >>> round(estimate_share(np.array([-20.0] * 95 + [20.0] * 5), 0.5), 6)
    0.05
    """
    share = LEAST_FRAUD_SHARE
    if not len(logits):
        return share
    for _ in range(rounds):
        mean = float(posterior(logits, fitted_share, share).mean())
        new = min(max(mean, LEAST_FRAUD_SHARE), 0.5)
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
