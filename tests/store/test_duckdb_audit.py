"""The audit log in a DuckDB file: edits made behind our back are found, and writers at a time do not fork it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from graphdet.audit import SHOWN_FIELDS, Draft, verify
from graphdet.errors import GraphdetError
from graphdet.store.duckdb import DuckDBStore, tables
from tests.store.audit_tests import check_notes, filled, note_from_many_processes
from tests.store.sample_logs import findings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(path)
    yield opened
    opened.close()


EDITS = [
    *(f"UPDATE audit SET \"{name}\" = 'x' WHERE seq = 3" for name in ("entry", "hash", *SHOWN_FIELDS)),
    "UPDATE audit SET verdict = NULL WHERE seq = 3",
    "UPDATE audit SET entry = replace(entry, 'guilty', 'unsure') WHERE seq = 3",
    "UPDATE audit SET entry = replace(entry, 'R2', 'R3'), subject = 'R3' WHERE seq = 3",
    "UPDATE audit SET entry = entry || ' ' WHERE seq = 3",
    "UPDATE audit SET entry = replace(entry, 'guilty', 'unsure'), verdict = 'unsure',"
    " hash = sha256(replace(entry, 'guilty', 'unsure')) WHERE seq = 3",
    "UPDATE audit SET seq = 30 WHERE seq = 3",
    "UPDATE audit SET seq = CASE seq WHEN 3 THEN 2 WHEN 2 THEN 3 ELSE seq END",
    "DELETE FROM audit WHERE seq = 1",
    "DELETE FROM audit WHERE seq = 3",
    "DELETE FROM audit WHERE seq = 4",
    "DELETE FROM audit",
    "INSERT INTO audit SELECT * FROM audit WHERE seq = 2",
    "INSERT INTO audit SELECT * REPLACE (5 AS seq) FROM audit WHERE seq = 4",
    "UPDATE audit_head SET count = 3",
    "UPDATE audit_head SET count = 5",
    "UPDATE audit_head SET hash = 'x'",
    "DELETE FROM audit_head",
    "INSERT INTO audit_head SELECT * FROM audit_head",
]


@pytest.mark.parametrize("edit", EDITS)
def test_edits_in_the_database_are_found(path: Path, store: DuckDBStore, edit: str) -> None:
    assert verify(filled(store)) == []
    store.close()
    with duckdb.connect(str(path)) as direct:
        direct.execute(edit)
    reader = DuckDBStore(path, read_only=True)
    faults = verify(reader.audit())
    reader.close()
    assert faults
    if "seq = 3" in edit and "seq = 30" not in edit and "DELETE" not in edit:
        # With a right hash of its own it is the next entry that does not follow.
        assert faults[0].seq == (4 if "sha256" in edit else 3)


def test_nothing_is_noted_where_the_head_was_removed(path: Path, store: DuckDBStore) -> None:
    filled(store)
    store.close()
    with duckdb.connect(str(path)) as direct:
        direct.execute("DELETE FROM audit_head")
    again = DuckDBStore(path)
    with pytest.raises(GraphdetError, match="no head"):
        again.append_audit([Draft("Ann", "report", "store", "s")])
    assert len(again.audit().entries) == 4
    again.close()


@pytest.mark.slow
def test_processes_wait_for_each_other(path: Path) -> None:
    url = f"duckdb://{path}"
    DuckDBStore(path).close()
    note_from_many_processes(url)
    store = DuckDBStore(path, read_only=True)
    check_notes(store.audit())
    store.close()


def test_connections_of_one_process_do_not_fork_the_chain(path: Path, store: DuckDBStore) -> None:
    failed: list[BaseException] = []

    def note(name: str) -> None:
        mine = DuckDBStore(path)
        try:
            for ix in range(8):
                mine.append_audit([Draft(name, "report", "store", f"{ix}") for _ in range(2)])
        except BaseException as error:
            failed.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=note, args=(f"thread {ix}",)) for ix in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    audit = store.audit()
    assert verify(audit) == []
    assert len(audit.entries) == 4 * 8 * 2


def test_a_file_from_before_gets_its_tables_when_it_is_written(path: Path, store: DuckDBStore) -> None:
    store.close()
    with duckdb.connect(str(path)) as direct:
        for name in tables.LATER_TABLES:
            direct.execute(f"DROP TABLE {name}")
    reader = DuckDBStore(path, read_only=True)
    assert (reader.audit().entries, reader.ring_history().num_rows) == ((), 0)
    assert reader.query("verdicts", {}).num_rows == 0
    reader.close()
    again = DuckDBStore(path)
    assert verify(filled(again)) == []
    again.write_rings(findings()[2])
    assert again.ring_history().num_rows == 0
    again.close()
