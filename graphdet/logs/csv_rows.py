"""DuckDB's CSV reader, told everything and left to guess nothing; the lines it refuses are collected."""

from dataclasses import dataclass

import duckdb

from graphdet.logs.raw import fresh_name, literal

# DuckDB's error types in words for rejects.csv.
REASONS = {
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


def load_csv(
    bench: duckdb.DuckDBPyConnection,
    path: str,
    table: str,
    errors: str,
    n_columns: int,
    skip: int,
    header: bool,
    dialect: Dialect,
) -> None:
    """Read a CSV file into a temporary table of text columns c0, c1, …; bad ones go to `errors`.

    DuckDB takes a blank first line for the header, so blank lines before it must be skipped (`skip`).
    """
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n_columns))
    bench.execute(
        f"CREATE TEMP TABLE {table} AS SELECT * FROM read_csv({literal(path)}, columns = {{{columns}}}, "
        f"auto_detect = false, skip = {skip}, header = {header}, delim = {literal(dialect.delimiter)}, "
        f"quote = {literal(dialect.quote)}, escape = {literal(dialect.quote)}, nullstr = '', "
        "strict_mode = true, store_rejects = true, "
        f"rejects_table = '{errors}', rejects_scan = '{errors}_scan')"
    )


def collect_errors(bench: duckdb.DuckDBPyConnection, errors: str) -> str:
    """Make a table (k from 0, record, reason, raw) of DuckDB's rejected lines, one row for each line."""
    bad = fresh_name("bad")
    words = " ".join(f"WHEN '{key}' THEN '{text}'" for key, text in REASONS.items())
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
