"""What the trials of `power` say: chances by cell, the smallest and slowest ring, and what goes unseen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from graphdet.evaluation.proportion import wilson
from graphdet.lab.power import Trial

SURE = 0.8  # the chance from which a ring counts as one that would be found
UNSEEN = 0.2  # and below which as one that would not


@dataclass(frozen=True)
class Cell:
    """One size, density and window: n_found of n_trials (Wilson's 95 % interval low … high), the chance by the curve,
    and the median margin in nats of what was planted (NaN without trials).
    """

    accounts: int
    density: float
    window_s: float
    n_trials: int
    n_found: int
    low: float
    high: float
    chance: float
    margin: float


class Curve:
    """A logistic curve of found on size, density and window (and size with density), fitted to all trials.

    It smooths cells of few trials; where all or none were found it says so flatly.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        """Fit; trials may be few, all found or all missed."""
        found = np.array([trial.found for trial in trials])
        self._flat = float(found.mean()) if len(found) else 0.0
        self._model: LogisticRegression | None = None
        if 0 < self._flat < 1:
            x = _features(
                np.array([trial.accounts for trial in trials], np.float64),
                np.array([trial.density for trial in trials]),
                np.array([trial.window_s for trial in trials]),
            )
            self._model = LogisticRegression(C=3.0, max_iter=1_000).fit(x, found)

    def chance(
        self, accounts: NDArray[np.float64], density: NDArray[np.float64], window_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The chance to be found, float64[n], of rings of these sizes (all float64[n])."""
        if self._model is None:
            return np.full(len(accounts), self._flat)
        return np.asarray(self._model.predict_proba(_features(accounts, density, window_s))[:, 1])


def _features(
    accounts: NDArray[np.float64], density: NDArray[np.float64], window_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    size = np.log(accounts / 15)
    filled = np.log(density / (1.02 - density))
    return np.column_stack([size, filled, np.log(window_s / 86_400) / 3, size * filled])


def cells_of(trials: Sequence[Trial], grid: Sequence[tuple[int, float, float]], curve: Curve) -> list[Cell]:
    """Count the trials of each cell; a trial with fewer accounts than asked counts where it is nearest."""
    sizes = np.array(sorted({cell[0] for cell in grid}), np.float64)
    out = []
    for accounts, density, window_s in grid:
        its = [
            trial
            for trial in trials
            if trial.density == density
            and trial.window_s == window_s
            and sizes[np.abs(np.log(sizes / trial.accounts)).argmin()] == accounts
        ]
        n_found = sum(trial.found for trial in its)
        low, high = wilson(n_found, len(its))
        chance = float(
            curve.chance(np.array([float(accounts)]), np.array([density]), np.array([window_s]))[0]
        )
        margin = float(np.median([trial.margin for trial in its])) if its else float("nan")
        out.append(Cell(accounts, density, window_s, len(its), n_found, low, high, chance, margin))
    return out


def smallest(curve: Curve, density: float, window_s: float, most: int, least: int = 4) -> int | None:
    """The least number of accounts found with a chance of SURE, up to `most`; None when there is none."""
    accounts = np.arange(least, most + 1, dtype=np.float64)
    chance = curve.chance(accounts, np.full(len(accounts), density), np.full(len(accounts), window_s))
    sure = np.flatnonzero(chance >= SURE)
    return int(accounts[sure[0]]) if len(sure) else None


def slowest(curve: Curve, accounts: int, density: float, windows_s: Sequence[float]) -> float | None:
    """The longest of the windows in which such a ring is found with a chance of SURE; None when in none."""
    sure = [
        window
        for window in windows_s
        if curve.chance(np.array([float(accounts)]), np.array([density]), np.array([window]))[0] >= SURE
    ]
    return max(sure, default=None)


@dataclass(frozen=True)
class Lost:
    """Of the trials of one popularity: planted, beyond chance (margin > 0), come out as candidates, found."""

    popularity: str
    planted: int
    beyond_chance: int
    candidates: int
    found: int


def losses(trials: Sequence[Trial]) -> list[Lost]:
    """Where rings are lost: to chance, before they are candidates, or in judgement; by popularity of the targets."""
    out = []
    for popularity in sorted({trial.popularity for trial in trials}):
        its = [trial for trial in trials if trial.popularity == popularity]
        out.append(
            Lost(
                popularity,
                len(its),
                sum(trial.margin > 0 for trial in its),
                sum(trial.candidate for trial in its),
                sum(trial.found for trial in its),
            )
        )
    return out
