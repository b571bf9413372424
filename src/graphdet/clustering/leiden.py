"""Communities of a weighted pair graph."""

import random

import igraph
import numpy as np
from numpy.typing import NDArray


def communities(
    a: NDArray[np.int32], b: NDArray[np.int32], weight: NDArray[np.float64], resolution: float, seed: int
) -> NDArray[np.int64]:
    """Leiden communities with the constant Potts objective (Traag, Waltman & van Eck 2019).

    Args:
        a, b, weight: one entry per pair of nodes; nodes are whatever integers appear.
        resolution: the least average weight between members for which a community pays.
        seed: of igraph's random number generator, which is restored afterwards.

    Returns:
        int64[n_nodes, 2]: (node, community), sorted by community then node; isolated nodes do not appear.
    """
    nodes = np.unique(np.concatenate([a, b]))
    if not len(nodes):
        return np.zeros((0, 2), np.int64)
    graph = igraph.Graph(
        n=len(nodes), edges=np.column_stack([np.searchsorted(nodes, a), np.searchsorted(nodes, b)])
    )
    igraph.set_random_number_generator(random.Random(seed))
    try:
        part = graph.community_leiden(
            objective_function="CPM", weights=weight, resolution=resolution, n_iterations=2
        )
    finally:
        igraph.set_random_number_generator(random)
    member = np.asarray(part.membership, np.int64)
    order = np.lexsort((nodes, member))
    return np.column_stack([nodes[order].astype(np.int64), member[order]])
