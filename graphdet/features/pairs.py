"""Co-action pairs: users who act on the same items within a window. `find_pairs` finds them in one of two ways.

* As one Narwhals expression (`co_action_pairs`), which DuckDB runs and spills to disk where it must.
* By sorting in memory (`pairs_in_memory`), where the meetings of a log fit: the same pairs, to the same bits. A meeting
  is two users' first acts on an item within a window. Nearly all pairs meet once and are dropped, so only the keys of
  meetings are written down and sorted, and only pairs that come up often enough are summed. A hash table of all pairs,
  as an engine groups them, was measured to take three times as long (docs/decisions/0002-narwhals.md).
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.graph.encode import edges_frame
from graphdet.progress import Progress
from graphdet.tables import Frame, GraphArrays, PairArrays
from graphdet.workbench import Workbench


@dataclass(frozen=True)
class Window:
    """How close in time two acts on an item must be, and which crowds are too large to say anything.

    span_s: two acts are together when at most this many seconds apart. min_items: common items that make a
    pair. budget: n users who meet on an item within a span give n² / 2 pairs, so a crowd ties nobody to
    anybody and costs the most; the largest crowds are left out until the rest gives at most `budget` ×
    n_acts ordered pairs. That keeps the work linear in the log. A crowd is counted per item *and* span, so a
    popular item counts in its quiet hours.
    """

    span_s: float
    min_items: int
    budget: float


# A sitting, two days, a month. Chosen on planted campaigns in a real news log: see
# docs/decisions/0003-rings.md.
WINDOWS = (
    Window(span_s=3_600, min_items=3, budget=10),
    Window(span_s=172_800, min_items=2, budget=20),
    Window(span_s=2_592_000, min_items=2, budget=2),
)
PAIR_KEY_FACTOR = 2**31  # rows of users are int32
MIN_PAIRS = 2_000_000  # a small log is joined whole: below this many ordered pairs no crowd is left out


def first_acts(edges: Frame) -> Frame:
    """One row per (user, item) with the first time: (user_ix, item_ix, at_ms)."""
    return edges.group_by("user_ix", "item_ix").agg(nw.col("at_ms").min())


def largest_crowd(acts: Frame, window: Window) -> int:
    """The largest number of users on an item in a span that the window's budget allows."""
    span_ms = int(window.span_s * 1000)
    crowds = acts.with_columns((nw.col("at_ms") // span_ms).alias("bucket")).group_by("item_ix", "bucket")
    sizes = crowds.agg(nw.len().alias("size")).group_by("size").agg(nw.len().alias("times"))
    table = sizes.sort("size").collect("pyarrow").to_native()
    size = table.column("size").to_numpy().astype(np.float64)
    times = table.column("times").to_numpy().astype(np.float64)
    return crowd_within(window, size, times)


def crowd_within(window: Window, size: NDArray[np.float64], times: NDArray[np.float64]) -> int:
    """The largest crowd within the budget, of crowds of `size`, ascending, each `times`; both float64[n]."""
    if not len(size):
        return 0
    allowed = max(window.budget * float((size * times).sum()), MIN_PAIRS)
    return int(size[np.cumsum(size**2 * times) <= allowed].max(initial=1))


def quiet_acts(acts: Frame, window: Window, crowd: int) -> Frame:
    """Acts outside crowds, with their time bucket and rarity: (user_ix, item_ix, at_ms, bucket, rarity).

    rarity = ln(n_users / audience of the item), in nats: what a common act on the item is worth as evidence.
    """
    span_ms = int(window.span_s * 1000)
    bucketed = acts.with_columns((nw.col("at_ms") // span_ms).alias("bucket"))
    audience = acts.group_by("item_ix").agg(nw.len().alias("audience"))
    local = bucketed.group_by("item_ix", "bucket").agg(nw.len().alias("n_local"))
    n_users = acts.select(nw.col("user_ix").max().alias("top")).with_columns(nw.col("top") + 1)
    return (
        bucketed.join(local.filter(nw.col("n_local") <= crowd), on=["item_ix", "bucket"], how="inner")
        .join(audience.filter(nw.col("audience") >= 2), on="item_ix", how="inner")
        .join(n_users, how="cross")
        .with_columns((nw.col("top") / nw.col("audience")).log().alias("rarity"))
        .select("user_ix", "item_ix", "at_ms", "bucket", "rarity")
    )


def co_action_pairs(acts: Frame, window: Window) -> Frame:
    """Pairs of users with at least `min_items` common items within the window.

    Args:
        acts: as `quiet_acts` gives them, best kept as a table, as they are read three times.
        window: how close in time.

    Returns:
        Frame: (pair, n_items, weight, gap_ms); pair = a × 2³¹ + b with a < b, as a single key is grouped much faster
        than two; weight is the sum of rarities, gap_ms that of the times between the two acts. The earlier act looks
        into its own time bucket and the next, so that no pair is missed at a boundary and an item's whole history is
        never joined with itself.
    """
    span_ms = int(window.span_s * 1000)
    later = acts.select(
        nw.col("item_ix"),
        nw.col("bucket"),
        nw.col("user_ix").alias("user_later"),
        nw.col("at_ms").alias("later_ms"),
        nw.col("rarity"),
    )
    here = acts.select("item_ix", "user_ix", "at_ms", "bucket")
    reach = nw.concat([here, here.with_columns(nw.col("bucket") + 1)], how="vertical")
    gap = nw.col("later_ms") - nw.col("at_ms")
    ordered = (gap > 0) | ((gap == 0) & (nw.col("user_ix") < nw.col("user_later")))
    first = nw.min_horizontal("user_ix", "user_later").cast(nw.Int64())
    return (
        reach.join(later, on=["item_ix", "bucket"], how="inner")
        .filter(ordered & (gap <= span_ms) & (nw.col("user_ix") != nw.col("user_later")))
        .select(
            (first * PAIR_KEY_FACTOR + nw.max_horizontal("user_ix", "user_later")).alias("pair"),
            nw.col("rarity"),
            gap.cast(nw.Float64()).alias("gap_ms"),
        )
        .group_by("pair")
        .agg(nw.len().alias("n_items"), nw.col("rarity").sum().alias("weight"), nw.col("gap_ms").sum())
        .filter(nw.col("n_items") >= window.min_items)
    )


def pair_arrays(pairs: Frame) -> PairArrays:
    """Collect pairs as arrays, sorted by (a, b)."""
    table = pairs.collect("pyarrow").to_native()
    pair = table.column("pair").to_numpy()
    order = np.argsort(pair)
    pair = pair[order]
    n_items = table.column("n_items").to_numpy()[order]
    gap_ms = table.column("gap_ms").to_numpy()[order]
    return PairArrays(
        a=(pair // PAIR_KEY_FACTOR).astype(np.int32),
        b=(pair % PAIR_KEY_FACTOR).astype(np.int32),
        n_items=n_items.astype(np.int32),
        # Sums run in whatever order the engine likes; rounding makes the bytes the same every time.
        weight=table.column("weight").to_numpy()[order].round(6),
        gap_s=(gap_ms / n_items / 1000).round(3),
    )


MeetingPart = TypeVar("MeetingPart")
MEETINGS_AT_ONCE = 2_000_000  # meetings that a thread works on: bounds memory, changes nothing else
MOST_MEETING_THREADS = 4
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
        a=(pair // PAIR_KEY_FACTOR).astype(np.int32),
        b=(pair % PAIR_KEY_FACTOR).astype(np.int32),
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


def _in_threads(work: Callable[[slice], MeetingPart], chunks: list[slice]) -> list[MeetingPart]:
    """What `work` gives for each chunk, in order; NumPy lets go of the interpreter while it computes."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_MEETING_THREADS)) as pool:
        return list(pool.map(work, chunks))


def _chunks(n_later: Int) -> Iterator[slice]:
    """Rows of acts with MEETINGS_AT_ONCE meetings or few more."""
    total = np.cumsum(n_later)
    if not len(total):
        return
    start = 0
    while start < len(total):
        begun = int(total[start - 1]) if start else 0
        stop = int(np.searchsorted(total, begun + MEETINGS_AT_ONCE, side="left")) + 1
        yield slice(start, min(stop, len(total)))
        start = stop


def _meetings(acts: FirstActs, n_later: Int, rows: slice) -> tuple[Int, Int, Int]:
    """The meetings whose earlier act is in `rows`: their keys as in pairs.py, and the rows of both acts."""
    count = n_later[rows]
    earlier = np.repeat(np.arange(rows.start, rows.stop), count)
    begin = np.cumsum(count) - count
    later = earlier + 1 + (np.arange(len(earlier)) - np.repeat(begin, count))
    a, b = acts.user_ix[earlier], acts.user_ix[later]
    return np.minimum(a, b).astype(np.int64) * PAIR_KEY_FACTOR + np.maximum(a, b), earlier, later


def _slot(key: Int) -> NDArray[np.uint64]:
    return (key.view(np.uint64) * FILTER_FACTOR) >> np.uint64(64 - FILTER_BITS)


MOST_MEETINGS = 2**28  # that are sorted in memory, at nine bytes each: 2.4 GB


def find_pairs(graph: GraphArrays, bench: Workbench, progress: Progress) -> list[PairArrays]:
    """Co-action pairs at every window: in memory where their meetings fit, else by DuckDB, which spills to disk."""
    progress.start("co-action pairs", len(WINDOWS))
    windows = []
    acts = FirstActs.of(graph)
    for window in WINDOWS:
        quiet = acts.quiet(window)
        n_later = quiet.followers(window)
        if n_later.sum() <= MOST_MEETINGS:
            windows.append(pairs_in_memory(quiet, n_later, window))
        else:
            windows.append(_pairs_on_disk(graph, bench, window))
        progress.advance()
    progress.done()
    return windows


def _pairs_on_disk(graph: GraphArrays, bench: Workbench, window: Window) -> PairArrays:
    acts = bench.keep("graphdet_acts", first_acts(edges_frame(graph, bench)))
    quiet = bench.keep("graphdet_quiet", quiet_acts(acts, window, largest_crowd(acts, window)))
    pairs = pair_arrays(co_action_pairs(quiet, window))
    for name in ("graphdet_acts", "graphdet_quiet"):
        bench.drop(name)
    return pairs
