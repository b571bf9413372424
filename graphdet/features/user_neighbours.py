"""Users of a log beside those who act with them: columns for trees, one relation per co-action window.

Shared devices, addresses and the like are relations of their own, so that a user hears who else uses them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.features.neighbours import NeighbourSettings, neighbour_features
from graphdet.features.relations import Columns, Relations, place_features
from graphdet.tables import GraphArrays, PairArrays

TOGETHER, SHARED = "together", "shared"  # relations: of co-action in any window, and of common entities
MOST_OF_AN_ENTITY = 50  # users; whatever more than these share tells nobody apart, and its pairs are too many


def user_relations(graph: GraphArrays, windows: Mapping[str, PairArrays]) -> Relations:
    """Relations over user_ix: the co-action pairs of each named window, and "shared" for common entities."""
    edges: dict[str, NDArray[Any]] = {name: np.stack([pairs.a, pairs.b]) for name, pairs in windows.items()}
    if len(graph.entity_ix):
        edges[SHARED] = _sharing(graph.entity_user_ix, graph.entity_ix)
    return Relations.from_edges(graph.n_users, edges)


def user_neighbour_features(
    names: Sequence[str],
    users: NDArray[np.floating],
    relations: Relations,
    settings: NeighbourSettings | None = None,
) -> Columns:
    """Own behaviour, places and neighbourhoods of all users, by user_ix; no label is read.

    Shapes: users float[n_users, len(names)], finite, as features.behaviour_arrays.behaviour gives; returns
    float32[n_users, …], NaN where a user has no neighbour.

    Raises:
        ValueError: there are not as many rows as users, or a value is not finite.
    """
    own = Columns(tuple(names), np.asarray(users, np.float32))
    return neighbour_features(own.beside(place_features(relations)), relations, settings)


def _sharing(user: NDArray[np.int32], entity: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pairs of users of one entity, int64[2, n]; entities of very many users are left out."""
    links = np.unique(np.stack([entity, user]).astype(np.int64), axis=1)
    size = np.bincount(links[0])[links[0]]
    entity, user = links[:, size <= MOST_OF_AN_ENTITY]
    first = np.searchsorted(entity, entity, "left")
    count = np.arange(len(entity)) - first  # each with those before it
    later = np.repeat(np.arange(len(entity)), count)
    place = np.arange(len(later)) - np.repeat(np.cumsum(count) - count, count)
    return np.stack([user[np.repeat(first, count) + place], user[later]])
