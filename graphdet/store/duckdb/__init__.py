"""The embedded store: one DuckDB file, no server."""

from graphdet.store.duckdb.store import DuckDBStore

__all__ = ["DuckDBStore"]
