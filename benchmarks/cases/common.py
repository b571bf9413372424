"""What the cases share: a store, tasks from labels in memory, peers in the same command, one JSON row per figure.

A case gives every method the same split and asks the test part once per seed.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.cases.node_figures import Table
from benchmarks.recording import record
from graphdet.config import load_config
from graphdet.evaluation.ranking import as_rows, best_cut, figures, figures_at, ranking_measures
from graphdet.evaluation.splits import TEST, SplitPlan
from graphdet.learn.labelled_sheets import Sheet
from graphdet.learn.labelled_task import LabelTask, fit_task, make_label_task
from graphdet.logs.labels import LABEL, Labels
from graphdet.ports import Store
from graphdet.store import open_store
from graphdet.verbs.ingest import ingest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SEEDS = (0, 1, 2, 3, 4)
FLAT = ("hour", "weekday", "amount", "quantity")
MOST_FITTED = 50_000  # rows that an unsupervised peer is fitted on
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """Scores of the test rows and the cut that was chosen without them (NaN: none)."""

    score: Scores
    cut: float
    seconds: float


@contextmanager
def store_of(log: Path, config: str) -> Iterator[Store]:
    """A store with a log, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="graphdet-case-") as folder:
        store = open_store(f"duckdb:{folder}/log.duckdb")
        try:
            ingest(store, [log], load_config(ROOT / "configs" / f"{config}.toml"))
            yield store
        finally:
            store.close()


def labels_of(key: str, label: Mapping[str, int]) -> Labels:
    """Labels as if read from a file."""
    names = sorted(label)
    table = pa.table(
        {key: pa.array(names, pa.string()), LABEL: pa.array([label[n] for n in names], pa.int8())}
    )
    return Labels(key, table, table.slice(0, 0), "labels of the case")


def graphdet_learner(
    sheet: Sheet, labels: Labels, plan: SplitPlan, seed: int, label_features: bool
) -> tuple[LabelTask, Outcome]:
    """graphdet's own way: what `train --labels` does, without the files."""
    task = make_label_task(sheet, labels, plan, seed, label_features)
    return task, learned_outcome(task, seed)


def learned_outcome(task: LabelTask, seed: int) -> Outcome:
    """Learn a task and score its test part."""
    started = time.perf_counter()
    fitted = fit_task(task, seed)
    test = np.flatnonzero(task.part == TEST)
    found = fitted.model.score(task.scored(test))
    cut = best_cut(task.y[task.learned], fitted.score)
    return Outcome(found.score, cut, time.perf_counter() - started)


def peers() -> dict[str, Callable[[NDArray[np.float32], NDArray[np.int8], NDArray[np.float32], int], Scores]]:
    """Peers by name: (training rows, their labels, test rows, seed) → scores. The last two see no label."""
    return {
        "LightGBM": _lightgbm,
        "XGBoost": _xgboost,
        "logistic regression": _logistic,
        "IsolationForest": _forest,
        "ECOD": _ecod,
    }


def run_peers(task: LabelTask, seed: int, drawn: Table | None = None, **about: object) -> None:
    """Each peer on the rows' own columns (flat) and on their history without labels; one row per peer and features."""
    rows, test = np.flatnonzero(task.learned), np.flatnonzero(task.part == TEST)
    flat = [place for place, name in enumerate(task.sheet.names) if name in FLAT]
    used = ~np.isnan(task.sheet.x[rows]).all(axis=0)
    columns = {
        "flat": [place for place in flat if used[place]],
        "flat + history": np.flatnonzero(used).tolist(),
    }
    for features, wanted in columns.items():
        train_x, test_x = task.sheet.x[rows][:, wanted], task.sheet.x[test][:, wanted]
        for name, peer in peers().items():
            started = time.perf_counter()
            score = peer(train_x, task.y[rows], test_x, seed)
            took = time.perf_counter() - started
            outcome = Outcome(score, np.nan, took)
            shown = drawn if features != "flat" or name == "LightGBM" else None
            tell(task, outcome, shown, method=name, features=features, seed=seed, **about)


