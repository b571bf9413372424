"""tune: which settings learn best from the user's labels, by validation that never looks at a test part.

Tuned are trees, or with labels of users the network where it is asked for. How settings are validated: tune_validation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet import __version__
from graphdet.arrays import Float
from graphdet.errors import UsageError
from graphdet.evaluation.compare import Costs, Measured, ScoredRows, difference, measure_scores
from graphdet.evaluation.cuts import Order, average_precision
from graphdet.evaluation.splits import SplitPlan
from graphdet.files import write_json, write_text
from graphdet.gnn.settings import GnnSettings
from graphdet.lab.models import data_digest, labels_fact
from graphdet.lab.tune_validation import Validation, of_things, of_users_by_network, of_users_by_trees
from graphdet.lab.tuning import (
    SAMPLERS,
    Choice,
    Range,
    Settings,
    Space,
    TrialParts,
    TuneTrial,
    setting_importance,
    tune_settings,
)
from graphdet.learn.labelled import kind_of
from graphdet.logs.labels import read_labels
from graphdet.ports import CaseworkStore
from graphdet.progress import Progress, Silent
from graphdet.reports.tune_page import write_tune_page
from graphdet.scores.trees import TreeSettings

TUNE_SCHEMA = "graphdet.tune/1"
N_TUNE_DRAWS = 500
N_HALVES = 10
TUNED_LEARNERS = ("trees", "gnn")
TREE_SPACE: Space = {
    "learning_rate": Range(0.01, 0.3, True, (0.02, 0.05, 0.15)),
    "leaves": Range(4, 63, True, (7, 15, 31)),
    "l2": Range(0.01, 100.0, True, (0.1, 1.0, 10.0)),
    "l1": Range(0.001, 10.0, True, (0.001, 0.1, 1.0)),
    "min_rows_in_leaf": Range(3, 200, True, (5, 20, 100)),
    "rounds": Range(50, 600, True, (100, 200, 400)),
    "row_share": Range(0.5, 1.0, False, (0.6, 0.8, 1.0)),
    "feature_share": Range(0.3, 1.0, False, (0.4, 0.6, 1.0)),
}
NETWORK: Space = {
    "learning_rate": Range(0.0005, 0.05, True, (0.001, 0.005, 0.02)),
    "dropout": Range(0.0, 0.5, False, (0.0, 0.1, 0.3)),
    "input_dropout": Range(0.0, 0.7, False, (0.1, 0.3, 0.5)),
    "weight_decay": Range(0.00001, 0.1, True, (0.0001, 0.001, 0.01)),
    "l1": Range(0.0000001, 0.001, True, (0.0000001, 0.00001, 0.001)),
    "schedule": Choice(("one_cycle", "constant", "cosine", "step", "exponential")),
    "optimiser": Choice(("adamw", "adam")),
    "robustness": Range(0.0, 0.9, False, (0.0, 0.4, 0.7)),
}
# A grid over everything is out of reach; these are what a grid covers unless told otherwise.
GRID_OVER = {"trees": ("learning_rate", "leaves", "l2"), "gnn": ("learning_rate", "dropout", "weight_decay")}


def tune(
    store: CaseworkStore,
    labels: Path,
    out: Path,
    *,
    plan: SplitPlan | None = None,
    learner: str = "trees",
    sampler: str = "tpe",
    n_trials: int = 40,
    over: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Try settings; writes best.toml, tune.json, tune.html and trials.jsonl to `out`, and goes on where it was killed.

    over: names of settings to vary (none: all; of a grid three). `plan`: as for train, whose test part is left alone;
    labels of users are not split. learner: trees, or gnn, the network, for labels of users only.

    Returns the document of tune.json.

    Raises:
        UsageError: Optuna is not installed, an option is out of range or not for these labels, or `out` holds another
            tuning.
        InputError: the labels cannot be used, are too few, or the validation part has labels of one kind only.
    """
    progress = progress or Silent()
    if n_trials < 1:
        raise UsageError(f"--trials must be at least 1, not {n_trials}")
    if sampler not in SAMPLERS:
        raise UsageError(f"--sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    if learner not in TUNED_LEARNERS:
        raise UsageError(f"--learner must be one of {', '.join(TUNED_LEARNERS)}, not {learner!r}")
    given = read_labels(labels)
    kind = kind_of(given)
    if learner == "gnn" and kind != "user":
        raise UsageError(
            f"--learner gnn: the network learns labels of users, and {given.path} labels {kind}s, which trees alone "
            "learn; leave --learner out, or give labels of users"
        )
    if kind != "user":
        validation = of_things(store, given, plan or SplitPlan(), seed, progress)
    elif learner == "gnn":
        validation = of_users_by_network(store, labels, seed, device, progress)
    else:
        validation = of_users_by_trees(store, labels, seed, progress)
    everything, usual = (
        (NETWORK, asdict(GnnSettings())) if learner == "gnn" else (TREE_SPACE, asdict(TreeSettings()))
    )
    space = _chosen(everything, over or (GRID_OVER[validation.learner] if sampler == "grid" else ()))
    default: Settings = {name: _within(usual[name], each) for name, each in space.items()}
    about = {
        "learner": validation.learner, "sampler": sampler, "seed": seed, "settings": list(space),
        "data": data_digest(store), "labels": (labels_fact(labels) or {})["sha256"],
        "split": validation.how, "graphdet": __version__,
    }  # fmt: skip

    halves = halves_of(validation.group, seed)

    def objective(settings: Settings) -> tuple[float, TrialParts]:
        score = validation.judge(settings)
        of_half = [_value(score, validation.y, rows) if validation.y[rows].any() else None for rows in halves]
        return _value(score, validation.y, np.arange(len(score))), tuple(of_half)

    trials = tune_settings(
        out, about, space, default, objective,
        sampler=sampler, n_trials=n_trials, seed=seed, progress=progress, clock=perf_counter,
    )  # fmt: skip
    best = max(trials, key=lambda one: (one.value, -one.place))
    document = _document(validation, space, trials, best, about, seed, progress)
    write_json(out / "tune.json", document)
    write_text(out / "best.toml", best_toml(validation.learner, best))
    write_tune_page(out / "tune.html", document)
    return document


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


def _value(score: Float, y: NDArray[np.int8], rows: NDArray[np.int64]) -> float:
    """Average precision of some rows."""
    return round(average_precision(Order.of(score[rows], y[rows]).cuts()), 6)


def best_toml(learner: str, best: TuneTrial) -> str:
    """Settings as `train --settings` takes them."""
    lines = [
        f"# Trial {best.place}: average precision {best.value:.4f} on the validation part.",
        f"[{learner}]",
    ]
    lines += [f"{name} = {json.dumps(value)}" for name, value in best.settings.items()]
    return "\n".join(lines) + "\n"


def _document(
    validation: Validation,
    space: Space,
    trials: Sequence[TuneTrial],
    best: TuneTrial,
    about: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    gain: dict[str, Any] = {"value": best.value - trials[0].value, "low": None, "high": None}
    if best.place:
        progress.start("is the best better than the defaults?")
        judged = [validation.judge(one.settings) for one in (trials[0], best)]
        measured: list[Measured] = measure_scores(
            [ScoredRows(score, np.zeros(len(score), bool)) for score in judged],
            validation.y, validation.group, [], Costs(), N_TUNE_DRAWS, seed,
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
            name: {"kind": type(each).__name__.lower(), **asdict(each)} for name, each in space.items()
        },
        "trials": [_told(one) for one in trials],
        "default": _told(trials[0]),
        "best": _told(best),
        "gain": gain,
        "importance": setting_importance(space, trials, seed),
    }


def _told(trial: TuneTrial) -> dict[str, Any]:
    return {name: value for name, value in asdict(trial).items() if name != "parts"}


def _chosen(space: Space, over: Sequence[str]) -> Space:
    for name in over:
        if name not in space:
            raise UsageError(f"--over: there is no setting {name!r} here; there are {', '.join(space)}")
    return {name: space[name] for name in over} if over else space


def _within(value: Any, each: Range | Choice) -> Any:
    """A default within its range: a penalty of 0 becomes the least one of a logarithmic scale."""
    return value if isinstance(each, Choice) else min(max(value, each.low), each.high)
