"""Write scores and rings to their tables, and the queries that read them back."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from graphdet import schema
from graphdet.store.duckdb.tables import INCOMING, quoted
from graphdet.tables import require_columns

READ_RINGS = {
    "rings": f"""
        SELECT {", ".join(schema.RING_COLUMNS)}, {schema.RING_EVIDENCE}
        FROM rings ORDER BY score DESC NULLS LAST, ring_id""",
    "members": f"""
        SELECT {", ".join(f"m.{name}" for name in schema.RING_MEMBER_COLUMNS)}
        FROM ring_members AS m LEFT JOIN rings AS r USING (ring_id)
        ORDER BY r.score DESC NULLS LAST, ring_id, m.score DESC NULLS LAST, m.user_id""",
    "items": f"""
        SELECT {", ".join(f"i.{name}" for name in schema.RING_ITEM_COLUMNS)}
        FROM ring_items AS i LEFT JOIN rings AS r USING (ring_id)
        ORDER BY r.score DESC NULLS LAST, ring_id, i.n_users DESC, i.item_id""",
}

LABELLED_TYPES = {"score": "DOUBLE", "p_value": "DOUBLE", "flagged": "BOOLEAN", "reason": "VARCHAR"}


def labelled_kinds(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the kinds of things, besides users, that have scores by label."""
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall()
    names = {name for (name,) in found}
    return [kind for kind in schema.LABELLED_KINDS if f"{kind}_scores" in names]


def write_labelled(connection: duckdb.DuckDBPyConnection, labelled: Mapping[str, pa.Table]) -> None:
    """Replace the tables KIND_scores; a kind without scores has no table.

    Raises:
        ValueError: a column is missing.
    """
    for kind in schema.LABELLED_KINDS:
        connection.execute(f"DROP TABLE IF EXISTS {kind}_scores")
    for kind, table in labelled.items():
        types = {f"{kind}_id": "VARCHAR", **LABELLED_TYPES}
        body = ", ".join(f"{name} {type_}" for name, type_ in types.items())
        connection.execute(f"CREATE TABLE {kind}_scores ({body})")
        replace(connection, f"{kind}_scores", types, table)


def labelled_query(kind: str) -> str:
    """Give the query that reads the scores of a kind, most suspicious first, ties by id."""
    listed = ", ".join((f"{kind}_id", *schema.LABELLED_COLUMNS))
    return f"SELECT {listed} FROM {kind}_scores ORDER BY score DESC, p_value, {kind}_id"


def append_rows(
    connection: duckdb.DuckDBPyConnection, name: str, columns: tuple[str, ...], table: pa.Table
) -> None:
    """Add rows to a table; columns are taken by name, others are left out.

    Raises:
        ValueError: a column is missing.
    """
    require_columns(table.column_names, columns, name)
    listed = ", ".join(map(quoted, columns))
    incoming = connection.from_arrow(table.select(list(columns)))
    incoming.query(INCOMING, f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {INCOMING}")
    connection.execute(f"DROP VIEW IF EXISTS {INCOMING}")


def replace(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], table: pa.Table) -> None:
    """Replace the rows of a table; columns are taken by name, others are left out.

    Raises:
        ValueError: a column is missing.
    """
    require_columns(table.column_names, tuple(types), name)
    connection.execute(f"DELETE FROM {name}")
    append_rows(connection, name, tuple(types), table)
