"""Remove accounts, and what is past its time, and write the file anew so that no trace of them is left in it."""

import os
import stat
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from graphdet.audit import iso_utc
from graphdet.files import beside
from graphdet.privacy import Scrub
from graphdet.store.duckdb.findings import labelled_kinds
from graphdet.store.duckdb.tables import OPEN_ROWS, quoted

GONE, ENDED = "graphdet_gone", "graphdet_ended"  # temporary tables: ids of accounts, and sessions that ended
FRESH = "graphdet_fresh"  # what the file is called while it is written anew
# Columns with sentences or JSON that may name an account.
NAMING_TEXTS = (
    ("meta", "value"),
    ("scores", "reason"),
    ("rings", "reason"),
    ("rings", "evidence"),
    ("ring_history", "origin"),
    *(("alerts", name) for name in ("key", "alert")),
    *(("answers", name) for name in ("key", "answer")),
)


class OnlyCounted(Exception):
    """Ends a transaction of which only the counts are wanted."""

    def __init__(self, counts: dict[str, int]) -> None:
        super().__init__()
        self.counts = counts


def remove_users(
    connection: duckdb.DuckDBPyConnection, user_ids: Sequence[str], as_items: bool
) -> dict[str, int]:
    """Remove accounts within a transaction; see graphdet.ports."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {GONE} AS SELECT DISTINCT unnest(?::VARCHAR[]) AS id", [list(user_ids)]
    )
    gone = f"IN (SELECT id FROM temp.{GONE})"
    users, items = f"CAST(user_id AS VARCHAR) {gone}", f"CAST(item_id AS VARCHAR) {gone}"
    acts = f"({users} OR {items})" if as_items else users
    kinds = labelled_kinds(connection)
    for kind in set(kinds) & {"session", "event"}:
        theirs = f"SELECT {kind}_id FROM events WHERE {users}"
        connection.execute(f"DELETE FROM {kind}_scores WHERE {kind}_id IN ({theirs})")
    sessions = f"SELECT count(DISTINCT session_id) FROM event_log WHERE {users}"
    counts = {"sessions": _number(connection, sessions)}
    counts["events"] = _delete(connection, "event_log", acts)
    if connection.execute(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{OPEN_ROWS}'").fetchall():
        _delete(connection, OPEN_ROWS, acts)
    counts["entities"] = _delete(connection, "entities", users)
    counts["scores"] = _delete(connection, "scores", users)
    counts["memberships"] = _delete_members(connection, users, items if as_items else "false")
    if as_items:
        counts["items"] = _delete(connection, "items", items)
        if "item" in kinds:
            _delete(connection, "item_scores", items)
    counts["history"] = _leave_out_of_history(connection, user_ids, as_items)
    counts["texts"] = _scrub(connection, kinds, Scrub(user_ids))
    connection.execute(f"DROP TABLE temp.{GONE}")
    return counts


def _delete_members(connection: duckdb.DuckDBPyConnection, users: str, items: str) -> int:
    """Take accounts out of rings; rings without a member go."""
    touched = [
        ring for (ring,) in connection.execute(f"SELECT ring_id FROM ring_members WHERE {users}").fetchall()
    ]
    n = _delete(connection, "ring_members", users)
    _delete(connection, "ring_items", items)
    left = "SELECT count(*) FROM ring_members AS m WHERE m.ring_id = rings.ring_id"
    connection.execute(
        f"UPDATE rings SET n_users = ({left}) WHERE ring_id IN (SELECT unnest(?::VARCHAR[]))", [touched]
    )
    empty = "ring_id IN (SELECT unnest(?::VARCHAR[])) AND ring_id NOT IN (SELECT ring_id FROM ring_members)"
    for table in ("ring_items", "rings"):
        connection.execute(f"DELETE FROM {table} WHERE {empty}", [touched])
    return n


def _leave_out_of_history(
    connection: duckdb.DuckDBPyConnection, user_ids: Sequence[str], as_items: bool
) -> int:
    n = 0
    for column in ("members", "items") if as_items else ("members",):
        n += _changed(
            connection,
            f"UPDATE ring_history SET {column} = list_filter({column}, lambda x: NOT list_contains($ids, x)) "
            f"WHERE list_has_any({column}, $ids)",
            {"ids": list(user_ids)},
        )
    return n


def _scrub(connection: duckdb.DuckDBPyConnection, kinds: Sequence[str], scrub: Scrub) -> int:
    """Take the names of accounts out of sentences and JSON; says out of how many."""
    n = 0
    for table, column in (*NAMING_TEXTS, *((f"{kind}_scores", "reason") for kind in kinds)):
        naming = f"list_bool_or(list_transform(?::VARCHAR[], lambda x: contains({column}, x)))"
        found = connection.execute(
            f"SELECT rowid, {column} FROM {table} WHERE {naming}", [scrub.needles()]
        ).fetchall()
        for row, text in found:
            clean = scrub.document(text)
            if clean != text:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", [clean, row])
                n += 1
    return n


def remove_before(connection: duckdb.DuckDBPyConnection, before_ms: int) -> dict[str, int]:
    """Remove sessions that ended before a time, within a transaction; see graphdet.ports."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ENDED} AS SELECT session_id FROM event_log "
        "GROUP BY session_id HAVING max(at_ms) < ?",
        [before_ms],
    )
    counts = {"sessions": _number(connection, f"SELECT count(*) FROM temp.{ENDED}")}
    counts["events"] = _delete(
        connection, "event_log", f"session_id IN (SELECT session_id FROM temp.{ENDED})"
    )
    connection.execute(f"DROP TABLE temp.{ENDED}")
    for table, column in (("entities", "user_id"), ("items", "item_id")):
        left = f"SELECT CAST({column} AS VARCHAR) FROM event_log"
        counts[table] = _delete(connection, table, f"{column} NOT IN ({left})")
    if connection.execute(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{OPEN_ROWS}'").fetchall():
        connection.execute(f"DELETE FROM {OPEN_ROWS} WHERE at_ms < ?", [before_ms])
    return counts


def remove_findings_before(connection: duckdb.DuckDBPyConnection, before_ms: int) -> dict[str, int]:
    """Remove what runs found before a time: the history of rings, and alerts."""
    before = iso_utc(datetime.fromtimestamp(before_ms / 1000, UTC))
    return {
        name: _delete(connection, table, f"\"at\" < '{before}'")
        for name, table in (("history", "ring_history"), ("alerts", "alerts"))
    }


def write_anew(connection: duckdb.DuckDBPyConnection, path: Path, storage_version: str) -> None:
    """Copy all that is in use into a new file and put it in the place of the old one, under an open connection.

    The connection goes on reading the old file, which has no name any more; close it and open the path again.
    """
    with beside(path) as temporary:
        connection.execute("CHECKPOINT")
        ours = quoted(_text(connection, "SELECT current_database()"))
        escaped = str(temporary).replace("'", "''")
        connection.execute(f"ATTACH '{escaped}' AS {FRESH} (STORAGE_VERSION '{storage_version}')")
        try:
            connection.execute(f"COPY FROM DATABASE {ours} TO {FRESH}")
        finally:
            connection.execute(f"DETACH {FRESH}")
        temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)


def _delete(connection: duckdb.DuckDBPyConnection, table: str, which: str) -> int:
    return _changed(connection, f"DELETE FROM {table} WHERE {which}")


def _changed(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, object] | None = None
) -> int:
    return int(connection.execute(statement, dict(parameters or {}) or None).fetchall()[0][0])


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])


def _text(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    return str(connection.execute(query).fetchall()[0][0])
