"""Whom to ask: in doubt, unlike what was asked, no ring again and again; never what is known."""

from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score

from graphdet.errors import UsageError
from graphdet.progress import Silent
from graphdet.scores.suggest import doubt_of, suggest_rows
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.suggest import SUGGESTION_COLUMNS, suggest_users

NONE = np.full(300, -1)


def world(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.01, 0.99, 300), rng.normal(size=(300, 3))


def test_doubt_is_highest_at_the_threshold() -> None:
    score = np.linspace(0.001, 0.999, 999)
    doubt = doubt_of(score, 0.3)
    assert score[doubt.argmax()] == pytest.approx(0.3, abs=0.002)
    assert ((doubt >= 0) & (doubt <= 1)).all()
    assert np.isfinite(doubt_of(np.array([0.0, 1.0]), 1.0)).all()


def test_no_ring_is_asked_fifty_times() -> None:
    score, x = world()
    ring = NONE.copy()
    ring[:100] = 7  # a hundred members, all as doubtful as can be
    score[:100] = 0.5
    found = suggest_rows(score, 0.5, x, ring, np.zeros(300, bool), 30)
    assert ring[found.rows[0]] == 7
    assert (ring[found.rows] == 7).sum() <= 3
    without = suggest_rows(score, 0.5, x, NONE, np.zeros(300, bool), 30)
    assert (without.rows < 100).sum() >= 8


def test_the_choice_is_greedy_diverse_and_free_of_the_known() -> None:
    score, x = world(1)
    x[:150] *= 0.01  # half of them alike
    score[:] = 0.5
    found = suggest_rows(score, 0.5, x, NONE, np.zeros(300, bool), 20)
    assert (np.diff(found.gain) <= 1e-4).all()
    assert len(set(found.rows.tolist())) == 20
    assert (found.rows < 150).sum() <= 3
    assert found.n_like[0] >= 140 or (found.rows[0] < 150)
    known = np.zeros(300, bool)
    known[found.rows[:5]] = True
    again = suggest_rows(score, 0.5, x, NONE, known, 15)
    assert not set(again.rows.tolist()) & set(np.flatnonzero(known).tolist())
    assert again.gain[0] < found.gain[0]  # what is known speaks for those like it


def test_small_and_empty_worlds() -> None:
    score, x = world()
    assert len(suggest_rows(score[:3], 0.5, x[:3], NONE[:3], np.zeros(3, bool), 10).rows) == 3
    assert len(suggest_rows(score, 0.5, x, NONE, np.ones(300, bool), 10).rows) == 0
    assert len(suggest_rows(score[:1], 0.5, x[:1] * 0, NONE[:1], np.zeros(1, bool), 1).rows) == 1


def test_suggested_labels_teach_more_than_random_ones() -> None:
    """Frauds are one in twenty, and the first scores know one of their two marks; five seeds, forty labels."""
    better, sums = 0, np.zeros(2)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = (np.arange(1200) % 20 == 0).astype(int)
        x = rng.normal(size=(1200, 4))
        x[y == 1, 0] += 2.5
        x[y == 1, 1] += np.where(np.arange((y == 1).sum()) % 2, 2.5, -0.5)
        first = 1 / (1 + np.exp(-(1.5 * x[:, 0] - 4 + rng.normal(size=1200) * 0.5)))
        pool, held = np.arange(0, 600), np.arange(600, 1200)
        values = []
        for rows in (
            suggest_rows(first[pool], 0.3, x[pool], np.full(600, -1), np.zeros(600, bool), 40).rows,
            rng.choice(600, 40, replace=False),
        ):
            label = y[pool[rows]]
            if not label.any():
                values.append(float(y[held].mean()))
                continue
            model = ExtraTreesClassifier(60, min_samples_leaf=2, class_weight="balanced", random_state=0)
            model.fit(x[pool[rows]], label)
            values.append(float(average_precision_score(y[held], model.predict_proba(x[held])[:, 1])))
        better += values[0] > values[1]
        sums += values
    assert better >= 4
    assert sums[0] > 1.5 * sums[1]


@pytest.fixture
def store(tmp_path: Path) -> DuckDBStore:
    from tests.store.sample_logs import findings, log_tables, source

    made = DuckDBStore(tmp_path / "log.duckdb")
    log, scores, rings = findings()
    made.write_log(log_tables(made.bench, log), source("one", log), Silent())
    made.write_scores(scores)
    made.write_rings(rings)
    return made


@pytest.mark.slow
def test_a_store_gives_a_labels_file_to_fill_in(store: DuckDBStore, tmp_path: Path) -> None:
    users = store.scores()["user_id"].to_pylist()
    found = suggest_users(store, 2, out=tmp_path / "ask.csv")
    table = pyarrow.csv.read_csv(tmp_path / "ask.csv")
    assert tuple(table.column_names) == SUGGESTION_COLUMNS
    assert table["label"].null_count == 2
    assert found.n_known == 0
    assert all("score" in reason for reason in table["reason"].to_pylist())
    first = found.table["user_id"].to_pylist()
    (tmp_path / "known.csv").write_text("user_id,label\n" + "".join(f"{name},1\n" for name in first))
    assert (
        (tmp_path / "ask.csv").read_text("utf-8").startswith("\ufeff")
    )  # see tests/logs/test_label_files.py
    rest = suggest_users(store, 50, labels=tmp_path / "known.csv").table["user_id"].to_pylist()
    assert sorted(rest + first) == sorted(users)


def test_a_store_without_scores_is_told(tmp_path: Path) -> None:
    empty = DuckDBStore(tmp_path / "log.duckdb")
    with pytest.raises(UsageError, match="no scores"):
        suggest_users(empty, 5)
    with pytest.raises(UsageError, match="--n"):
        suggest_users(empty, 0)
