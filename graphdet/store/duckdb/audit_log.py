"""The audit log in its table, and its head in another."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import duckdb

from graphdet.audit import SHOWN_FIELDS, AuditLog, Draft, Entry, Head, chained, iso_utc, utc_now
from graphdet.errors import GraphdetError, StoreError
from graphdet.store.duckdb.tables import quoted

# Another connection of this process may be noting something: one of the two is refused and tries again.
APPEND_TRIES = 50
NO_HEAD_MESSAGE = (
    "the audit log has no head: somebody removed it; nothing is noted on top of that. "
    "Look with: graphdet audit verify"
)
OpenTransaction = Callable[[str], AbstractContextManager[duckdb.DuckDBPyConnection]]


def append_entries(
    transaction: OpenTransaction, drafts: Sequence[Draft], redacted: Sequence[Entry] = ()
) -> Head:
    """Add entries in one transaction that changes the head first, so that of two at a time one is refused.

    Raises:
        GraphdetError: the log has no head.
        StoreError: other connections of this process never stopped noting things.
    """
    for attempt in range(APPEND_TRIES):
        try:
            with transaction("writing the audit log of") as connection:
                for entry in redacted:
                    _redact(connection, entry)
                return _append(connection, drafts)
        except StoreError as error:
            if not isinstance(error.__cause__, duckdb.TransactionException) or attempt == APPEND_TRIES - 1:
                raise
            time.sleep(random.uniform(0, 0.02 * (attempt + 1)))
    raise AssertionError("the last try returned or raised")


def _append(connection: duckdb.DuckDBPyConnection, drafts: Sequence[Draft]) -> Head:
    head = _head(connection)
    if head is None:
        raise GraphdetError(NO_HEAD_MESSAGE)
    entries, after = chained(drafts, head, iso_utc(utc_now()))
    connection.execute("UPDATE audit_head SET count = ?, hash = ?", [after.count, after.hash])
    columns = ("seq", "entry", "hash", *SHOWN_FIELDS)
    listed, places = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
    for entry in entries:
        values = [entry.seq, entry.entry, entry.hash, *(entry.shown[name] for name in SHOWN_FIELDS)]
        connection.execute(f"INSERT INTO audit ({listed}) VALUES ({places})", values)
    return after


def _redact(connection: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    copies = ", ".join(f"{quoted(name)} = ?" for name in SHOWN_FIELDS)
    values = [entry.entry, *(entry.shown[name] for name in SHOWN_FIELDS), entry.seq]
    connection.execute(f"UPDATE audit SET entry = ?, {copies} WHERE seq = ?", values)


def _head(connection: duckdb.DuckDBPyConnection) -> Head | None:
    rows = connection.execute("SELECT count, hash FROM audit_head").fetchall()
    return Head(*rows[0]) if len(rows) == 1 else None


def read_audit_log(connection: duckdb.DuckDBPyConnection) -> AuditLog:
    """The log as it stands, by seq."""
    listed = ", ".join(quoted(name) for name in ("seq", "entry", "hash", *SHOWN_FIELDS))
    rows = connection.execute(f"SELECT {listed} FROM audit ORDER BY seq, rowid").fetchall()
    entries = [
        Entry(seq, text, hashed, dict(zip(SHOWN_FIELDS, shown, strict=True)))
        for seq, text, hashed, *shown in rows
    ]
    return AuditLog(tuple(entries), _head(connection))
