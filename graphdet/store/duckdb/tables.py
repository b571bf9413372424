"""The tables of a DuckDB store and the check that a file has them.

The events are the truth, appended source by source to `event_log`; `events`, `interactions` and `sessions`
are views over it, so merging a second log, or repeating a killed one, cannot leave them at odds. Nothing
carries a primary key: DuckDB's index would cost more than the load itself; every writer keeps keys unique.

`event_log` is packed: ids that are whole numbers in the log are BIGINT as long as all sources have them so,
and an event id that is the row number is null. The views show the contract's columns, ids as VARCHAR.
"""

from pathlib import Path

import duckdb

from graphdet import audit, schema
from graphdet.errors import InputError
from graphdet.store.duckdb.problems import damaged

SCHEMA_VERSION = "1"
VERSION_KEY = "graphdet.schema_version"
INCOMING = "graphdet_incoming"  # what a frame or table being written is called in SQL
SOURCE_COLUMN = "source_ix"  # of events, beside schema.EVENT_COLUMNS: which row of `sources`
PACKED_ID_COLUMNS = ("user_id", "item_id", "session_id")  # BIGINT or VARCHAR in event_log

EVENT_TYPES = {
    "event_id": "VARCHAR",
    "event_row": "BIGINT NOT NULL",
    "user_id": "VARCHAR NOT NULL",
    "item_id": "VARCHAR NOT NULL",
    "session_id": "VARCHAR NOT NULL",
    "action": "VARCHAR NOT NULL",
    "at_ms": "BIGINT NOT NULL",
    "amount": "DOUBLE",
    "quantity": "DOUBLE",
    "text": "VARCHAR",
}
SCORE_TYPES = {
    "user_id": "VARCHAR",
    "score": "DOUBLE",
    "p_value": "DOUBLE",
    "q_value": "DOUBLE",
    "flagged": "BOOLEAN",
    "ring_id": "VARCHAR",
    "gnn": "DOUBLE",
    "cluster_distance": "DOUBLE",
    "probability": "DOUBLE",
    "reason": "VARCHAR",
}
RING_TYPES = {
    "ring_id": "VARCHAR",
    "kind": f"VARCHAR DEFAULT '{schema.PLAIN_RING}'",  # which an older version does not write
    "n_users": "BIGINT",
    "n_items": "BIGINT",
    "score": "DOUBLE",
    "p_value": "DOUBLE",
    "q_value": "DOUBLE",
    "flagged": "BOOLEAN",
    "first_seen": "VARCHAR",
    "last_seen": "VARCHAR",
    "reason": "VARCHAR",
    schema.RING_EVIDENCE: "VARCHAR",
}
RING_MEMBER_TYPES = {"ring_id": "VARCHAR", "user_id": "VARCHAR", "score": "DOUBLE"}
RING_ITEM_TYPES = {"ring_id": "VARCHAR", "item_id": "VARCHAR", "n_users": "BIGINT", "lift": "DOUBLE"}

