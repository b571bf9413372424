"""The slow way through a text file that is broken as a whole: each line for itself.

A quote that is never closed makes a CSV reader swallow the lines after it, and mixed line ends stop it. Here
each physical line is a row: a line whose quotes do not close, one that is no UTF-8 or has a carriage return
within is put aside, and all others are read. (Values that run over several lines are put aside with their
lines, too.)
"""

from pathlib import Path

import duckdb

from graphdet.errors import InputError
from graphdet.logs.csv_rows import Dialect, collect_errors, load_csv
from graphdet.logs.files import LogFile
from graphdet.logs.lines import load_lines
from graphdet.logs.numbering import Numbering, numbered
from graphdet.logs.raw import ROW, count, first_words, fresh_name, literal


def read_by_lines(
    bench: duckdb.DuckDBPyConnection,
    file: LogFile,
    dialect: Dialect,
    n_columns: int,
    header_lines: int,
    scratch: Path,
) -> Numbering:
    """Read a text file line by line.

    Raises:
        InputError: even so it cannot be read.
    """
    lines, rows = fresh_name("lines"), fresh_name("rows")
    load_lines(bench, file, lines)
    odd = "false"
    if dialect.quote:
        odd = f"(length(text) - length(replace(text, {literal(dialect.quote)}, ''))) % 2 = 1"
    bench.execute(
        f"CREATE TEMP TABLE {rows} AS SELECT row, n, text, reason,"
        " CASE WHEN reason IS NULL THEN"
        " row_number() OVER (PARTITION BY reason IS NULL ORDER BY row) - 1 END AS ix"
        f" FROM (SELECT n, text, row_number() OVER (ORDER BY n) - 1 - {header_lines} AS row,"
        f" CASE WHEN text IS NULL THEN 'not UTF-8' WHEN {odd} THEN 'a quote is not closed on this line'"
        f" WHEN contains(text, chr(13)) THEN 'a carriage return within the line' END AS reason"
        f" FROM {lines} WHERE text IS NULL OR text <> '') WHERE row >= 0"
    )
    bench.execute(f"DROP TABLE {lines}")
    part = scratch / f"{rows}.csv"
    with part.open("w", encoding="utf-8", newline="") as out:
        reader = bench.execute(f"SELECT text FROM {rows} WHERE reason IS NULL ORDER BY row").to_arrow_reader()
        for batch in reader:
            out.write("\n".join(batch.column(0).to_pylist()) + "\n")
    table, errors = fresh_name("raw"), fresh_name("errors")
    try:
        load_csv(bench, str(part), table, errors, n_columns, 0, False, dialect)
    except duckdb.Error as error:
        raise InputError(
            f"{file.path}: cannot be read as text with columns ({first_words(error)})"
        ) from error
    bad = collect_errors(bench, errors)
    bench.execute(
        f"CREATE TEMP TABLE {bad}_rows AS SELECT k, reason, raw, record - 1 AS ix,"
        f" record - 1 - k AS good_before FROM {bad}"
    )
    by_ix = numbered(table, f"{bad}_rows")
    columns = ", ".join(f"c{i}" for i in range(n_columns))
    return Numbering(
        source=f"(SELECT {columns}, row AS {ROW} FROM {by_ix} JOIN {rows} ON {ROW} = ix)",
        n_rows=count(bench, f"SELECT count(*) FROM {rows}"),
        bad=f"SELECT row, reason, coalesce(text, '') AS raw FROM {rows} WHERE reason IS NOT NULL"
        f" UNION ALL SELECT row, b.reason, b.raw FROM {bad}_rows b JOIN {rows} r ON b.ix = r.ix",
        lines=f"SELECT row, n AS line FROM {rows}",
    )
