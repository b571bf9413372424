"""What is compared in the social spam case. Every choice, thresholds too, is made on the training rows given."""

from dataclasses import dataclass

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from benchmarks.texts.linear import Texts, fit_text_score, out_of_fold
from graphdet.scores.text_folds import Loss

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class How:
    """Settings of a linear model. The problem is convex: a seed would change nothing but the last digits."""

    loss: Loss
    within_words: bool  # grams of characters end at the words' ends
    strength: float
    blend: float

    def __str__(self) -> str:
        grams = "within words" if self.within_words else "over words"
        return f"{self.loss}, {grams}, C {self.strength:g}, blend {self.blend:g}"


GRID = (
    *(How("logistic", False, strength, blend) for strength in (3.0, 10.0, 30.0) for blend in (0.05, 0.1)),
    *(How("squared_hinge", True, strength, blend) for strength in (0.3, 1.0) for blend in (0.0, 0.02, 0.05)),
)
SMS_GRID = (
    How("logistic", False, 10.0, 0.1),
    *(How("squared_hinge", True, 1.0, blend) for blend in (0.0, 0.02, 0.05)),
)


@dataclass(frozen=True)
class Log:
    """Everything that needs no label. Shapes: keys int64[n, k], −1 none: author, near-duplicates, opening."""

    texts: Texts  # grams of characters over words
    within: Texts  # and within them
    own: NDArray[np.float32]  # numbers of the comment and of its author in the whole batch
    keys: Int
    fold: Int


def f1_threshold(logit: Float, y: NDArray[np.int8]) -> float:
    """The cut of out-of-fold logits with the best F1, midway to the next logit below."""
    order = np.argsort(-logit, kind="stable")
    hits = np.cumsum(y[order])
    f1 = 2 * hits / (np.arange(len(y)) + 1 + y.sum())
    best = int(np.argmax(f1))
    ordered = logit[order]
    return float((ordered[best] + ordered[min(best + 1, len(y) - 1)]) / 2)


def f1_at(logit: Float, y: NDArray[np.int8], cut: float) -> float:
    flagged = logit > cut
    return float(2 * (flagged & (y == 1)).sum() / max(flagged.sum() + y.sum(), 1))


def neighbours(logit: Float, keys: Int) -> Float:
    """Per kind of tie the mean logit of the other rows tied, 0 without any, and ln(1 + how many)."""
    columns = []
    for key in keys.T:
        has = key >= 0
        place = np.where(has, key, 0)
        n = np.bincount(place, weights=has, minlength=1)[place] - 1
        total = np.bincount(place, weights=np.where(has, logit, 0), minlength=1)[place] - logit
        tied = has & (n > 0)
        columns += [
            np.where(tied, total / np.maximum(n, 1), 0),
            np.where(tied, np.log1p(np.maximum(n, 0)), 0),
        ]
    return np.column_stack(columns)


@dataclass(frozen=True)
class Outcome:
    logit: Float  # of the test rows
    cut: float
    chosen: str


def linear(
    log: Log, y: NDArray[np.int8], train: Int, test: Int, grid: tuple[How, ...] = GRID
) -> tuple[Outcome, Float]:
    """N-grams and numbers, settings chosen by F1 out of fold; also the training rows' logits out of fold."""
    parts = {True: log.within.take(train), False: log.texts.take(train)}
    best: tuple[float, How, Float] | None = None
    for how in grid:
        knobs = {"strength": how.strength, "blend": how.blend, "loss": how.loss}
        logit = out_of_fold(parts[how.within_words], y[train], log.fold[train], 0, **knobs)
        found = f1_at(logit, y[train], f1_threshold(logit, y[train]))
        if best is None or found > best[0]:
            best = (found, how, logit)
    assert best is not None
    _, how, oof = best
    knobs = {"strength": how.strength, "blend": how.blend, "loss": how.loss}
    model = fit_text_score(parts[how.within_words], y[train], 0, **knobs)
    tested = (log.within if how.within_words else log.texts).take(test)
    return Outcome(model.logits(tested), f1_threshold(oof, y[train]), str(how)), oof


def stacked(
    log: Log, y: NDArray[np.int8], train: Int, test: Int, seed: int, base: Outcome, oof: Float
) -> dict[str, Outcome]:
    """On the linear model's out-of-fold logits: its neighbours' as well ("graph"), and trees over all ("trees").

    "chosen" is the one of the three with the best F1 out of fold within the training rows.
    """
    logit = np.zeros(len(y))
    logit[train], logit[test] = oof, base.logit
    # Ties to unlabelled test rows carry their logits, never their labels.
    near = neighbours(logit, log.keys)
    x = np.column_stack([logit, near])
    wide = np.column_stack([x, log.own])
    out = {"linear": base}
    scores = {"linear": f1_at(oof, y[train], base.cut)}
    for name, inputs, fit in (("graph", x, _fit_graph), ("trees", wide, _fit_trees)):
        inner = np.zeros(len(train))
        fold = log.fold[train]
        for k in np.unique(fold):
            rest, own = train[fold != k], train[fold == k]
            inner[fold == k] = fit(inputs[rest], y[rest], seed)(inputs[own])
        cut = f1_threshold(inner, y[train])
        scores[name] = f1_at(inner, y[train], cut)
        out[name] = Outcome(fit(inputs[train], y[train], seed)(inputs[test]), cut, "")
    winner = max(scores, key=lambda name: scores[name])
    out["chosen"] = Outcome(out[winner].logit, out[winner].cut, winner)
    return out


def _fit_graph(x: Float, y: NDArray[np.int8], seed: int):
    model = LogisticRegression(C=0.1, max_iter=1000).fit(x, y)
    return model.decision_function


def _fit_trees(x: Float, y: NDArray[np.int8], seed: int):
    model = LGBMClassifier(
        n_estimators=150,
        learning_rate=0.05,
        num_leaves=8,
        min_child_samples=15,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.6,
        reg_lambda=5.0,
        random_state=seed,
        n_jobs=1,
        verbose=-1,
        deterministic=True,
        force_row_wise=True,
    ).fit(x, y)
    return lambda rows: model.predict_proba(rows, raw_score=True)


def flat_trees(
    x: NDArray[np.float32], y: NDArray[np.int8], fold: Int, train: Int, test: Int, seed: int
) -> Outcome:
    """A peer: LightGBM on numbers without words."""
    inner = np.zeros(len(train))
    for k in np.unique(fold[train]):
        rest, own = train[fold[train] != k], train[fold[train] == k]
        inner[fold[train] == k] = _fit_trees(x[rest], y[rest], seed)(x[own])
    return Outcome(_fit_trees(x[train], y[train], seed)(x[test]), f1_threshold(inner, y[train]), "")


def probability(logit: Float, oof: Float, y: NDArray[np.int8]) -> Float:
    """Platt's curve through out-of-fold logits of the training rows."""
    model = LogisticRegression(C=1e3).fit(oof[:, None], y)
    return np.asarray(expit(model.decision_function(logit[:, None])))
