"""The steps of writing a cleaned log, run inside one transaction."""

from collections.abc import Callable

import duckdb

from graphdet import schema
from graphdet.errors import ConfigError
from graphdet.ports import Source
from graphdet.store.duckdb.tables import (
    EVENT_TYPES,
    INCOMING,
    PACKED_ID_COLUMNS,
    SOURCE_COLUMN,
    attributes_of,
    column_types,
    quoted,
    show_events,
)
from graphdet.tables import Frame, LogTables, require_columns

INTEGERS = frozenset(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"))


def _run(
    connection: duckdb.DuckDBPyConnection, frame: Frame, columns: tuple[str, ...], what: str, sql: str
) -> None:
    native: duckdb.DuckDBPyRelation = frame.to_native()
    require_columns(native.columns, columns, what)
    native.query(INCOMING, sql)
    connection.execute(f"DROP VIEW IF EXISTS {INCOMING}")


def _source_ix(connection: duckdb.DuckDBPyConnection, source: Source) -> int:
    """The number of a source: its own where the store has a part of it, else the next one."""
    found = connection.execute(
        f"SELECT coalesce(max({SOURCE_COLUMN}) FILTER (digest = ?), count(*)) FROM sources", [source.digest]
    )
    return int(found.fetchall()[0][0])


def write_events(connection: duckdb.DuckDBPyConnection, log: LogTables, source: Source) -> None:
    """Append the events; an attribute that earlier logs did not have becomes a column, null for theirs.

    Raises:
        ConfigError: an attribute has the name of a column of the store, but for upper and lower case.
    """
    native: duckdb.DuckDBPyRelation = log.events.to_native()
    types = {name: str(kind) for name, kind in zip(native.columns, native.types, strict=True)}
    require_columns(native.columns, schema.EVENT_COLUMNS, "events")
    attributes = [name for name in types if name not in (*schema.EVENT_COLUMNS, schema.ROW_KEY)]
    _fit_columns(connection, types, attributes)
    kept = column_types(connection)
    given = {name: f"CAST({name} AS {kept[name]})" for name in PACKED_ID_COLUMNS}
    given["event_id"] = "nullif(event_id, CAST(event_row AS VARCHAR))"
    names = [*schema.EVENT_COLUMNS, *attributes, *([schema.ROW_KEY] if schema.ROW_KEY in types else [])]
    listed = ", ".join(map(quoted, names))
    selected = ", ".join(given.get(name, quoted(name)) for name in names)
    source_ix = _source_ix(connection, source)
    _run(
        connection,
        log.events,
        schema.EVENT_COLUMNS,
        "events",
        f"INSERT INTO event_log ({listed}, {SOURCE_COLUMN}) SELECT {selected}, {source_ix} FROM {INCOMING}",
    )


def _fit_columns(connection: duckdb.DuckDBPyConnection, types: dict[str, str], attributes: list[str]) -> None:
    """Add the columns of new attributes; pack ids as integers while every source gives them so."""
    kept = column_types(connection)
    first = not connection.execute("SELECT 1 FROM event_log LIMIT 1").fetchall()
    for name in PACKED_ID_COLUMNS:
        kind = "BIGINT" if types[name] in INTEGERS and (first or kept[name] == "BIGINT") else "VARCHAR"
        if kind != kept[name]:
            connection.execute(f"ALTER TABLE event_log ALTER {name} TYPE {kind}")
    ours = {name.lower() for name in (*EVENT_TYPES, SOURCE_COLUMN, schema.ROW_KEY)}
    have = {name.lower(): name for name in attributes_of(connection)}
    for name in attributes:
        if name.lower() in ours or have.get(name.lower(), name) != name:
            raise ConfigError(f"[attributes] {name}: the store has such a column; choose another name")
        if name.lower() not in have:
            connection.execute(f"ALTER TABLE event_log ADD COLUMN {quoted(name)} VARCHAR")
    if schema.ROW_KEY not in kept:  # the file is of an older version
        connection.execute(f"ALTER TABLE event_log ADD COLUMN {schema.ROW_KEY} UBIGINT")
    show_events(connection)


def write_items(connection: duckdb.DuckDBPyConnection, log: LogTables, source: Source) -> None:
    """Add items; the name of a known item changes when this log has one."""
    _run(
        connection,
        log.items,
        schema.ITEM_COLUMNS,
        "items",
        f"""MERGE INTO items USING {INCOMING} AS new ON items.item_id = new.item_id
            WHEN MATCHED AND new.name IS NOT NULL THEN UPDATE SET name = new.name
            WHEN NOT MATCHED THEN INSERT (item_id, name) VALUES (new.item_id, new.name)""",
    )


def write_entities(connection: duckdb.DuckDBPyConnection, log: LogTables, source: Source) -> None:
    """Add links to shared entities: the earliest time, the sum of counts."""
    _run(
        connection,
        log.entities,
        schema.ENTITY_COLUMNS,
        "entities",
        f"""MERGE INTO entities AS old USING {INCOMING} AS new
            ON old.user_id = new.user_id AND old.kind = new.kind AND old.entity_id = new.entity_id
            WHEN MATCHED THEN UPDATE SET first_ms = least(old.first_ms, new.first_ms), n = old.n + new.n
            WHEN NOT MATCHED THEN INSERT (user_id, kind, entity_id, first_ms, n)
                VALUES (new.user_id, new.kind, new.entity_id, new.first_ms, new.n)""",
    )


def write_source(connection: duckdb.DuckDBPyConnection, log: LogTables, source: Source) -> None:
    """Note that this source is complete; the last step, so that the digest vouches for all others."""
    row = [_source_ix(connection, source), source.digest, list(source.files), source.n_rows, source.n_rejects]
    connection.execute("DELETE FROM sources WHERE digest = ?", [source.digest])
    connection.execute("INSERT INTO sources VALUES (?, ?, ?, ?, ?)", row)


WritingStep = Callable[[duckdb.DuckDBPyConnection, LogTables, Source], None]
WRITING_STEPS: tuple[WritingStep, ...] = (write_events, write_items, write_entities, write_source)
