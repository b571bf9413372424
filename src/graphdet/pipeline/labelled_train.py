"""train --labels for items, sessions and events: learn, measure on what was held out, keep.

What keeps labels from where they must not be:
* the test part's labels are used for its figures and, in time, as label history once they are known (a delay later);
* label history sees labels dated before t − delay and nothing else (features.label_history);
* the model that scores a labelled row never saw a label of that row's fold, neither as a label nor through another
  row's label history, which is made anew for each fold without that fold's labels;
* the threshold and the curve to probabilities come from out-of-fold scores of the training part.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import InputError, UsageError
from graphdet.evaluation.folds import grouped_folds
from graphdet.evaluation.ranking import as_rows, best_cut, figures_at, ranking_measures
from graphdet.evaluation.splits import DELAY, LATER, TEST, TRAIN, Split, SplitPlan, split
from graphdet.features.label_history import label_feature_names, label_history
from graphdet.logs.labels import Labels
from graphdet.pipeline.evaluation_document import digest_of
from graphdet.pipeline.labelled import LEAST, aligned, check_against, kind_of
from graphdet.pipeline.labelled_model import KeptModel, row_keys
from graphdet.pipeline.labelled_sheets import FeatureBlock, Sheet, kept_sheet, with_blocks
from graphdet.ports import Progress, Silent, Store
from graphdet.scores.labelled import Fitted, fit_labelled
from graphdet.scores.trees import TreeSettings

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class LabelTask:
    """A sheet with labels, split. Shapes: y int8[n] (−1 unknown); part int8[n] (−1 where y is); fold int64[n], of
    the rows that are learned from, else −1."""

    sheet: Sheet
    y: NDArray[np.int8]
    part: NDArray[np.int8]
    fold: NDArray[np.int64]
    plan: SplitPlan
    counts: dict[str, list[int]]
    has_label_history: bool

    @property
    def delay_ms(self) -> int:
        """How long a label takes to be known."""
        return int(self.plan.delay_ms or 0)

    @property
    def learned(self) -> NDArray[np.bool_]:
        """Rows that are learned from."""
        return np.asarray(self.part == TRAIN)

    def visible(self) -> NDArray[np.int8]:
        """Labels that may ever be history: in time all, as the delay keeps them back; else the training part's."""
        if self.plan.kind in ("temporal", "none"):
            return self.y
        return np.where(self.learned, self.y, -1).astype(np.int8)

    def scored(self, rows: NDArray[np.int64]) -> Matrix:
        """Features of rows as they are scored, float32[q, d]."""
        return self._joined(rows, self.visible())

    def trained(self, k: int, rows: NDArray[np.int64]) -> Matrix:
        """Features of rows as fold k's model learns from them: label history has no label of fold k."""
        outside = self.learned & (self.fold != k)
        return self._joined(rows, np.where(outside, self.y, -1).astype(np.int8))

    def _joined(self, rows: NDArray[np.int64], visible: NDArray[np.int8]) -> Matrix:
        own = self.sheet.x[rows]
        if not self.has_label_history:
            return own
        past = label_history(
            self.sheet.keys, self.sheet.at_ms, visible, self.delay_ms, rows, self.sheet.plain()
        )
        return np.concatenate([own, past], axis=1)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that scored and trained give."""
        more = label_feature_names(list(self.sheet.keys)) if self.has_label_history else ()
        return (*self.sheet.names, *more)


def train_labelled(
    store: Store,
    labels: Labels,
    model_dir: Path,
    *,
    plan: SplitPlan | None = None,
    label_features: bool = True,
    blocks: Sequence[FeatureBlock] = (),
    settings: TreeSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Learn from labels of items, sessions or events, measure on the held-out part, and keep the model.

    `plan` says how labels are split (see evaluation.splits; by default in time). `label_features` adds, for events,
    what was known as fraud by then (features.label_history). `blocks` are more features, see labelled_sheets.

    Returns facts for people: kind, split, counts, figures out of fold and on the test part, warnings.

    Raises:
        InputError: the labels cannot be used, or a part of the split has too few of a kind.
        UsageError: the split contradicts itself; or labels are of events and the store keeps none.
    """
    progress = progress or Silent()
    settings = settings or TreeSettings()
    labels, warnings = check_against(store, labels)
    kind = kind_of(labels)
    progress.start(f"{kind} features")
    sheet = with_blocks(store, kept_sheet(store, kind), blocks)
    progress.done()
    task = label_task(sheet, labels, plan or SplitPlan(), seed, label_features)
    warnings += _told(task, labels)
    early = task_at_training(store, task, kind, blocks)
    progress.start(f"learn {kind}s")
    fitted = fit_task(early, seed, settings)
    progress.done()
    progress.start("measure")
    facts, cut = measure(task, early, fitted, seed)
    progress.done()
    about = {
        "split": task.plan.to_json(),
        "counts": task.counts,
        "seed": seed,
        "data_digest": sorted(store.sources()),
        "versions": {name: version(name) for name in ("lightgbm", "numpy")},
        **facts,
    }
    _kept(kind, early, fitted, cut, about, settings).save(model_dir)
    return {"kind": kind, "features": len(task.names), **about, "warnings": warnings}


