"""Scores of items and sessions in and out of the graph, as properties of their nodes."""

from collections.abc import Mapping

import pyarrow as pa

from graphdet import schema
from graphdet.errors import UsageError
from graphdet.store.neo4j.client import Client
from graphdet.store.neo4j.findings import check_found, schema_of
from graphdet.store.neo4j.statements import cypher
from graphdet.store.neo4j.writing import BATCH_ROWS, repeat
from graphdet.tables import require_columns

KINDS = ("item", "session")


def write(client: Client, labelled: Mapping[str, pa.Table]) -> None:
    """Replace the scores of items and sessions; a kind that is not given loses those it had.

    Raises:
        UsageError: scores of events, which have no node.
        GraphdetError: a scored item or session is not in the graph.
    """
    if "event" in labelled:
        raise UsageError(f"{client.url} keeps no events; scores of events need a DuckDB store")
    for kind in KINDS:
        repeat(client, cypher(f"write/clear-{kind}-scores"))
    for kind, table in labelled.items():
        columns = (f"{kind}_id", *schema.LABELLED_COLUMNS)
        require_columns(table.column_names, columns, f"{kind}_scores")
        named = table.select(list(columns)).rename_columns(["id", "score", "pValue", "flagged", "reason"])
        for first in range(0, named.num_rows, BATCH_ROWS):
            rows = named.slice(first, BATCH_ROWS).to_pylist()
            found = client.run(cypher(f"write/{kind}-scores"), rows=rows)[0]["n"]
            check_found(found, len(rows), f"scored {kind}s")


def read(client: Client) -> dict[str, pa.Table]:
    """Scores as last written, most suspicious first, ties by id; only kinds that have any."""
    out = {}
    for kind in KINDS:
        columns = schema_of((f"{kind}_id", *schema.LABELLED_COLUMNS))
        rows = [record[0] for record in client.stream(cypher(f"read/{kind}-scores"))]
        if not rows:
            continue
        values = [
            pa.array(values, type_)
            for values, type_ in zip(zip(*rows, strict=True), columns.types, strict=True)
        ]
        order = [("score", "descending"), ("p_value", "ascending"), (f"{kind}_id", "ascending")]
        out[kind] = pa.table(values, schema=columns).sort_by(order)
    return out
