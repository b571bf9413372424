"""The whole log as a report sees it: the first act of every user on every item, as arrays."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.tables import numbered, require_columns

N_SLICES = 64  # time slices of equal numbers of acts, as in the organic model of ring finding
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Acts:
    """Distinct (user, item) acts with their first time, by user.

    Shapes: user_ids, item_ids Arrow strings in byte order; user_ix, item_ix int32[n_acts] into them; at_ms
    int64[n_acts].
    """

    user_ids: pa.Array
    item_ids: pa.Array
    user_ix: NDArray[np.int32]
    item_ix: NDArray[np.int32]
    at_ms: Ints

    @classmethod
    def of(cls, table: pa.Table) -> "Acts":
        """Encode a table of user_id, item_id, at_ms in any order; of a pair the first act is kept.

        Ids may be whole numbers.

        Raises:
            ValueError: a column is missing.
        """
        require_columns(table.column_names, ("user_id", "item_id", "at_ms"), "acts")
        with ThreadPoolExecutor(2) as pool:  # Arrow and NumPy let go of the interpreter
            (user_ids, user_ix), (item_ids, item_ix) = pool.map(
                numbered, (table["user_id"], table["item_id"])
            )
        at_ms = table["at_ms"].to_numpy().astype(np.int64, copy=False)
        n_items = max(len(item_ids), 1)
        pair = user_ix.astype(np.int64) * n_items + item_ix
        order = _order(pair)
        pair = pair[order]
        begins = np.flatnonzero(np.diff(pair, prepend=-1))
        first = np.minimum.reduceat(at_ms[order], begins) if len(begins) else at_ms
        pair = pair[begins]
        return cls(
            user_ids, item_ids, (pair // n_items).astype(np.int32), (pair % n_items).astype(np.int32), first
        )

    def ready(self) -> "Acts":
        """Sort the acts now in all the ways that rings are looked at; gives them back."""
        with ThreadPoolExecutor(1) as other:
            by_item = other.submit(lambda: self._by_item)
            _ = self.user_ends, self.slice_acts, by_item.result()
        return self

    @property
    def n_users(self) -> int:
        """How many users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """How many items."""
        return len(self.item_ids)

    @cached_property
    def user_ends(self) -> Ints:
        """Where the acts of each user begin, int64[n_users + 1]."""
        return _ends(self.user_ix, self.n_users)

    @cached_property
    def degree(self) -> Ints:
        """Distinct items per user, int64[n_users]."""
        return np.diff(self.user_ends)

    @cached_property
    def by_time(self) -> Ints:
        """The acts in their order in time, int64[n_acts]."""
        return _order(self.at_ms)

    @cached_property
    def times(self) -> Ints:
        """The times of all acts, ascending, int64[n_acts]."""
        return self.at_ms[self.by_time]

    @cached_property
    def _by_item(self) -> tuple[Ints, Ints]:
        return _order(self.item_ix), _ends(self.item_ix, self.n_items)

    @cached_property
    def cuts(self) -> NDArray[np.float64]:
        """The times between slices, float64[N_SLICES - 1]."""
        if not len(self.at_ms):
            return np.zeros(0)
        return np.quantile(self.times, np.linspace(0, 1, N_SLICES + 1)[1:-1])

    @cached_property
    def slice_acts(self) -> NDArray[np.float64]:
        """How many acts fall into each slice, float64[N_SLICES]."""
        edges = np.searchsorted(self.times, self.cuts, side="left")
        return np.diff(np.concatenate([[0], edges, [len(self.times)]])).astype(np.float64)

    def slices_of(self, acts: Ints) -> Ints:
        """The slice of some acts."""
        return np.searchsorted(self.cuts, self.at_ms[acts], side="right")

    def rows_of_users(self, ids: list[str]) -> Ints:
        """The rows of user ids; those that the log lacks are left out."""
        return _rows(self.user_ids, ids)

    def rows_of_items(self, ids: list[str]) -> Ints:
        """The rows of item ids, in the order given; those that the log lacks are left out."""
        return _rows(self.item_ids, ids)

    def on_items(self, items: Ints) -> Ints:
        """The acts on some items, item by item."""
        order, ends = self._by_item
        parts = [order[ends[item] : ends[item + 1]] for item in items.tolist()]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def of_users(self, users: Ints) -> tuple[Ints, Ints]:
        """The acts of some users, user by user, and for each its place in `users`."""
        n = self.degree[users]
        place = np.repeat(np.arange(len(users)), n)
        first = np.repeat(self.user_ends[users] - np.concatenate([[0], np.cumsum(n)[:-1]]), n)
        return first + np.arange(len(place)), place

    def within(self, first_ms: int, last_ms: int) -> "Acts":
        """The acts with first_ms <= at_ms <= last_ms; users and items keep their rows."""
        low = int(np.searchsorted(self.times, first_ms, side="left"))
        high = int(np.searchsorted(self.times, last_ms, side="right"))
        rows = np.sort(self.by_time[low:high])
        return Acts(self.user_ids, self.item_ids, self.user_ix[rows], self.item_ix[rows], self.at_ms[rows])


def _order(key: NDArray[np.integer]) -> Ints:
    """The rows in the order of a key, those of one key in their own order.

    Key and row are sorted as one number where 63 bits hold both: a fifth of the time of an argsort.
    """
    if not len(key):
        return np.zeros(0, np.int64)
    least, n_bits = int(key.min()), len(key).bit_length()
    if (int(key.max()) - least).bit_length() + n_bits > 63:
        return np.argsort(key, kind="stable")
    both = ((key.astype(np.int64) - least) << n_bits) | np.arange(len(key))
    both.sort()
    return both & ((1 << n_bits) - 1)


def _ends(key: NDArray[np.int32], n_keys: int) -> Ints:
    """Where the rows of each key below n_keys begin once they are sorted by it, int64[n_keys + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n_keys))])


def _rows(ids: pa.Array, wanted: list[str]) -> Ints:
    """Where wanted ids are among all, in the order wanted: few are hashed, and all looked up among them."""
    asked = pc.index_in(ids, value_set=pa.array(list(dict.fromkeys(wanted)), pa.string()))
    rows = np.flatnonzero(asked.is_valid().to_numpy(zero_copy_only=False))
    return rows[np.argsort(asked.drop_null().to_numpy())].astype(np.int64)
