"""Ratings of a log: the attribute named `rating`, as in `[attributes] rating = "stars"`."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.arrays import Float, Int
from graphdet.errors import UsageError
from graphdet.ports import EventStore
from graphdet.tables import GraphArrays

RATING_ATTRIBUTE = "rating"
MOST_RATINGS = 20  # different values; a column of more is none of ratings


@dataclass(frozen=True)
class Ratings:
    """All acts of a log that has ratings.

    user, item: int64[n], rows of the graph. at_ms: int64[n]. value: float64[n], NaN where an act has none. known: all
    different values, ascending, float64[k].
    """

    user: Int
    item: Int
    at_ms: Int
    value: Float
    known: Float

    def distance(self, n_users: int) -> Float:
        """How far a user's ratings lie from those that others give the same items, float64[n_users]; 0 of no rating.

        The mean over the user's ratings of the distance to the mean of the item's other ratings (Mukherjee et al.
        2013); an item's only rating is at none.
        """
        rated = np.isfinite(self.value)
        user, item, value = self.user[rated], self.item[rated], self.value[rated]
        n, total = np.bincount(item), np.bincount(item, value)
        others = n[item] - 1
        away = np.where(others > 0, np.abs(value - (total[item] - value) / np.maximum(others, 1)), 0.0)
        n_own = np.bincount(user, minlength=n_users)
        return np.asarray(np.bincount(user, away, minlength=n_users) / np.maximum(n_own, 1)).round(9)


def read_ratings(store: EventStore, graph: GraphArrays) -> Ratings | None:
    """The ratings of the acts that a graph has; None in a log without ratings, or a store without events."""
    try:
        events = store.events()
    except UsageError:
        return None
    if RATING_ATTRIBUTE not in events.collect_schema().names():
        return None
    table = events.select("user_id", "item_id", "at_ms", RATING_ATTRIBUTE).collect("pyarrow").to_native()
    value = _numbers(table[RATING_ATTRIBUTE])
    known = np.unique(value[np.isfinite(value)])
    if not 2 <= len(known) <= MOST_RATINGS:
        return None
    user, item = (
        pc.index_in(pc.cast(table[name], pa.string()), value_set=ids).to_numpy().astype(np.int64)
        for name, ids in (("user_id", graph.user_ids), ("item_id", graph.item_ids))
    )
    edges = graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix
    kept = np.isin(user * graph.n_items + item, edges)
    at_ms = table["at_ms"].to_numpy().astype(np.int64)
    return Ratings(user[kept], item[kept], at_ms[kept], value[kept], known)


def _numbers(column: pa.ChunkedArray) -> Float:
    """A column as numbers, float64[n]; NaN where it has none, and everywhere where it holds other things."""
    try:
        return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    except pa.ArrowInvalid:
        return np.full(len(column), np.nan)
