"""The DuckDB store: the conformance suite, and what only a file can go through."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import narwhals as nw
import pytest

from graphdet.errors import ConfigError, InputError, StoreBusy, StoreError, UsageError
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.store.duckdb import DuckDBStore, tables
from graphdet.tables import LogTables
from tests.helpers.paths import ROOT
from tests.store.checks import check_graph, write
from tests.store.conformance import StoreConformance
from tests.store.sample_logs import (
    SampleLog,
    event_rows,
    findings,
    interactions_of,
    log_tables,
    random_log,
    source,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckDBStore]:
    opened = DuckDBStore(path)
    yield opened
    opened.close()


class TestDuckDBStore(StoreConformance):
    """All of the conformance suite."""


def in_process(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, which can import the samples."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def without_kinds(path: Path) -> None:
    """Make the store like those of versions that had no kinds of rings."""
    with duckdb.connect(str(path)) as old:
        old.execute("ALTER TABLE rings DROP COLUMN kind")


@pytest.mark.parametrize("read_only", [False, True])
def test_rings_of_an_older_store_are_of_the_plain_kind(path: Path, read_only: bool) -> None:
    log, _, rings = findings()
    writer = DuckDBStore(path)
    write(writer, "one", log)
    writer.write_rings(rings)
    kinds = dict(zip(rings.rings["ring_id"].to_pylist(), rings.rings["kind"].to_pylist(), strict=True))
    assert set(kinds.values()) == {"ring", "burst"}
    assert writer.rings().rings["kind"].to_pylist() == [
        kinds[ring] for ring in writer.rings().rings["ring_id"].to_pylist()
    ]
    writer.close()
    without_kinds(path)
    store = DuckDBStore(path, read_only=read_only)
    assert store.rings().rings["kind"].to_pylist() == ["ring", "ring"]
    assert set(store.query("rings", {})["kind"].to_pylist()) == {"ring"}
    assert store.rings().rings.drop_columns(["kind"]).sort_by("ring_id") == rings.rings.drop_columns(
        ["kind"]
    ).sort_by("ring_id")
    if not read_only:
        store.write_rings(rings)
        assert set(store.rings().rings["kind"].to_pylist()) == {"ring", "burst"}
    store.close()


# --- opening ---------------------------------------------------------------------------------------------
def test_urls_and_paths_open_the_same_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    for url in (f"duckdb://{path}", f"duckdb:{path.name}", f"DuckDB:{path.name}", path.name, str(path)):
        opened = open_store(url)
        assert opened.url == f"duckdb://{path}"
        opened.set_meta("seen", (opened.meta("seen") or "") + "x")
        opened.close()
    reader = open_store(f"duckdb://{path}", read_only=True)
    assert reader.meta("seen") == "xxxxx"
    reader.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.csv",
        "postgres://me:secret@host/db",
        "duckdb:",
        "duckdb:///",
        "duckdb://log.duckdb",
        "neo4j:x",
    ],
)
def test_other_urls_are_usage_errors_with_examples(url: str) -> None:
    with pytest.raises(UsageError, match="duckdb:") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def damaged(path: Path, damage: str) -> str:
    """Put something that is no store at the path; give the words its message must have."""
    if damage == "directory":
        path.mkdir()
        return "is a directory"
    if damage == "text":
        path.write_text("user,item,time\n" * 2000)
        return "not a DuckDB file"
    if damage == "other database":
        with duckdb.connect(str(path)) as other:
            other.execute("CREATE TABLE customers AS SELECT 1 AS x")
        return "not a graphdet store .it has customers"
    writer = DuckDBStore(path)
    write(writer, "one", random_log(1))
    if damage == "newer version":
        with writer.bench.borrow() as connection:
            connection.execute("UPDATE meta SET value = '99' WHERE key = ?", [tables.VERSION_KEY])
        writer.close()
        return "store version 99"
    writer.close()
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    if damage == "overwritten":
        content[4096:] = b"x" * (len(content) - 4096)
        path.write_bytes(content)
    return "damaged"


DAMAGES = ["directory", "text", "other database", "newer version", "cut", "overwritten"]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_store_is_an_input_error(path: Path, damage: str, read_only: bool) -> None:
    words = damaged(path, damage)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(InputError, match=words) as caught:
        DuckDBStore(path, read_only=read_only)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3
    assert before is None or path.read_bytes() == before


def test_an_empty_file_is_made_anew_and_no_other(path: Path) -> None:
    path.touch()
    with pytest.raises(InputError, match="not a DuckDB file"):
        DuckDBStore(path, read_only=True)
    opened = DuckDBStore(path)
    write(opened, "one", random_log(1))
    opened.close()
    start = path.read_bytes()
    for left in (start[:12], start[:4096], start[:8192]):
        path.write_bytes(left)
        with pytest.raises(InputError, match="cut off within its headers"):
            DuckDBStore(path)
        assert path.read_bytes() == left


def test_any_folder_will_do_but_one_with_a_question_mark(tmp_path: Path) -> None:
    for name in ("a*b", "[x]", "{1,2}", "%41", "#", "a b", "ü", "'", '"', ";"):
        (tmp_path / name).mkdir()
        opened = DuckDBStore(tmp_path / name / "log.duckdb")
        write(opened, "one", random_log(1))
        opened.close()
        opened = DuckDBStore(tmp_path / name / "log.duckdb", read_only=True)
        check_graph(opened, random_log(1))
        opened.close()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["log.duckdb"]
    (tmp_path / "why?").mkdir()
    with pytest.raises(UsageError, match="question mark"):
        DuckDBStore(tmp_path / "why?" / "log.duckdb")
    assert not list((tmp_path / "why?").iterdir())


def test_reading_what_is_not_there_says_how_to_make_it(path: Path) -> None:
    for ways in ({"read_only": True}, {"create": False}):
        with pytest.raises(UsageError, match="graphdet ingest") as told:
            DuckDBStore(path, **ways)
        assert told.value.exit_code == 2
        assert not path.exists()
    with pytest.raises(StoreError, match=r"folder .* does not exist"):
        DuckDBStore(path.parent / "nowhere" / "log.duckdb")


OPEN_AS_NOBODY = """
import os, sys
from graphdet.errors import StoreError
from graphdet.store.duckdb import DuckDBStore
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    DuckDBStore(sys.argv[1])
except StoreError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_no_permission_is_a_store_error(path: Path, closed: str) -> None:
    folder = path.parent / "shut"
    folder.mkdir()
    inside = folder / "log.duckdb"
    if closed == "file":
        DuckDBStore(inside).close()
        inside.chmod(0o444)
    folder.chmod(0o555)
    for parent in folder.parents:  # the tests' own folders are closed to others
        if parent.is_relative_to("/tmp") and parent != Path("/tmp") and parent.owner() == Path.home().owner():
            parent.chmod(parent.stat().st_mode | 0o055)
    try:
        done = in_process(OPEN_AS_NOBODY, inside)
    finally:
        folder.chmod(0o755)
    assert done.stdout.startswith("StoreError"), done.stderr
    assert "permission" in done.stdout
    assert "shut" in done.stdout


