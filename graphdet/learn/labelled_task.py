"""Labels split over a sheet, and what the trees see of its rows: labels as history and learned texts, out of fold.

What keeps labels from where they must not be:
* label history sees labels dated before t − delay and nothing else (features.label_history);
* the model that scores a labelled row never saw a label of that row's fold: neither as a label, nor through another
  row's label history, nor through a model of texts; both are made anew for each fold without that fold's labels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float32
from graphdet.errors import InputError, UsageError
from graphdet.evaluation.splits import TRAIN, Split, SplitPlan, grouped_folds, split_rows
from graphdet.features.label_history import label_feature_names, label_history
from graphdet.learn.labelled import LEAST_LABELS, aligned, kind_of
from graphdet.learn.labelled_sheets import FeatureBlock, Sheet, kept_sheet, with_blocks
from graphdet.logs.labels import Labels
from graphdet.ports import GraphStore
from graphdet.scores.labelled import Fitted, fit_labelled
from graphdet.scores.text_folds import TEXT_SAYS, FittedTexts, ReadTexts, TextModels
from graphdet.scores.trees import TreeSettings


@dataclass(frozen=True)
class LabelTask:
    """A sheet with labels, split.

    Texts, where the sheet has any: `texts` are those learned from, `seed` that of their models; with `text_models`
    rows are scored by models that another task has learned.

    Shapes: y int8[n] (−1 unknown); part int8[n] (−1 where y is); fold int64[n], of the rows that are learned from,
    else −1.
    """

    sheet: Sheet
    y: NDArray[np.int8]
    part: NDArray[np.int8]
    fold: NDArray[np.int64]
    plan: SplitPlan
    counts: dict[str, list[int]]
    has_label_history: bool
    texts: ReadTexts | None = field(default=None, repr=False)
    text_models: TextModels | None = field(default=None, repr=False)
    seed: int = 0

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

    def scored(self, rows: NDArray[np.int64]) -> Float32:
        """Features of rows as they are scored, float32[q, d]."""
        own = self._joined(rows, self.visible())
        if not self.has_texts:
            return own
        margin, new = np.full(len(rows), np.nan), np.ones(len(rows), bool)
        if self.text_models is None:
            new = self.fold[rows] < 0
            mine = rows[~new]
            margin[~new] = self.text_fit.inner[mine, self.fold[mine]]
        models = self.text_models or self.text_fit.models
        if new.any() and self.sheet.texts is not None:
            documents = [self.sheet.texts.documents[row] for row in rows[new].tolist()]
            margin[new] = models.margins(documents, self.fold[rows[new]])
        return np.column_stack([own, margin]).astype(np.float32, copy=False)

    def trained(self, k: int, rows: NDArray[np.int64]) -> Float32:
        """Features of rows as fold k's model learns from them: labels of fold k are in none of them."""
        outside = self.learned & (self.fold != k)
        own = self._joined(rows, np.where(outside, self.y, -1).astype(np.int8))
        if not self.has_texts:
            return own
        return np.column_stack([own, self.text_fit.inner[rows, k]]).astype(np.float32, copy=False)

    @property
    def has_texts(self) -> bool:
        """Whether the last column is what labelled texts say."""
        return self.texts is not None or self.text_models is not None

    @property
    def is_refit(self) -> bool:
        """Whether rows look different to the trees that learn from them than when they are scored."""
        return self.has_label_history or self.has_texts

    @cached_property
    def text_fit(self) -> FittedTexts:
        """Models of the texts that are learned from.

        Raises:
            ValueError: there are no texts.
        """
        if self.texts is None:
            raise ValueError("this task has no texts to learn from")
        return self.texts.fit(np.where(self.learned, self.y, -1).astype(np.int8), self.fold, self.seed)

    def _joined(self, rows: NDArray[np.int64], visible: NDArray[np.int8]) -> Float32:
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
        return (*self.sheet.names, *more, *((TEXT_SAYS,) if self.has_texts else ()))


def make_label_task(
    sheet: Sheet, labels: Labels, plan: SplitPlan, seed: int, label_features: bool
) -> LabelTask:
    """Split labels over a sheet and deal folds.

    Raises:
        InputError: the training part has too few labels of a kind.
        UsageError: the plan contradicts itself.
    """
    y = aligned(sheet.ids, labels)
    known = np.flatnonzero(y >= 0)
    try:
        found: Split = split_rows(sheet.at_ms[known], sheet.group[known], plan, seed)
    except ValueError as error:
        raise UsageError(f"the split cannot be: {error}") from error
    part = np.full(len(y), -1, np.int8)
    part[known] = found.part
    learned = np.flatnonzero(part == TRAIN)
    for value, word in ((1, "fraud (1)"), (0, "clean (0)")):
        n = int((y[learned] == value).sum())
        if n < LEAST_LABELS:
            raise InputError(
                f"{labels.path}: the training part of the split ({found.plan.kind}) has only {n} {kind_of(labels)}s "
                f"labelled {word}; learning needs {LEAST_LABELS} of each. Move the cut (--train-until, --test-share), "
                "or --split none to learn from all of them"
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
    counts, texts = found.counts(y[known]), _texts(sheet, fold)
    return LabelTask(sheet, y, part, fold, found.plan, counts, has_history, texts, seed=seed)


def _texts(sheet: Sheet, fold: NDArray[np.int64]) -> ReadTexts | None:
    """Texts of the rows that are learned from; None where they have none."""
    if sheet.texts is None:
        return None
    learned = (fold >= 0).tolist()
    documents = [text if own else None for text, own in zip(sheet.texts.documents, learned, strict=True)]
    return ReadTexts(documents) if any(text is not None for text in documents) else None


def task_at_training(
    store: GraphStore, task: LabelTask, kind: str, blocks: Sequence[FeatureBlock]
) -> LabelTask:
    """The task on the log as it was when training ended: items and sessions sum up all that is in the log.

    Events see only their own past, so theirs is the same; and so is any without a split in time.
    """
    if task.plan.kind != "temporal" or kind == "event":
        return task
    sheet = with_blocks(store, kept_sheet(store, kind, task.plan.train_until_ms), blocks)
    place = pc.index_in(sheet.ids, value_set=task.sheet.ids).to_numpy(zero_copy_only=False).astype(np.int64)
    fold = task.fold[place]
    texts = _texts(sheet, fold)
    return replace(task, sheet=sheet, y=task.y[place], part=task.part[place], fold=fold, texts=texts)


def fit_task(
    task: LabelTask,
    seed: int,
    settings: TreeSettings | None = None,
    *,
    scored: Float32 | None = None,
    trained: Callable[[int], Float32] | None = None,
) -> Fitted:
    """Learn from the training part; logits and folds are of the task's learned rows, in their order.

    Who fits often gives the features of those rows, made once: `scored` as LabelTask.scored, `trained(k)` as .trained.
    """
    rows = np.flatnonzero(task.learned)

    def train_rows(k: int, some: NDArray[np.int64]) -> Float32:
        return task.trained(k, rows[some]) if trained is None else trained(k)[some]

    return fit_labelled(
        task.scored(rows) if scored is None else scored,
        task.y[rows],
        task.sheet.group[rows],
        seed,
        fold=task.fold[rows],
        train_rows=train_rows if task.is_refit else None,
        settings=settings,
    )
