"""Scores learned from labels of items, sessions or events, by a model that can be kept.

Gradient-boosted trees, one model a fold. A labelled row is scored by the model that has seen neither it nor any
other row of its group (its user), another one by all of them; so the scores of the labelled say how well the model
does, and those of the clean among them are what a new row's p-value is ranked against.

One sentence per item, session or event: what moved its score most, with its number and the typical one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from graphdet.arrays import Float, Float32
from graphdet.evaluation.fold_models import NO_FOLD, own_fold_or_mean, values_by_models
from graphdet.evaluation.splits import conformal_p_values, cross_conformal_p_values, grouped_folds
from graphdet.scores.trees import ROWS_A_CALL, Trees, TreeSettings

MOST_CLEAN_ROWS = 400_000  # labelled clean rows that are learned from; beyond, a sample stands for all
# What fold k's model sees of some rows: (k, rows) → float32[len(rows), d].
TrainRows = Callable[[int, NDArray[np.int64]], Float32]


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
    x: Float32 = field(repr=False)
    fold: NDArray[np.int64] = field(repr=False)
    models: tuple[Trees, ...] = field(repr=False)

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


@dataclass(frozen=True)
class LabelledModel:
    """Fitted trees, one a fold, and what puts their logits on scales.

    Shapes: clean float64[m], out-of-fold logits of the clean rows it learned from, clean_fold int64[m]; typical
    float64[d]; slope > 0 and bias of the logistic curve from logits to scores.
    """

    models: tuple[Trees, ...]
    clean: Float
    clean_fold: NDArray[np.int64]
    slope: float
    bias: float
    typical: Float

    def score(
        self, x: Float32, fold: NDArray[np.int64] | None = None, is_clean: NDArray[np.bool_] | None = None
    ) -> LabelledScores:
        """Score rows, new ones or such as were learned from.

        Shapes: x float32[n, d]; fold int64[n], for a row that was learned from its fold, else −1 (None: all new);
        is_clean bool[n], rows that were learned from as clean: they are not counted against themselves.
        """
        fold = np.full(len(x), NO_FOLD, np.int64) if fold is None else fold
        each = values_by_models(self.models, fold, lambda model, rows: model.logits(x[rows]))
        logit = own_fold_or_mean(each, fold)
        known = np.flatnonzero(fold >= 0)
        p_value = cross_conformal_p_values(each, self.clean, self.clean_fold)
        p_value[known] = conformal_p_values(logit[known], self.clean)
        if is_clean is not None:
            own = np.flatnonzero(is_clean & (fold >= 0))
            m = len(self.clean)
            p_value[own] = (p_value[own] * (1 + m) - 1) / m
        score = expit(self.slope * logit + self.bias)
        return LabelledScores(score, p_value, logit, self.typical, x, fold, self.models)


@dataclass(frozen=True)
class Fitted:
    """A model and the labelled rows it learned from: logit float64[n] out of fold (NaN elsewhere), fold int64[n]."""

    model: LabelledModel
    logit: Float
    fold: NDArray[np.int64]

    @property
    def score(self) -> Float:
        """Out-of-fold scores, NaN where nothing was learned."""
        return np.asarray(expit(self.model.slope * self.logit + self.model.bias))


def fit_labelled(
    x: Float32,
    y: NDArray[np.int8],
    group: NDArray[np.int64],
    seed: int,
    *,
    fold: NDArray[np.int64] | None = None,
    train_rows: TrainRows | None = None,
    settings: TreeSettings | None = None,
) -> Fitted:
    """Learn from the labelled rows.

    `x` is what rows look like when they are scored. `train_rows` gives what they look like when fold k's model
    learns from them, where that differs: features made of labels must then leave out the labels of fold k, or a
    row's label would reach the model that scores it. `fold` fixes the folds (−1: not learned from).

    Nothing but the folds depends on a row's own label in what its fold's model is: rows are sampled by number.

    Shapes: x float32[n, d], NaN where there is nothing to measure; y int8[n], 1 fraud, 0 clean, −1 unknown;
    group int64[n], rows of one group are never learned from to score each other.

    Raises:
        ValueError: a label is found in fewer than two groups.
    """
    known = np.flatnonzero(y >= 0)
    if fold is None:
        fold = np.full(len(y), -1, np.int64)
        fold[known] = grouped_folds(y[known], group[known], seed)
    n_folds = int(fold.max()) + 1
    logit = np.full(len(y), np.nan)
    models = []
    for k in range(n_folds):
        mine = known[fold[known] == k]
        models.append(fit_fold(k, x, y, fold, seed, train_rows, settings))
        logit[mine] = models[-1].logits(x[mine])
    slope, bias = _platt(logit[known], y[known])
    is_clean = y == 0
    typical = np.full(x.shape[1], np.nan)
    own = x[is_clean]
    measured = np.isfinite(own).mean(axis=0) >= 0.5
    typical[measured] = np.nanmedian(own[:, measured], axis=0)
    model = LabelledModel(tuple(models), logit[is_clean], fold[is_clean], slope, bias, typical)
    return Fitted(model, logit, fold)


def fit_fold(
    k: int,
    x: Float32,
    y: NDArray[np.int8],
    fold: NDArray[np.int64],
    seed: int,
    train_rows: TrainRows | None = None,
    settings: TreeSettings | None = None,
) -> Trees:
    """The model of fold k, which learns from all labelled rows but those of fold k; arguments as in fit_labelled."""
    rows = _learned(y, np.flatnonzero(y >= 0), seed)
    others = rows[fold[rows] != k]
    return Trees.fit(x[others] if train_rows is None else train_rows(k, others), y[others], seed, settings)


def score_by_labels(x: Float32, y: NDArray[np.int8], group: NDArray[np.int64], seed: int) -> LabelledScores:
    """Learn from the labelled rows and score all of them; shapes and errors as in fit_labelled.

    p_value is the rank among clean labelled rows, each scored by a model that has not seen it: for a
    clean row drawn like the labelled ones, p ≤ a happens about a share a of the time.
    """
    fitted = fit_labelled(x, y, group, seed)
    return fitted.model.score(x, fitted.fold, y == 0)


def _learned(y: NDArray[np.int8], known: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Rows to learn from: all frauds, and a sample of the clean ones where there are very many.

    One sample for all folds, so that their logits are off by the same and the curve through them mends it. Each row's
    lot is drawn whatever its label is.
    """
    lot = np.random.default_rng((seed, 5)).random(len(known))
    return np.asarray(known[(y[known] == 1) | (lot * len(known) < MOST_CLEAN_ROWS)], np.int64)


