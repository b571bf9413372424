"""Everything `evaluate` measures of one or more scores of the same rows, with paired intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.evaluation.calibration import brier
from graphdet.evaluation.cuts import (
    Confusion,
    Cuts,
    Order,
    auroc,
    average_precision,
    precision_at,
    recall_at_precision,
)
from graphdet.evaluation.intervals import draws, interval

GRID: Float = np.linspace(0, 1, 101)  # false positive rates, and recalls, at which bands are drawn
LEAST_EACH = 5  # groups with frauds, and without: fewer give no interval
PRECISE = 0.9


@dataclass(frozen=True)
class Costs:
    """What a missed fraud and a clean thing flagged cost, in one unit."""

    missed: float = 1.0
    false: float = 1.0


@dataclass(frozen=True)
class ScoredRows:
    """One score of the rows. Shapes: score float64[n]; flagged bool[n], as decided by it."""

    score: Float
    flagged: NDArray[np.bool_]

    @property
    def is_probability(self) -> bool:
        """Whether all scores lie in [0, 1]."""
        return bool(self.score.min() >= 0 and self.score.max() <= 1)


@dataclass(frozen=True)
class Measured:
    """Metrics by name (NaN: not defined), their intervals (None: too few), and bands of the curves.

    Shapes: draws float64[n_draws] by name; roc_band and pr_band float64[2, len(GRID)], or None.
    """

    value: dict[str, float]
    interval: dict[str, tuple[float, float] | None]
    roc_band: Float | None
    pr_band: Float | None
    draws: dict[str, Float] = field(repr=False)


@dataclass(frozen=True)
class Resampling:
    """The draws behind intervals: how often groups are drawn anew, the seed, and what is called after each draw."""

    n_draws: int
    seed: int
    advance: Callable[[], None] = lambda: None


def measure_scores(
    scored: Sequence[ScoredRows],
    y: NDArray[np.integer],
    group: NDArray[np.integer],
    ks: Sequence[int],
    costs: Costs,
    resampling: Resampling,
) -> list[Measured]:
    """Measure every score on the same rows, and on the same draws of their groups.

    Shapes: y[n], 1 fraud, 0 clean, both present; group int[n]. Intervals need LEAST_EACH groups with frauds and as
    many without.
    """
    orders = [Order.of(each.score, y) for each in scored]
    ks = [k for k in ks if k <= len(y)]
    values = [
        _all(each, order.cuts(), y, None, ks, costs) for each, order in zip(scored, orders, strict=True)
    ]
    kept: list[dict[str, list[float]]] = [{name: [] for name in value} for value in values]
    bands: list[tuple[list[Float], list[Float]]] = [([], []) for _ in scored]
    enough = _enough(y, group)
    for weight in draws(group, resampling.n_draws if enough else 0, resampling.seed):
        for place, (each, order) in enumerate(zip(scored, orders, strict=True)):
            cuts = order.cuts(weight)
            for name, value in _all(each, cuts, y, weight, ks, costs).items():
                kept[place][name].append(value)
            if 0 < cuts.n_fraud < cuts.n:
                bands[place][0].append(roc_at(cuts, GRID))
                bands[place][1].append(precision_by_recall(cuts, GRID))
        resampling.advance()
    return [
        Measured(
            value,
            {name: interval(np.array(all_draws)) for name, all_draws in drawn.items()},
            _band(roc),
            _band(pr),
            {name: np.array(all_draws) for name, all_draws in drawn.items()},
        )
        for value, drawn, (roc, pr) in zip(values, kept, bands, strict=True)
    ]


def difference(base: Measured, other: Measured, name: str) -> tuple[float, tuple[float, float] | None, float]:
    """How much another score's metric is above the base's on the same rows.

    Returns the difference, its paired interval, and the share of draws in which it is above 0 (NaN without draws).
    """
    drawn = other.draws[name] - base.draws[name]
    known = drawn[np.isfinite(drawn)]
    above = float(((known > 0) + 0.5 * (known == 0)).mean()) if len(known) else float("nan")
    return other.value[name] - base.value[name], interval(drawn), above


def roc_at(cuts: Cuts, false_rate: Float) -> Float:
    """True positive rate at false positive rates; of several at one rate the highest."""
    false, true = cuts.rates()
    last = np.append(np.diff(false) > 0, True)
    return np.asarray(np.interp(false_rate, false[last], true[last]))


def precision_by_recall(cuts: Cuts, recall: Float) -> Float:
    """Precision at recalls: that of the first cut that reaches each (a step, not a slope)."""
    place = np.searchsorted(cuts.recall(), recall - 1e-12)
    place = np.maximum(place, int(np.argmax(cuts.n_flagged > 0)))  # a cut that flags nothing has no precision
    return cuts.precision()[np.minimum(place, len(cuts.n_true) - 1)]


def _all(
    scored: ScoredRows,
    cuts: Cuts,
    y: NDArray[np.integer],
    weight: Float | None,
    ks: Sequence[int],
    costs: Costs,
) -> dict[str, float]:
    decided = Confusion.of(scored.flagged, y, weight)
    found = {
        "auroc": auroc(cuts),
        "auprc": average_precision(cuts),
        "recall_at_precision_90": recall_at_precision(cuts, PRECISE),
    }
    found |= {f"precision_at_{k}": precision_at(cuts, k) for k in ks}
    found |= {
        "accuracy": decided.accuracy,
        "precision": decided.precision,
        "recall": decided.recall,
        "f1": decided.f1,
        "cost": decided.cost(costs.missed, costs.false),
    }
    if scored.is_probability:
        found["brier"] = brier(scored.score, y, weight)
    return found


def _enough(y: NDArray[np.integer], group: NDArray[np.integer]) -> bool:
    return all(len(np.unique(group[y == value])) >= LEAST_EACH for value in (0, 1))


def _band(curves: list[Float]) -> Float | None:
    return np.quantile(np.array(curves), [0.025, 0.975], axis=0) if curves else None
