"""tune: which settings learn best from the user's labels, by validation strictly inside the training part.

Labels of items, sessions and events: the training part of the split is cut once more, in time where the split is in
time (with the same delay), else into folds of whole groups; the test part is never looked at. Labels of users: the
networks' folds, each user judged by a network that was trained without it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet import __version__
from graphdet.errors import InputError, UsageError
from graphdet.evaluation.compare import Costs, Measured, Scored, difference, measure
from graphdet.evaluation.cuts import Order, average_precision
from graphdet.evaluation.folds import N_FOLDS
from graphdet.evaluation.splits import TEST, TRAIN, SplitPlan
from graphdet.logs.labels import Labels, read_labels
from graphdet.models.gnn_settings import GnnSettings
from graphdet.pipeline.labelled import check_against, kind_of
from graphdet.pipeline.labelled_blocks import full_sheet
from graphdet.pipeline.labelled_sheets import Sheet, kept_sheet, with_blocks
from graphdet.pipeline.labelled_task import LabelTask, fit_task, label_task
from graphdet.pipeline.model_card import data_digest, labels_fact
from graphdet.pipeline.train_settings import gnn_settings, tree_settings
from graphdet.pipeline.tuning import (
    SAMPLERS,
    Choice,
    Range,
    Settings,
    Space,
    Trial,
    importance,
    tune_settings,
)
from graphdet.ports import Progress, Silent, Store
from graphdet.reports.files import write_json, write_text
from graphdet.reports.tune_page import write_tune_page
from graphdet.scores.labelled import Fitted
from graphdet.scores.trees import TreeSettings

Float = NDArray[np.float64]
SCHEMA = "graphdet.tune/1"
N_DRAWS = 500
MOST_KEPT_BYTES = 1 << 30
VALIDATION_SHARE = 0.3
TREES: Space = {
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


@dataclass(frozen=True)
class Validation:
    """What settings are tried on. Shapes: y int8[n] and group int64[n] of the validation rows.

    judge gives their scores under settings, float64[n]. how: for people.
    """

    learner: str
    y: NDArray[np.int8]
    group: NDArray[np.int64]
    n_learned: int
    judge: Callable[[Settings], Float]
    how: str


def tune(
    store: Store,
    labels: Path,
    out: Path,
    *,
    plan: SplitPlan | None = None,
    sampler: str = "tpe",
    n_trials: int = 40,
    over: Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Try settings; writes best.toml, tune.json, tune.html and trials.jsonl to `out`, and goes on where it was killed.

    over: names of settings to vary (none: all; of a grid three). `plan`: as for train, whose test part is left alone.

    Returns the document of tune.json.

    Raises:
        UsageError: Optuna is not installed, an option is out of range, or `out` holds another tuning.
        InputError: the labels cannot be used, or the validation part has labels of one kind only.
    """
    progress = progress or Silent()
    if n_trials < 1:
        raise UsageError(f"--trials must be at least 1, not {n_trials}")
    if sampler not in SAMPLERS:
        raise UsageError(f"--sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    given = read_labels(labels)
    if kind_of(given) == "user":
        validation = _of_users(store, labels, seed, device, progress)
        everything, usual = NETWORK, asdict(GnnSettings())
    else:
        validation = _of_things(store, given, plan or SplitPlan(), seed, progress)
        everything, usual = TREES, asdict(TreeSettings())
    space = _chosen(everything, over or (GRID_OVER[validation.learner] if sampler == "grid" else ()))
    default: Settings = {name: _within(usual[name], each) for name, each in space.items()}
    about = {
        "learner": validation.learner, "sampler": sampler, "seed": seed, "settings": list(space),
        "data": data_digest(store), "labels": (labels_fact(labels) or {})["sha256"],
        "split": validation.how, "graphdet": __version__,
    }  # fmt: skip

    def objective(settings: Settings) -> float:
        return round(average_precision(Order.of(validation.judge(settings), validation.y).cuts()), 6)

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


def best_toml(learner: str, best: Trial) -> str:
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
    trials: Sequence[Trial],
    best: Trial,
    about: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    gain: dict[str, Any] = {"value": best.value - trials[0].value, "low": None, "high": None}
    if best.place:
        progress.start("is the best better than the defaults?")
        judged = [validation.judge(one.settings) for one in (trials[0], best)]
        measured: list[Measured] = measure(
            [Scored(score, np.zeros(len(score), bool)) for score in judged],
            validation.y, validation.group, [], Costs(), N_DRAWS, seed,
        )  # fmt: skip
        value, between, _ = difference(measured[0], measured[1], "auprc")
        gain = {
            "value": value,
            "low": between[0] if between else None,
            "high": between[1] if between else None,
        }
        progress.done()
    return {
        "schema": SCHEMA,
        **about,
        "how": validation.how,
        "n_learned": validation.n_learned,
        "n_validation": len(validation.y),
        "n_validation_fraud": int(validation.y.sum()),
        "space": {
            name: {"kind": type(each).__name__.lower(), **asdict(each)} for name, each in space.items()
        },
        "trials": [asdict(one) for one in trials],
        "default": asdict(trials[0]),
        "best": asdict(best),
        "gain": gain,
        "importance": importance(space, trials, seed),
    }


def _of_things(store: Store, labels: Labels, plan: SplitPlan, seed: int, progress: Progress) -> Validation:
    """Validation for labels of items, sessions or events, inside the training part of the plan."""
    kind = kind_of(labels)
    labels, _ = check_against(store, labels)
    progress.start(f"{kind} features")
    sheet, used = full_sheet(store, kind, None)
    outer = label_task(sheet, labels, plan, seed, True)
    if outer.plan.kind == "temporal" and kind != "event":  # these sum up the log: back to when training ended
        sheet = with_blocks(store, kept_sheet(store, kind, outer.plan.train_until_ms), used)
    progress.done()
    own = _only(labels, outer)
    if outer.plan.kind == "temporal":
        inner = SplitPlan("temporal", delay_ms=outer.plan.delay_ms, test_share=VALIDATION_SHARE)
        task = label_task(sheet, own, inner, seed, True)
        rows = np.flatnonzero(task.part == TEST)
        how = "Validated on the last part of the training time, a delay after what was learned from."
    else:
        task = label_task(sheet, own, SplitPlan("none", delay_ms=outer.plan.delay_ms), seed, True)
        rows = np.flatnonzero(task.learned)
        how = "Validated out of fold: each group was judged by trees that had not seen it."
    y = task.y[rows]
    if len(np.unique(y)) < 2:
        raise InputError(
            f"{labels.path}: the validation part of the training labels has labels of one kind only, so settings "
            "cannot be compared; label more, or use --split group"
        )
    x = task.scored(rows) if outer.plan.kind == "temporal" else None
    fit = _fitting(task, seed)

    def judge(settings: Settings) -> Float:
        fitted = fit(tree_settings(settings, "tune"))
        found = fitted.model.score(x).logit if x is not None else fitted.logit
        return np.asarray(found, np.float64)

    n_learned = int((task.part == TRAIN).sum())
    return Validation("trees", y, task.sheet.group[rows], n_learned, judge, how)


def _fitting(task: LabelTask, seed: int) -> Callable[[TreeSettings], Fitted]:
    """Learn the task under settings: what the trees see does not depend on them, so it is made once where it fits."""
    rows = np.flatnonzero(task.learned)
    scored = task.scored(rows)
    if scored.nbytes * N_FOLDS > MOST_KEPT_BYTES:
        return lambda settings: fit_task(task, seed, settings)

    trained = cache(lambda k: task.trained(k, rows))
    return lambda settings: fit_task(task, seed, settings, scored=scored, trained=trained)


def _only(labels: Labels, outer: LabelTask) -> Labels:
    """The labels of the training part alone: the rest is not there for whoever tunes."""
    rows = np.flatnonzero(outer.learned)
    table = pa.table({labels.key: _strings(outer.sheet, rows), "label": pa.array(outer.y[rows], pa.int8())})
    return replace(labels, table=table.sort_by(labels.key))


def _strings(sheet: Sheet, rows: NDArray[np.int64]) -> pa.Array:
    return sheet.ids.take(pa.array(rows)).cast(pa.string())


def _of_users(store: Store, path: Path, seed: int, device: str, progress: Progress) -> Validation:
    """Validation for labels of users: out of fold."""
    from graphdet.models.training import train_gnn
    from graphdet.pipeline.detect import read_graph, ring_candidates
    from graphdet.pipeline.in_pyg import graph_in_pyg
    from graphdet.pipeline.user_labels import given_labels
    from graphdet.pipeline.user_labels import label_task as user_task
    from graphdet.pipeline.users import behaviour

    read = given_labels(store, path)
    assert read.labels is not None  # for the type checker: the file names users
    graph = read_graph(store, progress)
    task = user_task(graph, read.labels, read.verdicts)
    windows, _ = ring_candidates(graph, store.bench, seed, progress)
    users, items = behaviour(graph, store.bench, progress)
    data = graph_in_pyg(graph, users, items, windows, progress)
    known = np.flatnonzero(task.y >= 0)

    def judge(settings: Settings) -> Float:
        model = train_gnn(
            data, task.y, task.campaign, gnn_settings(settings, "tune"), seed=seed, device=device
        )
        return model.out_of_fold[known]

    # Members of a ring judged guilty are one group, everybody else one alone.
    group = np.where(task.campaign[known] >= 0, task.campaign[known], graph.n_users + np.arange(len(known)))
    how = (
        "Validated out of fold: each user was judged by a network trained without them. Early stopping looked at the "
        "same fold, so values are a little high, for all settings alike."
    )
    return Validation("gnn", task.y[known].astype(np.int8), group.astype(np.int64), len(known), judge, how)


def _chosen(space: Space, over: Sequence[str]) -> Space:
    for name in over:
        if name not in space:
            raise UsageError(f"--over: there is no setting {name!r} here; there are {', '.join(space)}")
    return {name: space[name] for name in over} if over else space


def _within(value: Any, each: Range | Choice) -> Any:
    """A default within its range: a penalty of 0 becomes the least one of a logarithmic scale."""
    return value if isinstance(each, Choice) else min(max(value, each.low), each.high)
