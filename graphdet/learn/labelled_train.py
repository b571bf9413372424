"""train --labels for items, sessions and events: learn, measure on what was held out, keep.

What keeps labels from where they must not be:
* the test part's labels are used for its figures and, in time, as label history once they are known (a delay later);
* the model that scores a labelled row never saw a label of that row's fold (see labelled_task);
* the threshold and the curve to probabilities come from out-of-fold scores of the training part.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.evaluation.ranking import as_rows, best_cut, figures_at, ranking_measures
from graphdet.evaluation.splits import DELAY, LATER, TEST, SplitPlan
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_blocks import block_names, full_sheet
from graphdet.learn.labelled_model import KeptModel, row_keys
from graphdet.learn.labelled_sheets import FeatureBlock
from graphdet.learn.labelled_task import LabelTask, fit_task, make_label_task, task_at_training
from graphdet.learn.measurements import digest_of
from graphdet.logs.labels import Labels
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.scores.labelled import Fitted
from graphdet.scores.trees import TreeSettings


def train_labelled(
    store: GraphStore,
    labels: Labels,
    model_dir: Path,
    *,
    plan: SplitPlan | None = None,
    label_features: bool = True,
    blocks: Sequence[FeatureBlock] | None = None,
    settings: TreeSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Learn from labels of items, sessions or events, measure on the held-out part, and keep the model.

    `plan` says how labels are split (see evaluation.splits; by default in time). `label_features` adds, for events,
    what was known as fraud by then (features.label_history). `blocks` are more features, see labelled_sheets; None are
    those that apply, see labelled_blocks.

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
    sheet, used = full_sheet(store, kind, blocks)
    progress.done()
    task = make_label_task(sheet, labels, plan or SplitPlan(), seed, label_features)
    warnings += _told(task, labels)
    early = task_at_training(store, task, kind, used)
    progress.start(f"learn {kind}s")
    fitted = fit_task(early, seed, settings)
    progress.done()
    progress.start("measure")
    facts, cut = measure_parts(task, early, fitted, seed)
    progress.done()
    about = {
        "split": task.plan.to_json(),
        "counts": task.counts,
        "seed": seed,
        "data_digest": sorted(store.sources()),
        "blocks": list(block_names(used)),
        "versions": {name: version(name) for name in ("lightgbm", "numpy")},
        **facts,
    }
    _kept(kind, early, fitted, cut, about, settings, block_names(used)).save(model_dir)
    return {"kind": kind, "features": len(early.names), **about, "warnings": warnings}


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


def measure_parts(
    task: LabelTask, early: LabelTask, fitted: Fitted, seed: int
) -> tuple[dict[str, Any], float]:
    """Figures out of fold (training part) and on the test part, and the cut between them; JSON values."""
    if early is not task:  # what was learned from texts is of the log as it was then
        models = early.text_fit.models if early.has_texts else None
        task = replace(task, texts=None, text_models=models)
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
    kind: str,
    task: LabelTask,
    fitted: Fitted,
    cut: float,
    about: dict[str, Any],
    settings: TreeSettings,
    blocks: tuple[str, ...],
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
        blocks,
        task.text_fit.models if task.has_texts else None,
    )
