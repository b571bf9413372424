"""How good a yes-or-no decision is: a confusion table and what is read off it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
