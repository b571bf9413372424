"""Scores and rings in and out of their tables."""

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


def replace(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str], table: pa.Table) -> None:
    """Replace the rows of a table; columns are taken by name, others are left out.

    Raises:
        ValueError: a column is missing.
    """
    require_columns(table.column_names, tuple(types), name)
    listed = ", ".join(map(quoted, types))
    connection.execute(f"DELETE FROM {name}")
    incoming = connection.from_arrow(table.select(list(types)))
    incoming.query(INCOMING, f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {INCOMING}")
    connection.execute(f"DROP VIEW IF EXISTS {INCOMING}")
