"""A log into the graph over Bolt: batches in a fixed order, each counted in the transaction that writes it.

Batches are written one after the other by one writer: all users meet at the popular items, and two writers
whose batches share a node would wait for each other there, or deadlock.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb

from graphdet import schema
from graphdet.errors import InputError, StoreError
from graphdet.ports import Source
from graphdet.progress import Progress
from graphdet.store.neo4j.client import Client, Transaction
from graphdet.store.neo4j.statements import cypher, entity_label, names, type_of_action
from graphdet.tables import Frame, LogTables, require_columns

BATCH_ROWS = 10_000
VIEW = "graphdet_incoming"
SORTED = "graphdet_sorted"


@dataclass(frozen=True)
class StatementStep:
    """Rows that one statement writes: those of `select`, sorted, in batches."""

    statement: str
    select: str
    parameters: dict[str, Any]


def stage(connection: duckdb.DuckDBPyConnection, log: LogTables) -> None:
    """Copy the tables of a log into temporary tables of the connection: graphdet_incoming_items and so on.

    Raises:
        ValueError: a table lacks a column of its contract.
    """
    for name, frame, columns in (
        ("items", log.items, schema.ITEM_COLUMNS),
        ("sessions", log.sessions, schema.SESSION_COLUMNS),
        ("entities", log.entities, schema.ENTITY_COLUMNS),
        ("interactions", log.interactions, schema.INTERACTION_COLUMNS),
    ):
        relation = _native(frame)
        require_columns(relation.columns, columns, name)
        listed = ", ".join(columns)
        relation.query(VIEW, f"CREATE OR REPLACE TEMP TABLE {VIEW}_{name} AS SELECT {listed} FROM {VIEW}")
        connection.execute(f"DROP VIEW IF EXISTS temp.{VIEW}")


def unstage(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables that `stage` made."""
    for name in ("items", "sessions", "entities", "interactions"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{VIEW}_{name}")
    connection.execute(f"DROP TABLE IF EXISTS temp.{SORTED}")


def _native(frame: Frame) -> duckdb.DuckDBPyRelation:
    native: duckdb.DuckDBPyRelation = frame.to_native()
    return native


def kinds_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The entity kinds of the staged log, sorted."""
    return _distinct(connection, "kind", "entities")


def actions_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The actions of the staged log, sorted."""
    return _distinct(connection, "action", "interactions")


def _distinct(connection: duckdb.DuckDBPyConnection, column: str, name: str) -> list[str]:
    found = connection.execute(f"SELECT DISTINCT {column} FROM {VIEW}_{name} ORDER BY {column}").fetchall()
    return [value for (value,) in found]


def create_constraints(client: Client, kinds: list[str]) -> None:
    """Make the constraints, and with them the indexes, that every later lookup needs."""
    statements = [cypher(f"schema/{name}") for name in names("schema") if name != "entity"]
    for label in sorted({entity_label(kind) for kind in kinds}):
        statements.append(cypher("schema/entity", label=label, constraint=f"graphdet_entity_{label}"))
    with ThreadPoolExecutor(max_workers=2) as workers:  # after a bulk load each must first read all its nodes
        list(workers.map(client.run, statements))


def check_owners(connection: duckdb.DuckDBPyConnection, sessions: Frame) -> None:
    """Check that no session of the staged log is another user's in the store.

    Raises:
        InputError: one is; the reader of logs should have renamed it.
    """
    known = _native(sessions)
    known.query(
        "graphdet_known",
        f"""CREATE OR REPLACE TEMP TABLE {SORTED} AS
            SELECT session_id, new.user_id, known.user_id AS owner
            FROM {VIEW}_sessions AS new JOIN graphdet_known AS known USING (session_id)
            WHERE new.user_id <> known.user_id ORDER BY session_id LIMIT 1""",
    )
    found = connection.execute(f"SELECT session_id, user_id, owner FROM {SORTED}").fetchone()
    connection.execute("DROP VIEW IF EXISTS temp.graphdet_known")
    if found:
        raise InputError(
            f"session {found[0]!r} belongs to user {found[1]!r} in this log and to user {found[2]!r} in the "
            f"store; give the log's sessions ids of their own"
        )


def fingerprint(connection: duckdb.DuckDBPyConnection) -> str:
    """What the batches of the staged log depend on: keys, times and counts (sums may differ in the last digit)."""
    parts = [f"batches of {BATCH_ROWS}"]
    for name, columns in (
        ("items", "item_id"),
        ("sessions", "session_id, user_id, started_ms, ended_ms"),
        ("entities", "user_id, kind, entity_id, first_ms, n"),
        ("interactions", "user_id, session_id, item_id, action, at_ms, n"),
    ):
        row = connection.execute(
            f"SELECT count(*), coalesce(bit_xor(hash({columns})), 0) FROM {VIEW}_{name}"
        ).fetchone()
        parts.append(f"{name} {row[0]} {row[1]}" if row else name)
    return "; ".join(parts)


def _steps(connection: duckdb.DuckDBPyConnection) -> Iterator[StatementStep]:
    yield StatementStep(cypher("write/items"), f"FROM {VIEW}_items ORDER BY item_id", {})
    yield StatementStep(cypher("write/sessions"), f"FROM {VIEW}_sessions ORDER BY user_id, session_id", {})
    for kind in kinds_of(connection):
        yield StatementStep(
            cypher("write/entities", label=entity_label(kind)),
            f"FROM {VIEW}_entities WHERE kind = $of ORDER BY user_id, entity_id",
            {"kind": kind},
        )
    for action in actions_of(connection):
        rel_type, kept = type_of_action(action)
        yield StatementStep(
            cypher("write/interactions", rel_type=rel_type),
            f"FROM {VIEW}_interactions WHERE action = $of ORDER BY user_id, session_id, item_id",
            {"action": kept, "of": action},
        )


def write_batches(
    client: Client, connection: duckdb.DuckDBPyConnection, source: Source, progress: Progress
) -> None:
    """Write the staged log, going on where an earlier try of the same source was cut off.

    Raises:
        StoreError: the server cannot be reached or another log's ingest was cut off.
    """
    begun = client.write(_begin(source, fingerprint(connection)))
    if begun["complete"]:
        return
    if not begun["settling"]:
        n_rows = connection.execute(
            f"SELECT (SELECT count(*) FROM {VIEW}_items) + (SELECT count(*) FROM {VIEW}_sessions)"
            f" + (SELECT count(*) FROM {VIEW}_entities) + (SELECT count(*) FROM {VIEW}_interactions)"
        ).fetchone()
        progress.start("write to Neo4j", int(n_rows[0]) if n_rows else None)
        try:
            _write_steps(client, connection, source.digest, int(begun["batch"]), progress)
        finally:
            progress.done()
        client.run(cypher("write/begin-settling"), digest=source.digest)
    repeat(client, cypher("write/settle-sessions"))
    client.run(cypher("write/end-ingest"), digest=source.digest)


def _begin(source: Source, mark: str) -> Callable[[Transaction], dict[str, Any]]:
    def begin(tx: Transaction) -> dict[str, Any]:
        found = tx.run(
            cypher("write/begin-ingest"),
            digest=source.digest,
            files=list(source.files),
            nRows=source.n_rows,
            nRejects=source.n_rejects,
            fingerprint=mark,
        ).data()[0]
        if found["complete"]:
            return found
        if found["others"]:
            raise StoreError(unfinished(found["others"]))
        if found["fingerprint"] != mark and not found["settling"] and found["batch"]:
            raise StoreError(
                f"the ingest of {', '.join(source.files)} was interrupted, and the log is read "
                f"differently now; "
                "repeat it with the version of graphdet that began it, or empty the database and start anew"
            )
        return found

    return begin


def unfinished(others: list[list[str]]) -> str:
    """What to say while an ingest is not complete."""
    files = ", ".join(sorted({file for one in others for file in one}))
    return (
        f"an ingest of {files} is not complete: it runs, or was interrupted; "
        "wait for it, or run it again (it goes on where it was)"
    )


def _write_steps(
    client: Client, connection: duckdb.DuckDBPyConnection, digest: str, done: int, progress: Progress
) -> None:
    batch = 0
    for step in _steps(connection):
        of = step.parameters.get("of", step.parameters.get("kind"))
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {SORTED} AS SELECT * {step.select}",
            {"of": of} if of is not None else None,
        )
        count = connection.execute(f"SELECT count(*) FROM {SORTED}").fetchone()
        n_rows = int(count[0]) if count else 0
        for first in range(0, n_rows, BATCH_ROWS):
            batch += 1
            last = min(first + BATCH_ROWS, n_rows)
            if batch > done:
                rows = connection.execute(
                    f"SELECT * FROM {SORTED} WHERE rowid >= {first} AND rowid < {last} ORDER BY rowid"
                ).to_arrow_table()
                client.write(_batch(step, rows.to_pylist(), digest, batch))
            progress.advance(last - first)


def _batch(
    step: StatementStep, rows: list[dict[str, Any]], digest: str, batch: int
) -> Callable[[Transaction], None]:
    def write(tx: Transaction) -> None:
        locked = tx.run(cypher("write/take-batch"), digest=digest).single()
        if locked is None:
            raise StoreError("the ingest was removed from the database while it ran; run it again")
        if (locked["batch"] or 0) >= batch:  # tried again after all, or another process was faster
            return
        tx.run(step.statement, rows=rows, **step.parameters).consume()
        tx.run(cypher("write/finish-batch"), digest=digest, batch=batch).consume()

    return write


def repeat(client: Client, statement: str) -> None:
    """Run a statement that handles `$size` nodes and says how many, until none is left."""
    while client.run(statement, size=BATCH_ROWS)[0]["n"]:
        pass
