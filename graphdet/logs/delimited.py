"""Delimited text (CSV, TSV and the like): every column as text, bad lines put aside with line and reason.

The dialect is not guessed: the delimiter is the ending's (or `[read] delimiter`), the quote is `"`. DuckDB's reader is
told everything; the header gives the names of the columns and says whether the delimiter fits. Every line of the file
must be accounted for: header + rows + bad lines + blank lines + line ends inside quotes. Where the sum is off, or
DuckDB gives up (a quote that is never closed, mixed line ends), or a value holds lines that are rows by themselves, the
file is read once more, each physical line for itself: a line whose quote does not close, one that is no UTF-8 or has a
carriage return within is put aside, and all others are read (see quotes.py).
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from graphdet.config import Config, Read
from graphdet.errors import ConfigError, InputError
from graphdet.logs.files import LineCount, LogFile, as_utf8, count_lines, read_head
from graphdet.logs.kinds import UNKNOWN, no_format
from graphdet.logs.lines import only_rows
from graphdet.logs.quotes import Records, warn_of_spans, write_records
from graphdet.logs.raw import (
    ROW,
    RawFile,
    check_single,
    count,
    first_words,
    fresh_name,
    literal,
    missing_column,
    path_columns,
    shown,
    wanted_columns,
)

# DuckDB's error types in words for rejects.csv.
REJECT_REASONS = {
    "MISSING COLUMNS": "too few columns",
    "TOO MANY COLUMNS": "too many columns",
    "UNQUOTED VALUE": "a quote is not closed or text follows it",
    "INVALID ENCODING": "not UTF-8",
    "LINE SIZE OVER MAXIMUM": "line longer than 2 MB",
}


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written; the quote may be empty for none."""

    delimiter: str
    quote: str


@dataclass(frozen=True)
class Layout:
    """What a delimited file holds: how many columns, lines to skip at its start, and whether a header follows these."""

    n_columns: int
    skip: int
    header: bool
    compression: str | None = None


def load_csv(
    bench: duckdb.DuckDBPyConnection,
    path: str,
    table: str,
    errors: str,
    layout: Layout,
    dialect: Dialect,
) -> None:
    """Read a CSV file into a temporary table of text columns c0, c1, …; bad ones go to `errors`.

    DuckDB takes a blank first line for the header, so blank lines before it must be skipped.
    """
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(layout.n_columns))
    bench.execute(
        f"CREATE TEMP TABLE {table} AS SELECT * FROM read_csv({literal(path)}, columns = {{{columns}}}, "
        f"auto_detect = false, skip = {layout.skip}, header = {layout.header}, delim = {literal(dialect.delimiter)}, "
        f"quote = {literal(dialect.quote)}, escape = {literal(dialect.quote)}, nullstr = '', "
        f"compression = '{layout.compression or 'none'}', strict_mode = true, store_rejects = true, "
        f"rejects_table = '{errors}', rejects_scan = '{errors}_scan')"
    )


def collect_errors(bench: duckdb.DuckDBPyConnection, errors: str) -> str:
    """Make a table (k from 0, record, reason, raw) of DuckDB's rejected lines, one row for each line."""
    bad = fresh_name("bad")
    words = " ".join(f"WHEN '{key}' THEN '{text}'" for key, text in REJECT_REASONS.items())
    bench.execute(
        f"CREATE TEMP TABLE {bad} AS SELECT row_number() OVER (ORDER BY line) - 1 AS k, line AS record,"
        f" CASE kind {words} ELSE lower(kind) END AS reason, raw FROM ("
        f" SELECT line, arg_min(error_type::VARCHAR, column_idx) AS kind,"
        " trim(min(csv_line), chr(13) || chr(10)) AS raw"
        f" FROM {errors} GROUP BY line)"
    )
    drop_errors(bench, errors)
    return bad


def drop_errors(bench: duckdb.DuckDBPyConnection, errors: str) -> None:
    """Drop the tables of rejected lines."""
    bench.execute(f"DROP TABLE {errors}; DROP TABLE {errors}_scan")


_OTHERS = (";", "\t", ",", "|", " ")


