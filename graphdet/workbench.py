"""The workbench: the DuckDB engine on which expressions over a whole log run, whatever store the log came from."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet.progress import without_bar
from graphdet.tables import Frame

_PASSING_VIEW = "graphdet_frame"  # what a frame is called in SQL while it is written into a table


class Workbench:
    """Frames over Arrow tables, and tables that keep what a frame computes.

    Every store has one: the DuckDB store that of its own file, the Neo4j store one in memory. Its tables are temporary:
    they are gone when the store is closed.

    Args:
        connection: the DuckDB connection to work on; whoever opened it closes it.

    >>> with Workbench.in_memory() as bench:
    ...     frame = bench.from_arrow(pa.table({"n": [1, 2, 3]}))
    ...     kept = bench.keep("large_ones", frame.filter(nw.col("n") > 1))
    ...     kept.collect("pyarrow").to_native().to_pylist()
    [{'n': 2}, {'n': 3}]
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def in_memory(cls) -> Iterator["Workbench"]:
        """Open a workbench of its own in memory, for work without a store; it is closed at the end."""
        with duckdb.connect() as connection:
            without_bar(connection)
            yield cls(connection)

    def from_arrow(self, table: pa.Table) -> Frame:
        """Make a frame that reads an Arrow table where it lies."""
        frame: Frame = nw.from_native(self._connection.from_arrow(table))
        return frame

    def keep(self, name: str, frame: Frame) -> Frame:
        """Compute a frame of this workbench once, as a temporary table; a table of that name is replaced."""
        # By a view, as frames over arrays have no SQL of their own.
        native: duckdb.DuckDBPyRelation = frame.to_native()
        native.query(_PASSING_VIEW, f'CREATE OR REPLACE TEMP TABLE "{name}" AS FROM {_PASSING_VIEW}')
        self._connection.execute(f"DROP VIEW IF EXISTS {_PASSING_VIEW}")
        kept: Frame = nw.from_native(self._connection.table(f'temp."{name}"'))
        return kept

    def drop(self, name: str) -> None:
        """Drop a table that `keep` made."""
        self._connection.execute(f'DROP TABLE temp."{name}"')

    @contextmanager
    def borrow(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend the connection to who needs SQL, as reading a log does.

        At the end, all temporary tables and views that were made meanwhile are dropped; they are as large as the log.
        What a store reads into its workbench meanwhile is dropped too, so read graphs before or after.
        """
        before = self._temporary()
        try:
            yield self._connection
        finally:
            for kind, name in sorted(self._temporary() - before):
                self._connection.execute(f'DROP {kind} IF EXISTS temp."{name}"')

    def _temporary(self) -> set[tuple[str, str]]:
        found = self._connection.execute(
            "SELECT 'TABLE', table_name FROM duckdb_tables() WHERE temporary UNION ALL "
            "SELECT 'VIEW', view_name FROM duckdb_views() WHERE temporary AND NOT internal"
        )
        return {(kind, name) for kind, name in found.fetchall()}
