"""From a store to candidates: the steps that training, scoring and ring finding share."""

import duckdb

from graphdet.features.pairs import WINDOWS, co_action_pairs, pair_arrays
from graphdet.graph.encode import edges_frame, encode
from graphdet.ports import Progress, Store
from graphdet.rings.find import Candidates, find_candidates
from graphdet.tables import GraphArrays, PairArrays


def read_graph(store: Store, progress: Progress) -> GraphArrays:
    """Read the whole graph of a store as arrays."""
    progress.start("read the graph")
    graph = encode(store.interactions(), store.entities())
    progress.done()
    return graph


def find_pairs(graph: GraphArrays, bench: duckdb.DuckDBPyConnection, progress: Progress) -> list[PairArrays]:
    """Co-action pairs at every window."""
    edges = edges_frame(graph, bench)
    progress.start("co-action pairs", len(WINDOWS))
    windows = []
    for window in WINDOWS:
        windows.append(pair_arrays(co_action_pairs(edges, window)))
        progress.advance()
    progress.done()
    return windows


def ring_candidates(
    graph: GraphArrays, bench: duckdb.DuckDBPyConnection, seed: int, progress: Progress
) -> tuple[list[PairArrays], Candidates]:
    """Pairs and the blocks they lead to."""
    windows = find_pairs(graph, bench, progress)
    progress.start("ring candidates")
    candidates = find_candidates(graph, windows, seed)
    progress.done()
    return windows, candidates
