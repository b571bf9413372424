"""Delimited text (CSV, TSV and the like): every column as text, bad lines put aside with line and reason.

The dialect is not guessed: the delimiter is the ending's (or `[read] delimiter`), the quote is `"`. Every
line of the file must be accounted for: header + rows + bad lines + blank lines + line ends inside quotes.
Where the sum is off, or DuckDB gives up (a quote that is never closed, mixed line ends), the file is read
once more line by line, and the lines with an open quote are put aside (salvage.py).
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb

from graphdet.config import Config, Read
from graphdet.errors import ConfigError
from graphdet.logs.csv_rows import Dialect, load_csv
from graphdet.logs.files import LogFile, as_utf8
from graphdet.logs.header import read_header
from graphdet.logs.lines import count_lines
from graphdet.logs.numbering import Numbering, number_rows
from graphdet.logs.raw import RawFile, fresh_name, wanted_columns
from graphdet.logs.salvage import read_by_lines

_DELIMITERS = {"csv": ",", "tsv": "\t"}


def read_text(bench: duckdb.DuckDBPyConnection, file: LogFile, config: Config, scratch: Path) -> RawFile:
    """Load a delimited text file of a log into a temporary table.

    Raises:
        InputError: the file is empty, truncated, in another encoding, has another delimiter, or lacks a
            column.
        ConfigError: a .txt file and no `[read] delimiter`.
    """
    if file.format == "txt" and config.read.delimiter is None:
        raise ConfigError(f'{file.path}: of a .txt file the config must say [read] delimiter, such as "\\t"')
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
        InputError: as read_text.
    """
    dialect = Dialect(read.delimiter or _DELIMITERS[file.format], read.quote)
    file = as_utf8(file, read.encoding, scratch)
    names, header_lines = read_header(file, read, dialect.delimiter, wanted)
    numbering = _load(bench, file, dialect, len(names), header_lines)
    if numbering is None:
        numbering = read_by_lines(bench, file, dialect, len(names), header_lines, scratch)
    return RawFile(
        file=file,
        source=numbering.source,
        columns={name: f"c{i}" for i, name in enumerate(names)},
        types=dict.fromkeys(names, "VARCHAR"),
        n_rows=numbering.n_rows,
        bad=numbering.bad,
        lines=numbering.lines,
        first_line=header_lines + 1,
    )


def _load(
    bench: duckdb.DuckDBPyConnection, file: LogFile, dialect: Dialect, n_columns: int, header_lines: int
) -> Numbering | None:
    """Read the file as CSV; None where not every line is accounted for."""
    counted = count_lines(file)
    table, errors = fresh_name("raw"), fresh_name("errors")
    try:
        load_csv(bench, file.readable, table, errors, n_columns, counted.leading, header_lines > 0, dialect)
        return number_rows(bench, table, errors, n_columns, header_lines, counted)
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
