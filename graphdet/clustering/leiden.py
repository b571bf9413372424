"""Communities of a weighted pair graph."""

import random
from collections.abc import Sequence

import igraph
import numpy as np
from numpy.typing import NDArray

PAIRS_AT_ONCE = 500_000


def communities(
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    weight: NDArray[np.float64],
    resolutions: Sequence[float],
    seed: int,
) -> list[NDArray[np.int64]]:
    """Leiden communities with the constant Potts objective (Traag, Waltman & van Eck 2019).

    Args:
        a, b, weight: one entry per pair of nodes; nodes are whatever integers appear.
        resolutions: the least average weight between members for which a community pays; one partition each.
        seed: of igraph's random number generator, which is restored afterwards.

    Returns:
        Per resolution int64[n_nodes, 2]: (node, community), sorted by community then node; isolated nodes do not
        appear.
    """
    nodes = np.unique(np.concatenate([a, b])).astype(np.int64)
    if not len(nodes):
        return [np.zeros((0, 2), np.int64) for _ in resolutions]
    place = np.zeros(nodes[-1] + 1, np.int64)
    place[nodes] = np.arange(len(nodes))
    graph = igraph.Graph(n=len(nodes))
    for start in range(0, len(a), PAIRS_AT_ONCE):
        rows = slice(start, start + PAIRS_AT_ONCE)
        # igraph reads a list of tuples twice as fast as an array; one of all pairs would be the run's peak of memory.
        graph.add_edges(list(zip(place[a[rows]].tolist(), place[b[rows]].tolist(), strict=True)))
    found = []
    for resolution in resolutions:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            part = graph.community_leiden(
                objective_function="CPM", weights=weight, resolution=resolution, n_iterations=2
            )
        finally:
            igraph.set_random_number_generator(random)
        member = np.asarray(part.membership, np.int64)
        order = np.lexsort((nodes, member))
        found.append(np.column_stack([nodes[order], member[order]]))
    return found
