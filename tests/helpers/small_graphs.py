"""Small graphs for tests."""

from collections.abc import Sequence

import duckdb
import narwhals as nw
import pyarrow as pa

from graphdet.graph.encode import encode
from graphdet.tables import GraphArrays


def graph_of(rows: Sequence[tuple[str, str, int]]) -> GraphArrays:
    """Encode (user, item, at_ms) rows; every act is a session of its own."""
    table = pa.table(
        {
            "user_id": [user for user, _, _ in rows],
            "session_id": [f"s{place}" for place in range(len(rows))],
            "item_id": [item for _, item, _ in rows],
            "action": ["view"] * len(rows),
            "at_ms": pa.array([at for _, _, at in rows], pa.int64()),
            "n": pa.array([1] * len(rows), pa.int64()),
        }
    )
    with duckdb.connect() as con:
        return encode(nw.from_native(con.from_arrow(table)).lazy())
