"""Frames on the workbench: kept as temporary tables, counted."""

import duckdb
import narwhals as nw

from graphdet.logs.raw import fresh_name
from graphdet.tables import Frame

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
