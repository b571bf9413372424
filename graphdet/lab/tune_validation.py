"""What tune tries settings on: validation strictly inside what is learned from.

Labels of items, sessions and events: the training part of the split is cut once more, in time where the split is in
time (with the same delay), else into folds of whole groups; the test part is never looked at. Labels of users: the
folds of training, each user judged by trees, or a network, that were made without their label.

What learners see does not depend on settings, so it is made once and kept where it fits.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.errors import InputError
from graphdet.evaluation.splits import N_EVALUATION_FOLDS, TEST, TRAIN, SplitPlan
from graphdet.features.behaviour import behaviour, user_behaviour
from graphdet.features.pairs import find_pairs
from graphdet.gnn.settings import GnnSettings
from graphdet.graph.encode import read_graph
from graphdet.lab.tuning import Settings
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_blocks import full_sheet
from graphdet.learn.labelled_sheets import Sheet, kept_sheet, with_blocks
from graphdet.learn.labelled_task import LabelTask, fit_task, make_label_task
from graphdet.learn.train_settings import gnn_settings, tree_settings
from graphdet.learn.user_examples import LEAST_FRAUDS, UserLabels, tree_folds
from graphdet.learn.user_labels import Task, given_labels
from graphdet.learn.user_labels import user_label_task as user_task
from graphdet.learn.user_trees import Lesson, UserColumns, lesson_of, user_columns
from graphdet.logs.labels import Labels
from graphdet.ports import CaseworkStore, GraphStore
from graphdet.progress import Progress
from graphdet.scores.labelled import Fitted
from graphdet.scores.trees import TreeSettings
from graphdet.words import plural

MOST_KEPT_BYTES = 1 << 30
VALIDATION_SHARE = 0.3


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


def of_things(
    store: GraphStore, labels: Labels, plan: SplitPlan, seed: int, progress: Progress
) -> Validation:
    """Validation for labels of items, sessions or events, inside the training part of the plan."""
    kind = kind_of(labels)
    labels, _ = check_against(store, labels)
    progress.start(f"{kind} features")
    sheet, used = full_sheet(store, kind, None)
    outer = make_label_task(sheet, labels, plan, seed, True)
    if outer.plan.kind == "temporal" and kind != "event":  # these sum up the log: back to when training ended
        sheet = with_blocks(store, kept_sheet(store, kind, outer.plan.train_until_ms), used)
    progress.done()
    own = _only(labels, outer)
    if outer.plan.kind == "temporal":
        inner = SplitPlan("temporal", delay_ms=outer.plan.delay_ms, test_share=VALIDATION_SHARE)
        task = make_label_task(sheet, own, inner, seed, True)
        rows = np.flatnonzero(task.part == TEST)
        how = "Validated on the last part of the training time, a delay after what was learned from."
    else:
        task = make_label_task(sheet, own, SplitPlan("none", delay_ms=outer.plan.delay_ms), seed, True)
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
    if scored.nbytes * N_EVALUATION_FOLDS > MOST_KEPT_BYTES:
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


def of_users_by_trees(store: CaseworkStore, labels: Labels, seed: int, progress: Progress) -> Validation:
    """Validation of trees for labels of users, out of folds that are dealt as training deals them.

    Raises:
        InputError: the labels cannot be used, or settings cannot be compared by them.
    """
    task = labelled_users(store, labels, progress)
    windows = find_pairs(task.graph, store.bench, progress)
    users = user_behaviour(task.graph, store.bench, progress)
    progress.start("neighbours of users")
    columns = user_columns(store, task.graph, windows, users)
    fold = tree_folds(task.y, task.campaign, GnnSettings().n_folds, seed)
    judge = user_judge(columns, task.y, fold, seed)
    progress.done()
    how = (
        "Validated out of fold: each user was judged by trees that had seen no label of their fold, neither their own "
        "nor a neighbour's. Rings judged guilty stayed whole."
    )
    known = np.flatnonzero(task.y >= 0)
    return Validation("trees", task.y[known], _user_groups(task), len(known), judge, how)


def user_judge(
    columns: UserColumns, y: NDArray[np.int8], fold: NDArray[np.int64], seed: int
) -> Callable[[Settings], Float]:
    """What gives known users their logits under settings, as fit_user_trees does out of fold, by row.

    Shapes: y int8[n_users], −1 unknown; fold int64[n_users]; the logits float64[n_known].

    Raises:
        InputError: the rest of a fold has labels of one kind only.
    """
    held = {int(k): np.flatnonzero((y >= 0) & (fold == k)) for k in np.unique(fold[y >= 0])}

    def make(k: int) -> Lesson:
        return lesson_of(columns, y, fold, y, k, held[k])

    lesson: Callable[[int], Lesson] = cache(make)
    if lesson(min(held)).n_bytes * len(held) > MOST_KEPT_BYTES:
        lesson = make
    else:
        for k in held:  # so that an error is raised before a setting is tried
            lesson(k)

    def judge(settings: Settings) -> Float:
        chosen = tree_settings(settings, "tune")
        logits = np.zeros(len(y))
        for k, rows in held.items():
            logits[rows] = lesson(k).learn(chosen, seed)[1]
        return logits[y >= 0]

    return judge


def of_users_by_network(
    store: CaseworkStore, labels: Labels, seed: int, device: str, progress: Progress
) -> Validation:
    """Validation of the network for labels of users, out of fold.

    Raises:
        InputError: the labels cannot be used, or settings cannot be compared by them.
    """
    task = labelled_users(store, labels, progress)
    # Torch from here on: trees do without.
    from graphdet.gnn.heterodata import graph_in_pyg
    from graphdet.gnn.training import train_gnn

    windows = find_pairs(task.graph, store.bench, progress)
    users, items = behaviour(task.graph, store.bench, progress)
    data = graph_in_pyg(task.graph, users, items, windows, progress)
    known = np.flatnonzero(task.y >= 0)

    def judge(settings: Settings) -> Float:
        model = train_gnn(
            data, task.y, task.campaign, gnn_settings(settings, "tune"), seed=seed, device=device
        )
        return model.out_of_fold[known]

    how = "Validated out of fold: each user was judged by a network that was trained, and stopped, without them."
    return Validation("gnn", task.y[known], _user_groups(task), len(known), judge, how)


def labelled_users(store: CaseworkStore, given: Labels, progress: Progress) -> Task:
    """Labels of users, with the verdicts of the store, on the log's graph: enough of each kind.

    Raises:
        InputError: they cannot be used, nobody is labelled clean, or too few are of a kind.
    """
    read = given_labels(store, given, frauds_alone=True)
    assert read.labels is not None  # for the type checker: the file names users
    task = user_task(read_graph(store, progress), read.labels, read.verdicts)
    labels = UserLabels(task.y, task.campaign)
    if labels.frauds_alone:
        raise InputError(
            f"{given.path}: all {plural(labels.n_fraud, 'label')} of the log are fraud (1), and what is learned is "
            "held against clean users here: label some clean (0). Only graphdet train learns from frauds alone"
        )
    for n, word in ((labels.n_fraud, "fraud (1)"), (int((task.y == 0).sum()), "clean (0)")):
        if n < LEAST_FRAUDS:
            raise InputError(
                f"{given.path}: only {plural(n, 'user')} of the log labelled {word}; label at least {LEAST_FRAUDS} of "
                "each kind"
            )
    return task


def _user_groups(task: Task) -> NDArray[np.int64]:
    """Groups of known users: members of a ring judged guilty are one, everybody else one alone."""
    own, n = task.campaign[task.y >= 0], len(task.y)
    return np.where(own >= 0, own, n + np.arange(len(own))).astype(np.int64)