# --- several processes -----------------------------------------------------------------------------------
OPEN = """
import sys
from graphdet.errors import GraphdetError
from graphdet.store.duckdb import DuckDBStore
try:
    DuckDBStore(sys.argv[1], read_only=sys.argv[2] == "True").close()
    print("opened")
except GraphdetError as error:
    print(type(error).__name__, error.exit_code, error)
"""


@pytest.mark.parametrize("read_only", [False, True])
def test_a_second_process_is_told_who_is_busy(store: DuckDBStore, read_only: bool) -> None:
    write(store, "one", random_log(1))
    frame = store.interactions()
    done = in_process(OPEN, store.path, read_only)
    assert done.stdout.startswith("StoreBusy 4"), done.stdout + done.stderr
    assert str(store.path) in done.stdout
    assert f"PID {os.getpid()}" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    store.close()
    assert frame is not None  # a frame that is still around does not hold the file
    assert in_process(OPEN, store.path, read_only).stdout == "opened\n"


def test_two_readers_at_once(store: DuckDBStore) -> None:
    write(store, "one", random_log(1))
    store.close()
    reader = DuckDBStore(store.path, read_only=True)
    assert in_process(OPEN, store.path, True).stdout == "opened\n"
    assert in_process(OPEN, store.path, False).stdout.startswith("StoreBusy 4")
    check_graph(reader, random_log(1))
    with pytest.raises(StoreBusy, match="another connection"):
        DuckDBStore(store.path)
    reader.close()


