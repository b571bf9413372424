"""Cut subgraphs out of an encoded graph: a time window, a k-hop neighbourhood, or both."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.tables import GraphArrays

_Int = NDArray[np.int64]


@dataclass(frozen=True)
class Subgraph:
    """A part of a graph with maps back to the whole.

    Shapes: user_ix_of int64[graph.n_users], item_ix_of int64[graph.n_items] and session_ix_of
    int64[graph.n_sessions] give the row in the whole graph, ascending; edge_ix_of int64[graph.n_edges]
    likewise.
    """

    graph: GraphArrays
    user_ix_of: NDArray[np.int64]
    item_ix_of: NDArray[np.int64]
    session_ix_of: NDArray[np.int64]
    edge_ix_of: NDArray[np.int64]


def full(arrays: GraphArrays) -> Subgraph:
    """Take the whole graph as a subgraph of itself."""
    return Subgraph(
        arrays,
        np.arange(arrays.n_users),
        np.arange(arrays.n_items),
        np.arange(arrays.n_sessions),
        np.arange(arrays.n_edges),
    )


def neighbourhood(
    arrays: GraphArrays,
    seeds: NDArray[np.integer],
    hops: int,
    since_ms: int | None = None,
    until_ms: int | None = None,
    max_neighbours: int | None = None,
    seed: int = 0,
) -> Subgraph:
    """Cut the k-hop neighbourhood of users, with the meaning of ports.Store.neighbourhood.

    hops=1 takes the seeds' own interactions, hops=2 also every interaction on those items, hops=3 also all
    interactions of those users, and so on. Seeds stay in the result even without an interaction in the span.

    Args:
        arrays: the whole graph.
        seeds: user rows.
        hops: at least 1.
        since_ms: inclusive start of the span; interactions outside it do not exist for this cut.
        until_ms: exclusive end.
        max_neighbours: of each node expanded take at most so many interactions, drawn at random.
        seed: of that draw.

    Raises:
        ValueError: hops or max_neighbours is below 1, or a seed is not a user row.
    """
    if hops < 1 or (max_neighbours is not None and max_neighbours < 1):
        raise ValueError("hops and max_neighbours must be at least 1")
    rows: _Int = np.unique(np.asarray(seeds).astype(np.int64))
    if len(rows) and (rows[0] < 0 or rows[-1] >= arrays.n_users):
        raise ValueError(f"seeds must be user rows 0..{arrays.n_users - 1}")
    alive = np.ones(arrays.n_edges, bool)
    if since_ms is not None:
        alive &= arrays.at_ms >= since_ms
    if until_ms is not None:
        alive &= arrays.at_ms < until_ms
    rng = np.random.default_rng(seed)
    live = np.flatnonzero(alive)
    by = {
        "user": _Incidence(arrays.user_ix[live], arrays.n_users),
        "item": _Incidence(arrays.item_ix[live], arrays.n_items),
    }
    end = {"user": arrays.item_ix[live], "item": arrays.user_ix[live]}
    seen = {"user": np.zeros(arrays.n_users, bool), "item": np.zeros(arrays.n_items, bool)}
    seen["user"][rows] = True
    taken = np.zeros(len(live), bool)
    side, other, frontier = "user", "item", rows
    for _ in range(hops):
        edges = by[side].expand(frontier, max_neighbours, rng)
        taken[edges] = True
        reached = np.unique(end[side][edges])
        frontier = reached[~seen[other][reached]].astype(np.int64)
        seen[other][frontier] = True
        side, other = other, side
    return _cut(arrays, live[taken], rows)


class _Incidence:
    """Which edges touch each node: positions of edges grouped by node."""

    def __init__(self, node: NDArray[np.int32], n_nodes: int) -> None:
        self.order = np.argsort(node, kind="stable")
        self.start = np.concatenate([[0], np.cumsum(np.bincount(node, minlength=n_nodes))])

    def expand(self, nodes: _Int, limit: int | None, rng: np.random.Generator) -> _Int:
        """Positions of the edges of these nodes, at most `limit` of each."""
        counts = self.start[nodes + 1] - self.start[nodes]
        owner = np.repeat(np.arange(len(nodes)), counts)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        edges: _Int = self.order[self.start[nodes][owner] + offset]
        if limit is None or not len(edges) or counts.max() <= limit:
            return edges
        shuffled = np.lexsort((rng.random(len(edges)), owner))  # the owners' blocks stay where they were
        kept: _Int = edges[shuffled[offset < limit]]
        return kept


def _cut(arrays: GraphArrays, edges: _Int, seeds: _Int) -> Subgraph:
    edges = np.sort(edges)
    users, user_ix = _renumber(arrays.user_ix[edges], arrays.n_users, seeds)
    items, item_ix = _renumber(arrays.item_ix[edges], arrays.n_items)
    sessions, session_ix = _renumber(arrays.session_ix[edges], arrays.n_sessions)
    kept_user = np.zeros(arrays.n_users, bool)
    kept_user[users] = True
    links = np.flatnonzero(kept_user[arrays.entity_user_ix])
    entities, entity_ix = _renumber(arrays.entity_ix[links], len(arrays.entity_ids))
    graph = GraphArrays(
        user_ids=arrays.user_ids.take(pa.array(users)),
        item_ids=arrays.item_ids.take(pa.array(items)),
        session_ids=arrays.session_ids.take(pa.array(sessions)),
        actions=arrays.actions,
        user_ix=user_ix,
        item_ix=item_ix,
        session_ix=session_ix,
        action_ix=arrays.action_ix[edges],
        at_ms=arrays.at_ms[edges],
        n=arrays.n[edges],
        entity_ids=arrays.entity_ids.take(pa.array(entities)),
        entity_kinds=arrays.entity_kinds.take(pa.array(entities)),
        entity_user_ix=np.searchsorted(users, arrays.entity_user_ix[links]).astype(np.int32),
        entity_ix=entity_ix,
    )
    return Subgraph(graph, users, items, sessions, edges)


def _renumber(ix: NDArray[np.int32], size: int, also: _Int | None = None) -> tuple[_Int, NDArray[np.int32]]:
    """Number the rows in use from 0, keeping their order."""
    used = np.zeros(size, bool)
    used[ix] = True
    if also is not None:
        used[also] = True
    new = (np.cumsum(used) - 1).astype(np.int32)
    return np.flatnonzero(used), new[ix]
