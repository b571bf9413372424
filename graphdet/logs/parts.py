"""Parts of a log that grows: cleaned as they come, by the rules that a whole log is cleaned by.

A part is some whole lines of a file, with that file's header. Its rows are judged and compared with the rows that are
open already; what is put aside goes to a rejects file with the line that it has in the growing file. Sessions are not
cut here: they depend on what is still to come, and `open_tables` cuts them for all open rows together.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import narwhals as nw

from graphdet.config import Config
from graphdet.errors import InputError
from graphdet.logs.derive import find_duplicates
from graphdet.logs.fields import select_fields
from graphdet.logs.files import LogFile
from graphdet.logs.private import rows_are_told
from graphdet.logs.raw import RawFile, count, drop_working_tables, first_words, materialise, wanted_columns
from graphdet.logs.read import read_raw, tables_of_rows
from graphdet.logs.rejects import DUPLICATE, FILTERED, collect_rejects, judged_rows, write_rejects
from graphdet.privacy import Withheld
from graphdet.tables import Frame, LogTables

_NOT_KEPT = frozenset({"file_ix", "row", "verdict", "wanted", "time_number", "time_given"})
LATE = "came later than --lateness allows"


@dataclass(frozen=True)
class LogPart:
    """Some whole lines of a log file.

    name: the file, as rejects name it. format: csv, tsv, txt or jsonl. head: the lines before the first row, such as
    the header; empty for JSON lines. first_line: the number of the first of `lines` in the file, from 1.
    """

    name: str
    format: str
    head: bytes
    lines: bytes
    first_line: int


@dataclass(frozen=True)
class CleanRows:
    """The rows of some parts that can be used, and how many could not.

    n_rows = n_clean + n_rejects + n_duplicates + n_filtered. rows: the typed fields (see fields.Fields) without those
    that only judge; n_late of the rejects came too late. first_ms, last_ms: of the clean rows, None where there is
    none. put_aside: of each row of rejects.csv the place of its part, its line and the reason. filtered: how many rows
    of a part were, by its place.
    """

    rows: Frame
    n_rows: int
    n_clean: int
    n_rejects: int
    n_duplicates: int
    n_filtered: int
    n_late: int
    first_ms: int | None
    last_ms: int | None
    put_aside: list[tuple[int, int, str]] = field(default_factory=list)
    filtered: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """What is known when parts arrive.

    open_rows: rows that the new ones may repeat, None where there is none. next_row: the number of the first new row.
    least_ms: earlier rows are too late, None where nothing is. now_ms: the time of day. withheld: what the store was
    told to forget.
    """

    open_rows: Frame | None
    next_row: int
    least_ms: int | None
    now_ms: int
    withheld: Withheld = field(default_factory=Withheld)


def clean_parts(
    bench: duckdb.DuckDBPyConnection,
    parts: Sequence[LogPart],
    config: Config,
    arrival: Arrival,
    scratch: Path,
    rejects: Path,
) -> CleanRows:
    """Judge the rows of some parts; those put aside are written to `rejects`, a whole rejects.csv.

    Raises:
        InputError: a part lacks a column that the config names, or cannot be read at all.
    """
    try:
        raws = [_raw(bench, ix, part, config, scratch) for ix, part in enumerate(parts)]
        fields = select_fields(bench, raws, config)
        judged = judged_rows(bench, fields, config, arrival.now_ms, arrival.withheld)
        judged = materialise(bench, _without_heads(judged, parts), "judged")
    except duckdb.IOException as error:
        raise InputError(f"{parts[0].name}: cannot be read ({first_words(error)})") from error
    if arrival.least_ms is not None:
        late = nw.col("verdict").is_null() & (nw.col("at_ms") < arrival.least_ms)
        judged = judged.with_columns(verdict=nw.when(late).then(nw.lit(LATE)).otherwise(nw.col("verdict")))
        judged = materialise(bench, judged, "judged")
    clean = judged.filter(nw.col("verdict").is_null())
    repeated, n_duplicates = _duplicates(bench, clean, arrival.open_rows) if config.duplicates else (None, 0)
    if repeated is not None and n_duplicates:
        clean = clean.join(repeated.select("event_row"), on="event_row", how="anti")
    found = collect_rejects(bench, raws, judged, repeated if n_duplicates else None)
    write_rejects(bench, raws, found, rejects, with_rows=rows_are_told(config, arrival.withheld))
    kept = [name for name in clean.collect_schema().names() if _is_kept(name)]
    number = nw.col("event_row") + arrival.next_row
    for ix in _heads(parts):  # which are no rows
        number = number - (nw.col("file_ix") >= ix).cast(nw.Int64())
    row = {name: nw.col(name) for name in kept} | {"event_row": number}
    rows = materialise(bench, clean.select(**row), "clean")
    counted = rows.select(n=nw.len(), first=nw.col("at_ms").min(), last=nw.col("at_ms").max()).to_native()
    n_clean, first_ms, last_ms = counted.fetchall()[0]
    filtered = dict(
        bench.execute(
            f"SELECT file_ix, count(*) FROM ({_sql(judged)}) WHERE verdict = '{FILTERED}' GROUP BY ALL"
        ).fetchall()
    )
    put_aside = bench.execute(f"SELECT file_ix, line, reason FROM {found.table} ORDER BY ALL").fetchall()
    drop_working_tables(bench)
    return CleanRows(
        rows=rows,
        n_rows=sum(raw.n_rows for raw in raws) - len(_heads(parts)),
        n_clean=n_clean,
        n_rejects=sum(n for reason, n in found.by_reason.items() if reason != DUPLICATE),
        n_duplicates=n_duplicates,
        n_filtered=sum(filtered.values()),
        n_late=found.by_reason.get(LATE, 0),
        first_ms=first_ms,
        last_ms=last_ms,
        put_aside=put_aside,
        filtered=filtered,
    )


def open_tables(
    bench: duckdb.DuckDBPyConnection, rows: Frame, config: Config, existing: Frame | None = None
) -> LogTables:
    """The tables of clean rows, sessions cut among them; `existing` as in read.tables_of_rows."""
    n_loose = 0
    if config.columns.session_id is not None:
        n_loose = count(bench, f"SELECT count(*) FROM ({_sql(rows)}) WHERE session_id IS NULL")
    return tables_of_rows(bench, rows, config, existing, n_loose)[0]


def _raw(bench: duckdb.DuckDBPyConnection, ix: int, part: LogPart, config: Config, scratch: Path) -> RawFile:
    """Read a part by way of a file that begins with its head."""
    own = scratch / f"{ix}.part"
    own.mkdir()
    path = own / "lines"
    head = _json_head(config) if part.format == "jsonl" else part.head
    path.write_bytes(head + part.lines)
    raw = read_raw(bench, LogFile(part.name, part.format, None, str(path)), config, own)
    shift = part.first_line - 1 - head.count(b"\n")
    lines = None if raw.lines is None else f"SELECT row, line + {shift} AS line FROM ({raw.lines})"
    return replace(raw, lines=lines, first_line=raw.first_line + shift)


def _json_head(config: Config) -> bytes:
    """An object with all keys that are looked for, so that a part in which nobody has one is no error."""
    return json.dumps(dict.fromkeys(wanted_columns(config))).encode() + b"\n"


def _heads(parts: Sequence[LogPart]) -> list[int]:
    """The parts that begin with a made-up row (see _json_head)."""
    return [ix for ix, part in enumerate(parts) if part.format == "jsonl"]


def _without_heads(judged: Frame, parts: Sequence[LogPart]) -> Frame:
    heads = _heads(parts)
    if not heads:
        return judged
    return judged.filter(~(nw.col("file_ix").is_in(heads) & (nw.col("row") == 0)))


def _duplicates(
    bench: duckdb.DuckDBPyConnection, clean: Frame, open_rows: Frame | None
) -> tuple[Frame | None, int]:
    """The rows that repeat an open row or one before them."""
    if open_rows is None:
        return find_duplicates(bench, clean)
    same = ["user_id", "item_id", "at_ms"]
    near = open_rows.join(clean.select(*same).unique(), on=same, how="semi")
    before = nw.lit(-1).cast(nw.Int64())
    keys = [name for name in clean.collect_schema().names() if _is_kept(name) and name != "event_row"]
    places = ("file_ix", "row", "event_row")
    known = near.select(*keys, **dict.fromkeys(places, before))
    new = clean.select(*keys, **{name: nw.col(name).cast(nw.Int64()) for name in places})
    return find_duplicates(bench, materialise(bench, nw.concat([known, new], how="vertical"), "repeated"))


def _is_kept(name: str) -> bool:
    return name not in _NOT_KEPT and not name.endswith("_given")


def _sql(frame: Frame) -> str:
    return str(frame.to_native().sql_query())
