"""Rows that a store has already: what tells them, and putting them aside when a log is read again that grew.

A log is read again after it grew, was rotated, compressed, sorted or cut; what was read then must not count twice. The
store keeps a key of every row that it took:

* With `event_id` mapped the key is made of event, user and item: such a row is that event, whatever else it says now.
* Without one it is made of all mapped columns. Equal rows of one log are duplicates, and so are those of two readings.
* Where `[reject] duplicates` is false, equal rows are acts of their own. Then a row is known by its place: the file
  begins, byte for byte (uncompressed), with what was read before, and the row stands in that part.

Keys depend on the config's meaning: what another config read is no row of this one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import narwhals as nw

from graphdet import schema
from graphdet.config import Config, config_digest
from graphdet.logs.derive import content_columns
from graphdet.logs.fields import PACKED_ID_TYPES
from graphdet.logs.files import LogFile, chunks
from graphdet.logs.raw import RawFile, height, materialise
from graphdet.privacy import Withheld
from graphdet.tables import Frame


@dataclass(frozen=True)
class Content:
    """What a text file held when it was read, uncompressed: its size in bytes, their SHA-256, its lines; whether the
    last of them had ended."""

    n_bytes: int
    sha256: str
    n_lines: int
    ended: bool = True


LINE_ENDS = (b"\n", b"\r")


@dataclass(frozen=True)
class Known:
    """What a store has of a log that is read into it.

    sessions: schema.SESSION_COLUMNS, which new events may belong to. row_keys: the column schema.ROW_KEY of all rows.
    n_lines: of files by path, how many of their first lines were read before. withheld: what it was told to forget.
    """

    sessions: Frame | None = None
    row_keys: Frame | None = None
    n_lines: Mapping[str, int] = field(default_factory=dict)
    withheld: Withheld = field(default_factory=Withheld)


def by_place(config: Config) -> bool:
    """Whether rows are known by their place, as equal rows are acts of their own and have no id."""
    return not config.duplicates and config.columns.event_id is None


def key_mark(bench: duckdb.DuckDBPyConnection) -> str:
    """What DuckDB's hash makes of a fixed row: keys of a version that hashes otherwise cannot be compared."""
    row = bench.execute("SELECT hash('graphdet', 1::BIGINT, 0.5::DOUBLE, NULL::VARCHAR)::VARCHAR").fetchone()
    assert row is not None
    return str(row[0])


def with_row_keys(clean: Frame, config: Config) -> Frame:
    """Add the column schema.ROW_KEY (UBIGINT): null where a row cannot be told by what it says.

    By hand in SQL: each engine has a hash of its own. Ids that are whole numbers have the key of the number, whether
    the file has them as numbers or as text, so that a CSV file and its copy in Parquet have the same keys.
    """
    relation: duckdb.DuckDBPyRelation = clean.to_native()
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    parts = {name: _hashed(name, types[name]) for name in content_columns(clean)}
    salt = f"{int(config_digest(config)[:16], 16)}::UBIGINT"
    whole = f"hash({', '.join([salt, *parts.values()])})"
    if "event_id" in parts:
        of_event = ", ".join([salt, *(parts[name] for name in ("event_id", "user_id", "item_id"))])
        other = whole if config.duplicates else "NULL"
        whole = f"CASE WHEN event_id IS NULL THEN {other} ELSE hash({of_event}) END"
    return nw.from_native(relation.project(f"*, {whole} AS {schema.ROW_KEY}"))


def _hashed(name: str, kind: str) -> str:
    column = f'"{name}"'
    if name not in PACKED_ID_TYPES or kind != "VARCHAR":
        return f"hash({column})"
    number = f"TRY_CAST({column} AS BIGINT)"
    return f"CASE WHEN {number}::VARCHAR = {column} THEN hash({number}) ELSE hash({column}) END"


def rows_by_place(
    bench: duckdb.DuckDBPyConnection, raws: Sequence[RawFile], n_lines: Mapping[str, int]
) -> Frame | None:
    """Find the rows (file_ix, row) in the first lines of files, of which `n_lines` says how many were read before."""
    parts = []
    for ix, raw in enumerate(raws):
        n = n_lines.get(raw.file.path, 0)
        if n:
            lines = raw.lines or f"SELECT row, row + {raw.first_line} AS line FROM range({raw.n_rows}) r(row)"
            parts.append(f"SELECT {ix} AS file_ix, row FROM ({lines}) WHERE line <= {n}")
    return (
        materialise(bench, nw.from_native(bench.sql(" UNION ALL ".join(parts))), "placed") if parts else None
    )