TABLES = {
    "meta": {"key": "VARCHAR NOT NULL", "value": "VARCHAR NOT NULL"},
    "sources": {
        SOURCE_COLUMN: "INTEGER NOT NULL",
        "digest": "VARCHAR NOT NULL",
        "files": "VARCHAR[] NOT NULL",
        "n_rows": "BIGINT NOT NULL",
        "n_rejects": "BIGINT NOT NULL",
    },
    "event_log": {SOURCE_COLUMN: "INTEGER NOT NULL", **EVENT_TYPES, schema.ROW_KEY: "UBIGINT"},
    "items": {"item_id": "VARCHAR NOT NULL", "name": "VARCHAR"},
    "entities": {
        "user_id": "VARCHAR NOT NULL",
        "kind": "VARCHAR NOT NULL",
        "entity_id": "VARCHAR NOT NULL",
        "first_ms": "BIGINT NOT NULL",
        "n": "BIGINT NOT NULL",
    },
    "scores": SCORE_TYPES,
    "rings": RING_TYPES,
    "ring_members": RING_MEMBER_TYPES,
    "ring_items": RING_ITEM_TYPES,
}
# Columns that came later: a file of an older version lacks them, and gets them when they are first written.
LATER_COLUMNS = (("rings", "kind"), ("event_log", schema.ROW_KEY))
# Came later: a file without them gets them when it is next opened to write, and seems to have empty ones until then.
LATER_TABLES = {
    "ring_history": {
        "run": "BIGINT NOT NULL",
        "at": "VARCHAR NOT NULL",
        "ring_id": "VARCHAR NOT NULL",
        "n_users": "BIGINT",
        "n_items": "BIGINT",
        "n_joined": "BIGINT",
        "n_left": "BIGINT",
        "score": "DOUBLE",
        "q_value": "DOUBLE",
        "flagged": "BOOLEAN",
        "origin": "VARCHAR",
        "members": "VARCHAR[]",
        "items": "VARCHAR[]",
    },
    "audit": {
        "seq": "BIGINT NOT NULL",
        "entry": "VARCHAR NOT NULL",
        "hash": "VARCHAR NOT NULL",
        **dict.fromkeys(audit.SHOWN_FIELDS, "VARCHAR"),
    },
    "audit_head": {"count": "BIGINT NOT NULL", "hash": "VARCHAR NOT NULL"},
    "alerts": {"seq": "BIGINT NOT NULL", **dict.fromkeys(schema.ALERT_COLUMNS[1:], "VARCHAR")},
    "answers": {"seq": "BIGINT NOT NULL", "key": "VARCHAR NOT NULL", "answer": "VARCHAR NOT NULL"},
}
OPEN_ROW_TYPES = {
    "event_row": "BIGINT",
    "action": "VARCHAR",
    "at_ms": "BIGINT",
}  # and ids, whole numbers or texts
OPEN_ROWS = "open_rows"  # cleaned rows of a log that grows; made with the first ones, with their columns
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999, which a date can say


def _outside(column: str, low: int, high: int) -> str:
    return f"min({column}) < {low} OR max({column}) > {high}"


def _no_number(column: str) -> str:
    """NaN sorts behind infinity, so the extremes tell of both."""
    return f"NOT isfinite(coalesce(min({column}), 0)) OR NOT isfinite(coalesce(max({column}), 0))"


def _empty(column: str) -> str:
    return f"count(*) > count({column})"


# What no writer makes, by table: in words, and as a condition over all rows.
IMPOSSIBLE = {
    "event_log": {
        "a time outside the years 1 to 9999": _outside("at_ms", _FIRST_MS, _LAST_MS),
        "an amount that is no number": _no_number("amount"),
        "a quantity that is no number": _no_number("quantity"),
    },
    "entities": {
        "a time outside the years 1 to 9999": _outside("first_ms", _FIRST_MS, _LAST_MS),
        "a count below 1": "min(n) < 1",
    },
    "sources": {"a count below 0": "least(min(n_rows), min(n_rejects)) < 0"},
    "scores": {
        "a row without a user": _empty("user_id"),
        "a user twice": "count(user_id) > count(DISTINCT user_id)",
        "a row that is neither flagged nor not": _empty("flagged"),
        "a score that is no share": _outside("score", 0, 1),
        "a p_value that is no share": _outside("p_value", 0, 1),
        "a q_value that is no share": _outside("q_value", 0, 1),
    },
    "rings": {
        "a row without a ring": _empty("ring_id"),
        "a ring twice": "count(ring_id) > count(DISTINCT ring_id)",
        "a row that is neither flagged nor not": _empty("flagged"),
        "a score that is no share": _outside("score", 0, 1),
        "a count below 0": "least(min(n_users), min(n_items)) < 0",
    },
    "ring_members": {"a row without a ring": _empty("ring_id"), "a row without a user": _empty("user_id")},
    "ring_items": {"a row without a ring": _empty("ring_id"), "a row without an item": _empty("item_id")},
}
# fsum (Kahan) and rounding because the order in which threads add is not fixed, and the same log must give
# the same sums. The log's own interactions are rounded alike.
VIEWS = {
    "interactions": """
        SELECT CAST(user_id AS VARCHAR) AS user_id, CAST(session_id AS VARCHAR) AS session_id,
               CAST(item_id AS VARCHAR) AS item_id, action, at_ms, n, amount, quantity
        FROM (
            SELECT user_id, session_id, item_id, action, min(at_ms) AS at_ms, count(*) AS n,
                   round(fsum(amount), 6) AS amount, round(fsum(quantity), 6) AS quantity
            FROM event_log GROUP BY user_id, session_id, item_id, action
        )""",
    "sessions": """
        SELECT CAST(session_id AS VARCHAR) AS session_id, CAST(user_id AS VARCHAR) AS user_id,
               started_ms, ended_ms
        FROM (
            SELECT session_id, min(user_id) AS user_id, min(at_ms) AS started_ms, max(at_ms) AS ended_ms
            FROM event_log GROUP BY session_id
        )""",
}