SPILL = """
import sys
from graphdet.store.duckdb import DuckDBStore
store = DuckDBStore(sys.argv[1], read_only=True)
with store.bench.borrow() as connection:
    (row,) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
import os
print(row[0], oct(os.stat(row[0]).st_mode & 0o777))
store.close()
"""


def test_readers_spill_into_folders_of_their_own(store: DuckDBStore) -> None:
    write(store, "one", random_log(1))
    store.close()
    told = [in_process(SPILL, store.path).stdout.split() for _ in range(2)]
    assert [mode for _, mode in told] == ["0o700", "0o700"]
    assert told[0][0] != told[1][0]
    assert not any(Path(folder).exists() for folder, _ in told)


def test_writing_to_a_reader_is_a_usage_error(store: DuckDBStore) -> None:
    store.close()
    reader = DuckDBStore(store.path, read_only=True)
    with pytest.raises(UsageError, match="only for reading"):
        reader.set_meta("key", "value")
    reader.close()


# --- killed, full, interrupted ---------------------------------------------------------------------------
WRITE = """
import sys
from tests.store.checks import write
from tests.store.sample_logs import findings, random_log
from graphdet.store.duckdb import DuckDBStore
store = DuckDBStore(sys.argv[1])
print("opened", flush=True)
for name in ("first", "second"):
    write(store, name, random_log(7 if name == "first" else 8, n_events=4000, n_users=500, n_items=300))
print("written", flush=True)
store.close()
"""
BIG_LOGS = {"digest-first": 7, "digest-second": 8}
N_KILLS = 7


def big_log(seed: int) -> SampleLog:
    return random_log(seed, n_events=4000, n_users=500, n_items=300)