def _logits(models: tuple[Trees, ...], x: Float32, fold: NDArray[np.int64]) -> Float:
    """Logits of rows by the models that may judge them, float64[len(x)]."""
    each = values_by_models(models, fold, lambda model, rows: model.logits(x[rows]))
    mean = np.zeros(len(x))
    for values in each:  # a sum of shares, whose last bits are not those of the mean that scores are made of
        mean += values / len(models)
    return own_fold_or_mean(each, fold, mean)


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


N_EXPLAINED = 1_000  # of the most suspicious; a flagged row always is
N_REASONS = 3
LEAST_EFFECT = 0.1  # logits
PLAIN = "nothing stands out"
_SPANS = {"1h": "in the hour before", "1d": "in the day before", "7d": "in the week before"}


def labelled_reasons(scores: LabelledScores, names: Sequence[str], flagged: NDArray[np.bool_]) -> list[str]:
    """Say what moved each flagged or most suspicious row; "nothing stands out" for the others.

    A feature's effect is what the logit loses when that feature alone is made typical (the median of clean
    labelled rows).

    Shapes: names[d]; flagged bool[n]; returns n sentences.
    """
    out = [PLAIN] * len(scores.logit)
    top = np.lexsort((np.arange(len(scores.logit)), -scores.logit))[:N_EXPLAINED]
    rows = np.union1d(np.flatnonzero(flagged), top).astype(np.int64)
    effects = scores.effects(rows)
    for place, row in enumerate(rows.tolist()):
        order = np.argsort(-effects[place], kind="stable")[:N_REASONS]
        signs = [
            _sign(names[j], scores.x[row, j], scores.typical[j])
            for j in order
            if effects[place, j] >= LEAST_EFFECT
        ]
        if signs:
            out[row] = _sentence(signs)
        elif flagged[row]:
            out[row] = _sentence(
                [
                    "many small signs, none by itself",
                    _sign(names[order[0]], scores.x[row, order[0]], scores.typical[order[0]]),
                ]
            )
    return out


def _sentence(parts: Sequence[str]) -> str:
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _sign(name: str, value: float, typical: float) -> str:
    return f"{words(name)} {_shown(name, value)} (typically {_shown(name, typical)})"


def words(name: str) -> str:
    """A feature's name for people.

    >>> words("user_events_1h"), words("item_gap_s"), words("location seen with user")
    ('user events in the hour before', 'item gap', 'location seen with user')
    """
    stem, _, end = name.rpartition("_")
    if end in _SPANS:
        return f"{stem.replace('_', ' ')} {_SPANS[end]}"
    return (stem if end == "s" else name).replace("_", " ")


def _shown(name: str, value: float) -> str:
    """A number with its unit.

    >>> _shown("item_gap_s", 7200.0), _shown("amount", 12.3456), _shown("pair_gap_s", float("nan"))
    ('2 h', '12.35', 'none')
    """
    if not np.isfinite(value):
        return "none"
    if not name.endswith("_s"):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} s"
