"""Scores learned from labels of items, sessions or events.

Gradient-boosted trees, one model a fold. A labelled row is scored by the model that has seen neither it nor
any other row of its group (its user), another one by all of them. Nothing is kept: trees of this kind have no
format of their own but a pickle, so they are grown again where they are needed (docs/decisions/0005).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from graphdet.evaluation.folds import conformal_p_values, cross_conformal_p_values, grouped_folds

Float = NDArray[np.float64]
MOST_ROWS = 200_000  # clean rows that are learned from; beyond, a sample stands for all
ROWS_A_CALL = 50_000
N_ROUNDS = 150


@dataclass(frozen=True)
class LabelledScores:
    """What the labels say of every row.

    Shapes: score, p_value, logit float64[n]; typical float64[d], the median clean row (NaN where a feature
    is mostly absent). `score` is a probability at the share of fraud among the labels.
    """

    score: Float
    p_value: Float
    logit: Float
    typical: Float
    x: NDArray[np.float32] = field(repr=False)
    fold: NDArray[np.int64] = field(repr=False)
    models: list[HistGradientBoostingClassifier] = field(repr=False)

    def effects(self, rows: NDArray[np.int64]) -> Float:
        """How much of each row's logit goes away when one feature is made typical, float64[len(rows), d]."""
        d = self.x.shape[1]
        out = np.zeros((len(rows), d))
        size = max(ROWS_A_CALL // d, 1)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            # All changes of a row in one call: row i with feature j made typical is at [i, j].
            changed = np.repeat(self.x[part][:, None, :], d, axis=1)
            changed[:, np.arange(d), np.arange(d)] = self.typical
            after = _logits(self.models, changed.reshape(-1, d), np.repeat(self.fold[part], d))
            before = _logits(self.models, self.x[part], self.fold[part])
            out[start : start + len(part)] = before[:, None] - after.reshape(len(part), d)
        return out


def score_by_labels(
    x: NDArray[np.float32], y: NDArray[np.int8], group: NDArray[np.int64], seed: int
) -> LabelledScores:
    """Learn from the labelled rows and score all of them.

    Shapes: x float32[n, d], NaN where there is nothing to measure; y int8[n], 1 fraud, 0 clean, −1 unknown;
    group int64[n], rows of one group are never learned from to score each other.

    p_value is the rank among clean labelled rows, each scored by a model that has not seen it: for a
    clean row drawn like the labelled ones, p ≤ a happens about a share a of the time.

    Raises:
        ValueError: a label is found in fewer than two groups.
    """
    known = np.flatnonzero(y >= 0)
    fold = np.full(len(y), -1, np.int64)
    fold[known] = grouped_folds(y[known], group[known], seed)
    n_folds = int(fold.max()) + 1
    rows = _learned(y, seed)
    models = [_fit(x, y, rows[fold[rows] != k], seed) for k in range(n_folds)]
    each = np.zeros((n_folds, len(y)))
    for k, model in enumerate(models):
        each[k] = _decide(model, x)
    logit = each.mean(axis=0)
    logit[known] = each[fold[known], known]
    slope, bias = _platt(logit[known], y[known])
    is_clean = y == 0
    clean, clean_fold = logit[is_clean], fold[is_clean]
    p_value = cross_conformal_p_values(each, clean, clean_fold)
    p_value[known] = conformal_p_values(logit[known], clean)
    # A clean row is not to be counted against itself.
    p_value[is_clean] = (p_value[is_clean] * (1 + len(clean)) - 1) / len(clean)
    typical = np.full(x.shape[1], np.nan)
    measured = np.isfinite(x[is_clean]).mean(axis=0) >= 0.5
    typical[measured] = np.nanmedian(x[is_clean][:, measured], axis=0)
    return LabelledScores(expit(slope * logit + bias), p_value, logit, typical, x, fold, models)


def one_thread() -> threadpool_limits:
    """Grow trees on one thread: sums come out alike everywhere, and on a busy machine threads that wait for each
    other at every node were ten times slower."""
    return threadpool_limits(limits=1, user_api="openmp")


def _learned(y: NDArray[np.int8], seed: int) -> NDArray[np.int64]:
    """Rows to learn from: all frauds, and a sample of the clean ones where there are very many.

    One sample for all folds, so that their logits are off by the same and the curve through them mends it; row
    weights would do too, but the learner's binning is a hundred times slower with them.
    """
    clean = np.flatnonzero(y == 0)
    if len(clean) > MOST_ROWS:
        clean = np.random.default_rng((seed, 5)).choice(clean, MOST_ROWS, replace=False)
    return np.union1d(np.flatnonzero(y == 1), clean)


def _fit(
    x: NDArray[np.float32], y: NDArray[np.int8], rows: NDArray[np.int64], seed: int
) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_iter=N_ROUNDS,
        max_leaf_nodes=15,
        min_samples_leaf=int(np.clip(len(rows) // 50, 3, 20)),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
    with one_thread():
        return model.fit(x[rows], y[rows])


def _decide(model: HistGradientBoostingClassifier, x: NDArray[np.float32]) -> Float:
    with one_thread():
        parts = [
            model.decision_function(x[start : start + ROWS_A_CALL]) for start in range(0, len(x), ROWS_A_CALL)
        ]
    return np.asarray(np.concatenate(parts), np.float64) if parts else np.zeros(0)


def _logits(
    models: list[HistGradientBoostingClassifier], x: NDArray[np.float32], fold: NDArray[np.int64]
) -> Float:
    """By the model of the row's fold; by the mean of all where it has none (−1)."""
    out = np.zeros(len(x))
    for k, model in enumerate(models):
        own, free = fold == k, fold < 0
        wanted = own | free
        if wanted.any():
            value = np.zeros(len(x))
            value[wanted] = _decide(model, x[wanted])
            out += np.where(own, value, value / len(models))
    return out


def _platt(logit: Float, y: NDArray[np.int8]) -> tuple[float, float]:
    """Slope > 0 and bias of a logistic curve through the out-of-fold logits (Platt 1999, softened targets).

    Two numbers for all rows: they set the level of the scores and cannot move a row past another one.
    """
    n_fraud, n_clean = int((y == 1).sum()), int((y == 0).sum())
    high, low = (n_fraud + 1) / (n_fraud + 2), 1 / (n_clean + 2)
    target = np.where(y == 1, high, low)
    # A target of t is a positive of weight t and a negative of weight 1 − t.
    model = LogisticRegression(C=1e3, max_iter=200)
    model.fit(
        np.concatenate([logit, logit])[:, None],
        np.repeat([1, 0], len(y)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    # Where labels have nothing to do with the features the slope may fall to 0 or below; the order stays.
    return max(float(model.coef_[0, 0]), 1e-3), float(model.intercept_[0])
