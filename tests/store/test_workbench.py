"""The workbench keeps what it is asked to keep, and nothing else stays."""

import duckdb
import narwhals as nw
import pyarrow as pa
import pytest

from graphdet.tables import Frame
from graphdet.workbench import Workbench


def numbers(frame: Frame) -> list[int]:
    return sorted(frame.collect("pyarrow").to_native()["n"].to_pylist())


def names(bench: Workbench) -> list[str]:
    """Tables and views of the workbench, but for the engine's own."""
    with bench.borrow() as connection:
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    return sorted(name for (name,) in found)


def fail_after_making_a_table(bench: Workbench) -> None:
    with bench.borrow() as connection:
        connection.execute("CREATE TEMP TABLE passing AS SELECT 1 AS n")
        connection.execute("SELECT CAST('x' AS INTEGER)").fetchall()


def test_a_table_is_kept_replaced_and_dropped() -> None:
    with Workbench.in_memory() as bench:
        frame = bench.from_arrow(pa.table({"n": [3, 1, 2]}))
        kept = bench.keep("some", frame.filter(nw.col("n") > 1))
        assert numbers(kept) == [2, 3]
        assert numbers(bench.keep("some", kept.filter(nw.col("n") > 2))) == [
            3
        ]  # from the table that it replaces
        assert names(bench) == ["some"]
        bench.drop("some")
        assert names(bench) == []


def test_what_a_borrower_leaves_is_dropped_and_what_was_there_stays() -> None:
    with Workbench.in_memory() as bench:
        kept = bench.keep("before", bench.from_arrow(pa.table({"n": [1]})))
        with bench.borrow() as connection:
            connection.execute('CREATE TEMP TABLE "odd name" AS SELECT 1 AS n')
            connection.execute("CREATE TEMP VIEW seen AS SELECT * FROM before")
            connection.execute("CREATE TABLE lasting AS SELECT 1 AS n")
        assert names(bench) == ["before", "lasting"]
        with pytest.raises(duckdb.ConversionException):
            fail_after_making_a_table(bench)
        assert names(bench) == ["before", "lasting"]
        assert numbers(kept) == [1]
