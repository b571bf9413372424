"""From dense arrays, or straight from a store, to a validated PyG HeteroData whose nodes map back to ids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from graphdet import schema
from graphdet.arrays import Float
from graphdet.errors import UsageError
from graphdet.gnn.inputs import MAX_PARTNERS, closest_ties, network_session_features, started_sessions
from graphdet.gnn.pyg import HeteroData
from graphdet.graph.encode import encode
from graphdet.ports import GraphStore
from graphdet.progress import Progress
from graphdet.tables import GraphArrays, PairArrays


def to_hetero(
    arrays: GraphArrays,
    user_features: NDArray[np.float64] | None = None,
    item_features: NDArray[np.float64] | None = None,
    pairs: PairArrays | Sequence[PairArrays] | None = None,
    max_partners: int = MAX_PARTNERS,
) -> HeteroData:
    """Build the heterogeneous graph.

    Node types: user, item, session, and one per entity kind. Each has `x` and `ids` (an Arrow string array by
    row). Edge types: (user, started, session), (session, ACTION, item) with `at_ms` and `n`, (user, used,
    KIND), each with its reverse `rev_…`; and (user, co_acted, user) with `edge_attr`, sorted by target, each
    user listening to its closest partners (graphdet.gnn.inputs).

    Args:
        arrays: the graph, whole or cut.
        user_features: float[n_users, d]; None for ln(1 + interactions) alone.
        item_features: float[n_items, d]; None likewise.
        pairs: co-action pairs of one window or of several, in an order that training and scoring share.
        max_partners: how many partners a user listens to.

    Shapes: x float32[n, d]; edge_index int64[2, n_edges]; edge_attr float32[n_ties, 7 + n_windows].

    Raises:
        ValueError: a feature matrix has the wrong number of rows, or PyG finds the graph inconsistent.
    """
    data = HeteroData()
    data["user"].x = _features(user_features, arrays.user_ix, arrays.n_users, "user")
    data["item"].x = _features(item_features, arrays.item_ix, arrays.n_items, "item")
    data["session"].x = torch.from_numpy(network_session_features(arrays))
    data["user"].ids, data["item"].ids = arrays.user_ids, arrays.item_ids
    data["session"].ids = arrays.session_ids
    _add_actions(data, arrays)
    _add_entities(data, arrays)
    if pairs is not None:
        windows = [pairs] if isinstance(pairs, PairArrays) else list(pairs)
        ties = closest_ties(arrays, windows, max_partners)
        store = data["user", "co_acted", "user"]
        store.edge_index = torch.from_numpy(np.stack([ties.src, ties.dst]))
        store.edge_attr = torch.from_numpy(ties.attributes)
        data["user"].n_partners = torch.from_numpy(ties.n_partners)
    data.validate(raise_on_error=True)
    return data


def _features(
    given: NDArray[np.float64] | None, edge_node: NDArray[np.int32], n_nodes: int, what: str
) -> torch.Tensor:
    if given is None:
        given = np.log1p(np.bincount(edge_node, minlength=n_nodes))[:, None]
    if len(given) != n_nodes:
        raise ValueError(f"{what} features have {len(given)} rows for {n_nodes} nodes")
    return torch.from_numpy(np.ascontiguousarray(given, np.float32))


def _add_actions(data: HeteroData, arrays: GraphArrays) -> None:
    _both_ways(data, ("user", "started", "session"), *started_sessions(arrays))
    for k, action in enumerate(arrays.actions):
        edges = np.flatnonzero(arrays.action_ix == k)
        stores = _both_ways(
            data, ("session", action, "item"), arrays.session_ix[edges], arrays.item_ix[edges]
        )
        for store in stores:
            store.at_ms = torch.from_numpy(arrays.at_ms[edges])
            store.n = torch.from_numpy(arrays.n[edges])


def _add_entities(data: HeteroData, arrays: GraphArrays) -> None:
    kinds = np.asarray(arrays.entity_kinds.to_pylist(), object)
    for kind in sorted(set(kinds.tolist())):
        mine = np.flatnonzero(kinds == kind)
        row = np.full(len(kinds), -1, np.int64)
        row[mine] = np.arange(len(mine))
        links = np.flatnonzero(row[arrays.entity_ix] >= 0)
        name = schema.node_label(kind).lower()
        name = f"{name}_entity" if name in ("user", "item", "session") else name
        users, entities = arrays.entity_user_ix[links], row[arrays.entity_ix[links]]
        sharers = np.bincount(entities, minlength=len(mine))
        data[name].x = torch.from_numpy(np.log1p(sharers)[:, None].astype(np.float32))
        data[name].ids = arrays.entity_ids.take(mine)
        _both_ways(data, ("user", "used", name), users, entities)


def _both_ways(
    data: HeteroData, edge_type: tuple[str, str, str], src: NDArray[np.integer], dst: NDArray[np.integer]
) -> tuple[Any, Any]:
    source, relation, target = edge_type
    index = torch.from_numpy(np.stack([src.astype(np.int64), dst.astype(np.int64)]))
    forward, backward = data[edge_type], data[target, f"rev_{relation}", source]
    forward.edge_index, backward.edge_index = index, index.flip(0)
    return forward, backward


def graph_in_pyg(
    graph: GraphArrays, users: Float, items: Float, windows: Sequence[PairArrays], progress: Progress
) -> HeteroData:
    """The heterogeneous graph with features and co-action pairs, validated."""
    progress.start("graph in PyG")
    data = to_hetero(graph, users, items, windows)
    progress.done()
    return data


def extract(
    store: GraphStore,
    user_ids: Sequence[str] | None = None,
    *,
    hops: int = 2,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> tuple[HeteroData, GraphArrays]:
    """Take a graph out of a store, validated, with ids that map back.

    Row i of a node type is `data[node_type].ids[i]` (an Arrow string array); rows stand in the byte order of the ids,
    so both stores give the same data. See graphdet.gnn.heterodata for the node and edge types.

    Args:
        store: an open store.
        user_ids: seeds. None takes the whole graph.
        hops: 1 takes the seeds' own interactions, 2 also every interaction on those items, 3 also all interactions of
            those users, and so on. Without seeds it has no meaning and is ignored.
        since_ms: inclusive start of the window, UTC epoch; interactions outside it do not exist for this graph.
        until_ms: exclusive end.

    Returns:
        The graph in PyG (with ln(1 + interactions) as features; see features.behaviour_arrays for those of the
        scorers) and the same graph as arrays.

    Raises:
        UsageError: hops is below 1, or a seed has no interaction in the window.
        StoreError: the store is unreachable, or an ingest is not complete.
    """
    if user_ids is None:
        interactions = store.interactions(since_ms, until_ms)
    else:
        interactions = store.neighbourhood(user_ids, hops, since_ms, until_ms)
    graph = encode(interactions, store.entities())
    if user_ids is not None:
        seeds = pa.array(sorted(set(user_ids)), pa.string())
        absent = seeds.filter(pc.invert(pc.is_in(seeds, value_set=graph.user_ids))).to_pylist()
        if absent:
            names = ", ".join(repr(name) for name in absent[:5]) + (" …" if len(absent) > 5 else "")
            raise UsageError(
                f"{len(absent)} of {len(seeds)} users have no interaction in {store.url} in this window: {names}; "
                "check the ids and the window"
            )
    return to_hetero(graph), graph