def read_header(
    file: LogFile, read: Read, delimiter: str, wanted: Mapping[str, str]
) -> tuple[list[str], int, tuple[str, ...]]:
    """Find the names of the columns, how many lines the header takes, and what is odd about it.

    Where the config gives the names and does not say whether there is a header, a first line that looks like a row is
    one.

    Args:
        file: a text file in UTF-8.
        read: how it is written.
        delimiter: what separates its columns.
        wanted: the columns that must be there, each with the place in the config that names it.

    Raises:
        InputError: a wanted column is missing or there twice; says so when another delimiter would fit.
    """
    head = read_head(file).decode("utf-8", errors="replace").removeprefix("\ufeff")
    first = _first_record(head, delimiter, read.quote)
    header = read.header is not False
    given = read.names
    if given is not None:
        if len(given) != len(first):
            raise InputError(
                f"{file.path}: [read] names lists {len(given)} columns, but the first line has {len(first)} "
                f"when split at {delimiter!r}{_other_delimiter(head, delimiter, read, given)}"
            )
        names = list(given)
    else:
        names = [name.strip() for name in first]
    of_path = path_columns(file, names)
    for name, place in wanted.items():
        if name not in names and name in of_path:
            continue
        if name not in names:
            hint = _other_delimiter(head, delimiter, read, [name])
            if hint:
                raise InputError(
                    f"{file.path}: the first line is {len(first)} column(s) when split at {delimiter!r}{hint}"
                )
            raise missing_column(file, name, place, names)
        check_single(file, name, names)
    head = head.lstrip("\r\n")
    lines = head[: _header_end(head, read.quote)].count("\n") + 1 if header else 0
    warnings: tuple[str, ...] = ()
    if given is not None and header and _is_row(first, given, wanted):
        if read.header is None:
            lines = 0
            said = "is read as one; set [read] header = false to say so"
        else:
            said = (
                "is left out as the header, as [read] header = true says; if there is none, set it to false"
            )
        warnings = (f"the first line looks like a row ({shown(first, 5)}) and {said}",)
    return _unique(names), lines, warnings


def _is_row(first: Sequence[str], names: Sequence[str], wanted: Mapping[str, str]) -> bool:
    """Whether a first line is a row: no cell is the name of its column, and its time has more digits than letters.

    In a log without times, a cell is a number.
    """
    cells = dict(zip(names, (cell.strip() for cell in first), strict=True))
    if any(name.casefold() == cell.casefold() for name, cell in cells.items()):
        return False
    times = [
        cells[name] for name, place in wanted.items() if place == "[columns] timestamp" and name in cells
    ]
    if not times:
        return any(re.fullmatch(r"[+-]?\d+([.,]\d+)?", cell) for cell in cells.values())
    return all(sum(map(str.isdigit, cell)) > sum(map(str.isalpha, cell)) for cell in times)


