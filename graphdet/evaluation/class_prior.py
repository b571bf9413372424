"""How many of the unlabelled are frauds, from the scores of frauds that are known."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
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
