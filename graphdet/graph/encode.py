"""From a store to dense rows: the encoded log as a frame and as arrays.

Rows are given in the byte order of the ids, so the same log in any order, from either store, encodes alike.
`read_graph` encodes the whole graph of a store: the first step of training, scoring and finding rings.
"""

from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet import schema
from graphdet.ports import GraphStore
from graphdet.progress import Progress
from graphdet.tables import Frame, GraphArrays, require_columns
from graphdet.workbench import Workbench


def _dense(frame: Frame, column: str, ix: str) -> Frame:
    """Number the distinct values of a column from 0 in byte order: (column, ix)."""
    distinct = frame.select(column).unique()
    return distinct.with_columns((nw.col(column).rank("dense") - 1).cast(nw.Int32).alias(ix))


def _ids(dense: Frame, column: str, ix: str) -> pa.Array:
    table = dense.sort(ix).select(column).collect("pyarrow").to_native()
    return table.column(column).combine_chunks().cast(pa.string())


def _column(table: pa.Table, name: str, dtype: Any) -> NDArray[Any]:
    return np.ascontiguousarray(table.column(name).to_numpy().astype(dtype, copy=False))


def encode(interactions: Frame, entities: Frame | None = None) -> GraphArrays:
    """Encode interactions (schema.INTERACTION_COLUMNS) and entity links as dense arrays.

    Raises:
        ValueError: a column of the contract is missing.
    """
    names = interactions.collect_schema().names()
    require_columns(names, ("user_id", "session_id", "item_id", "action", "at_ms", "n"), "interactions")
    users = _dense(interactions, "user_id", "user_ix")
    items = _dense(interactions, "item_id", "item_ix")
    sessions = _dense(interactions, "session_id", "session_ix")
    actions = _dense(interactions, "action", "action_ix")
    amounts = ("amount",) if "amount" in names else ()
    edges = (
        interactions.select("user_id", "session_id", "item_id", "action", "at_ms", "n", *amounts)
        .join(users, on="user_id", how="inner")
        .join(items, on="item_id", how="inner")
        .join(sessions, on="session_id", how="inner")
        .join(actions, on="action", how="inner")
        .select(*schema.EDGE_COLUMNS, *amounts)
        .sort("user_ix", "at_ms", "item_ix", "session_ix", "action_ix")
        .collect("pyarrow")
        .to_native()
    )
    user_ids = _ids(users, "user_id", "user_ix")
    links: dict[str, Any] = {}
    if entities is not None:
        links = _encode_entities(entities, user_ids)
    return GraphArrays(
        user_ids=user_ids,
        item_ids=_ids(items, "item_id", "item_ix"),
        session_ids=_ids(sessions, "session_id", "session_ix"),
        actions=tuple(_ids(actions, "action", "action_ix").to_pylist()),
        user_ix=_column(edges, "user_ix", np.int32),
        item_ix=_column(edges, "item_ix", np.int32),
        session_ix=_column(edges, "session_ix", np.int32),
        action_ix=_column(edges, "action_ix", np.int16),
        at_ms=_column(edges, "at_ms", np.int64),
        n=_column(edges, "n", np.int64),
        amount=_amounts(edges) if amounts else np.zeros(0),
        **links,
    )


def _amounts(edges: pa.Table) -> NDArray[np.float64]:
    """The amounts of the edges, NaN where there is none; empty when there is none at all."""
    column = edges.column("amount").cast(pa.float64())
    if column.null_count == len(column):
        return np.zeros(0)
    return np.ascontiguousarray(column.to_numpy().astype(np.float64))


def _encode_entities(entities: Frame, user_ids: pa.Array) -> dict[str, Any]:
    """Number the shared entities; links of users without any interaction are left out."""
    table = entities.select("user_id", "kind", "entity_id").unique().collect("pyarrow").to_native()
    table = table.sort_by([("kind", "ascending"), ("entity_id", "ascending"), ("user_id", "ascending")])
    user_of = pa.compute.index_in(table.column("user_id"), value_set=user_ids)
    table = table.append_column("user_ix", user_of).filter(pa.compute.is_valid(user_of))
    if not len(table):
        return {}
    kinds = table.column("kind").combine_chunks()
    ids = table.column("entity_id").combine_chunks()
    new = np.ones(len(table), bool)
    new[1:] = np.asarray(
        pa.compute.or_(pa.compute.not_equal(kinds[1:], kinds[:-1]), pa.compute.not_equal(ids[1:], ids[:-1]))
    )
    return {
        "entity_ids": ids.filter(pa.array(new)),
        "entity_kinds": kinds.filter(pa.array(new)),
        "entity_user_ix": _column(table, "user_ix", np.int32),
        "entity_ix": (np.cumsum(new) - 1).astype(np.int32),
    }


def edges_frame(arrays: GraphArrays, bench: Workbench) -> Frame:
    """The edges of an encoded graph as a frame (schema.EDGE_COLUMNS) of a workbench."""
    table = pa.table(
        {
            "user_ix": arrays.user_ix,
            "item_ix": arrays.item_ix,
            "session_ix": arrays.session_ix,
            "action_ix": arrays.action_ix,
            "at_ms": arrays.at_ms,
            "n": arrays.n,
        }
    )
    return bench.from_arrow(table)


def read_graph(store: GraphStore, progress: Progress) -> GraphArrays:
    """Read the whole graph of a store as arrays."""
    progress.start("read the graph")
    graph = encode(store.interactions(), store.entities())
    progress.done()
    return graph
