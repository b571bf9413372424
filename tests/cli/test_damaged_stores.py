"""Stores cut, overwritten, of something else, or hold what cannot be: every verb says so and touches nothing."""

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.store.duckdb import DuckDBStore, tables
from tests.cli.command_line import inside, small_log
from tests.store.checks import write
from tests.store.sample_logs import findings, random_log

HEADERS, BLOCK = 3 * 4096, 262_144
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two logs, scores, rings and labelled scores, and a log beside it."""
    folder = tmp_path_factory.mktemp("sound")
    log, scores, rings = findings()
    store = DuckDBStore(folder / "x.duckdb")
    write(store, "one", log)
    write(store, "two", random_log(1, n_events=4000, n_users=500, n_items=300))
    store.write_scores(scores)
    store.write_rings(rings)
    store.close()
    small_log(folder / "log.csv")
    return folder


LOST = "blocks of it are cut off or overwritten"


# --- damages of the bytes --------------------------------------------------------------------------------
def cut(share: float) -> Damage:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def cut_by(n_bytes: int) -> Damage:
    return lambda path: os.truncate(path, path.stat().st_size - n_bytes)


def flipped(*places: int) -> Damage:
    """Turn over all bits of the bytes at these places, those below 0 counted from the end."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        for place in places:
            content[place] ^= 0xFF
        path.write_bytes(content)

    return damage


def flipped_in_each_block(path: Path) -> None:
    flipped(*range(HEADERS + 100, path.stat().st_size, BLOCK))(path)


def overwritten(share: float, filling: bytes) -> Damage:
    """Fill the file from that share of it on."""

    def damage(path: Path) -> None:
        content = path.read_bytes()
        kept = int(len(content) * share)
        path.write_bytes(content[:kept] + (filling * len(content))[: len(content) - kept])

    return damage


def exchanged(path: Path) -> None:
    """Put the first block, which has the catalogue, in the place of the last and the other way round."""
    content = path.read_bytes()
    head, body = content[:HEADERS], content[HEADERS:]
    path.write_bytes(head + body[-BLOCK:] + body[BLOCK:-BLOCK] + body[:BLOCK])


def checksum(block: bytes) -> bytes:
    """What DuckDB writes before the rest of a header."""
    words = np.frombuffer(block, "<u8") * np.uint64(0xBF58476D1CE4E5B9)
    return struct.pack("<Q", int(np.bitwise_xor.reduce(words) ^ np.uint64(5381)))


def of_a_later_duckdb(path: Path) -> None:
    """Raise the version of the storage in the main header, with its checksum right."""
    content = bytearray(path.read_bytes())
    content[12:20] = struct.pack("<Q", 9999)
    content[:8] = checksum(bytes(content[8:4096]))
    path.write_bytes(content)


