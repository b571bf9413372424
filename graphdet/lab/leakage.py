"""audit-leakage: prove on the user's own log and labels that neither the future nor a label reaches where it must not.

* future: events that never happened are put after the end of training; the features of everything before and the
  out-of-fold scores learned from them must be the same, byte for byte;
* permuted labels: with labels dealt anew there is nothing to learn, so what is learned must rank at chance;
* own label: one row's label is turned over, and the score of its own fold's model must be the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.evaluation.ranking import figures
from graphdet.evaluation.splits import TRAIN, SplitPlan
from graphdet.learn.labelled import check_against, kind_of
from graphdet.learn.labelled_blocks import full_sheet
from graphdet.learn.labelled_sheets import FeatureBlock
from graphdet.learn.labelled_task import LabelTask, fit_task, make_label_task, task_at_training
from graphdet.logs.labels import Labels
from graphdet.ports import GraphStore
from graphdet.progress import Progress, Silent
from graphdet.scores.labelled import fit_fold
from graphdet.scores.trees import TreeSettings
from graphdet.tables import Frame
from graphdet.units import DAY_MS

N_INJECTED = 500
N_FLIPPED = 5
SURE_STANDARD_ERRORS = 3.29  # standard errors: chance leaves this interval once in a thousand
AUDIT_TREES = TreeSettings(rounds=60)  # enough for a leak to show


@dataclass(frozen=True)
class LeakageCheck:
    """One check: whether it passed, and its numbers in words."""

    name: str
    passed: bool
    numbers: str


def audit_leakage(
    store: GraphStore,
    labels: Labels,
    *,
    plan: SplitPlan | None = None,
    blocks: Sequence[FeatureBlock] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[LeakageCheck]:
    """Check the way from labels of items, sessions or events to scores on a store; nothing is written.

    `blocks`: more features, see labelled_sheets; None for those that `train` takes too.

    Raises:
        InputError, UsageError: as train_labelled does.
    """
    progress = progress or Silent()
    plan = plan or SplitPlan()
    labels, _ = check_against(store, labels)
    progress.start("features")
    task = _prepared(store, labels, plan, blocks, seed)
    ends_ms = task.plan.train_until_ms
    if ends_ms is None:  # no split in time: the last fifth of the log is the future
        ends_ms = int(np.quantile(task.sheet.at_ms, 0.8))
    # By the plan as it was settled: later sessions begin earlier there, and would move a cut that is left open.
    other = _prepared(cast("GraphStore", WithFuture(store, ends_ms, seed)), labels, task.plan, blocks, seed)
    progress.done()
    progress.start("audit", 3)
    checks = [future_check(task, other, ends_ms, seed)]
    progress.advance()
    checks.append(permuted_check(task, seed))
    progress.advance()
    checks.append(own_label_check(task, seed))
    progress.done()
    return checks


def _prepared(
    store: GraphStore, labels: Labels, plan: SplitPlan, blocks: Sequence[FeatureBlock] | None, seed: int
) -> LabelTask:
    kind = kind_of(labels)
    sheet, used = full_sheet(store, kind, blocks)
    task = make_label_task(sheet, labels, plan, seed, True)
    return task_at_training(store, task, kind, used)


class WithFuture:
    """A store as it would be, had more happened from a moment on: everything else is the store's own.

    Copies of the log's own events, with other users, items and amounts, are put at that moment and up to a month after.
    """

    def __init__(self, store: GraphStore, from_ms: int, seed: int) -> None:
        self._store, self._from_ms, self._seed = store, from_ms, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def events(self) -> Frame:
        """The store's events and the injected ones."""
        own = self._store.events()
        table = own.sort("event_id", "source_ix", "event_row").head(N_INJECTED).collect("pyarrow").to_native()
        made = {"event_id": [f"injected {n}" for n in range(table.num_rows)]}
        return self._joined(own, table, made, ("user_id", "item_id", "session_id", "amount"))

    def interactions(self, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
        """The store's interactions and the injected ones."""
        own = self._store.interactions()
        order = ("user_id", "session_id", "item_id", "action")
        table = own.sort(*order).head(N_INJECTED).collect("pyarrow").to_native()
        found = self._joined(own, table, {}, ("item_id", "amount"))
        if since_ms is not None:
            found = found.filter(nw.col("at_ms") >= since_ms)
        return found if until_ms is None else found.filter(nw.col("at_ms") < until_ms)

    def _joined(
        self, own: Frame, table: pa.Table, made: dict[str, list[str]], shuffled: tuple[str, ...]
    ) -> Frame:
        draw = np.random.default_rng((self._seed, 31))
        n = table.num_rows
        columns: dict[str, Any] = dict(made)
        for name in shuffled:
            columns[name] = table[name].take(pa.array(draw.permutation(n)))
        at_ms = self._from_ms + draw.integers(0, 30 * DAY_MS, n)
        at_ms[: n // 10] = self._from_ms  # and right at the moment
        columns["at_ms"] = at_ms
        for name, values in columns.items():
            place, kind = table.column_names.index(name), table.schema.field(name).type
            values = values if isinstance(values, pa.ChunkedArray) else pa.array(values)
            table = table.set_column(place, name, values.cast(kind))
        # A table of the engine: it cannot push its own filters into a scan of arrays.
        bench = self._store.bench
        more = bench.keep(f"graphdet_injected_{len(shuffled)}", bench.from_arrow(table))
        return nw.concat([own, more.select(*own.collect_schema().names())], how="vertical")


def future_check(task: LabelTask, other: LabelTask, from_ms: int, seed: int) -> LeakageCheck:
    """Compare features and out-of-fold scores with those of the same log with a future injected.

    In time, the model learns only from before `from_ms`; another split has no such moment: features are compared.
    """
    mine, theirs = (np.flatnonzero(one.sheet.at_ms < from_ms) for one in (task, other))
    name = "Future events injected leave the past alone"
    if not task.sheet.ids.take(mine).equals(other.sheet.ids.take(theirs)):
        return LeakageCheck(name, False, "the rows before that moment are not the same any more")
    before, after = task.scored(mine), other.scored(theirs)
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    changed = [task.names[j] for j in np.flatnonzero(~same.all(axis=0))]
    numbers = (
        f"{len(mine):,} rows × {before.shape[1]} features before the moment, {(~same).sum():,} values changed"
    )
    if changed:
        numbers += f" ({', '.join(changed[:3])}{' …' if len(changed) > 3 else ''})"
    passed = not changed
    if task.plan.kind == "temporal":
        one, two = (fit_task(each, seed, AUDIT_TREES).logit for each in (task, other))
        moved = int((one != two).sum()) if len(one) == len(two) else len(one)
        numbers += f"; {len(one):,} out-of-fold scores, {moved:,} changed"
        passed = passed and moved == 0
    return LeakageCheck(name, passed, numbers)


def permuted_check(task: LabelTask, seed: int) -> LeakageCheck:
    """Learn from labels dealt anew among what is learned from; ranks are compared within folds."""
    rows = np.flatnonzero(task.learned)
    y = task.y.copy()
    y[rows] = np.random.default_rng((seed, 37)).permutation(y[rows])
    dealt = replace(task, y=y)
    logit = fit_task(dealt, seed, AUDIT_TREES).logit
    passed, numbers = at_chance(y[rows], logit, task.fold[rows])
    return LeakageCheck("Permuted labels teach nothing", passed, numbers)


def at_chance(y: NDArray[np.int8], logit: NDArray[np.float64], fold: NDArray[np.int64]) -> tuple[bool, str]:
    """Whether logits rank labels within folds as chance does, and the numbers in words; all three [n]."""
    auroc, variance, weight = 0.0, 0.0, 0.0
    for k in range(int(fold.max()) + 1):
        mine = fold == k
        n_fraud, n_clean = int((y[mine] == 1).sum()), int((y[mine] == 0).sum())
        if n_fraud and n_clean:
            share = float(n_fraud)
            auroc += share * figures(y[mine], logit[mine])["auroc"]
            variance += share**2 * (n_fraud + n_clean + 1) / (12 * n_fraud * n_clean)
            weight += share
    auroc, error = (
        auroc / max(weight, 1.0),
        SURE_STANDARD_ERRORS * float(np.sqrt(variance)) / max(weight, 1.0),
    )
    numbers = f"AUROC {auroc:.3f}, {auroc - error:.3f} – {auroc + error:.3f} at 99.9 %, must cover .5"
    return weight > 0 and abs(auroc - 0.5) <= error, numbers


def own_label_check(task: LabelTask, seed: int) -> LeakageCheck:
    """Turn single labels over, frauds and clean ones by turns, and ask their fold's model again."""
    rows = np.flatnonzero(task.learned)
    draw = np.random.default_rng((seed, 41))
    by_label = [draw.permutation(rows[task.y[rows] == value])[:N_FLIPPED] for value in (1, 0)]
    chosen = [int(row) for pair in zip(*by_label, strict=False) for row in pair][:N_FLIPPED]
    moved = [_score_of(task, row, seed) != _score_of(_flipped(task, row), row, seed) for row in chosen]
    return LeakageCheck(
        "A row's own label does not reach its score",
        not any(moved),
        f"{len(chosen)} labels turned over one by one, {sum(moved)} of their own out-of-fold scores changed",
    )


def _flipped(task: LabelTask, row: int) -> LabelTask:
    y = task.y.copy()
    y[row] = 1 - y[row]
    return replace(task, y=y)


def _score_of(task: LabelTask, row: int, seed: int) -> float:
    """The out-of-fold logit of one row."""
    rows = np.flatnonzero(task.part == TRAIN)

    def train_rows(k: int, some: NDArray[np.int64]) -> NDArray[np.float32]:
        return task.trained(k, rows[some])

    seen: Callable[[int, NDArray[np.int64]], NDArray[np.float32]] = train_rows
    k = int(task.fold[row])
    model = fit_fold(
        k, np.empty((len(rows), 0), np.float32), task.y[rows], task.fold[rows], seed, seen, AUDIT_TREES
    )
    return float(model.logits(task.scored(np.array([row])))[0])
