"""What tune makes of its trials: the best one, its gain over the defaults, and the document of tune.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.evaluation.compare import Costs, Measured, Resampling, ScoredRows, difference, measure_scores
from graphdet.evaluation.cuts import Order, average_precision
from graphdet.lab.tune_validation import Validation
from graphdet.lab.tuning import Objective, Search, Settings, TrialParts, TuneTrial, setting_importance
from graphdet.progress import Progress

TUNE_SCHEMA = "graphdet.tune/1"
N_TUNE_DRAWS = 500
N_HALVES = 10


def objective_of(validation: Validation, seed: int) -> Objective:
    """What gives settings their average precision on the validation rows, and on random halves of their groups."""
    halves = halves_of(validation.group, seed)

    def objective(settings: Settings) -> tuple[float, TrialParts]:
        score = validation.judge(settings)
        of_half = [
            average_precision_of(score, validation.y, rows) if validation.y[rows].any() else None
            for rows in halves
        ]
        return average_precision_of(score, validation.y, np.arange(len(score))), tuple(of_half)

    return objective


def best_of(trials: Sequence[TuneTrial]) -> TuneTrial:
    """The trial of the highest value; of several the first."""
    return max(trials, key=lambda one: (one.value, -one.place))


def halves_of(group: NDArray[np.int64], seed: int) -> list[NDArray[np.int64]]:
    """Rows of N_HALVES random halves of the groups, each followed by the other half. Shapes: group int64[n]."""
    _, at = np.unique(group, return_inverse=True)
    n = int(at.max(initial=-1)) + 1
    rng = np.random.default_rng((seed, 11))
    out = []
    for _ in range(N_HALVES):
        first = (rng.permutation(n) < n // 2)[at]
        out += [np.flatnonzero(first), np.flatnonzero(~first)]
    return out


def gain_elsewhere(trials: Sequence[TuneTrial]) -> float | None:
    """What the best settings of one half gain over the defaults on the other, mean over all halves; None of too few.

    The best of many trials is a little lucky where it was picked, and only there.
    """
    parts = np.array([one.parts for one in trials], np.float64).reshape(len(trials), -1, 2)
    if not np.isfinite(parts).all():
        return None
    gains = []
    for here, there in ((0, 1), (1, 0)):
        picked = parts[:, :, here].argmax(axis=0)
        gains.append(parts[picked, np.arange(parts.shape[1]), there] - parts[0, :, there])
    return round(float(np.mean(gains)), 6)


def average_precision_of(score: Float, y: NDArray[np.int8], rows: NDArray[np.int64]) -> float:
    """The average precision of some rows, to six digits after the point."""
    return round(average_precision(Order.of(score[rows], y[rows]).cuts()), 6)


def best_toml(learner: str, best: TuneTrial) -> str:
    """Settings as `train --settings` takes them."""
    lines = [
        f"# Trial {best.place}: average precision {best.value:.4f} on the validation part.",
        f"[{learner}]",
    ]
    lines += [f"{name} = {json.dumps(value)}" for name, value in best.settings.items()]
    return "\n".join(lines) + "\n"


def tune_document(
    validation: Validation,
    search: Search,
    trials: Sequence[TuneTrial],
    about: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """The document of tune.json, which says whether the best trial is better than the defaults beyond doubt."""
    best = best_of(trials)
    gain: dict[str, Any] = {"value": best.value - trials[0].value, "low": None, "high": None}
    if best.place:
        progress.start("is the best better than the defaults?")
        judged = [validation.judge(one.settings) for one in (trials[0], best)]
        measured: list[Measured] = measure_scores(
            [ScoredRows(score, np.zeros(len(score), bool)) for score in judged],
            validation.y, validation.group, [], Costs(), Resampling(N_TUNE_DRAWS, search.seed),
        )  # fmt: skip
        value, between, _ = difference(measured[0], measured[1], "auprc")
        gain = {
            "value": value,
            "low": between[0] if between else None,
            "high": between[1] if between else None,
        }
        progress.done()
    gain["elsewhere"] = gain_elsewhere(trials)
    return {
        "schema": TUNE_SCHEMA,
        **about,
        "how": validation.how,
        "n_learned": validation.n_learned,
        "n_validation": len(validation.y),
        "n_validation_fraud": int(validation.y.sum()),
        "space": {
            name: {"kind": type(each).__name__.lower(), **asdict(each)} for name, each in search.space.items()
        },
        "trials": [_without_parts(one) for one in trials],
        "default": _without_parts(trials[0]),
        "best": _without_parts(best),
        "gain": gain,
        "importance": setting_importance(search.space, trials, search.seed),
    }


def _without_parts(trial: TuneTrial) -> dict[str, Any]:
    return {name: value for name, value in asdict(trial).items() if name != "parts"}
