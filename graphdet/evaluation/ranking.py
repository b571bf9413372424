"""How well scores rank what is known, with intervals from resampling whole groups (users, not rows)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.evaluation.cuts import (
    Cuts,
    Order,
    auroc,
    average_precision,
    precision_at,
    recall_at_precision,
)
from graphdet.evaluation.intervals import draws

PRECISION = 0.9
N_INTERVAL_DRAWS, MANY_ROWS = 200, 50_000


@dataclass(frozen=True)
class RankingFigure:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def ranking_measures(
    y: NDArray[np.integer],
    score: Float,
    group: NDArray[np.integer],
    seed: int = 0,
    n_draws: int | None = None,
) -> dict[str, RankingFigure]:
    """auroc, average_precision, recall_at_precision_90 and precision_at_frauds, each with an interval.

    The interval is the 2.5 % and 97.5 % quantile over draws of the groups with replacement (200; of more than 50,000
    rows fewer, down to 40); a figure at as many
    alerts as there are frauds is `precision_at_frauds` (equal to recall there).

    Shapes: y 1 or 0, score, group [n].

    Raises:
        ValueError: there are rows of one label only.
    """
    if len(np.unique(y)) < 2:
        raise ValueError("both labels are needed")
    if n_draws is None:
        n_draws = int(
            np.clip(N_INTERVAL_DRAWS * MANY_ROWS // len(y), N_INTERVAL_DRAWS // 5, N_INTERVAL_DRAWS)
        )
    order = Order.of(score, y)
    found = _figures(order.cuts())
    drawn: dict[str, list[float]] = {name: [] for name in found}
    for weight in draws(group, n_draws, seed):
        if not (weight[y == 1].any() and weight[y == 0].any()):
            continue  # a draw without frauds or without clean rows says nothing
        for name, value in _figures(order.cuts(weight)).items():
            drawn[name].append(value)
    return {
        name: RankingFigure(value, *np.quantile(drawn[name], [0.025, 0.975]).tolist())
        if drawn[name]
        else RankingFigure(value, 0.0, 1.0)
        for name, value in found.items()
    }


def figures(y: NDArray[np.integer], score: Float) -> dict[str, float]:
    """The figures of ranking_measures without intervals.

    >>> figures(np.array([1, 0, 1, 0]), np.array([.9, .8, .7, .1]))["auroc"]
    0.75
    """
    return _figures(Order.of(score, y).cuts())


def _figures(cuts: Cuts) -> dict[str, float]:
    return {
        "auroc": auroc(cuts),
        "average_precision": average_precision(cuts),
        "recall_at_precision_90": recall_at_precision(cuts, PRECISION),
        "precision_at_frauds": precision_at(cuts, cuts.n_fraud),
    }


def figures_at(y: NDArray[np.integer], flagged: NDArray[np.bool_]) -> dict[str, float]:
    """Precision, recall, F1 of fraud and macro-F1 of a cut; 0 where there is nothing to divide by.

    >>> figures_at(np.array([1, 1, 0, 0]), np.array([True, False, False, False]))["recall"]
    0.5
    """
    tp, fp = float((flagged & (y == 1)).sum()), float((flagged & (y == 0)).sum())
    fn, tn = float((~flagged & (y == 1)).sum()), float((~flagged & (y == 0)).sum())
    f1, f1_clean = (2 * a / max(2 * a + b + c, 1) for a, b, c in ((tp, fp, fn), (tn, fp, fn)))
    return {
        "precision": tp / max(tp + fp, 1),
        "recall": tp / max(tp + fn, 1),
        "f1": f1,
        "macro_f1": (f1 + f1_clean) / 2,
    }


def best_cut(y: NDArray[np.integer], score: Float) -> float:
    """The score from which flagging gives the best macro-F1; to be asked of out-of-fold scores, never of a test part.

    >>> best_cut(np.array([1, 1, 0, 0]), np.array([.9, .8, .7, .1]))
    0.8
    """
    order = np.argsort(-score, kind="stable")
    tp = np.cumsum(y[order] == 1).astype(np.float64)
    n = np.arange(1, len(y) + 1)
    fp, fn = n - tp, tp[-1] - tp
    tn = len(y) - tp[-1] - fp
    macro = tp / np.maximum(2 * tp + fp + fn, 1) + tn / np.maximum(2 * tn + fp + fn, 1)
    last = np.append(np.diff(score[order]) != 0, True)
    return float(score[order][np.flatnonzero(last)[int(np.argmax(macro[last]))]])


def as_rows(measures: Mapping[str, RankingFigure]) -> dict[str, list[float]]:
    """Measures for JSON: name → [value, low, high], four digits."""
    return {name: [round(v, 4) for v in (m.value, m.low, m.high)] for name, m in measures.items()}