def interactions_within(since_ms: int, until_ms: int) -> str:
    """Write the query of the interactions that the events of a span make."""
    chosen = f"WHERE at_ms >= {int(since_ms)} AND at_ms < {int(until_ms)} GROUP BY"
    return VIEWS["interactions"].replace("GROUP BY", chosen)


def interactions_of(users: str) -> str:
    """Write the query of the interactions of those users whose user_id is in a table of that name."""
    chosen = f"WHERE CAST(user_id AS VARCHAR) IN (SELECT user_id FROM {quoted(users)}) GROUP BY"
    return VIEWS["interactions"].replace("GROUP BY", chosen)


def show_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the view `events` anew, after a column of event_log came or changed."""
    shown = {name: f"CAST({name} AS VARCHAR)" for name in PACKED_ID_COLUMNS}
    shown["event_id"] = "coalesce(event_id, CAST(event_row AS VARCHAR))"
    names = [*schema.EVENT_COLUMNS, *attributes_of(connection), SOURCE_COLUMN]
    listed = ", ".join(f"{shown.get(name, quoted(name))} AS {quoted(name)}" for name in names)
    connection.execute(f"CREATE OR REPLACE VIEW events AS SELECT {listed} FROM event_log")


def column_types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Types of the columns of event_log, in order."""
    found = connection.execute("SELECT column_name, column_type FROM (DESCRIBE event_log)").fetchall()
    return dict(found)


def attributes_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of the attribute columns that the events of earlier logs brought, in the order they came."""
    ours = (*EVENT_TYPES, SOURCE_COLUMN, schema.ROW_KEY)
    return [name for name in column_types(connection) if name not in ours]


def prepare(connection: duckdb.DuckDBPyConnection, path: Path, may_create: bool) -> None:
    """Make the tables in a new file; check those of an old one.

    Raises:
        InputError: the file has other tables, none although it may not be filled, or those of another version.
    """
    found_tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
    )
    names = {name for (name,) in found_tables.fetchall()}
    if not names:
        if not may_create:
            raise InputError(f"{path} holds no log yet; fill it with: graphdet ingest LOG --store {path}")
        _create(connection)
        return
    if not names & set(TABLES):
        raise InputError(
            f"{path} is a DuckDB file but not a graphdet store (it has {', '.join(sorted(names)[:5])}); "
            "nothing was written; name another file"
        )
    if "meta" not in names:
        raise damaged(path, "the table meta is missing")
    _check_columns(connection, path, {"meta": TABLES["meta"]})
    found = connection.execute("SELECT value FROM meta WHERE key = ?", [VERSION_KEY]).fetchall()
    if found != [(SCHEMA_VERSION,)]:
        version = found[0][0] if found else "unknown"
        raise InputError(
            f"{path} has the store version {version}, this graphdet needs {SCHEMA_VERSION}; "
            "nothing was written; ingest the log into a new file"
        )
    kept = TABLES | {name: columns for name, columns in LATER_TABLES.items() if name in names}
    if OPEN_ROWS in names:
        kept[OPEN_ROWS] = OPEN_ROW_TYPES
    _check_columns(connection, path, kept)
    _check_values(connection, path)


def _check_columns(
    connection: duckdb.DuckDBPyConnection, path: Path, wanted: dict[str, dict[str, str]]
) -> None:
    """Check that tables and views have their columns, of their types, and null only where it may be.

    Raises:
        InputError: one is missing or of another type; says which.
    """
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal"
    ).fetchall()
    have = {(table, column): (kind, nullable) for table, column, kind, nullable in rows}
    tables = {table for table, _ in have}
    for table, columns in wanted.items():
        if table not in tables:
            raise damaged(path, f"the table {table} is missing")
        for column, declared in columns.items():
            if (table, column) not in have:
                if (table, column) in LATER_COLUMNS:
                    continue
                raise damaged(path, f"the table {table} has no column {column}")
            kind, nullable = have[table, column]
            packed = table == "event_log" and column in PACKED_ID_COLUMNS and kind == "BIGINT"
            right = declared.partition(" ")[0]
            if kind != right and not packed:
                raise damaged(path, f"{table}.{column} is of the type {kind}, not {right}")
            if nullable and declared.endswith("NOT NULL"):
                raise damaged(path, f"{table}.{column} may be empty, which it must not be")


def _check_values(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Look for values that cannot be, in the log by its extremes and in the findings by their rows.

    Raises:
        InputError: there is one; says where.
    """
    for table, conditions in IMPOSSIBLE.items():
        asked = ", ".join(conditions.values())
        (found,) = connection.execute(f"SELECT {asked} FROM {table}").fetchall()
        for what, impossible in zip(conditions, found, strict=True):
            if impossible:
                raise damaged(path, f"the table {table} has {what}")
    views = {
        name
        for (name,) in connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    }
    for view in (*VIEWS, "events"):
        if view not in views:
            raise damaged(path, f"the view {view} is missing")
        connection.execute(f"SELECT * FROM {view} LIMIT 0")


