"""Parquet files: read in place, only the mapped columns, row numbers from the file itself.

`a.b` names the field b of the struct a, as in JSON lines; a column that is called `a.b` comes first.
"""

from typing import Any

import duckdb

from graphdet.config import Config
from graphdet.errors import InputError
from graphdet.logs.files import LogFile
from graphdet.logs.raw import (
    ROW,
    RawFile,
    check_single,
    count,
    first_words,
    identifier,
    literal,
    missing_column,
    path_columns,
    wanted_columns,
)


def read_parquet(bench: duckdb.DuckDBPyConnection, file: LogFile, config: Config) -> RawFile:
    """Look at a Parquet file; nothing is copied.

    Raises:
        InputError: it is not Parquet, is damaged, or lacks a mapped column.
    """
    path = literal(file.path)
    try:
        described = bench.execute(f"DESCRIBE FROM read_parquet({path}, hive_partitioning = false)").fetchall()
        names = _top_names(
            bench.execute(f"SELECT name, num_children FROM parquet_schema({path}) OFFSET 1").fetchall()
        )
        n_rows = count(bench, f"SELECT sum(num_rows) FROM parquet_file_metadata({path})")
    except duckdb.Error as error:
        raise InputError(f"{file.path}: is no Parquet file or is damaged ({first_words(error)})") from error
    if any(name == "file_row_number" for name, *_ in described):
        raise InputError(f"{file.path}: has a column file_row_number, DuckDB's own word; rename it")
    types = {name: kind for name, kind, *_ in described}
    columns = {name: identifier(name) for name in types} | (of_path := path_columns(file, types))
    types |= dict.fromkeys(of_path, "VARCHAR")
    for name, place in wanted_columns(config).items():
        field = None if name in types else _field(bench, path, name)
        if field is not None:
            columns[name], types[name] = field
        elif name not in types:
            raise missing_column(file, name, place, list(types))
        check_single(file, name.partition(".")[0] if field else name, names)
    options = "file_row_number = true, hive_partitioning = false"  # a folder KEY=VALUE must not hide a column
    source = f"(SELECT *, file_row_number AS {ROW} FROM read_parquet({path}, {options}))"
    return RawFile(file, source, columns, types, n_rows)


def _top_names(elements: list[tuple[str, int | None]]) -> list[str]:
    """The columns among the elements of a schema, each of which stands before its children."""
    names, inside = [], 0
    for name, n_children in elements:
        if not inside:
            names.append(name)
        inside = max(inside - 1, 0) + (n_children or 0)
    return names


def _field(bench: duckdb.DuckDBPyConnection, path: str, name: str) -> tuple[str, str] | None:
    """SQL and type of the field that a name with dots leads to; None where it leads nowhere."""
    column, *fields = name.split(".")
    found = bench.sql(f"FROM read_parquet({path}, hive_partitioning = false)")
    kind: Any = dict(zip(found.columns, found.types, strict=True)).get(column)
    sql = identifier(column)
    for field in fields:
        inside = dict(kind.children) if kind is not None and kind.id == "struct" else {}
        kind = inside.get(field)
        sql = f"struct_extract({sql}, {literal(field)})"
    return (sql, str(kind)) if fields and kind is not None else None