# --- files of something else -----------------------------------------------------------------------------
def holding(content: bytes) -> Damage:
    return lambda path: _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def sqlite_file(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE event_log (user_id, item_id)")
    other.close()


def parquet_file(path: Path) -> None:
    pq.write_table(pa.table({"user_id": ["u1"]}), path)


def other_tables(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as other:
        other.execute("CREATE TABLE customers AS SELECT 1 AS x")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def link_to(target: str) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return damage


def wal(content: bytes) -> Damage:
    return lambda path: _write(path.with_name(path.name + ".wal"), content)


def wal_of_another(path: Path) -> None:
    """Leave the write-ahead log of another store, as where that was moved away."""
    other = DuckDBStore(path.with_name("other.duckdb"))
    other.set_meta("a", "b")
    shutil.copyfile(f"{other.path}.wal", f"{path}.wal")
    other.close()
    other.path.unlink()


def wal_is(make: Callable[[Path], None]) -> Damage:
    return lambda path: make(path.with_name(path.name + ".wal"))


# --- tables, columns and values that cannot be -----------------------------------------------------------
def sql(*statements: str) -> Damage:
    def damage(path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)

    return damage


LOOSE = "DROP VIEW events; DROP VIEW interactions; DROP VIEW sessions"  # else event_log cannot be changed

# How the file is damaged, and what the message must say.
DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut at 0.1 %": (cut(0.001), "cut off within its headers"),
    "cut at 1 %": (cut(0.01), "damaged"),
    "cut at 25 %": (cut(0.25), "damaged"),
    "cut at 50 %": (cut(0.5), "damaged"),
    "cut at 99 %": (cut(0.99), LOST),
    "cut by a byte": (cut_by(1), LOST),
    "cut by a block": (cut_by(BLOCK), LOST),
    "cut after the headers": (lambda path: os.truncate(path, HEADERS), "damaged"),
    "the magic word flipped": (flipped(9), "not a DuckDB file"),
    "main header flipped": (flipped(40), "damaged"),
    "both headers flipped": (flipped(4096 + 30, 8192 + 30), "damaged"),
    "catalogue flipped": (flipped(HEADERS + 5000), "damaged"),
    "middle flipped": (flipped(HEADERS + 3 * BLOCK + 1000), "damaged"),
    "last byte flipped": (flipped(-1), LOST),
    "every block flipped": (flipped_in_each_block, "damaged"),
    "second half zeros": (overwritten(0.5, b"\0"), "damaged"),
    "last tenth text": (overwritten(0.9, b"user,item\n"), "damaged"),
    "two blocks exchanged": (exchanged, "damaged"),
    "of a later DuckDB": (of_a_later_duckdb, "another version of DuckDB"),
    "text": (holding(b"user,item,time\n" * 2000), "not a DuckDB file"),
    "short text": (holding(b"x"), "not a DuckDB file"),
    "zeros": (holding(bytes(1_000_000)), "not a DuckDB file"),
    "gzip": (holding(b"\x1f\x8b\x08" + bytes(range(256)) * 100), "not a DuckDB file"),
    "SQLite": (sqlite_file, "not a DuckDB file"),
    "Parquet": (parquet_file, "not a DuckDB file"),
    "another program's DuckDB": (other_tables, "not a graphdet store (it has customers)"),
    "directory": (directory, "is a directory"),
    "pipe": (pipe, "is a pipe or a device"),
    "/dev/null": (link_to("/dev/null"), "is a pipe or a device"),
    "/dev/zero": (link_to("/dev/zero"), "is a pipe or a device"),
    "link to itself": (link_to("x.duckdb"), "cannot open"),
    "log of another file": (wal_of_another, "write-ahead log of another file"),
    "log of text": (wal(b"user,item\n" * 50), "is not the write-ahead log"),
    "log of zeros": (wal(bytes(5000)), "is not the write-ahead log"),
    "log is a directory": (wal_is(os.mkdir), "is no file"),
    "log is a pipe": (wal_is(os.mkfifo), "is no file"),
    "of a later graphdet": (
        sql(f"UPDATE meta SET value = '99' WHERE key = '{tables.VERSION_KEY}'"),
        "store version 99",
    ),
    "of no version": (sql("DELETE FROM meta"), "store version unknown"),
    **{
        f"without the table {name}": (sql(LOOSE, f"DROP TABLE {name}"), f"the table {name} is missing")
        for name in tables.TABLES
    },
    "without the view": (sql("DROP VIEW interactions"), "the view interactions is missing"),
    "without a column": (sql(LOOSE, "ALTER TABLE event_log DROP at_ms"), "event_log has no column at_ms"),
    "without a ring's score": (sql("ALTER TABLE rings DROP score"), "rings has no column score"),
    "times as text": (
        sql(LOOSE, "ALTER TABLE event_log ALTER at_ms TYPE VARCHAR"),
        "event_log.at_ms is of the type VARCHAR",
    ),
    "scores as text": (
        sql("ALTER TABLE scores ALTER score TYPE VARCHAR"),
        "scores.score is of the type VARCHAR",
    ),
    "a user that may be null": (
        sql(
            LOOSE, "ALTER TABLE event_log ALTER user_id DROP NOT NULL", "UPDATE event_log SET user_id = NULL"
        ),
        "event_log.user_id may be empty",
    ),
    "a time beyond the calendar": (
        sql(f"UPDATE event_log SET at_ms = {2**62} WHERE event_row = 3"),
        "event_log has a time outside the years 1 to 9999",
    ),
    "a time before all": (sql("UPDATE event_log SET at_ms = -9223372036854775807"), "a time outside"),
    "an endless amount": (sql("UPDATE event_log SET amount = 'inf'"), "an amount that is no number"),
    "a quantity that is none": (
        sql("UPDATE event_log SET quantity = 'nan' WHERE event_row = 3"),
        "a quantity that is no number",
    ),
    "a link counted below 1": (sql("UPDATE entities SET n = 0"), "entities has a count below 1"),
    "rows below 0": (sql("UPDATE sources SET n_rows = -5"), "sources has a count below 0"),
    "a score without a user": (sql("UPDATE scores SET user_id = NULL"), "scores has a row without a user"),
    "a user twice": (sql("INSERT INTO scores FROM scores"), "scores has a user twice"),
    "a huge score": (sql("UPDATE scores SET score = 1e300"), "scores has a score that is no share"),
    "a score that is none": (sql("UPDATE scores SET score = 'nan'"), "scores has a score that is no share"),
    "flagged or not": (sql("UPDATE scores SET flagged = NULL"), "neither flagged nor not"),
    "a ring without a name": (sql("UPDATE rings SET ring_id = NULL"), "rings has a row without a ring"),
    "a ring twice": (sql("INSERT INTO rings FROM rings"), "rings has a ring twice"),
    "a ring of fewer than none": (sql("UPDATE rings SET n_users = -1"), "rings has a count below 0"),
    "a member without a name": (
        sql("UPDATE ring_members SET user_id = NULL"),
        "ring_members has a row without a user",
    ),
    "a target without a name": (
        sql("UPDATE ring_items SET item_id = NULL"),
        "ring_items has a row without an item",
    ),
}
DAMAGES |= {
    f"open rows {how}": (sql(f"CREATE TABLE open_rows AS SELECT {columns}"), wanted)
    for how, columns, wanted in (
        ("without times", "1::BIGINT AS event_row, 'view' AS action", "open_rows has no column at_ms"),
        (
            "with times as text",
            "1::BIGINT AS event_row, 'view' AS action, '3' AS at_ms",
            "open_rows.at_ms is of the type",
        ),
    )
}
STORE_CLOSED = ("link to itself",)  # cannot be reached, 4; all others are unusable, 3

VERBS: dict[str, tuple[str, ...]] = {
    "run": ("run", "log.csv", "--config", "simulated", "--out", "out"),
    "ingest": ("ingest", "log.csv", "--config", "simulated", "--rejects", "out/rejects.csv"),
    "score": ("score", "--model", "model"),
    "rings": ("rings",),
    "report": ("report", "--out", "out"),
    "query": ("query", "counts"),
    "explain": ("explain", "u0", "--model", "model"),
    "leads": ("leads",),
    "items": ("items", "--out", "out"),
}


def state_of(folder: Path) -> dict[str, object]:
    """What a folder holds: names, kinds, links and bytes."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else path.stat().st_mode
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_verb_tells_a_damaged_store_and_leaves_it_alone(
    sound: Path, tmp_path: Path, damage: str
) -> None:
    make, wanted = DAMAGES[damage]
    shutil.copytree(sound, folder := tmp_path / "here")
    (folder / "out").mkdir()
    make(folder / "x.duckdb")
    before = state_of(folder)
    for verb, words in VERBS.items():
        done = inside(*words, "--store", "duckdb:x.duckdb", cwd=folder)
        told = f"{damage}, {verb}: {done.returncode} {done.stderr}"
        assert done.returncode == (4 if damage in STORE_CLOSED else 3), told
        assert wanted in done.stderr, told
        assert "x.duckdb" in done.stderr, told
        assert done.stderr.startswith("Error: "), told
        assert len(done.stderr.splitlines()) == 1, told
        assert "inside graphdet" not in done.stderr, told
        assert done.stdout == "", told
        assert state_of(folder) == before, told


def test_the_sound_store_is_not_taken_for_damaged(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, folder := tmp_path / "here")
    for verb in ("query", "leads", "rings", "report"):
        done = inside(*VERBS[verb], "--store", "duckdb:x.duckdb", cwd=folder)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefix", ["ingest.", "reading_of.", "row_keys_of.", "run_info"])
def test_a_note_that_is_no_json_or_says_nothing_is_told_and_nothing_is_written(
    tmp_path: Path, prefix: str
) -> None:
    log, store = small_log(tmp_path / "log.csv"), ("--store", "duckdb:x.duckdb")
    read = ("ingest", "log.csv", "--config", "simulated", *store)
    assert inside("run", *read[1:], "--train", "never", "--out", "out", cwd=tmp_path).returncode == 0
    shutil.copyfile(tmp_path / "x.duckdb", tmp_path / "kept")
    log.write_text(log.read_text() + "u1,i1,s1,1506826899999,view\n")
    (tmp_path / "shop.toml").write_text(
        '[columns]\nuser_id = "user_id"\nitem_id = "item_id"\ntimestamp = "timestamp"\n'
    )
    verbs = {"ingest.": (read, ("report", *store, "--out", "o")), "row_keys_of.": (read,)}
    verbs |= {"reading_of.": (("ingest", "log.csv", "--config", "shop.toml", *store),)}
    for value in ("", "{", '{"files": [[', "[]", "null", "3", '{"config": 3}', '{"files": 3}', '"x"'):
        shutil.copyfile(tmp_path / "kept", tmp_path / "x.duckdb")
        with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
            connection.execute("UPDATE meta SET value = ? WHERE starts_with(key, ?)", [value, prefix])
        before = (tmp_path / "x.duckdb").read_bytes()
        for words in verbs.get(prefix, (("report", *store, "--out", "o"),)):
            done = inside(*words, cwd=tmp_path)
            assert done.returncode in (0, 2, 3), (value, done.stderr)
            if not value.startswith("{") or value in ("{", '{"files": [['):
                assert done.returncode == 3, (value, done.stderr)
                assert "is damaged: its note" in done.stderr
                assert (tmp_path / "x.duckdb").read_bytes() == before
