"""A log that grew, was rotated, compressed, sorted, cut or sent again counts every row once."""

import gzip
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.config import Columns, Config, Read, Time
from graphdet.store import open_store
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs import ingest as verb
from graphdet.verbs.ingest import ROWS, IngestResult, ingest

CONFIG = Config(
    "grown", Columns(user_id="u", item_id="i", timestamp="t"), time=Time(unit="s"), entities={"device": "d"}
)
START_S = 1_700_000_000
HEADER = "u,i,t,d\n"
Counts = tuple[int, int, int, int]  # rows, events, duplicates, known


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    opened = open_store(str(tmp_path / "log.duckdb"))
    assert isinstance(opened, DuckDBStore)
    yield opened
    opened.close()


def lines(n: int, first: int = 0) -> list[str]:
    return [f"u{k % 7},i{k % 5},{START_S + 60 * k},d{k % 3}\n" for k in range(first, first + n)]


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    text = header + "".join(rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def counts(result: IngestResult) -> Counts:
    told = result.n_events + result.n_rejects + result.n_duplicates + result.n_filtered + result.n_known
    assert result.n_rows == told
    return result.n_rows, result.n_events, result.n_duplicates, result.n_known


def events(store: DuckDBStore) -> list[tuple[object, ...]]:
    columns = ("user_id", "item_id", "session_id", "action", "at_ms")
    return sorted(
        store.events().select(*columns).collect("pyarrow").to_native().to_pandas().itertuples(index=False)
    )


def test_a_file_that_grew_adds_its_new_rows(store: DuckDBStore, tmp_path: Path) -> None:
    path, rows = tmp_path / "a.csv", lines(30)
    assert counts(ingest(store, [write(path, rows[:10])], CONFIG)) == (10, 10, 0, 0)
    assert counts(ingest(store, [write(path, rows[:22])], CONFIG)) == (22, 12, 0, 10)
    assert counts(ingest(store, [write(path, rows)], CONFIG)) == (30, 8, 0, 22)
    assert ingest(store, [path], CONFIG).already
    whole = open_store(str(tmp_path / "whole.duckdb"))
    assert isinstance(whole, DuckDBStore)
    ingest(whole, [path], CONFIG)
    assert events(store) == events(whole)
    assert sum(store.entities().collect("pyarrow").to_native()["n"].to_pylist()) == 30
    whole.close()


@pytest.mark.parametrize("form", ["log.csv.gz", "turned", "rotated", "cut", "parquet", "renamed"])
def test_the_same_rows_in_another_form_are_known(store: DuckDBStore, tmp_path: Path, form: str) -> None:
    rows, new = lines(20), lines(5, first=20)
    ingest(store, [write(tmp_path / "log.csv", rows)], CONFIG)
    if form == "rotated":
        again = [write(tmp_path / "old.csv.gz", [*rows, *new[:2]]), write(tmp_path / "log.csv", new[2:])]
        want = (25, 5, 0, 20)
    elif form == "cut":
        again, want = [write(tmp_path / "log.csv", [*rows[15:], *new])], (10, 5, 0, 5)
    elif form == "parquet":
        cells = [line.strip().split(",") for line in [*rows, *new]]
        columns = dict(zip("uitd", map(list, zip(*cells, strict=True)), strict=True))
        table = pa.table({**columns, "t": [int(t) for t in columns["t"]]})
        pq.write_table(table, tmp_path / "log.parquet")
        again, want = [tmp_path / "log.parquet"], (25, 5, 0, 20)
    elif form == "turned":
        again, want = [write(tmp_path / "log.csv", [*new, *rows][::-1])], (25, 5, 0, 20)
    else:
        again, want = [write(tmp_path / form.replace("renamed", "z.csv"), [*rows, *new])], (25, 5, 0, 20)
    assert counts(ingest(store, again, CONFIG)) == want
    assert len(events(store)) == 25


def test_ids_that_are_numbers_are_known_in_parquet_too(store: DuckDBStore, tmp_path: Path) -> None:
    config = Config("numbers", Columns(user_id="u", item_id="i", timestamp="t"), time=Time(unit="s"))
    path = write(tmp_path / "a.csv", ["7,01,1700000000\n", "8,2,1700000060\n"], "u,i,t\n")
    ingest(store, [path], config)
    table = pa.table({"u": [7, 8, 9], "i": ["01", "2", "2"], "t": [1700000000, 1700000060, 1700000090]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert counts(ingest(store, [tmp_path / "a.parquet"], config)) == (3, 1, 0, 2)


def test_a_glob_that_grows_in_both_ways(store: DuckDBStore, tmp_path: Path) -> None:
    pattern = str(tmp_path / "day*.csv")
    write(tmp_path / "day0.csv", lines(10))
    write(tmp_path / "day1.csv", lines(4, first=10))
    ingest(store, [pattern], CONFIG)
    write(tmp_path / "day1.csv", lines(9, first=10))
    write(tmp_path / "day2.csv", lines(3, first=19))
    result = ingest(store, [pattern], CONFIG)
    assert counts(result) == (12, 8, 0, 4)
    assert result.skipped == (str(tmp_path / "day0.csv"),)


def test_an_equal_row_in_the_new_part_is_a_duplicate_and_the_old_one_known(
    store: DuckDBStore, tmp_path: Path
) -> None:
    rows = lines(3)
    path = write(tmp_path / "a.csv", [*rows, rows[0]])
    assert counts(ingest(store, [path], CONFIG)) == (4, 3, 1, 0)
    write(path, [*rows, rows[0], rows[1], *lines(1, first=3), ",i1,1700000000,d\n"])
    lenient = replace(CONFIG, max_reject_share=1.0)
    result = ingest(store, [path], lenient, rejects=tmp_path / "rejects.csv")
    assert counts(result) == (7, 1, 2, 3)
    assert result.n_rejects == 1
    assert (tmp_path / "rejects.csv").read_text().count("duplicate") == 2


def test_rows_that_differ_in_one_mapped_column_are_new(store: DuckDBStore, tmp_path: Path) -> None:
    ingest(store, [write(tmp_path / "a.csv", ["u,i,1700000000,d1\n"])], CONFIG)
    result = ingest(
        store, [write(tmp_path / "b.csv", ["u,i,1700000000,d1\n", "u,i,1700000000,d2\n"])], CONFIG
    )
    assert counts(result) == (2, 1, 0, 1)


def test_an_event_is_known_by_its_id_user_and_item(store: DuckDBStore, tmp_path: Path) -> None:
    columns = Columns(user_id="u", item_id="i", timestamp="t", event_id="e", text="x")
    config = Config("ids", columns, time=Time(unit="s"))
    head = "e,u,i,t,x\n"
    old = ["e1,u,i,1700000000,a\n", "e2,u,j,1700000000,a\n", ",u,j,1700000009,a\n"]
    ingest(store, [write(tmp_path / "a.csv", old, head)], config)
    # e1 was written over; e2 is an order that has got a second item; a row without an id is told by what it says.
    new = ["e1,u,i,1700000060,b\n", old[1], "e2,u,k,1700000000,a\n", old[2], ",u,j,1700000010,a\n"]
    assert counts(ingest(store, [write(tmp_path / "a.csv", new, head)], config)) == (5, 2, 0, 3)


def test_rows_that_stand_for_several_events_are_known(store: DuckDBStore, tmp_path: Path) -> None:
    columns = Columns(user_id="u", item_id=("i", "j"), timestamp="t")
    config = Config("two", columns, time=Time(unit="s"))
    rows = [f"u{k},a{k},b{k},{START_S + k}\n" for k in range(4)]
    ingest(store, [write(tmp_path / "a.csv", rows[:3], "u,i,j,t\n")], config)
    assert counts(ingest(store, [write(tmp_path / "a.csv", rows, "u,i,j,t\n")], config)) == (4, 1, 0, 3)
    assert len(events(store)) == 8


EACH = replace(CONFIG, duplicates=False)


def test_where_equal_rows_count_a_row_is_known_by_its_place(store: DuckDBStore, tmp_path: Path) -> None:
    row, other = lines(2)
    path = write(tmp_path / "a.csv", [row, row, other])
    assert counts(ingest(store, [path], EACH)) == (3, 3, 0, 0)
    assert counts(ingest(store, [write(path, [row, row, other, row])], EACH)) == (4, 1, 0, 3)
    assert counts(ingest(store, [write(tmp_path / "a.csv.gz", [row, row, other, row, other])], EACH)) == (
        5,
        1,
        0,
        4,
    )
    result = ingest(store, [write(tmp_path / "b.csv", [row])], EACH)
    assert counts(result) == (1, 1, 0, 0)
    assert any("count again" in warning for warning in result.warnings)
    assert len(events(store)) == 6


def test_a_last_line_that_was_read_half_written_is_a_new_row(store: DuckDBStore, tmp_path: Path) -> None:
    row, other = lines(2)
    path = write(tmp_path / "a.csv", [row, other.rstrip("\n")])
    ingest(store, [path], EACH)
    assert counts(ingest(store, [write(path, [row, other, row])], EACH)) == (3, 1, 0, 2)
    assert counts(
        ingest(store, [write(path, [row, other, row, "u1,i1,17000"])], replace(EACH, max_reject_share=1))
    ) == ((4, 0, 0, 3))
    assert counts(ingest(store, [write(path, [row, other, row, "u1,i1,1700000000,d\n"])], EACH)) == (
        4,
        1,
        0,
        3,
    )


@pytest.mark.parametrize("config", [CONFIG, EACH])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_that_was_cut_short_and_goes_on_is_told(
    store: DuckDBStore, tmp_path: Path, config: Config, end: str
) -> None:
    """Without an end a line may be whole, so it is read; what it says when it goes on is another row."""
    first, second, third = (line.replace("\n", end) for line in lines(3))
    cut = second.partition("17")[0] + "17000000"  # a time in 1970, which is rejected
    path = write(tmp_path / "a.csv", [first, cut])
    assert not ingest(store, [path], replace(config, max_reject_share=1.0)).warnings
    whole = second.rstrip(end)
    result = ingest(store, [write(path, [first, whole])], config)
    assert (counts(result), len(events(store))) == ((2, 1, 0, 1), 2)
    assert [warning.partition(",")[0] for warning in result.warnings] == [
        f"{path} line 3 had not ended when it was read before"
    ]
    for more in ([end], [end, third], [end, third, first]):
        result = ingest(store, [write(path, [first, whole, *more])], config)
        assert not any(
            "ended" in warning for warning in result.warnings
        )  # the line is as it was, and has its end
    assert len(events(store)) == 3 + (config == EACH)


def test_rows_add_up_and_rejects_are_of_all_files_that_are_named(store: DuckDBStore, tmp_path: Path) -> None:
    """Whether they were read one by one, at once, or named again."""
    lenient, rejects = replace(CONFIG, max_reject_share=1.0), tmp_path / "rejects.csv"
    days = [write(tmp_path / f"day{k}.csv", [*lines(4, first=3 * k), ",i1,1700000000,d\n"]) for k in range(3)]
    for k in (1, 2, 3):
        result = ingest(store, days[:k], lenient, rejects=rejects)
        assert counts(result) == (5, 4 if k == 1 else 3, 0, k > 1)
        assert result.whole.rows == dict(zip(ROWS, (5 * k, 3 * k + 1, k, 0, 0, k - 1), strict=True))
        assert rejects.read_text().count("missing user_id") == k
    written = rejects.read_bytes()
    again = ingest(store, days, lenient, rejects=rejects)
    assert (again.already, again.rows, again.whole.rows) == (True, result.whole.rows, result.whole.rows)
    assert rejects.read_bytes() == written
    assert again.n_rows == sum(list(again.rows.values())[1:])


@pytest.mark.parametrize("config", [CONFIG, EACH])
@pytest.mark.parametrize("at", ["note", "log"])
def test_killed_and_grown_since(
    store: DuckDBStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Config, at: str
) -> None:
    path = write(tmp_path / "a.csv", lines(10))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((verb, "note_ingest", die) if at == "note" else (store, "write_log", die)))
        with pytest.raises(KeyboardInterrupt):
            ingest(store, [path], config)
    assert counts(ingest(store, [write(path, lines(12))], config)) == (12, 12, 0, 0)


def test_rows_of_an_older_version_cannot_be_told_and_that_is_said(tmp_path: Path) -> None:
    path, file = write(tmp_path / "a.csv", lines(10)), tmp_path / "old.duckdb"
    store = open_store(str(file))
    ingest(store, [path], CONFIG)
    store.close()
    with duckdb.connect(str(file)) as old:
        old.execute("ALTER TABLE event_log DROP COLUMN graphdet_row_key")
        old.execute("DELETE FROM meta WHERE key LIKE 'row_keys_of.%'")
    store = open_store(str(file))
    result = ingest(store, [write(path, lines(12))], CONFIG)
    assert counts(result) == (12, 12, 0, 0)
    assert any("written by another version" in warning for warning in result.warnings)
    assert counts(ingest(store, [write(path, lines(15))], CONFIG)) == (15, 3, 0, 12)
    store.close()


def test_any_readings_of_a_log_give_what_one_gives(store: DuckDBStore, tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = [
        f"u{draw.randrange(4)},i{draw.randrange(4)},{START_S + draw.randrange(50)},d\n" for _ in range(150)
    ]
    seen: set[str] = set()
    for turn in range(12):
        part = draw.sample(rows, draw.randrange(1, 60))
        new = set(part) - seen
        seen |= new
        result = ingest(store, [write(tmp_path / f"{turn % 3}.csv", part)], CONFIG)
        assert result.already == (not new)
        assert counts(result) == (len(part), len(new), len(part) - len(set(part)), len(set(part)) - len(new))
    assert len(events(store)) == len(seen)


def test_files_of_one_line_without_an_end_and_of_carriage_returns(store: DuckDBStore, tmp_path: Path) -> None:
    config = replace(EACH, read=Read(header=False, names=("u", "i", "t", "d")))
    rows = [line.rstrip("\n") + "\r" for line in lines(3)]
    ingest(store, [write(tmp_path / "a.csv", rows[:2], "")], config)
    assert counts(ingest(store, [write(tmp_path / "a.csv", rows, "")], config)) == (3, 1, 0, 2)
