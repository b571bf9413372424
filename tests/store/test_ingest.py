"""Ingest into a DuckDB store: repeats, growing patterns, parts, kills, rejects."""

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from graphdet.casework.decisions import put_on_list
from graphdet.config import Columns, Config, Read, Time
from graphdet.errors import ConfigError, InputError, TooManyRejects, UsageError
from graphdet.logs import read_log
from graphdet.logs.rejects import HEADER
from graphdet.ports import Source, Store
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.tables import Frame
from graphdet.verbs.ingest import ingest
from graphdet.verbs.query import list_queries, run_query
from tests.helpers.paths import ROOT

START_S = 1_700_000_000
CONFIG = Config(
    name="test",
    columns=Columns(user_id="user", item_id="item", timestamp="at"),
    time=Time(unit="s"),
    entities={"device": "device"},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "log.duckdb"))
    yield opened
    opened.close()


Line = tuple[str, str, int, str]


def lines(seed: int, n: int = 200) -> list[Line]:
    """Events of a few users over a day, in the order of time."""
    draw = random.Random(seed)
    found = [
        (
            f"u{draw.randrange(9)}",
            f"i{draw.randrange(30)}",
            START_S + draw.randrange(86_400),
            f"d{draw.randrange(4)}",
        )
        for _ in range(n)
    ]
    return sorted(set(found), key=lambda line: (line[2], line))


def write_csv(path: Path, rows: list[Line]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "at", "device"])
        writer.writerows(rows)
    return path


