"""In which order rows are drawn, and how many rows become few: by the targets that members share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import pdist

from graphdet.reports.ring_data import RingData

COLOURS = 7  # targets with a colour of their own; the others share one (style.css)
MOST_PATTERNS = 1_200  # distinct rows that are compared with each other; more are ordered by their size
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Presence:
    """Who acted on what: touched bool[n_members, n_items], rows as ring.members, columns as ring.items."""

    touched: NDArray[np.bool_]
    first_ms: Ints  # per member, the first act on a target; a large number where there is none

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


def _patterns(touched: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Ints]:
    patterns, of_row = np.unique(touched, axis=0, return_inverse=True)
    return patterns, of_row.reshape(-1).astype(np.int64)


def similar_order(presence: Presence) -> Ints:
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


def groups(presence: Presence, at_most: int) -> list[Ints]:
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
