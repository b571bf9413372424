"""How well scores rank and how good a yes-or-no decision is: curves, cuts and what is read off them.

Rows with equal scores are one block: a cut is never made inside it, and where a number of rows is asked for
(precision at k), a block that is cut counts as if its rows came in random order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float


@dataclass(frozen=True)
class Cuts:
    """What is flagged at every cut, from the strictest: all float64[m], one place per distinct score.

    threshold: the block's score. n_flagged: rows (or weight) at or above it. n_true: frauds among them.
    """

    threshold: Float
    n_flagged: Float
    n_true: Float

    @property
    def n(self) -> float:
        """Rows in all."""
        return float(self.n_flagged[-1])

    @property
    def n_fraud(self) -> float:
        """Frauds in all."""
        return float(self.n_true[-1])

    def rates(self) -> tuple[Float, Float]:
        """The ROC curve, (0, 0) first: false and true positive rates, float64[m + 1] each; NaN of one class only."""
        false = self.n_flagged - self.n_true
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.append(0.0, false / false[-1]), np.append(0.0, self.n_true / self.n_true[-1])

    def precision(self) -> Float:
        """Share of frauds among the flagged, float64[m]; NaN where nothing is flagged."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.n_true / self.n_flagged)

    def recall(self) -> Float:
        """Share of the frauds that is flagged, float64[m]; NaN where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.n_true / self.n_true[-1])


@dataclass(frozen=True)
class Order:
    """Rows from the highest score down. Shapes: rows int64[n]; ends int64[m], the last row of each block;
    fraud float64[n], 1 or 0, in this order; threshold float64[m]."""

    rows: NDArray[np.int64]
    ends: NDArray[np.int64]
    fraud: Float
    threshold: Float

    @classmethod
    def of(cls, score: Float, y: NDArray[np.integer]) -> "Order":
        """Sort rows. Shapes: score float64[n], finite, and y[n], 1 fraud, 0 clean; n ≥ 1."""
        rows = np.argsort(-score, kind="stable")
        falling = score[rows]
        ends = np.append(np.flatnonzero(np.diff(falling)), len(rows) - 1)
        return cls(rows, ends, y[rows].astype(np.float64), falling[ends])

    def cuts(self, weight: Float | None = None) -> Cuts:
        """Count at every cut; weight float64[n], by the rows' own order, is how often each row counts."""
        if weight is None:
            return Cuts(self.threshold, (self.ends + 1).astype(np.float64), np.cumsum(self.fraud)[self.ends])
        drawn = weight[self.rows]
        return Cuts(self.threshold, np.cumsum(drawn)[self.ends], np.cumsum(drawn * self.fraud)[self.ends])


def auroc(cuts: Cuts) -> float:
    """Area under the ROC curve; equal scores count half. NaN of one class only."""
    false, true = cuts.rates()
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))


def average_precision(cuts: Cuts) -> float:
    """Area under the precision-recall curve as a sum of steps, Σ (R_i − R_(i−1)) P_i. NaN without frauds."""
    if cuts.n_fraud == 0:
        return float("nan")
    gained = np.diff(cuts.n_true, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.where(gained > 0, gained * cuts.n_true / cuts.n_flagged, 0.0)
    return float(parts.sum() / cuts.n_fraud)


def precision_at(cuts: Cuts, k: float) -> float:
    """Share of frauds among the k highest; NaN where there are fewer than k rows.

    >>> order = Order.of(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0]))
    >>> [precision_at(order.cuts(), k) for k in (1, 2, 3)]
    [1.0, 0.75, 0.6666666666666666]
    """
    if k > cuts.n:
        return float("nan")
    return float(np.interp(k, np.append(0.0, cuts.n_flagged), np.append(0.0, cuts.n_true)) / k)


def recall_at_precision(cuts: Cuts, least: float) -> float:
    """The highest recall at a precision of at least `least`; 0 where no cut is that precise, NaN without frauds."""
    if cuts.n_fraud == 0:
        return float("nan")
    good = np.nan_to_num(cuts.precision(), nan=0.0) >= least
    return float(cuts.n_true[good].max(initial=0.0) / cuts.n_fraud)


def cheapest(cuts: Cuts, cost_missed: float, cost_false: float) -> tuple[float, float]:
    """The threshold of least cost and that cost per row; of equal costs the strictest.

    The threshold is ∞ where flagging nobody is cheapest.

    >>> cheapest(Order.of(np.array([0.9, 0.5, 0.1]), np.array([1, 1, 0])).cuts(), 1.0, 1.0)
    (0.5, 0.0)
    """
    cost = costs(cuts, cost_missed, cost_false)
    nobody = cost_missed * cuts.n_fraud / cuts.n
    place = int(cost.argmin())
    if nobody <= cost[place]:
        return float("inf"), float(nobody)
    return float(cuts.threshold[place]), float(cost[place])


def costs(cuts: Cuts, cost_missed: float, cost_false: float) -> Float:
    """Cost per row at every cut, float64[m]: of the frauds missed and of the clean rows flagged."""
    missed = cost_missed * (cuts.n_fraud - cuts.n_true)
    return np.asarray((missed + cost_false * (cuts.n_flagged - cuts.n_true)) / cuts.n)


@dataclass(frozen=True)
class Confusion:
    """Counts (or weights) of rows: frauds flagged, clean rows flagged, frauds missed, clean rows left alone."""

    true_flags: float
    false_flags: float
    missed: float
    left_alone: float

    @classmethod
    def of(
        cls, flagged: NDArray[np.bool_], y: NDArray[np.integer], weight: NDArray[np.float64] | None = None
    ) -> "Confusion":
        """Count. Shapes: flagged bool[n]; y[n], 1 fraud, 0 clean; weight float64[n], how often each row counts."""
        weight = np.ones(len(y)) if weight is None else weight
        n_flagged, n_fraud = float(weight @ flagged), float(weight @ y)
        both = float(weight @ (flagged & (y == 1)))
        return cls(both, n_flagged - both, n_fraud - both, float(weight.sum()) - n_flagged - n_fraud + both)

    @property
    def n(self) -> float:
        """Rows in all."""
        return self.true_flags + self.false_flags + self.missed + self.left_alone

    @property
    def accuracy(self) -> float:
        """Share of rows decided rightly; where frauds are rare, flagging nobody is accurate too."""
        return _share(self.true_flags + self.left_alone, self.n)

    @property
    def precision(self) -> float:
        """Share of frauds among the flagged; NaN where nothing is flagged."""
        return _share(self.true_flags, self.true_flags + self.false_flags)

    @property
    def recall(self) -> float:
        """Share of the frauds that is flagged; NaN where there are none."""
        return _share(self.true_flags, self.true_flags + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP ÷ (2 TP + FP + FN); NaN of no frauds and no flags."""
        return _share(2 * self.true_flags, 2 * self.true_flags + self.false_flags + self.missed)

    def cost(self, cost_missed: float, cost_false: float) -> float:
        """Cost per row, of frauds missed and of clean rows flagged."""
        return _share(cost_missed * self.missed + cost_false * self.false_flags, self.n)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