def label_task(sheet: Sheet, labels: Labels, plan: SplitPlan, seed: int, label_features: bool) -> LabelTask:
    """Split labels over a sheet and deal folds.

    Raises:
        InputError: the training part has too few labels of a kind.
        UsageError: the plan contradicts itself.
    """
    y = aligned(sheet.ids, labels)
    known = np.flatnonzero(y >= 0)
    try:
        found: Split = split(sheet.at_ms[known], sheet.group[known], plan, seed)
    except ValueError as error:
        raise UsageError(f"the split cannot be: {error}") from error
    part = np.full(len(y), -1, np.int8)
    part[known] = found.part
    learned = np.flatnonzero(part == TRAIN)
    for value, word in ((1, "fraud (1)"), (0, "clean (0)")):
        n = int((y[learned] == value).sum())
        if n < LEAST:
            raise InputError(
                f"{labels.path}: the training part of the split ({found.plan.kind}) has only {n} {kind_of(labels)}s "
                f"labelled {word}; learning needs {LEAST} of each. Move the cut (--train-until, --test-share), or "
                "--split none to learn from all of them"
            )
    fold = np.full(len(y), -1, np.int64)
    try:
        fold[learned] = grouped_folds(y[learned], sheet.group[learned], seed)
    except ValueError as error:
        raise InputError(
            f"{labels.path}: all {kind_of(labels)}s labelled alike are of one user, so nothing can be checked on "
            f"another; label {kind_of(labels)}s of more users"
        ) from error
    has_history = label_features and bool(sheet.keys)
    return LabelTask(sheet, y, part, fold, found.plan, found.counts(y[known]), has_history)


def _told(task: LabelTask, labels: Labels) -> list[str]:
    """Warnings: labels that no part uses, and a test part that cannot be measured."""
    out = []
    later = int((task.part == LATER).sum())
    if later:
        out.append(f"{labels.path}: {later} labels are dated after the test part's end and are left out")
    waiting = int((task.part == DELAY).sum())
    if waiting:
        out.append(
            f"{labels.path}: {waiting} labels are dated within the delay before the test part, when they are not known "
            "yet; they are not learned from"
        )
    if task.plan.kind != "none" and len(np.unique(task.y[task.part == TEST])) < 2:
        out.append(f"{labels.path}: the test part has no labels of both kinds, so nothing is measured on it")
    constant = _constant(task)
    if constant:
        shown = ", ".join(constant[:5]) + (f" and {len(constant) - 5} more" if len(constant) > 5 else "")
        out.append(f"features that are the same everywhere, or nowhere measured, and teach nothing: {shown}")
    return out