def _first_record(head: str, delimiter: str, quote: str) -> list[str]:
    if len(delimiter) > 1:  # the module csv knows single characters only
        head, delimiter = head.replace(delimiter, "\x1f"), "\x1f"
    text = io.StringIO(head.lstrip("\r\n"), newline=None)
    try:
        if not quote:
            return next(csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return next(csv.reader(text, delimiter=delimiter, quotechar=quote))
    except csv.Error:
        return head.lstrip("\r\n").split("\n", 1)[0].split(delimiter)


def _header_end(head: str, quote: str) -> int:
    """Find where the first record ends: at the first line end that is not inside quotes."""
    at = head.find("\n")
    while at >= 0 and quote and head.count(quote, 0, at) % 2:
        at = head.find("\n", at + 1)
    return 0 if at < 0 else at


def _other_delimiter(head: str, delimiter: str, read: Read, wanted: Sequence[str]) -> str:
    """Say which other delimiter would give the wanted columns, if one does."""
    for other in _OTHERS:
        if other != delimiter:
            fields = [f.strip() for f in _first_record(head, other, read.quote)]
            found = {w.casefold() for w in wanted} <= {f.casefold() for f in fields}
            if found or (read.header is False and len(fields) == len(wanted) > 1):
                return (
                    f", but {len(fields)} at {other!r}: set [read] delimiter = {_toml(other)} in the config"
                )
    return ""


def _toml(character: str) -> str:
    return '"\\t"' if character == "\t" else f'"{character}"'


def _unique(names: Sequence[str]) -> list[str]:
    """Tell columns of the same (or no) name apart, so that each has a key of its own in rejects.csv.

    >>> _unique(["", "a", "a"])
    ['column 1', 'a', 'a (3)']
    """
    taken: set[str] = set()
    unique = []
    for i, name in enumerate(names, start=1):
        name = name or f"column {i}"
        unique.append(f"{name} ({i})" if name in taken else name)
        taken.add(unique[-1])
    return unique


@dataclass(frozen=True)
class Numbering:
    """A loaded text file with its row numbers; the fields are as in RawFile."""

    source: str
    n_rows: int
    bad: str | None
    lines: str | None
    warnings: tuple[str, ...] = ()


def number_rows(
    bench: duckdb.DuckDBPyConnection,
    table: str,
    errors: str,
    n_columns: int,
    header_lines: int,
    counted: LineCount,
    delimiter: str,
) -> Numbering | None:
    """Number the rows of a loaded CSV file, bad lines counted; None when lines are not accounted for.

    A row's number is its place among all data rows, good and bad. DuckDB numbers a bad line by records: the
    header, each row, each bad line and each blank line count one. Also None when a value or a bad line holds lines that
    are rows by themselves: a quote was not closed.
    """
    n_good, n_errors = (
        count(bench, f"SELECT count(*) FROM {table}"),
        count(bench, f"SELECT count(*) FROM {errors}"),
    )
    if not n_errors and counted.n == header_lines + n_good:
        drop_errors(bench, errors)
        return Numbering(f"(SELECT *, rowid AS {ROW} FROM {table})", n_good, None, None)
    bad = collect_errors(bench, errors)
    n_bad = count(bench, f"SELECT count(*) FROM {bad}")
    blank = _table_of_blank(bench, counted)
    header_rows = int(header_lines > 0)
    bench.execute(
        f"CREATE TEMP TABLE {bad}_rows AS SELECT k + good_before AS row, good_before, k, reason, raw FROM ("
        f" SELECT k, reason, raw, record - 1 - {header_rows} - k"
        f" - (SELECT count(*) FROM {blank} WHERE line < record) AS good_before FROM {bad})"
    )
    source = with_row_numbers(table, f"{bad}_rows") if n_bad else f"(SELECT *, rowid AS {ROW} FROM {table})"
    one_each = header_lines + n_good + n_bad
    bad_query = f"SELECT row, reason, raw FROM {bad}_rows" if n_bad else None
    if counted.n == one_each:
        return Numbering(source, n_good + n_bad, bad_query, None)
    texts = [f"c{i}" for i in range(n_columns)]
    feeds = " + ".join(_feeds(c) for c in texts)
    runs = " + ".join(_runs(c) for c in texts)
    inside = (
        f"(SELECT {ROW} AS row, {feeds} AS feeds, {runs} AS runs FROM {source}"
        f" UNION ALL SELECT row, {_feeds('raw')}, {_runs('raw')} FROM {bad}_rows)"
    )
    sums = bench.execute(f"SELECT coalesce(sum(feeds), 0), coalesce(sum(runs), 0) FROM {inside}").fetchone()
    assert sums is not None
    n_feeds, n_blank_inside = int(sums[0]), int(sums[0] - sums[1])
    if counted.n != one_each + n_feeds + len(counted.blank) - n_blank_inside:
        return None
    if n_feeds and _holds_rows(bench, table, f"{bad}_rows", n_columns, delimiter):
        return None
    spans = bench.execute(
        f"SELECT count(*), sum(n), max(n) FROM (SELECT {feeds} + 1 AS n FROM {table}) WHERE n > 1"
    ).fetchone()
    assert spans is not None
    lines = _line_query(inside, blank, header_lines)
    return Numbering(source, n_good + n_bad, bad_query, lines, warn_of_spans(*spans))


def _table_of_blank(bench: duckdb.DuckDBPyConnection, counted: LineCount) -> str:
    """Make a table (line, rank from 1) of blank lines."""
    blank = fresh_name("blank")
    lines = pa.table({"line": counted.blank, "rank": np.arange(1, len(counted.blank) + 1)})
    bench.register(f"{blank}_arrow", lines)
    bench.execute(f"CREATE TEMP TABLE {blank} AS FROM {blank}_arrow")
    bench.unregister(f"{blank}_arrow")
    return blank


def _holds_rows(
    bench: duckdb.DuckDBPyConnection, table: str, bad_rows: str, n_columns: int, delimiter: str
) -> bool:
    """Whether lines inside of a value, or any but the first of a bad line, have as many columns as the header.

    Of a value half of its inner lines must have: prose has commas, too.
    """
    columns = f"(length(line) - length(replace(line, {literal(delimiter)}, ''))) = {n_columns - 1}"
    inner = " UNION ALL ".join(
        f"SELECT list_slice(string_split(c{i}, chr(10)), 2, -2) AS lines, false AS bad FROM {table}"
        f" WHERE contains(c{i}, chr(10))"
        for i in range(n_columns)
    )
    inner += (
        f" UNION ALL SELECT list_slice(string_split(raw, chr(10)), 2, -1), true FROM {bad_rows}"
        " WHERE contains(raw, chr(10))"
    )
    share = f"list_avg(list_transform(list_filter(lines, lambda x: trim(x) <> ''), lambda line: ({columns})::INTEGER))"
    found = bench.execute(
        f"SELECT 1 FROM ({inner}) WHERE {share} >= CASE WHEN bad THEN 1e-9 ELSE 0.5 END LIMIT 1"
    ).fetchone()
    return found is not None


def with_row_numbers(table: str, bad_rows: str) -> str:
    """Write the source whose row numbers leave room for the bad lines."""
    return (
        f"(SELECT t.*, t.rowid + coalesce(b.shift, 0) AS {ROW} FROM {table} t ASOF LEFT JOIN"
        f" (SELECT good_before, max(k) + 1 AS shift FROM {bad_rows} GROUP BY good_before) b"
        " ON t.rowid >= b.good_before)"
    )


def _feeds(column: str) -> str:
    return f"coalesce(length({column}) - length(replace({column}, chr(10), '')), 0)"


def _runs(column: str) -> str:
    return f"coalesce(len(regexp_extract_all({column}, '\\n(?:\\r?\\n)*')), 0)"


def _line_query(inside: str, blank: str, header_lines: int) -> str:
    """Write the query (row, line): the row's place among the lines that are not blank, then past the blank
    ones."""
    return (
        f"SELECT row, q + coalesce(b.rank, 0) AS line FROM (SELECT row, {header_lines + 1} + row + coalesce("
        "sum(runs) OVER (ORDER BY row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::BIGINT AS q"
        f" FROM {inside}) ASOF LEFT JOIN"
        f" (SELECT line - rank AS before, max(rank) AS rank FROM {blank} GROUP BY 1) b"
        " ON q > b.before"
    )


def read_by_lines(
    bench: duckdb.DuckDBPyConnection,
    file: LogFile,
    dialect: Dialect,
    n_columns: int,
    header_lines: int,
    scratch: Path,
) -> Numbering:
    """Read a text file line by line, values that run over several lines put together (see quotes.py).

    Raises:
        InputError: even so it cannot be read.
    """
    rows, part = fresh_name("rows"), scratch / f"{fresh_name('part')}.csv"
    write_records(bench, file, rows, Records(dialect.delimiter, dialect.quote, n_columns), header_lines)
    with part.open("w", encoding="utf-8", newline="") as out:
        reader = bench.execute(f"SELECT text FROM {rows} WHERE reason IS NULL ORDER BY row").to_arrow_reader()
        for batch in reader:
            out.write("\n".join(batch.column(0).to_pylist()) + "\n")
    table, errors = fresh_name("raw"), fresh_name("errors")
    try:
        load_csv(bench, str(part), table, errors, Layout(n_columns, 0, False), dialect)
    except duckdb.Error as error:
        raise InputError(
            f"{file.path}: cannot be read as text with columns ({first_words(error)})"
        ) from error
    bad = collect_errors(bench, errors)
    bench.execute(
        f"CREATE TEMP TABLE {bad}_rows AS SELECT k, reason, raw, record - 1 AS ix,"
        f" record - 1 - k AS good_before FROM {bad}"
    )
    by_ix = with_row_numbers(table, f"{bad}_rows")
    columns = ", ".join(f"c{i}" for i in range(n_columns))
    spans = bench.execute(
        f"SELECT count(*), sum(n_lines), max(n_lines) FROM {rows} WHERE n_lines > 1"
    ).fetchone()
    assert spans is not None
    return Numbering(
        source=f"(SELECT {columns}, row AS {ROW} FROM {by_ix} JOIN {rows} ON {ROW} = ix)",
        n_rows=count(bench, f"SELECT count(*) FROM {rows}"),
        bad=f"SELECT row, reason, coalesce(text, '') AS raw FROM {rows} WHERE reason IS NOT NULL"
        f" UNION ALL SELECT row, b.reason, b.raw FROM {bad}_rows b JOIN {rows} r ON b.ix = r.ix",
        lines=f"SELECT row, n AS line FROM {rows}",
        warnings=warn_of_spans(*spans),
    )


_DELIMITERS = {"csv": ",", "tsv": "\t"}
_MOST_NAMES = 20_000


def read_text(bench: duckdb.DuckDBPyConnection, file: LogFile, config: Config, scratch: Path) -> RawFile:
    """Load a delimited text file of a log into a temporary table.

    Raises:
        InputError: the file is empty, truncated, in another encoding, has another delimiter, or lacks a
            column.
        ConfigError: a .txt file and no `[read] delimiter`.
    """
    return read_delimited(bench, file, config.read, wanted_columns(config), scratch)


def read_delimited(
    bench: duckdb.DuckDBPyConnection, file: LogFile, read: Read, wanted: Mapping[str, str], scratch: Path
) -> RawFile:
    """Load a delimited text file into a temporary table.

    Args:
        bench: where the table is made.
        file: the file.
        read: how it is written; the delimiter is by default that of the file's ending.
        wanted: the columns that must be there, each with the place in the config that names it.
        scratch: a folder for texts that must be converted first.

    Raises:
        InputError, ConfigError: as read_text.
    """
    file = as_utf8(file.limited(read), read.encoding, scratch)
    file, read = only_rows(file, read, _DELIMITERS.get(file.format), scratch)
    if read.delimiter is None:
        if file.format == UNKNOWN:
            raise no_format(file.path)
        raise ConfigError(f'{file.path}: of a .txt file the config must say [read] delimiter, such as "\\t"')
    dialect = Dialect(read.delimiter, read.quote)
    names, header_lines, odd = read_header(file, read, dialect.delimiter, wanted)
    if len(names) > _MOST_NAMES:
        raise InputError(f"{file.path}: the first line holds {len(names):,} columns, which no log has")
    numbering = _load(bench, file, dialect, len(names), header_lines)
    if numbering is None:
        numbering = read_by_lines(bench, file, dialect, len(names), header_lines, scratch)
    columns = {name: f"c{i}" for i, name in enumerate(names)} | path_columns(file, names)
    return RawFile(
        file=file,
        source=numbering.source,
        columns=columns,
        types=dict.fromkeys(columns, "VARCHAR"),
        n_rows=numbering.n_rows,
        bad=numbering.bad,
        lines=numbering.lines,
        first_line=header_lines + 1,
        warnings=(*odd, *numbering.warnings),
    )


def _load(
    bench: duckdb.DuckDBPyConnection, file: LogFile, dialect: Dialect, n_columns: int, header_lines: int
) -> Numbering | None:
    """Read the file as CSV; None where not every line is accounted for."""
    counted = count_lines(file)
    table, errors = fresh_name("raw"), fresh_name("errors")
    try:
        load_csv(
            bench,
            file.readable,
            table,
            errors,
            Layout(n_columns, counted.leading, header_lines > 0, None if file.utf8 else file.compression),
            dialect,
        )
        return number_rows(bench, table, errors, n_columns, header_lines, counted, dialect.delimiter)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
