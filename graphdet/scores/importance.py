"""Which features tell labels apart: a random forest's own importance, and what shuffling a feature costs.

Nothing here scores anybody: it is for looking at a log before a model is made.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

MOST_FIT, MOST_HELD_OUT = 20_000, 4_000  # rows
ENOUGH_HELD_OUT = 200  # of the rarer label on the held-out part, where there are so many
LEAST_LABELS_OF_A_KIND = 5  # labels of each kind in either part
IMPORTANCE_TREES, PERMUTATIONS, FOLDS = 100, 5, 4
_JOBS = 2


@dataclass(frozen=True)
class Importance:
    """What a forest learned. Shapes: impurity, permutation, permutation_std float64[d].

    impurity sums to 1 over the features. permutation is the average precision lost on the held-out part when the
    feature is shuffled there, mean and standard deviation over PERMUTATIONS. auroc and auprc are the forest's on the
    held-out part, base_rate the share of fraud in it.
    """

    impurity: NDArray[np.float64]
    permutation: NDArray[np.float64]
    permutation_std: NDArray[np.float64]
    auroc: float
    auprc: float
    base_rate: float
    n_fit: int
    n_held_out: int


def permutation_importance(
    x: NDArray[np.float32], y: NDArray[np.int8], group: NDArray[np.int64], seed: int
) -> Importance | None:
    """Fit a forest to three quarters of the groups, and look at what it needs on the rest.

    No group (a user, with all that is theirs) lies in both parts. More than MOST_FIT or MOST_HELD_OUT rows are
    sampled: to learn, up to half of the rarer label; to ask, at their share, or ENOUGH_HELD_OUT of it.

    Args:
        x: float32[n, d], NaN where there is nothing.
        y: int8[n], 1 fraud, 0 clean.
        group: int64[n].
        seed: of the split, the samples, the forest and the shuffles.

    Returns:
        None where a part has fewer than LEAST_LABELS_OF_A_KIND of a label.
    """
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    if len(np.unique(group)) < FOLDS or min((y == 0).sum(), (y == 1).sum()) < FOLDS:
        return None
    fit, held = next(folds.split(x, y, group))
    rng = np.random.default_rng(seed)
    fit = _sample(fit, y, MOST_FIT, MOST_FIT // 2, rng)
    # At their natural share, so that the average precision is that of the log; more of a label that is very rare.
    share = min(y[held].mean(), 1 - y[held].mean())
    held = _sample(held, y, MOST_HELD_OUT, max(ENOUGH_HELD_OUT, round(share * MOST_HELD_OUT)), rng)
    if min(np.bincount(y[part], minlength=2).min() for part in (fit, held)) < LEAST_LABELS_OF_A_KIND:
        return None
    forest = RandomForestClassifier(
        IMPORTANCE_TREES, min_samples_leaf=5, class_weight="balanced", random_state=seed, n_jobs=_JOBS
    ).fit(x[fit], y[fit])
    forest.n_jobs = 1  # threads add the trees' votes in any order, and so would the last bits
    auroc, auprc = _quality(forest, x[held], y[held])
    loss = _losses(forest, x[held], y[held], auprc, seed)
    return Importance(
        forest.feature_importances_,
        loss.mean(axis=0),
        loss.std(axis=0),
        auroc,
        auprc,
        float(y[held].mean()),
        len(fit),
        len(held),
    )


def _losses(
    forest: RandomForestClassifier, x: NDArray[np.float32], y: NDArray[np.int8], auprc: float, seed: int
) -> NDArray[np.float64]:
    """Average precision lost in each shuffle of each feature, float64[PERMUTATIONS, d]; two features at a time."""

    def lost(features: NDArray[np.int64]) -> NDArray[np.float64]:
        many = np.tile(x, (PERMUTATIONS, 1))  # all repeats in one call: it costs half of that many
        out = np.zeros((PERMUTATIONS, len(features)))
        for at, j in enumerate(features.tolist()):
            rng = np.random.default_rng((seed, j))
            many[:, j] = np.concatenate([rng.permutation(x[:, j]) for _ in range(PERMUTATIONS)])
            chance = _chances(forest, many).reshape(PERMUTATIONS, len(y))
            out[:, at] = [auprc - average_precision_score(y, one) for one in chance]
            many[:, j] = np.tile(x[:, j], PERMUTATIONS)
        return out

    halves = [np.arange(start, x.shape[1], _JOBS) for start in range(_JOBS)]
    found = np.zeros((PERMUTATIONS, x.shape[1]))
    with ThreadPoolExecutor(_JOBS) as pool:
        for half, one in zip(halves, pool.map(lost, halves), strict=True):
            found[:, half] = one
    return found


def _sample(
    rows: NDArray[np.int64], y: NDArray[np.int8], most: int, most_rare: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """At most so many rows, with at most so many of the rarer label."""
    if len(rows) <= most:
        return rows
    rare = 1 if 2 * int(y[rows].sum()) <= len(rows) else 0
    few, many = rows[y[rows] == rare], rows[y[rows] != rare]
    few = rng.choice(few, min(len(few), most_rare), replace=False)
    return np.sort(np.concatenate([few, rng.choice(many, min(len(many), most - len(few)), replace=False)]))


def _quality(
    forest: RandomForestClassifier, x: NDArray[np.float32], y: NDArray[np.int8]
) -> tuple[float, float]:
    chance = _chances(forest, x)
    return float(roc_auc_score(y, chance)), float(average_precision_score(y, chance))


def _chances(forest: RandomForestClassifier, x: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(forest.predict_proba(x)[:, 1].round(9), np.float64)
