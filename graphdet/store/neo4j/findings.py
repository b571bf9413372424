"""Write findings to the graph and read them back: scores as properties of users, items and sessions, rings as nodes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from graphdet import schema
from graphdet.errors import GraphdetError, StoreError, UsageError
from graphdet.store.neo4j.client import Client, Transaction
from graphdet.store.neo4j.statements import cypher
from graphdet.store.neo4j.writing import BATCH_ROWS, repeat
from graphdet.tables import RingTables, require_columns

LABELLED_NODE_KINDS = ("item", "session")  # of schema.LABELLED_KINDS, those that are nodes of the graph
UNFINISHED = "graphdet.writing_scores"  # a note that is there while scores are being written
STRING, INT, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TYPES = {
    "n_users": INT,
    "n_items": INT,
    "run": INT,
    "n_joined": INT,
    "n_left": INT,
    "n": INT,
    "score": FLOAT,
    "p_value": FLOAT,
    "q_value": FLOAT,
    "gnn": FLOAT,
    "cluster_distance": FLOAT,
    "probability": FLOAT,
    "lift": FLOAT,
    "n_acts": INT,
    "n_entities": INT,
    "n_users_before": INT,
    "steps": INT,
    "gap_s": FLOAT,
    "value": FLOAT,
    "ok": BOOL,
    "flagged_before": BOOL,
    "other_flagged": BOOL,
    "flagged": BOOL,
    "members": pa.list_(STRING),
    "items": pa.list_(STRING),
}


def property_name(column: str) -> str:
    """A column's name as Neo4j users would write the property.

    >>> property_name("cluster_distance")
    'clusterDistance'
    """
    first, *rest = column.split("_")
    return first + "".join(part.capitalize() for part in rest)


def schema_of(columns: Iterable[str]) -> pa.Schema:
    """Types of columns by their names; texts unless known otherwise."""
    return pa.schema([(name, TYPES.get(name, STRING)) for name in columns])


def write_scores(client: Client, scores: pa.Table) -> None:
    """Replace all scores of users; if this is interrupted, they cannot be read until they are written again.

    Raises:
        ValueError: a column is missing or a score is null.
        GraphdetError: a scored user is not in the graph.
    """
    require_columns(scores.column_names, schema.SCORE_COLUMNS, "scores")
    if scores["score"].null_count:
        raise ValueError("table scores has a row without a score")
    scores = scores.select(list(schema.SCORE_COLUMNS)).sort_by("user_id")
    client.run(cypher("write/set-meta"), key=UNFINISHED, value="true")
    before = {user_id for row in client.rows(cypher("read/scored-users")) for user_id in row["ids"]}
    gone = sorted(before - set(scores["user_id"].to_pylist()))
    repeat(client, cypher("write/clear-suspects"))
    for first in range(0, len(gone), BATCH_ROWS):
        client.run(cypher("write/clear-scores"), userIds=gone[first : first + BATCH_ROWS])
    named = scores.rename_columns([property_name(name) for name in schema.SCORE_COLUMNS])
    for first in range(0, named.num_rows, BATCH_ROWS):
        rows = _with_bands(named.slice(first, BATCH_ROWS).to_pylist())
        found = client.run(cypher("write/scores"), rows=rows)[0]["n"]
        check_found(found, len(rows), "scored users")
    show(client, "show-entities")
    client.run(cypher("write/remove-meta"), key=UNFINISHED)


def _with_bands(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the risk band to rows that have the names of properties."""
    for row in rows:
        row["riskBand"] = schema.risk_band(row["score"], row["flagged"])
    return rows


def show(client: Client, statement: str) -> None:
    """Bring display names and risk bands of nodes that have no finding of their own up to date, in one scan."""
    for _ in client.stream(cypher(f"write/{statement}"), {"size": BATCH_ROWS}):
        pass


def check_found(found: int, wanted: int, what: str) -> None:
    """Check that every row met a node.

    Raises:
        GraphdetError: some did not.
    """
    if found != wanted:
        raise GraphdetError(
            f"{wanted - found} of {wanted} {what} are not in the graph; ingest the log they come from first"
        )


def read_user_scores(client: Client, user_ids: Sequence[str] | None = None) -> pa.Table:
    """Scores as last written, of all users or of some, most suspicious first, ties by user_id.

    Raises:
        StoreError: writing them was interrupted.
    """
    if client.rows(cypher("read/meta"), key=UNFINISHED):
        raise StoreError(
            f"{client.url}: writing the scores was interrupted (or goes on now); write them again "
            f"(graphdet score)"
        )
    if user_ids is None:
        records = client.stream(cypher("read/scores"))
    else:
        records = client.stream(cypher("read/scores-of-users"), {"ids": sorted(set(user_ids))})
    rows = [record[0] for record in records]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema.SCORE_COLUMNS)
    table = pa.table(
        [
            pa.array(values, kind.type)
            for values, kind in zip(columns, schema_of(schema.SCORE_COLUMNS), strict=True)
        ],
        schema=schema_of(schema.SCORE_COLUMNS),
    )
    return table.sort_by([("score", "descending"), ("user_id", "ascending")])