class Stages(Silent):
    """Progress that notes which stages begin."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def start(self, stage: str, total: int | None = None) -> None:
        self.names.append(stage)


def rows_of(frame: Frame, *order: str) -> list[dict[str, object]]:
    return frame.sort(*order).collect("pyarrow").to_native().to_pylist()


def graph_of(store: Store) -> list[list[dict[str, object]]]:
    """All that a log leaves in a store, sorted."""
    return [
        rows_of(store.interactions(), "user_id", "session_id", "item_id", "action"),
        rows_of(store.sessions(), "session_id"),
        rows_of(store.items(), "item_id"),
        rows_of(store.entities(), "user_id", "kind", "entity_id"),
    ]


def test_counts_add_up(store: Store, tmp_path: Path) -> None:
    rows = lines(0)
    path = write_csv(tmp_path / "a.csv", [*rows, rows[0], ("", "i1", START_S, "d1")])
    result = ingest(store, [path], CONFIG, rejects=tmp_path / "rejects.csv")
    assert (result.n_rows, result.n_events) == (len(rows) + 2, len(rows))
    assert (result.n_rejects, result.n_duplicates, result.n_filtered) == (1, 1, 0)
    assert sum(result.rejects_by_reason.values()) == 2
    assert not result.already
    assert result.seconds > 0
    assert sum(row["n"] for row in graph_of(store)[0]) == len(rows)
    (known,) = store.sources().values()
    assert (known.digest, known.files, known.n_rejects) == (result.digest, (str(path),), 1)


def test_a_repeat_changes_nothing_and_says_so(store: Store, tmp_path: Path) -> None:
    rejects = tmp_path / "out" / "rejects.csv"
    path = write_csv(tmp_path / "a.csv", [*lines(0), ("u1", "", START_S, "d1")])
    first = ingest(store, [path], CONFIG, rejects=rejects)
    before, written = graph_of(store), rejects.read_bytes()
    assert written.count(b"\n") == 2
    rejects.unlink()
    again = ingest(store, [path], CONFIG, rejects=rejects)
    assert again.already
    assert again.skipped == (str(path),)
    assert (again.digest, again.n_events, again.rejects_by_reason) == (
        first.digest,
        first.n_events,
        first.rejects_by_reason,
    )
    assert graph_of(store) == before
    assert rejects.read_bytes() == written
    other_name = tmp_path / "copy.csv"
    other_name.write_bytes(path.read_bytes())
    assert ingest(store, [other_name], CONFIG).already


def test_a_repeat_without_rejects_does_not_read_again(store: Store, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", lines(0))
    stages = Stages()
    first = ingest(store, [path], CONFIG, rejects=tmp_path / "rejects.csv", progress=stages)
    assert stages.names[0] == "read"
    stages.names.clear()
    again = ingest(store, [path], CONFIG, rejects=tmp_path / "rejects.csv", progress=stages)
    assert stages.names == []
    assert again.already
    assert again.n_events == first.n_events
    assert (tmp_path / "rejects.csv").read_text() == HEADER


def test_a_growing_pattern_adds_only_the_new_file(store: Store, tmp_path: Path) -> None:
    pattern = str(tmp_path / "day*.csv")
    rows = lines(0)
    parts = [rows[:60], rows[60:150], rows[150:]]
    for day, part in enumerate(parts):
        write_csv(tmp_path / f"day{day}.csv", part)
        result = ingest(store, [pattern], CONFIG)
        assert result.n_events == len(part)
        assert len(result.skipped) == day
    everything = ingest(store, [pattern], CONFIG)
    assert everything.already
    assert everything.n_events == len(rows)
    whole = open_store(str(tmp_path / "whole.duckdb"))
    ingest(whole, [pattern], CONFIG)
    assert graph_of(store) == graph_of(whole)
    whole.close()


@pytest.mark.parametrize("corrected", ["the same file", "grown", "another file"])
def test_a_corrected_config_is_refused_until_the_first_reading_is_forgotten(
    store: Store, tmp_path: Path, corrected: str
) -> None:
    swapped = replace(
        CONFIG,
        columns=replace(CONFIG.columns, user_id=CONFIG.columns.item_id, item_id=CONFIG.columns.user_id),
    )
    path = write_csv(tmp_path / "a.csv", lines(0))
    ingest(store, [path], replace(swapped, gap_s=60.0))
    if corrected == "grown":
        write_csv(path, lines(0) + lines(1))
    elif corrected == "another file":
        path = write_csv(tmp_path / "b.csv", lines(1))
    before = graph_of(store)
    with pytest.raises(ConfigError) as caught:
        ingest(store, [path], CONFIG)
    for words in (
        "[columns] item_id was",
        "user_id was",
        "gap_s was 60.0, is 1800.0",
        "--fresh",
        "other settings",
    ):
        assert words in str(caught.value)
    assert graph_of(store) == before
    with pytest.raises(InputError):
        ingest(store, [tmp_path / "typo.csv"], CONFIG, fresh=True)
    assert graph_of(store) == before  # nothing is forgotten for nothing
    put_on_list(store, "deny", ["u1"], who="me")
    assert ingest(store, [path], CONFIG, fresh=True).n_events > 0
    assert len(store.audit().entries) == 1
    assert len(store.sources()) == 1
    whole = open_store(str(tmp_path / "whole.duckdb"))
    ingest(whole, [path], CONFIG)
    assert graph_of(store) == graph_of(whole)
    whole.close()


def test_logs_of_two_kinds_may_share_a_store(store: Store, tmp_path: Path) -> None:
    ingest(store, [write_csv(tmp_path / "a.csv", lines(0))], CONFIG)
    other = replace(CONFIG, name="other", gap_s=60.0)
    assert ingest(store, [write_csv(tmp_path / "b.csv", lines(1))], other).n_events == len(lines(1))


def test_too_many_rejects_write_nothing_but_the_rejects(store: Store, tmp_path: Path) -> None:
    rows = lines(0, 50)
    path = write_csv(tmp_path / "a.csv", rows + [("", item, at, device) for _, item, at, device in rows])
    with pytest.raises(TooManyRejects):
        ingest(store, [path], CONFIG, rejects=tmp_path / "rejects.csv")
    assert len((tmp_path / "rejects.csv").read_text().splitlines()) > len(rows)
    assert store.sources() == {}
    assert set(store.counts().values()) == {0}


def test_nothing_is_left_on_the_bench(store: Store, tmp_path: Path) -> None:
    for day in range(2):
        ingest(store, [write_csv(tmp_path / f"{day}.csv", lines(day))], CONFIG)
    with pytest.raises(InputError):
        ingest(store, [tmp_path / "none.csv"], CONFIG)
    with store.bench.borrow() as connection:
        left = connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    assert left == []


def test_queries_run_by_name(store: Store, tmp_path: Path) -> None:
    ingest(store, [write_csv(tmp_path / "a.csv", lines(0))], CONFIG)
    assert "co-actors" in list_queries(store)
    assert run_query(store, "co-actors", {"user_id": "u1", "limit": "3"}).num_rows == 3
    with pytest.raises(UsageError, match="needs user_id"):
        run_query(store, "co-actors", {})


def test_headerless_files_are_compared_with_their_config(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in lines(0)))
    read = Read(header=False, names=("user", "item", "at", "device"))
    config = Config(name="no header", columns=CONFIG.columns, time=CONFIG.time, read=read)
    assert ingest(store, [path], config).n_events == len(lines(0))
    assert ingest(store, [path], config).already


KILLED = """
import sys
from pathlib import Path
from tests.store.test_ingest import CONFIG
from graphdet.logs import read_log
from graphdet.verbs.ingest import ingest
from graphdet.store import open_store
store = open_store(sys.argv[1])
print("opened", flush=True)
ingest(store, sys.argv[2:], CONFIG)
print("done", flush=True)
store.close()
"""


@pytest.mark.slow
def test_killed_anywhere_and_repeated_is_as_if_never_killed(tmp_path: Path) -> None:
    logs = [str(write_csv(tmp_path / f"{seed}.csv", lines(seed, 5000))) for seed in range(2)]
    whole = tmp_path / "whole.duckdb"
    command = [sys.executable, "-c", KILLED]
    started = time.monotonic()
    subprocess.run([*command, str(whole), *logs], cwd=ROOT, check=True, capture_output=True)
    whole_s = time.monotonic() - started
    clean = open_store(str(whole))
    want = graph_of(clean)
    clean.close()
    for attempt in range(10):
        path = tmp_path / f"{attempt}.duckdb"
        process = subprocess.Popen([*command, str(path), *logs], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(whole_s * 0.6 * attempt / 9)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = open_store(str(path))
        assert store.counts()["interactions"] in (0, len(want[0]))
        result = ingest(store, logs, CONFIG)
        assert result.n_events == sum(row["n"] for row in want[0])
        assert graph_of(store) == want
        assert ingest(store, logs, CONFIG).already
        store.close()


def test_what_the_store_derives_is_what_the_log_says(store: Store, tmp_path: Path) -> None:
    draw = random.Random(1)
    path = tmp_path / "orders.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "at", "device", "price", "pieces", "title"])
        for user, item, at, device in lines(1, 500):
            prices = (user, item[:2], at, device, draw.choice(["", "0.1", "7.35"]), draw.choice(["", -2, 3]))
            writer.writerow([*prices, draw.choice(["", f"Name of {item[:2]}"])])
    columns = replace(CONFIG.columns, amount="price", quantity="pieces", item_name="title")
    with store.bench.borrow() as connection:
        clean = read_log(connection, [path], replace(CONFIG, columns=columns), rejects=None)
        store.write_log(clean.tables, Source(clean.digest, (str(path),)), Silent())
        said = clean.tables
        assert graph_of(store) == [
            rows_of(said.interactions, "user_id", "session_id", "item_id", "action"),
            rows_of(said.sessions, "session_id"),
            rows_of(said.items, "item_id"),
            rows_of(said.entities, "user_id", "kind", "entity_id"),
        ]
        assert any(row["n"] > 2 and row["amount"] for row in graph_of(store)[0])


def test_a_log_without_times_does_not_join_one_with_times(store: Store, tmp_path: Path) -> None:
    ingest(store, [write_csv(tmp_path / "one.csv", lines(1))], CONFIG)
    other = replace(CONFIG, name="friends", columns=Columns(user_id="user", item_id="item"))
    with pytest.raises(ConfigError, match="has times and the config friends names no timestamp"):
        ingest(store, [write_csv(tmp_path / "two.csv", lines(2))], other)
