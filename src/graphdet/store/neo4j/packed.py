"""Packed rows, as they stream from the server, into tables of the workbench.

One record holds a key (and a little more) and a list of texts, one for each relationship. The lists are flattened
by Arrow and the texts cut up by DuckDB, so nothing here loops over relationships.
"""

from collections.abc import Iterable, Sequence

import duckdb
import numpy as np
import pyarrow as pa

CHUNK_RECORDS = 20_000
CHUNK = "graphdet_chunk"

INTERACTIONS = """
    SELECT user_id, substr(packed, start, n_chars) AS session_id, substr(packed, start + n_chars) AS item_id,
           kind AS action, at_ms, n, amount, quantity
    FROM (
        SELECT key AS user_id, kind, packed, CAST(at_text AS BIGINT) AS at_ms, CAST(n_text AS BIGINT) AS n,
               CAST(nullif(amount_text, '') AS DOUBLE) AS amount,
               CAST(nullif(quantity_text, '') AS DOUBLE) AS quantity,
               CAST(chars_text AS INTEGER) AS n_chars,
               length(at_text) + length(n_text) + length(amount_text) + length(quantity_text)
                   + length(chars_text) + 6 AS start
        FROM (
            SELECT key, kind, packed, split_part(packed, ' ', 1) AS at_text, split_part(packed, ' ', 2) AS n_text,
                   split_part(packed, ' ', 3) AS amount_text, split_part(packed, ' ', 4) AS quantity_text,
                   split_part(packed, ' ', 5) AS chars_text
            FROM graphdet_chunk))"""
SESSIONS = """
    SELECT substr(packed, length(start_text) + length(end_text) + 3) AS session_id, key AS user_id,
           CAST(start_text AS BIGINT) AS started_ms, CAST(end_text AS BIGINT) AS ended_ms
    FROM (SELECT key, packed, split_part(packed, ' ', 1) AS start_text, split_part(packed, ' ', 2) AS end_text
          FROM graphdet_chunk)"""
ENTITIES = """
    SELECT key AS user_id, kind, substr(packed, length(first_text) + length(n_text) + 3) AS entity_id,
           CAST(first_text AS BIGINT) AS first_ms, CAST(n_text AS BIGINT) AS n
    FROM (SELECT key, kind, packed, split_part(packed, ' ', 1) AS first_text, split_part(packed, ' ', 2) AS n_text
          FROM graphdet_chunk)"""

Record = tuple[str, str, Sequence[str]]  # key, kind (an action, or an entity's kind), packed texts


def pour(bench: duckdb.DuckDBPyConnection, table: str, select: str, records: Iterable[Record]) -> None:
    """Make a table of the workbench from packed records; `select` (one of the above) cuts the texts up."""
    bench.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {_over(select, _flat([]), bench)}")
    chunk: list[Record] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == CHUNK_RECORDS:
            _insert(bench, table, select, chunk)
            chunk = []
    _insert(bench, table, select, chunk)
    bench.unregister(CHUNK)


def _insert(bench: duckdb.DuckDBPyConnection, table: str, select: str, chunk: list[Record]) -> None:
    bench.execute(f"INSERT INTO {table} {_over(select, _flat(chunk), bench)}")


def _over(select: str, flat: pa.Table, bench: duckdb.DuckDBPyConnection) -> str:
    bench.register(CHUNK, flat)
    return select


def _flat(chunk: list[Record]) -> pa.Table:
    """Records as a table of one row for each text: key, kind, packed."""
    lists = pa.array([texts for _, _, texts in chunk], pa.list_(pa.string()))
    rows = pa.array(np.repeat(np.arange(len(chunk)), lists.value_lengths().to_numpy(zero_copy_only=False)))
    keys = pa.array([key for key, _, _ in chunk], pa.string())
    kinds = pa.array([kind for _, kind, _ in chunk], pa.string())
    return pa.table({"key": keys.take(rows), "kind": kinds.take(rows), "packed": lists.flatten()})
