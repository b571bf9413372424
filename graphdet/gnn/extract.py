"""extract: the graph of a store, or the part of it around some users, as PyTorch Geometric data."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.errors import UsageError
from graphdet.gnn.heterodata import to_hetero
from graphdet.gnn.pyg import HeteroData
from graphdet.graph.encode import encode
from graphdet.ports import Store
from graphdet.tables import GraphArrays


def extract(
    store: Store,
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
