"""Where the members and items of a ring are drawn, and in which order.

Two columns with few crossings; rows ordered by the targets that members share, many rows drawn as few.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import pdist

from graphdet.arrays import Int
from graphdet.reports.ring_data import RingData


def two_columns(
    n_left: int, n_right: int, left: NDArray[np.int64], right: NDArray[np.int64], sweeps: int = 12
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order both sides of a bipartite graph so that few edges cross.

    The barycentre heuristic (Sugiyama, Tagawa and Toda 1981): each side in turn is sorted by the mean
    position of its neighbours, ties by the order given, and the best order seen is kept.

    Shapes: left, right int64[n_edges], rows of the two sides. Returns order_left int64[n_left] and
    order_right int64[n_right]: the row drawn at each position.

    >>> two_columns(2, 2, np.array([0, 1]), np.array([1, 0]))
    (array([0, 1]), array([1, 0]))
    """
    at_left = np.arange(n_left, dtype=np.float64)
    at_right = np.arange(n_right, dtype=np.float64)
    best = (at_left.copy(), at_right.copy())
    fewest = crossings(at_left[left], at_right[right])
    for _ in range(sweeps):
        at_right = _by_neighbours(at_right, right, at_left[left] * n_right / max(n_left, 1))
        at_left = _by_neighbours(at_left, left, at_right[right] * n_left / max(n_right, 1))
        count = crossings(at_left[left], at_right[right])
        if count >= fewest:
            break
        fewest, best = count, (at_left.copy(), at_right.copy())
    return np.argsort(best[0], kind="stable"), np.argsort(best[1], kind="stable")


def crossings(left: NDArray[np.float64], right: NDArray[np.float64]) -> int:
    """Count the pairs of edges that cross, given the position of both ends of every edge.

    >>> crossings(np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    1
    """
    order = np.lexsort((right, left))
    ranks = np.unique(right[order], return_inverse=True)[1]
    seen = np.zeros(ranks.max() + 1 if len(ranks) else 0, np.int64)
    crossed = 0
    # Edges come from left to right; each crosses the earlier ones that end strictly below it. Equal left
    # ends never
    # cross because they come in the order of their right ends.
    for rank in ranks.tolist():
        crossed += int(seen[rank + 1 :].sum())
        seen[rank] += 1
    return crossed


def _by_neighbours(
    at: NDArray[np.float64], rows: NDArray[np.int64], positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give each row its place in the order of its neighbours' mean position; lone rows stay."""
    degree = np.bincount(rows, minlength=len(at))
    total = np.bincount(rows, weights=positions, minlength=len(at))
    mean = np.where(degree > 0, total / np.maximum(degree, 1), at)
    place = np.empty(len(at))
    place[np.lexsort((at, mean))] = np.arange(len(at))
    return place


COLOURS = 7  # targets with a colour of their own; the others share one (style.css)
MOST_PATTERNS = 1_200  # distinct rows that are compared with each other; more are ordered by their size


@dataclass(frozen=True)
class Presence:
    """Who acted on what: touched bool[n_members, n_items], rows as ring.members, columns as ring.items."""

    touched: NDArray[np.bool_]
    first_ms: Int  # per member, the first act on a target; a large number where there is none

    @classmethod
    def of(cls, ring: RingData) -> "Presence":
        """Read the acts of a ring."""
        member = {m.user_id: row for row, m in enumerate(ring.members)}
        item = {i.item_id: column for column, i in enumerate(ring.items)}
        touched = np.zeros((len(member), len(item)), bool)
        for act in ring.acts:
            touched[member[act.user_id], item[act.item_id]] = True
        first = [m.first_ms if m.first_ms is not None else 2**62 for m in ring.members]
        return cls(touched, np.array(first, np.int64))


def colour(item: int) -> str:
    """The class of the item-th target's colour."""
    return f"c{item}" if item < COLOURS else "cx"


def _patterns(touched: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Int]:
    patterns, of_row = np.unique(touched, axis=0, return_inverse=True)
    return patterns, of_row.reshape(-1).astype(np.int64)


def similar_order(presence: Presence) -> Int:
    """Order members so that those with the same targets are together, int64[n_members].

    Leaves of average linkage over the share of targets that differ; ties by first act, then by row.
    """
    patterns, of_row = _patterns(presence.touched)
    if len(patterns) > 2 and len(patterns) <= MOST_PATTERNS:
        leaves = leaves_list(linkage(pdist(patterns.astype(float), "cityblock"), "average"))
        rank = np.empty(len(patterns), np.int64)
        rank[leaves] = np.arange(len(patterns))
        if presence.touched[of_row == leaves[0]].sum(axis=1).mean() < patterns.sum(axis=1).mean():
            rank = len(patterns) - 1 - rank  # the fullest rows first
    else:
        rank = np.lexsort((np.arange(len(patterns)), -patterns.sum(axis=1))).argsort()
    return np.lexsort((np.arange(len(of_row)), presence.first_ms, rank[of_row])).astype(np.int64)


def groups(presence: Presence, at_most: int) -> list[Int]:
    """Gather members into at most so many groups with much the same targets; rows of each, the largest first."""
    patterns, of_row = _patterns(presence.touched)
    if len(patterns) <= at_most:
        label = np.arange(len(patterns))
    elif len(patterns) <= MOST_PATTERNS:
        tree = linkage(pdist(patterns.astype(float), "cityblock"), "average")
        label = fcluster(tree, at_most, "maxclust") - 1
    else:
        label = (patterns.sum(axis=1) * (at_most - 1)) // max(patterns.shape[1], 1)
    of_member = label[of_row]
    found = [np.flatnonzero(of_member == group) for group in np.unique(of_member)]
    return sorted(found, key=lambda rows: (-len(rows), int(rows[0])))
