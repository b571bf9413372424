"""Where the members and items of a ring are drawn: two columns with few crossings."""

import numpy as np
from numpy.typing import NDArray


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