def _constant(task: LabelTask) -> list[str]:
    x = task.sheet.x[task.learned]
    absent = np.isnan(x)
    low, high = np.fmin.reduce(x, axis=0), np.fmax.reduce(x, axis=0)
    same = absent.all(axis=0) | ((low == high) & ~absent.any(axis=0))
    return [name for name, flat in zip(task.sheet.names, same.tolist(), strict=True) if flat]


def task_at_training(store: Store, task: LabelTask, kind: str, blocks: Sequence[FeatureBlock]) -> LabelTask:
    """The task on the log as it was when training ended: items and sessions sum up all that is in the log.

    Events see only their own past, so theirs is the same; and so is any without a split in time.
    """
    if task.plan.kind != "temporal" or kind == "event":
        return task
    sheet = with_blocks(store, kept_sheet(store, kind, task.plan.train_until_ms), blocks)
    place = pc.index_in(sheet.ids, value_set=task.sheet.ids).to_numpy(zero_copy_only=False).astype(np.int64)
    return replace(task, sheet=sheet, y=task.y[place], part=task.part[place], fold=task.fold[place])


def fit_task(task: LabelTask, seed: int, settings: TreeSettings | None = None) -> Fitted:
    """Learn from the training part; logits and folds are of the task's learned rows, in their order."""
    rows = np.flatnonzero(task.learned)
    train_rows = None
    if task.has_label_history:

        def train_rows(k: int, some: NDArray[np.int64]) -> Matrix:
            return task.trained(k, rows[some])

    return fit_labelled(
        task.scored(rows),
        task.y[rows],
        task.sheet.group[rows],
        seed,
        fold=task.fold[rows],
        train_rows=train_rows,
        settings=settings,
    )


def measure(task: LabelTask, early: LabelTask, fitted: Fitted, seed: int) -> tuple[dict[str, Any], float]:
    """Figures out of fold (training part) and on the test part, and the cut between them; JSON values."""
    rows = np.flatnonzero(early.learned)
    y, group = early.y[rows], early.sheet.group[rows]
    cut = best_cut(y, fitted.score)
    facts: dict[str, Any] = {
        "cut": cut,
        "out_of_fold": as_rows(ranking_measures(y, fitted.logit, group, seed)),
        "test": None,
        "top_features": _top_features(fitted, early.names),
    }
    test = np.flatnonzero(task.part == TEST)
    if len(np.unique(task.y[test])) == 2:
        found = fitted.model.score(task.scored(test))
        facts["test_digest"] = digest_of(task.sheet.ids.take(test).to_pylist(), task.y[test])
        facts["test"] = as_rows(ranking_measures(task.y[test], found.logit, task.sheet.group[test], seed))
        at_cut = figures_at(task.y[test], found.score >= cut)
        facts["test_at_cut"] = {name: round(value, 4) for name, value in at_cut.items()}
    return facts, cut


def _top_features(fitted: Fitted, names: Sequence[str]) -> list[str]:
    gain = np.sum([trees.gains() for trees in fitted.model.models], axis=0)
    return [names[j] for j in np.argsort(-gain, kind="stable")[:10] if gain[j] > 0]


def _kept(
    kind: str, task: LabelTask, fitted: Fitted, cut: float, about: dict[str, Any], settings: TreeSettings
) -> KeptModel:
    rows = np.flatnonzero(task.learned)
    key = row_keys(task.sheet.ids.take(rows), task.sheet.at_ms[rows])
    order = np.argsort(key, kind="stable")
    has: NDArray[np.bool_] = np.asarray(np.isfinite(task.sheet.x[rows]).any(axis=0), bool)
    return KeptModel(
        kind,
        fitted.model,
        task.names,
        tuple(name for name, some in zip(task.sheet.names, has.tolist(), strict=True) if some),
        tuple(task.sheet.keys) if task.has_label_history else (),
        task.delay_ms,
        cut,
        about,
        settings,
        key[order],
        task.fold[rows][order],
        (task.y[rows][order] == 0).astype(np.uint8),
    )
