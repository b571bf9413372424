"""Verdicts as examples for training: beside planted campaigns, and beside labels of a file."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from graphdet.audit import Draft
from graphdet.casework.labels import VerdictLabels
from graphdet.learn.user_labels import Task, given_labels, user_label_task, with_verdicts
from graphdet.logs.labels import LABEL
from graphdet.store.duckdb import DuckDBStore
from graphdet.tables import GraphArrays


def graph(*users: str) -> GraphArrays:
    none32, none64 = np.zeros(0, np.int32), np.zeros(0, np.int64)
    ids = pa.array(users, pa.string())
    empty = pa.array([], pa.string())
    return GraphArrays(ids, empty, empty, (), none32, none32, none32, np.zeros(0, np.int16), none64, none64)


def test_judged_users_become_examples_beside_the_planted() -> None:
    log = graph("a", "b", "c", "d", "e")
    # The copy: rows 0 and 1 are planted (1 hijacks "e"), the others are the log's own in another order.
    copy = graph("1", "2", "3", "4", "5", "6")
    source_user = np.array([-1, 4, 3, 2, 1, 0], np.int32)
    task = Task(copy, np.array([1, 1, 0, 0, 0, 0], np.int8), np.array([0, 0, -1, -1, -1, -1], np.int32))
    labels = VerdictLabels(
        {"a": 1, "b": 1, "c": 0, "e": 0, "gone": 1}, {"a": "R1", "b": "R1", "gone": "R1"}, {"d": "two rings"}
    )
    got = with_verdicts(task, source_user, log, labels)
    assert got.y.tolist() == [1, 1, -1, 0, 1, 1]  # what the planted campaign has stays its own
    assert got.campaign.tolist() == [0, 0, -1, -1, 1, 1]
    assert task.y.tolist() == [1, 1, 0, 0, 0, 0]
    assert with_verdicts(task, source_user, log, VerdictLabels({}, {}, {})) is task


@pytest.fixture
def store(tmp_path: Path) -> DuckDBStore:
    made = DuckDBStore(tmp_path / "log.duckdb")
    rows = [(i, f"u{i}", "i", f"s{i}", "view", i) for i in range(6)]
    columns = ("event_row", "user_id", "item_id", "session_id", "action", "at_ms")
    with made.bench.borrow() as connection:
        for row in rows:
            connection.execute(
                f"INSERT INTO event_log ({', '.join(columns)}, source_ix) VALUES (?, ?, ?, ?, ?, ?, 0)", row
            )
    return made


def judged(kind: str, subject: str, verdict: str, *members: str) -> Draft:
    found = {"members": list(members)}
    return Draft(
        "Ann", "verdict", kind, subject, None, {"verdict": verdict, "reason": "other", "found": found}
    )


def test_labels_of_a_file_and_verdicts_are_merged_and_disagreement_is_told(
    store: DuckDBStore, tmp_path: Path
) -> None:
    given = {"u0": 1, "u1": 0, "u2": 1}
    pyarrow.csv.write_csv(
        pa.table({"user_id": list(given), LABEL: list(given.values())}), tmp_path / "labels.csv"
    )
    store.append_audit([judged("ring", "R1", "guilty", "u0", "u3", "u4"), judged("user", "u2", "innocent")])
    found = given_labels(store, tmp_path / "labels.csv")
    assert found.labels is not None
    table = dict(
        zip(found.labels.table["user_id"].to_pylist(), found.labels.table[LABEL].to_pylist(), strict=True)
    )
    assert table == {"u0": 1, "u1": 0, "u3": 1, "u4": 1}
    assert found.facts == {"verdicts_fraud": 3, "verdicts_clean": 0, "verdicts_in_conflict": 1}
    (warning,) = found.warnings
    assert "disagree on 1 user" in warning
    assert "u2 (the label says fraud, the verdict clean)" in warning
    task = user_label_task(graph(*(f"u{i}" for i in range(6))), found.labels, found.verdicts)
    assert task.y.tolist() == [1, 0, -1, 1, 1, -1]
    assert task.campaign[0] == task.campaign[3] == task.campaign[4] >= 0
    store.close()


def test_without_verdicts_nothing_is_said(store: DuckDBStore) -> None:
    found = given_labels(store, None)
    assert (found.labels, found.warnings, found.facts) == (None, [], {})
    assert json.dumps(found.facts) == "{}"
    store.close()