def add_later_tables(connection: duckdb.DuckDBPyConnection, read_only: bool) -> None:
    """Make the tables and the columns that an older file lacks; for a reader beside the file, tables empty."""
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary")
    have = {name for (name,) in found.fetchall()}
    for name in LATER_TABLES.keys() - have:
        _create_table(connection, name, LATER_TABLES[name], "TEMP TABLE" if read_only else "TABLE")
    if not connection.execute("SELECT 1 FROM (DESCRIBE rings) WHERE column_name = 'kind'").fetchall():
        if read_only:
            file = quoted(connection.execute("SELECT current_database()").fetchall()[0][0])
            connection.execute(
                f"CREATE TEMP VIEW rings AS SELECT *, '{schema.PLAIN_RING}' AS kind FROM {file}.main.rings"
            )
        else:
            connection.execute(f"ALTER TABLE rings ADD COLUMN kind {RING_TYPES['kind']}")


def _create_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], what: str = "TABLE"
) -> None:
    body = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns.items())
    connection.execute(f"CREATE {what} {name} ({body})")
    if name == "audit_head":  # always there, so that a missing one was removed
        connection.execute("INSERT INTO audit_head VALUES (?, ?)", [audit.Head().count, audit.Head().hash])


_KEPT = ("ring_history", "audit", "audit_head")  # what people decided, and on what


def empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Make all tables anew but those of decisions, within a transaction."""
    for what in ("view", "table"):
        found = connection.execute(
            f"SELECT {what}_name FROM duckdb_{what}s() WHERE NOT internal AND NOT temporary"
        ).fetchall()
        for name in {name for (name,) in found} - set(_KEPT):
            connection.execute(f"DROP {what} {quoted(name)}")
    _make(
        connection, {name: columns for name, columns in (TABLES | LATER_TABLES).items() if name not in _KEPT}
    )


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    _make(connection, TABLES | LATER_TABLES)
    connection.execute("COMMIT")


def _make(connection: duckdb.DuckDBPyConnection, wanted: dict[str, dict[str, str]]) -> None:
    """Make tables, the views over them, and the mark of the version."""
    for name, columns in wanted.items():
        _create_table(connection, name, columns)
    for name, select in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {select}")
    show_events(connection)
    connection.execute("INSERT INTO meta VALUES (?, ?)", [VERSION_KEY, SCHEMA_VERSION])


def quoted(name: str) -> str:
    """Quote an identifier for SQL.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'