@pytest.mark.slow
def test_killed_anywhere_and_repeated_is_as_if_never_killed(tmp_path: Path) -> None:
    start = time.monotonic()
    assert in_process(WRITE, tmp_path / "whole.duckdb").stdout == "opened\nwritten\n"
    whole_s = time.monotonic() - start
    n_complete = []
    for attempt in range(N_KILLS):
        path = tmp_path / f"{attempt}.duckdb"
        process = subprocess.Popen([sys.executable, "-c", WRITE, str(path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        if attempt:  # the first is killed while it still opens
            process.stdout.readline()
        time.sleep(whole_s / 2 * attempt / (N_KILLS - 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = DuckDBStore(path)
        complete = list(store.sources())
        n_complete.append(len(complete))
        check_graph(store, *(big_log(BIG_LOGS[digest]) for digest in complete))
        for digest, seed in BIG_LOGS.items():
            write(store, digest.removeprefix("digest-"), big_log(seed))
        check_graph(store, *map(big_log, BIG_LOGS.values()))
        store.close()
    assert 0 in n_complete, "no kill came before the first commit"


FULL = """
import resource, sys
from tests.store.checks import write
from tests.store.sample_logs import random_log
from graphdet.errors import StoreError
from graphdet.store.duckdb import DuckDBStore
store = DuckDBStore(sys.argv[1])
write(store, "first", random_log(7))
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write(store, "second", random_log(8, n_events=40000, n_users=5000, n_items=300))
    print("written")
except StoreError as error:
    print(type(error).__name__, error)
try:
    store.close()
except StoreError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_full_disk_is_a_store_error_and_harms_nothing(path: Path) -> None:
    done = in_process(FULL, path, 600_000)
    assert done.stdout.startswith("StoreError"), done.stdout + done.stderr
    assert "disk is full" in done.stdout
    assert "Traceback" not in done.stderr
    store = DuckDBStore(path)
    check_graph(store, random_log(7))
    second = random_log(8, n_events=40000, n_users=5000, n_items=300)
    write(store, "second", second)
    check_graph(store, random_log(7), second)
    store.close()


INTERRUPTED = """
import os, signal, sys, threading
from graphdet.store.duckdb import DuckDBStore
store = DuckDBStore(sys.argv[1])
store.set_meta("key", "before")
try:
    with store._transaction("writing") as connection:
        connection.execute("UPDATE meta SET value = 'after' WHERE key = 'key'")
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        connection.execute("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b").fetchall()
except KeyboardInterrupt:
    print("interrupted", store.meta("key"))
"""


def test_ctrl_c_in_a_transaction_rolls_back(path: Path) -> None:
    done = in_process(INTERRUPTED, path)
    assert done.stdout == "interrupted before\n", done.stderr


def test_what_a_killed_run_spilled_is_removed(path: Path) -> None:
    DuckDBStore(path).close()
    spill = path.with_name(path.name + ".tmp")
    spill.mkdir()
    (spill / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"left")
    (spill / "mine.txt").write_text("stays")
    DuckDBStore(path).close()
    assert sorted(file.name for file in spill.iterdir()) == ["mine.txt"]


def test_a_failing_log_leaves_the_store_as_it_was(store: DuckDBStore) -> None:
    good, bad = random_log(1), random_log(2)
    write(store, "good", good)
    log = log_tables(store.bench, bad)
    lacking = type(log)(log.interactions, log.items, log.sessions, log.entities.drop("n"), log.events)
    with pytest.raises(ValueError, match="table entities lacks the column n"):
        store.write_log(lacking, source("bad", bad), Silent())
    check_graph(store, good)
    assert list(store.sources()) == ["digest-good"]
    write(store, "bad", bad)
    check_graph(store, good, bad)


# --- events ----------------------------------------------------------------------------------------------
def test_events_keep_every_column(store: DuckDBStore) -> None:
    log = random_log(1, n_events=3)
    log.texts[1] = 'a "text"\nof two lines'
    log.attributes = {"os": ["linux", None, "mac"], "select": ["a", "b", "c"]}
    write(store, "one", log)
    other = random_log(2, n_events=2)
    other.attributes = {"browser": ["x", None]}
    write(store, "two", other)
    found = store.events().collect("pyarrow").to_native().to_pylist()
    none = dict.fromkeys(("os", "select", "browser"))
    want = [none | row | {"source_ix": 0} for row in event_rows(log)]
    want += [none | row | {"source_ix": 1} for row in event_rows(other)]
    assert sorted(found, key=lambda row: (row["source_ix"], row["event_row"])) == want


def with_whole_number_ids(store: DuckDBStore, log: SampleLog) -> LogTables:
    """The log with ids as its events may give them, whole numbers as integers."""
    tables_of_log = log_tables(store.bench, log)
    events = tables_of_log.events.with_columns(nw.col("user_id", "item_id", "session_id").cast(nw.Int32()))
    return replace(tables_of_log, events=events)


def numbered_log(seed: int) -> SampleLog:
    log = random_log(seed)
    log.events = [
        (user[1:], session.replace("s", "1").replace("-", "0"), item[1:], *rest)
        for user, session, item, *rest in log.events
    ]
    log.names = {}
    return log


def type_of_user_ids(store: DuckDBStore) -> str:
    with store.bench.borrow() as connection:
        return tables.column_types(connection)["user_id"]


def test_whole_number_ids_are_packed_until_a_log_has_others(store: DuckDBStore) -> None:
    numbers, more, texts = numbered_log(1), numbered_log(2), random_log(3)
    store.write_log(with_whole_number_ids(store, numbers), source("numbers", numbers), Silent())
    assert type_of_user_ids(store) == "BIGINT"
    check_graph(store, numbers)
    store.write_log(with_whole_number_ids(store, more), source("more", more), Silent())
    check_graph(store, numbers, more)
    found = store.events().select("event_row", "user_id", "session_id").collect("pyarrow").to_native()
    assert sorted(found["user_id"].to_pylist()) == sorted(user for user, *_ in numbers.events + more.events)
    assert store.query("co-actors", {"user_id": "no number"}).num_rows == 0
    assert store.query("co-actors", {"user_id": numbers.events[0][0]}).num_rows > 0
    write(store, "texts", texts)
    assert type_of_user_ids(store) == "VARCHAR"
    check_graph(store, numbers, more, texts)
    again = numbered_log(4)
    store.write_log(with_whole_number_ids(store, again), source("again", again), Silent())
    check_graph(store, numbers, more, texts, again)


@pytest.mark.parametrize("name", ["source_ix", "OS"])
def test_an_attribute_may_not_be_a_column_of_the_store(store: DuckDBStore, name: str) -> None:
    first = random_log(1, n_events=1)
    first.attributes = {"os": ["linux"]}
    write(store, "one", first)
    log = random_log(2, n_events=1)
    log.attributes = {name: ["x"]}
    with pytest.raises(ConfigError, match="choose another name"):
        write(store, "two", log)
    check_graph(store, first)


def test_keys_are_unique_by_construction(store: DuckDBStore) -> None:
    for ix in range(3):
        write(store, str(ix), random_log(ix))
    keys = {
        "interactions": "(user_id, session_id, item_id, action)",
        "sessions": "session_id",
        "items": "item_id",
        "entities": "(user_id, kind, entity_id)",
        "sources": "digest",
        "meta": "key",
    }
    for name, key in keys.items():
        with store.bench.borrow() as connection:
            found = connection.execute(f"SELECT count(*), count(DISTINCT {key}) FROM {name}").fetchall()
        assert found[0][0] == found[0][1] > 0, name


def test_read_frames_follow_a_write(store: DuckDBStore) -> None:
    first, second = random_log(1), random_log(2)
    write(store, "one", first)
    before = store.interactions()
    assert len(before.collect()) == len(interactions_of(first))
    write(store, "two", second)
    assert len(store.interactions().collect()) == len(interactions_of(first, second))


def test_no_extension_is_ever_downloaded(store: DuckDBStore) -> None:
    setting = "SELECT current_setting('autoinstall_known_extensions')"
    with store.bench.borrow() as connection:
        assert connection.execute(setting).fetchall() == [(False,)]


def test_a_file_of_a_version_without_later_columns_is_read_and_written(path: Path) -> None:
    store = DuckDBStore(path)
    first, second = random_log(1), random_log(2)
    write(store, "one", first)
    store.close()
    with duckdb.connect(str(path)) as connection:
        views = connection.execute("SELECT view_name, sql FROM duckdb_views() WHERE NOT internal").fetchall()
        for name, _ in views:
            connection.execute(f"DROP VIEW {name}")
        for table, column in tables.LATER_COLUMNS:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS {column}")
        for _, statement in views:
            connection.execute(statement)
    store = DuckDBStore(path, read_only=True)
    check_graph(store, first)
    store.close()
    store = DuckDBStore(path)
    write(store, "two", second)
    check_graph(store, first, second)
    store.close()