def tell(task: LabelTask, outcome: Outcome, drawn: Table | None = None, **about: object) -> dict[str, float]:
    """Record one method's figures on the test part; the interval is from resampling users, for the first seed.

    drawn: what the pictures are made of, by the split's name.
    """
    test = np.flatnonzero(task.part == TEST)
    if drawn is not None:
        name = f"{about['method']}, {about['features']}"
        drawn.add(str(about["split"]), name, task.y[test], outcome.score)
    y, group = task.y[test], task.sheet.group[test]
    found = figures(y, outcome.score)
    if about.get("seed") == 0:
        about["intervals"] = as_rows(ranking_measures(y, outcome.score, group))
    if np.isfinite(outcome.cut):
        found |= figures_at(y, outcome.score >= outcome.cut)
    numbers = {name: round(value, 4) for name, value in found.items()}
    record(
        "case", **about, n_test=len(test), n_fraud=int(y.sum()), **numbers, seconds=round(outcome.seconds, 1)
    )
    return found


def summary(found: list[dict[str, float]], **about: object) -> None:
    """Record mean, lowest and highest over seeds."""
    told = {
        name: [round(float(f([one[name] for one in found])), 4) for f in (np.mean, np.min, np.max)]
        for name in found[0]
    }
    record("case, over seeds", **about, seeds=len(found), **told)


def _lightgbm(x: NDArray[np.float32], y: NDArray[np.int8], test: NDArray[np.float32], seed: int) -> Scores:
    from graphdet.scores.trees import Trees

    return Trees.fit(x, y, seed).logits(test)


def _xgboost(x: NDArray[np.float32], y: NDArray[np.int8], test: NDArray[np.float32], seed: int) -> Scores:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=200, learning_rate=0.1, max_depth=5, n_jobs=1, random_state=seed)
    return np.asarray(model.fit(x, y).predict_proba(test)[:, 1], np.float64)


def _filled(x: NDArray[np.float32], test: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Medians for gaps, signed logarithms and unit variance, all fitted on the training rows."""
    squeezed = [
        np.sign(part) * np.log1p(np.abs(part)) for part in (x.astype(np.float64), test.astype(np.float64))
    ]
    middle = np.nan_to_num(np.nanmedian(squeezed[0], axis=0))
    filled = [np.where(np.isnan(part), middle, part) for part in squeezed]
    mean, spread = filled[0].mean(axis=0), filled[0].std(axis=0) + 1e-9
    return (filled[0] - mean) / spread, (filled[1] - mean) / spread


def _logistic(x: NDArray[np.float32], y: NDArray[np.int8], test: NDArray[np.float32], seed: int) -> Scores:
    from sklearn.linear_model import LogisticRegression

    train, asked = _filled(x, test)
    return np.asarray(LogisticRegression(max_iter=1000).fit(train, y).decision_function(asked))


def _forest(x: NDArray[np.float32], y: NDArray[np.int8], test: NDArray[np.float32], seed: int) -> Scores:
    from sklearn.ensemble import IsolationForest

    train, asked = _filled(x, test)
    return np.asarray(-IsolationForest(random_state=seed).fit(_some(train, seed)).score_samples(asked))


def _ecod(x: NDArray[np.float32], y: NDArray[np.int8], test: NDArray[np.float32], seed: int) -> Scores:
    from pyod.models.ecod import ECOD

    train, asked = _filled(x, test)
    return np.asarray(ECOD().fit(_some(train, seed)).decision_function(asked))


def _some(x: NDArray, seed: int) -> NDArray:
    if len(x) <= MOST_FITTED:
        return x
    return x[np.random.default_rng(seed).choice(len(x), MOST_FITTED, replace=False)]
