"""Which row of a text file stands on which line, and where DuckDB's bad lines belong among the rows."""

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from graphdet.logs.csv_rows import collect_errors, drop_errors
from graphdet.logs.lines import LineCount
from graphdet.logs.raw import ROW, count, fresh_name


@dataclass(frozen=True)
class Numbering:
    """A loaded text file with its row numbers; the fields are as in RawFile."""

    source: str
    n_rows: int
    bad: str | None
    lines: str | None


def number_rows(
    bench: duckdb.DuckDBPyConnection,
    table: str,
    errors: str,
    n_columns: int,
    header_lines: int,
    counted: LineCount,
) -> Numbering | None:
    """Number the rows of a loaded CSV file, bad lines counted; None when lines are not accounted for.

    A row's number is its place among all data rows, good and bad. DuckDB numbers a bad line by records: the
    header, each row, each bad line and each blank line count one.
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
    blank = fresh_name("blank")
    bench.register(
        f"{blank}_arrow", pa.table({"line": counted.blank, "rank": np.arange(1, len(counted.blank) + 1)})
    )
    bench.execute(f"CREATE TEMP TABLE {blank} AS FROM {blank}_arrow")
    bench.unregister(f"{blank}_arrow")
    header_rows = int(header_lines > 0)
    bench.execute(
        f"CREATE TEMP TABLE {bad}_rows AS SELECT k + good_before AS row, good_before, k, reason, raw FROM ("
        f" SELECT k, reason, raw, record - 1 - {header_rows} - k"
        f" - (SELECT count(*) FROM {blank} WHERE line < record) AS good_before FROM {bad})"
    )
    source = numbered(table, f"{bad}_rows") if n_bad else f"(SELECT *, rowid AS {ROW} FROM {table})"
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
    return Numbering(source, n_good + n_bad, bad_query, _line_query(inside, blank, header_lines))


def numbered(table: str, bad_rows: str) -> str:
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