def put_known_aside(
    bench: duckdb.DuckDBPyConnection, clean: Frame, config: Config, known: Known, raws: Sequence[RawFile]
) -> tuple[Frame, int, list[str]]:
    """Leave out the rows that the store has; says how many they are, and warns of what cannot be told.

    Args:
        bench: where the work is done.
        clean: clean rows with their keys, duplicates left out.
        config: the settings.
        known: what the store has.
        raws: the files, whose number in this list is file_ix.
    """
    before = None
    if by_place(config):
        placed = rows_by_place(bench, raws, known.n_lines)
        if placed is not None:
            before = height(clean)
            clean = materialise(bench, clean.join(placed, on=["file_ix", "row"], how="anti"), "fresh")
        warnings = []
        if known.row_keys is not None:
            n = height(clean.join(known.row_keys.unique(), on=schema.ROW_KEY, how="semi"))
            if n:
                warnings.append(
                    f"{n} rows equal rows that the store has from another file and count again, as [reject] "
                    "duplicates = false says; if they are the same acts, map an event_id or use a new store"
                )
        return clean, 0 if before is None else before - height(clean), warnings
    if known.row_keys is None:
        return clean, 0, []
    before = height(clean)
    fresh = clean.join(known.row_keys, on=schema.ROW_KEY, how="anti")
    fresh = materialise(bench, fresh, "fresh")
    return fresh, before - height(fresh), []


@dataclass(frozen=True)
class Reading:
    """What a text file holds, and how it goes on from what was read before.

    content: None for Parquet, and for UTF-16, whose line ends are no single bytes. n_known_lines: how many of its first
    lines are, byte for byte, a file read before; of several the longest counts. cut_line: the line that had not ended
    then and goes on now, which is a new line; None where there is none.
    """

    content: Content | None = None
    n_known_lines: int = 0
    cut_line: int | None = None


def content_of(file: LogFile, earlier: Sequence[Content]) -> Reading:
    """Read a text file for what it holds, and compare its beginning with what was read before.

    Raises:
        InputError: the file is truncated or damaged.
    """
    if file.format == "parquet":
        return Reading()
    ends = sorted({content.n_bytes for content in earlier})
    by_sha = {content.sha256: content for content in earlier}
    sha, n_bytes, feeds, returns, last = hashlib.sha256(), 0, 0, 0, b""
    n_known, cut = 0, None
    for chunk in chunks(file):
        if not n_bytes and chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return Reading()
        at = 0
        while ends and ends[0] <= n_bytes + len(chunk):
            stop = ends.pop(0) - n_bytes
            sha.update(chunk[at:stop])
            at = stop
            match = by_sha.get(sha.hexdigest())
            if match is not None:
                before, after = chunk[stop - 1 : stop], chunk[stop : stop + 1]
                goes_on = before not in LINE_ENDS and after not in (b"", *LINE_ENDS)
                n_known, cut = match.n_lines - goes_on, match.n_lines if goes_on else None
        sha.update(chunk[at:])
        n_bytes += len(chunk)
        feeds, returns, last = feeds + chunk.count(b"\n"), returns + chunk.count(b"\r"), chunk[-1:]
    n_lines = (feeds or returns) + (last not in LINE_ENDS)
    return Reading(Content(n_bytes, sha.hexdigest(), n_lines, last in LINE_ENDS), n_known, cut)


def has_open_end(file: LogFile) -> bool:
    """Whether the last line of a text has not ended: somebody may be writing it. Not asked of compressed files."""
    if file.format == "parquet" or file.compression is not None:
        return False
    with open(file.path, "rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(stream.tell() - 1, 0))
        return stream.read(1) not in (b"", *LINE_ENDS)


def cut_short(file: LogFile, line: int) -> str:
    """The warning of a line that had not ended when it was read."""
    return (
        f"{file.path} line {line} had not ended when it was read before, and goes on now: what it said then counts as "
        "a row of its own, if it could be read; to read the log anew run again with --fresh and all files"
    )