def write_ring_nodes(client: Client, rings: RingTables, history: pa.Table | None = None) -> None:
    """Replace all rings, their members and items, and add to their history, in one transaction.

    Raises:
        GraphdetError: a member or an item is not in the graph, or its ring is not among the rings.
    """
    columns = [*schema.RING_COLUMNS, schema.RING_EVIDENCE]
    named = rings.rings.select(columns).rename_columns([property_name(name) for name in columns])
    members = rings.members.select(list(schema.RING_MEMBER_COLUMNS)).to_pylist()
    items = rings.items.select(list(schema.RING_ITEM_COLUMNS)).to_pylist()
    seen = named_history(history)

    def write(tx: Transaction) -> None:
        tx.run(cypher("write/clear-rings")).consume()
        tx.run(cypher("write/rings"), rows=_with_bands(named.to_pylist())).consume()
        for statement, rows, what in (
            ("write/ring-members", members, "ring members"),
            ("write/ring-items", items, "ring items"),
        ):
            found = tx.run(cypher(statement), rows=rows).data()[0]["n"]
            check_found(found, len(rows), what)
        if seen:
            tx.run(cypher("write/ring-seen"), rows=seen).consume()

    client.write(write)
    show(client, "show-items")


def named_history(history: pa.Table | None) -> list[dict[str, Any]]:
    """Rows of the rings' history with the names of properties.

    Raises:
        ValueError: a column is missing.
    """
    if history is None:
        return []
    require_columns(history.column_names, schema.RING_HISTORY_COLUMNS, "ring history")
    columns = list(schema.RING_HISTORY_COLUMNS)
    named: list[dict[str, Any]] = (
        history.select(columns).rename_columns([property_name(name) for name in columns]).to_pylist()
    )
    return named


def read_ring_history(client: Client) -> pa.Table:
    """What rings were in every run, by run and ring_id."""
    columns = schema.RING_HISTORY_COLUMNS
    found = [row["seen"] for row in client.rows(cypher("read/ring-history"))]
    rows = [{name: seen.get(property_name(name)) for name in columns} for seen in found]
    rows.sort(key=lambda row: (row["run"], row["ring_id"].encode()))
    return pa.Table.from_pylist(rows, schema=schema_of(columns))


def read_rings(client: Client) -> RingTables:
    """Rings as last written: most suspicious first, their members by score, their items by users."""
    columns = [*schema.RING_COLUMNS, schema.RING_EVIDENCE]
    found = [row["ring"] for row in client.rows(cypher("read/rings"))]
    rows = [{name: ring.get(property_name(name)) for name in columns} for ring in found]
    for row in rows:
        row["kind"] = row["kind"] or schema.PLAIN_RING  # rings of an older version have none
    rows.sort(key=lambda row: (_down(row["score"]), row["ring_id"].encode()))
    rank = {row["ring_id"]: ix for ix, row in enumerate(rows)}
    members = client.rows(cypher("read/ring-members"))
    members.sort(key=lambda row: (rank[row["ring_id"]], _down(row["score"]), row["user_id"].encode()))
    items = client.rows(cypher("read/ring-items"))
    items.sort(key=lambda row: (rank[row["ring_id"]], _down(row["n_users"]), row["item_id"].encode()))
    return RingTables(
        rings=pa.Table.from_pylist(rows, schema=schema_of(columns)),
        members=pa.Table.from_pylist(members, schema=schema_of(schema.RING_MEMBER_COLUMNS)),
        items=pa.Table.from_pylist(items, schema=schema_of(schema.RING_ITEM_COLUMNS)),
    )


def _down(value: float | None) -> tuple[bool, float]:
    """Sort key: high values first, none last."""
    return (value is None, -(value or 0.0))


def write_labelled_nodes(client: Client, labelled: Mapping[str, pa.Table]) -> None:
    """Replace the scores of items and sessions; a kind that is not given has none afterwards.

    Raises:
        UsageError: scores of events, which have no node.
        GraphdetError: a scored item or session is not in the graph.
    """
    if "event" in labelled:
        raise UsageError(f"{client.url} keeps no events; scores of events need a DuckDB store")
    for kind in LABELLED_NODE_KINDS:
        repeat(client, cypher(f"write/clear-{kind}-scores"))
    for kind, table in labelled.items():
        columns = (f"{kind}_id", *schema.LABELLED_COLUMNS)
        require_columns(table.column_names, columns, f"{kind}_scores")
        named = table.select(list(columns)).rename_columns(["id", "score", "pValue", "flagged", "reason"])
        for first in range(0, named.num_rows, BATCH_ROWS):
            rows = named.slice(first, BATCH_ROWS).to_pylist()
            found = client.run(cypher(f"write/{kind}-scores"), rows=rows)[0]["n"]
            check_found(found, len(rows), f"scored {kind}s")


def read_labelled(client: Client) -> dict[str, pa.Table]:
    """Read the scores of items and sessions, most suspicious first, ties by id; only kinds that have any."""
    out = {}
    for kind in LABELLED_NODE_KINDS:
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
