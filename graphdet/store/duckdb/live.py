"""The tables of a log that grows: open rows, the outbox of alerts, answers to callers."""

from collections.abc import Mapping, Sequence

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet import schema
from graphdet.store.duckdb.findings import append_rows
from graphdet.store.duckdb.tables import INCOMING, OPEN_ROWS, quoted
from graphdet.tables import Frame

READ_ALERTS = (
    f"SELECT {', '.join(map(quoted, schema.ALERT_COLUMNS))} FROM alerts WHERE seq > $after ORDER BY seq"
)


def open_rows(connection: duckdb.DuckDBPyConnection, since_ms: int | None) -> Frame | None:
    """The open rows with since_ms <= at_ms; None before there were any."""
    if not _has_open_rows(connection):
        return None
    chosen = "" if since_ms is None else f" WHERE at_ms >= {int(since_ms)}"
    return nw.from_native(connection.sql(f"SELECT * FROM {OPEN_ROWS}{chosen}"))


def add_open_rows(connection: duckdb.DuckDBPyConnection, rows: Frame) -> None:
    """Add open rows by the names of their columns; the first ones make the table."""
    native: duckdb.DuckDBPyRelation = rows.to_native()
    listed = ", ".join(map(quoted, native.columns))
    write = f"INSERT INTO {OPEN_ROWS} ({listed}) SELECT {listed} FROM {INCOMING}"
    if not _has_open_rows(connection):
        write = f"CREATE TABLE {OPEN_ROWS} AS SELECT {listed} FROM {INCOMING}"
    native.query(INCOMING, write)
    connection.execute(f"DROP VIEW IF EXISTS {INCOMING}")


def close_rows(connection: duckdb.DuckDBPyConnection, before_ms: int) -> None:
    """Forget the open rows with at_ms < before_ms."""
    if _has_open_rows(connection):
        connection.execute(f"DELETE FROM {OPEN_ROWS} WHERE at_ms < ?", [before_ms])


def add_alerts(connection: duckdb.DuckDBPyConnection, alerts: pa.Table) -> None:
    """Add alerts, numbered on."""
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM alerts").fetchall()[0][0]
    numbers = pa.array(range(last + 1, last + 1 + alerts.num_rows), pa.int64())
    append_rows(connection, "alerts", schema.ALERT_COLUMNS, alerts.append_column("seq", numbers))


def kept_answers(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, str]:
    """The answers that are kept under some keys."""
    found = connection.execute(
        "SELECT key, answer FROM answers WHERE key IN (SELECT unnest(?))", [list(keys)]
    )
    return dict(found.fetchall())


def add_answers(connection: duckdb.DuckDBPyConnection, given: Mapping[str, str], most: int) -> None:
    """Keep answers under their keys, and forget all but the newest `most`."""
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM answers").fetchall()[0][0]
    rows = [(last + 1 + place, key, answer) for place, (key, answer) in enumerate(given.items())]
    connection.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)
    connection.execute("DELETE FROM answers WHERE seq <= ?", [last + len(rows) - most])


def _has_open_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    sql = "SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND NOT temporary"
    return bool(connection.execute(sql, [OPEN_ROWS]).fetchall())
