"""A log file as DuckDB sees it before anything is judged: one relation, one row number, raw columns.

Frames that are needed more than once are kept as temporary tables on the workbench. The profile of the columns says
what they hold before any rule looks at them: missing, distinct, examples of their ends.
"""

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

import duckdb
import narwhals as nw

from graphdet.config import Config
from graphdet.errors import InputError
from graphdet.logs.files import LogFile
from graphdet.tables import Frame

ROW = "graphdet_row"  # the row's number within its file, from 0, structurally bad rows counted
_counter = itertools.count()


@dataclass(frozen=True)
class RawFile:
    """One file of the log, readable through SQL.

    `source` is what stands after FROM; it has the column ROW and, for each column of the log, the expression
    in `columns` (name in the log → SQL expression) of the type in `types`. `n_rows` counts the data rows,
    also the structurally bad ones, which the query `bad` gives (row, reason, raw) if there are any. `lines`
    is a query giving (row, line) of every row, or None when the line is row + `first_line`.
    """

    file: LogFile
    source: str
    columns: Mapping[str, str]
    types: Mapping[str, str]
    n_rows: int
    bad: str | None = None
    lines: str | None = None
    first_line: int = 1
    kinds: Mapping[str, str] = field(default_factory=dict)  # SQL expressions of a column's type in JSON
    row_json: str | None = None  # SQL expression of the raw row as JSON; None: made of the columns
    warnings: tuple[str, ...] = ()  # what was odd about the file and is read all the same


def rowless(file: LogFile, config: Config) -> RawFile:
    """Make an empty file readable: it has every column and no row."""
    columns = dict.fromkeys(wanted_columns(config), "NULL::VARCHAR")
    return RawFile(
        file, f"(SELECT 0::BIGINT AS {ROW} WHERE false)", columns, dict.fromkeys(columns, "VARCHAR"), 0
    )


_PATH_COLUMN = re.compile(r"([^=/]+)=(.*)")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how folders are named where the column has none


def path_columns(file: LogFile, have: Iterable[str]) -> dict[str, str]:
    """Columns that the folders KEY=VALUE of a file's path say, as SQL texts; only those that the file itself lacks.

    Case tells no two columns apart, as it does not in SQL.
    """
    taken = {name.casefold() for name in have}
    found = {}
    for part in Path(file.path).parts[:-1]:
        match = _PATH_COLUMN.fullmatch(part)
        if match is not None and unquote(match[1]).casefold() not in taken:
            value = unquote(match[2])
            found[unquote(match[1])] = "NULL::VARCHAR" if value in ("", _NO_VALUE) else literal(value)
    return found


def add_file_column(raw: RawFile, config: Config) -> RawFile:
    """Add the column that `[read] file_column` asks for."""
    name = config.read.file_column
    if name is None:
        return raw
    columns = {**raw.columns, name: literal(raw.file.name)}
    return replace(raw, columns=columns, types={**raw.types, name: "VARCHAR"})


def fresh_name(stem: str) -> str:
    """Name a temporary table that no other read on this bench uses."""
    return f"graphdet_{stem}_{next(_counter)}"


def literal(text: str) -> str:
    """Write a text as an SQL literal; NUL cannot stand in one.

    >>> print(literal("it's"))
    'it''s'
    """
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier.

    >>> print(identifier('a"b'))
    "a""b"
    """
    return '"' + name.replace('"', '""') + '"'


def count(bench: duckdb.DuckDBPyConnection, query: str) -> int:
    """Run a query that gives one whole number."""
    row = bench.execute(query).fetchone()
    assert row is not None
    return int(row[0] or 0)


def first_words(error: Exception) -> str:
    """Shorten a DuckDB error to its first line."""
    return str(error).strip().split("\n")[0]


def wanted_columns(config: Config) -> dict[str, str]:
    """List the log columns that a config needs, each with the place that asks for it."""
    wanted: dict[str, str] = {}
    columns = config.columns
    for key in columns.__dataclass_fields__:
        named = getattr(columns, key)
        if key == "item_id" and columns.payee is not None:
            continue  # the payee is the item
        for name in (named,) if isinstance(named, str) else named or ():
            wanted.setdefault(name, f"[columns] {key}")
    for table, names in (("attributes", config.attributes.values()), ("filters", config.filters)):
        for name in names:
            wanted.setdefault(name, f"[{table}]")
    for name in config.entities.values():
        wanted.setdefault(entity_column(config, name), "[entities]")
    if config.read.file_column is not None:
        wanted.pop(config.read.file_column, None)
    return wanted


def entity_column(config: Config, name: str) -> str:
    """Resolve the column of an entity: `device_id` and `ip` may be named as in [columns], or as in the
    log."""
    mapped = getattr(config.columns, name, None) if name in ("device_id", "ip") else None
    return mapped or name


def missing_column(file: LogFile, name: str, place: str, have: Sequence[str]) -> InputError:
    """Say that a file lacks a column, which it has, and the nearest one."""
    near = [other for other in have if other.casefold() == name.casefold()]
    near = near or difflib.get_close_matches(name, have, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return InputError(
        f"{file.path}: there is no column {name!r}, which the config's {place} names{hint} "
        f"The columns are {shown(have)}"
    )


def check_single(file: LogFile, name: str, have: Sequence[str]) -> None:
    """Check that a file has a column only once; case tells none apart, as it does not in SQL.

    Raises:
        InputError: it stands there twice, or with another case.
    """
    alike = [other for other in have if other.casefold() == name.casefold()]
    if len(alike) > 1:
        twice = (
            f"the column {name!r} twice"
            if len(set(alike)) == 1
            else f"columns {shown(alike)}, alike but for case"
        )
        raise InputError(f"{file.path}: has {twice}; rename one of them")


def shown(names: Iterable[str], most: int = 20) -> str:
    """List names for a message, at most so many."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(n) for n in names[:most]) + more


