"""Co-action pairs of a log whose meetings fit into memory: what pairs.py defines, by sorting instead of grouping.

A meeting is two users' first acts on an item within a window. Nearly all pairs meet once and are dropped, so their
keys alone are written down and sorted, and only those that come up often enough are summed. Measured to be needed: a
hash table of all pairs, as an engine groups them, takes three times as long (docs/decisions/0002-narwhals.md).
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from graphdet.features.pairs import SECOND, Window, crowd_within
from graphdet.tables import GraphArrays, PairArrays

Int = NDArray[np.int64]
Part = TypeVar("Part")
AT_ONCE = 2_000_000  # meetings that a thread works on: bounds memory, changes nothing else
MOST_THREADS = 4
FILTER_BITS = 27  # of the table that tells most single meetings apart from those of a pair that is kept
FILTER_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing


@dataclass(frozen=True)
class FirstActs:
    """The first act of every user on every item, by item and then time.

    Shapes, all [n_acts]: user_ix, item_ix int32; at_ms int64; rarity float64, ln(n_users / audience of the item).
    """

    user_ix: NDArray[np.int32]
    item_ix: NDArray[np.int32]
    at_ms: Int
    rarity: NDArray[np.float64]

    @classmethod
    def of(cls, graph: GraphArrays) -> "FirstActs":
        """Read them from a graph."""
        first = graph.first_rows
        user, item, at_ms = graph.user_ix[first], graph.item_ix[first], graph.at_ms[first]
        audience = np.bincount(item, minlength=max(graph.n_items, 1))
        by_item = np.lexsort((user, at_ms, item))
        rarity = np.log(max(graph.n_users, 1) / np.maximum(audience, 1))[item]
        return cls(user[by_item], item[by_item], at_ms[by_item], rarity[by_item])

    def take(self, rows: Int | NDArray[np.bool_]) -> "FirstActs":
        """Some of the acts, in their order."""
        return FirstActs(self.user_ix[rows], self.item_ix[rows], self.at_ms[rows], self.rarity[rows])

    def quiet(self, window: Window) -> "FirstActs":
        """Leave out crowds beyond the window's budget, and items of one user."""
        bucket = self.at_ms // int(window.span_s * 1000)
        # Acts are in (item, time) order, so a crowd is a run.
        head = (np.diff(self.item_ix, prepend=-1) != 0) | (np.diff(bucket, prepend=-1) != 0)
        size = np.diff(np.append(np.flatnonzero(head), len(head)))
        times = np.bincount(size)
        present = np.flatnonzero(times)
        crowd = crowd_within(window, present.astype(np.float64), times[present].astype(np.float64))
        audience = np.bincount(self.item_ix)
        return self.take(np.repeat(size <= crowd, size) & (audience[self.item_ix] >= 2))

    def followers(self, window: Window) -> Int:
        """How many later acts on the same item are within the window of each act: int64[n_acts]."""
        span_ms = int(window.span_s * 1000)
        origin = int(self.at_ms.min()) if len(self.at_ms) else 0
        stride = (int(self.at_ms.max()) if len(self.at_ms) else 0) - origin + 1
        # The last moment of an item is as far as its acts reach.
        reach = np.minimum(self.at_ms - origin + span_ms, stride - 1)
        place = self.item_ix.astype(np.int64) * stride
        last = np.searchsorted(place + (self.at_ms - origin), place + reach, side="right")
        return np.asarray(last - np.arange(len(last)) - 1)


def pairs_in_memory(acts: FirstActs, n_later: Int, window: Window) -> PairArrays:
    """Pairs of users with at least `min_items` common items within the window.

    acts: as `FirstActs.quiet` gives them; n_later: as `followers` gives them, whose sum is the number of meetings.
    Holds nine bytes per meeting.
    """
    chunks = list(_chunks(n_later))
    pair, n_items = _frequent(_sorted_keys(acts, n_later, chunks), window.min_items)
    table = np.zeros(2**FILTER_BITS, bool)
    table[_slot(pair)] = True

    def look_up(rows: slice) -> tuple[Int, NDArray[np.float64], Int]:
        key, earlier, later = _meetings(acts, n_later, rows)
        likely = np.flatnonzero(table[_slot(key)])
        key, earlier, later = key[likely], earlier[likely], later[likely]
        place = np.minimum(np.searchsorted(pair, key), max(len(pair) - 1, 0))
        known = np.flatnonzero(pair[place] == key) if len(pair) else np.zeros(0, np.int64)
        earlier, later = earlier[known], later[known]
        return place[known], acts.rarity[earlier], acts.at_ms[later] - acts.at_ms[earlier]

    weight, gap_ms = np.zeros(len(pair)), np.zeros(len(pair))
    for place, rarity, gap in _in_threads(look_up, chunks):
        np.add.at(weight, place, rarity)
        np.add.at(gap_ms, place, gap)
    return PairArrays(
        a=(pair // SECOND).astype(np.int32),
        b=(pair % SECOND).astype(np.int32),
        n_items=n_items.astype(np.int32),
        weight=weight.round(6),
        gap_s=(gap_ms / n_items / 1000).round(3),
    )


def _sorted_keys(acts: FirstActs, n_later: Int, chunks: list[slice]) -> Int:
    begin = np.concatenate([[0], np.cumsum(n_later)])
    keys = np.empty(int(begin[-1]), np.int64)

    def write(rows: slice) -> None:
        keys[begin[rows.start] : begin[rows.stop]] = _meetings(acts, n_later, rows)[0]

    _in_threads(write, chunks)
    keys.sort()
    return keys


def _frequent(keys: Int, least: int) -> tuple[Int, Int]:
    """Values that come up at least `least` times among sorted keys, and how often."""
    head = np.flatnonzero(np.diff(keys, prepend=-1))
    times = np.diff(np.append(head, len(keys)))
    enough = times >= least
    return keys[head[enough]], times[enough]


def _in_threads(work: Callable[[slice], Part], chunks: list[slice]) -> list[Part]:
    """What `work` gives for each chunk, in order; NumPy lets go of the interpreter while it computes."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        return list(pool.map(work, chunks))


def _chunks(n_later: Int) -> Iterator[slice]:
    """Rows of acts with AT_ONCE meetings or few more."""
    total = np.cumsum(n_later)
    if not len(total):
        return
    start = 0
    while start < len(total):
        begun = int(total[start - 1]) if start else 0
        stop = int(np.searchsorted(total, begun + AT_ONCE, side="left")) + 1
        yield slice(start, min(stop, len(total)))
        start = stop


def _meetings(acts: FirstActs, n_later: Int, rows: slice) -> tuple[Int, Int, Int]:
    """The meetings whose earlier act is in `rows`: their keys as in pairs.py, and the rows of both acts."""
    count = n_later[rows]
    earlier = np.repeat(np.arange(rows.start, rows.stop), count)
    begin = np.cumsum(count) - count
    later = earlier + 1 + (np.arange(len(earlier)) - np.repeat(begin, count))
    a, b = acts.user_ix[earlier], acts.user_ix[later]
    return np.minimum(a, b).astype(np.int64) * SECOND + np.maximum(a, b), earlier, later


def _slot(key: Int) -> NDArray[np.uint64]:
    return (key.view(np.uint64) * FILTER_FACTOR) >> np.uint64(64 - FILTER_BITS)
