"""Packed rows, as they stream from the server, into tables of the workbench.

One record holds a key (and a little more) and a list of texts, one for each relationship. The lists are
flattened by Arrow and the texts cut up by DuckDB, so nothing here loops over relationships.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import duckdb
import numpy as np
import pyarrow as pa

from graphdet import schema
from graphdet.tables import Frame

CHUNK_RECORDS = 20_000
KEYS_A_TEXT = 1 << 17  # a text of 1.4 MB, which the import tool takes as one field
CHUNK_TABLE = "graphdet_chunk"

PACKED_INTERACTIONS_SQL = """
    SELECT key AS user_id, substr(packed, start, n_chars) AS session_id, substr(packed, start + n_chars) AS
    item_id,
           kind AS action, CAST(parts[1] AS BIGINT) AS at_ms, coalesce(CAST(parts[3] AS BIGINT), 1) AS n,
           CAST(nullif(parts[4], '') AS DOUBLE) AS amount, CAST(nullif(parts[5], '') AS DOUBLE) AS quantity
    FROM (
        SELECT key, kind, packed, parts, CAST(parts[2] AS INTEGER) AS n_chars, n_head + 2 AS start
        FROM (
            SELECT key, kind, packed, string_split(head, ':') AS parts, length(head) AS n_head
            FROM (SELECT key, kind, packed, split_part(packed, ' ', 1) AS head FROM graphdet_chunk)))"""
PACKED_SESSIONS_SQL = """
    SELECT substr(packed, length(start_text) + length(end_text) + 3) AS session_id, key AS user_id,
           CAST(start_text AS BIGINT) AS started_ms, CAST(end_text AS BIGINT) AS ended_ms
    FROM (SELECT key, packed, split_part(packed, ' ', 1) AS start_text, split_part(packed, ' ', 2) AS end_text
          FROM graphdet_chunk)"""
PACKED_ENTITIES_SQL = """
    SELECT key AS user_id, kind, substr(packed, length(first_text) + length(n_text) + 3) AS entity_id,
           CAST(first_text AS BIGINT) AS first_ms, CAST(n_text AS BIGINT) AS n
    FROM (SELECT key, kind, packed, split_part(packed, ' ', 1) AS first_text, split_part(packed, ' ', 2) AS
    n_text
          FROM graphdet_chunk)"""

PackedRecord = tuple[str, str, Sequence[str]]  # key, kind (an action, or an entity's kind), packed texts


def pour(
    connection: duckdb.DuckDBPyConnection, table: str, select: str, records: Iterable[PackedRecord]
) -> None:
    """Make a table of the workbench from packed records; `select` (one of the above) cuts the texts up.

    A second thread cuts up one chunk while the driver decodes the next: DuckDB and Arrow let go of the
    interpreter, the driver cannot.
    """
    _insert(connection, f"CREATE OR REPLACE TEMP TABLE {table} AS {select}", [])
    insert = f"INSERT INTO {table} {select}"
    with ThreadPoolExecutor(max_workers=1) as worker:
        busy: Future[None] | None = None
        for chunk in _chunks(records):
            if busy is not None:
                busy.result()
            busy = worker.submit(_insert, connection, insert, chunk)
        if busy is not None:
            busy.result()
    connection.unregister(CHUNK_TABLE)


def _chunks(records: Iterable[PackedRecord]) -> Iterator[list[PackedRecord]]:
    flow = iter(records)
    while chunk := list(islice(flow, CHUNK_RECORDS)):
        yield chunk


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, chunk: list[PackedRecord]) -> None:
    connection.register(CHUNK_TABLE, _flat(chunk))
    connection.execute(statement)


def _flat(chunk: list[PackedRecord]) -> pa.Table:
    """Records as a table of one row for each text: key, kind, packed."""
    lists = pa.array([texts for _, _, texts in chunk], pa.list_(pa.string()))
    rows = pa.array(np.repeat(np.arange(len(chunk)), lists.value_lengths().to_numpy(zero_copy_only=False)))
    keys = pa.array([key for key, _, _ in chunk], pa.string())
    kinds = pa.array([kind for _, kind, _ in chunk], pa.string())
    return pa.table({"key": keys.take(rows), "kind": kinds.take(rows), "packed": lists.flatten()})


def row_key_texts(connection: duckdb.DuckDBPyConnection, events: Frame) -> Iterator[str]:
    """Pack the keys of rows as texts: 64-bit whole numbers, low byte first, in base64. None where events have none."""
    if schema.ROW_KEY not in events.collect_schema().names():
        return
    sql = events.select(schema.ROW_KEY).to_native().sql_query()
    found = connection.execute(
        f"SELECT DISTINCT {schema.ROW_KEY} FROM ({sql}) WHERE {schema.ROW_KEY} IS NOT NULL ORDER BY 1"
    ).to_arrow_table()
    keys = found[schema.ROW_KEY].to_numpy().astype("<u8")
    for first in range(0, len(keys), KEYS_A_TEXT):
        yield base64.b64encode(keys[first : first + KEYS_A_TEXT].tobytes()).decode("ascii")


def row_keys_of(texts: Iterable[str]) -> pa.Table:
    """Unpack what `row_key_texts` packed: one column schema.ROW_KEY, uint64."""
    parts = [np.frombuffer(base64.b64decode(text), "<u8").astype(np.uint64) for text in texts]
    return pa.table({schema.ROW_KEY: np.concatenate(parts) if parts else np.zeros(0, np.uint64)})