def numbered_lines(bench: duckdb.DuckDBPyConnection, raw: RawFile, path: str | Path) -> str:
    """SQL of (row, line) for every row of a file that must not hold a bad one.

    Raises:
        InputError: a line is structurally bad; names the first.
    """
    lines = raw.lines or f"SELECT row, row + {raw.first_line} AS line FROM range({raw.n_rows}) r(row)"
    if raw.bad:
        found = bench.execute(
            f"SELECT line, reason FROM ({raw.bad}) JOIN ({lines}) USING (row) ORDER BY line LIMIT 1"
        ).fetchone()
        assert found is not None
        raise InputError(f"{path} line {found[0]}: {found[1]}; mend the line")
    return lines


_WORKING = ("raw", "rows", "bad", "blank", "rejects", "repeated")


def materialise(bench: duckdb.DuckDBPyConnection, frame: Frame, stem: str) -> Frame:
    """Compute a frame once and keep it as a temporary table of the bench."""
    name = fresh_name(stem)
    bench.execute(f"CREATE TEMP TABLE {name} AS {frame.to_native().sql_query()}")
    return nw.from_native(bench.table(name))


def drop_working_tables(bench: duckdb.DuckDBPyConnection) -> None:
    """Drop what was only needed to put rows aside; tables that frames stand on stay."""
    names = bench.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    for (name,) in names:
        if name.startswith(tuple(f"graphdet_{stem}_" for stem in _WORKING)):
            bench.execute(f"DROP TABLE {name}")


def height(frame: Frame) -> int:
    """Count the rows of a frame."""
    return int(frame.select(n=nw.len()).collect().item())


_MOST_COLUMNS = 300
_SHOWN = 80  # characters of a value


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one file. Blanks and NaN count as missing.

    low and high are the first and the last value: by size where the type is a number or a time, else by their bytes.
    """

    name: str
    type: str
    n: int
    n_missing: int
    n_distinct: int
    low: str | None
    high: str | None


def profile_columns(bench: duckdb.DuckDBPyConnection, raw: RawFile) -> list[ColumnProfile]:
    """Profile every column of a file in one pass, the mapped ones and the others; at most 300.

    By hand in SQL: looks at raw types and casts that give null are each engine's own.
    """
    names = list(raw.columns)[:_MOST_COLUMNS]
    if not names or not raw.n_rows:
        return [ColumnProfile(name, raw.types[name], 0, 0, 0, None, None) for name in names]
    parts, kinds = [], []
    for name in names:
        sql, kind = raw.columns[name], raw.types[name]
        value = sql
        if kind == "VARCHAR":
            value = f"nullif(trim({sql}, e' \\t\\r\\n'), '')"
        elif kind in ("DOUBLE", "FLOAT"):
            value = f"CASE WHEN NOT isnan({sql}) THEN {sql} END"
        plain = kind.isupper() and "(" not in kind and "[" not in kind  # no STRUCT, LIST, MAP, DECIMAL
        ends = value if plain else f"({value})::VARCHAR"
        if kind == "VARCHAR":
            # Numbers written as text have numbers for ends, when all of them are.
            number = f"TRY_CAST({value} AS DOUBLE)"
            whole = f"count({number}) = count({value})"
            low = f"CASE WHEN {whole} THEN {_plain(f'min({number})')} ELSE left(min({ends}), {_SHOWN}) END"
            high = f"CASE WHEN {whole} THEN {_plain(f'max({number})')} ELSE left(max({ends}), {_SHOWN}) END"
        else:
            low, high = (f"left(({end}({ends}))::VARCHAR, {_SHOWN})" for end in ("min", "max"))
        # DuckDB's estimate is off by a fifth at times; of texts the hashes take less room than the texts.
        counted = (
            value if plain and kind != "VARCHAR" else f"CASE WHEN {value} IS NOT NULL THEN hash({value}) END"
        )
        parts += [f"count({value})", f"count(DISTINCT {counted})", low, high]
        kinds.append(kind)
    row = bench.execute(f"SELECT count(*), {', '.join(parts)} FROM {raw.source}").fetchone()
    assert row is not None
    n = int(row[0])
    found = []
    for k, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        known, distinct, low, high = row[1 + 4 * k : 5 + 4 * k]
        found.append(ColumnProfile(name, kind, n, n - known, int(distinct), low, high))
    return found


def _plain(number: str) -> str:
    """Write a number as text, whole ones without a decimal point."""
    return f"regexp_replace(({number})::VARCHAR, '\\.0$', '')"
