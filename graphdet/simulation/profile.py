"""What the simulator knows about a log: its sessions, its users' timetables, its items' lives."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.errors import NotEnoughData
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS

MINUTE_MS = 60_000


@dataclass(frozen=True)
class LogProfile:
    """A log seen as sessions in (user, start) order, and as item lives.

    Shapes: edge int64[n_edges], rows of the graph in (session, time) order; session_first int64[n_sessions
    + 1], offsets into edge; session_user, session_start int64[n_sessions]; user_first int64[n_users + 1],
    offsets into sessions; n_clicks int64[n_users]; item_edge int64[n_edges], rows of the graph in (item,
    time) order; item_key int64[n_edges], item · span + time for those rows; item_first int64[n_items + 1];
    time_edge int64[n_edges], rows of the graph in time order. base_ms is the time that keys count from,
    span_ms their stride; known int8[n_edges], along edge: whether the user clicked the item before, never
    (0), in an earlier session (1) or in the same one (2), known_row the same per graph row; born_ms
    int64[n_items], the first click of each item; age float32[n_edges], log1p of the hours since then, per
    graph row; short_pauses int64, times between sessions of one user within a day; log_traffic
    float64[n_days], log of the sessions a day; usual_clicks, the .3 and .98 quantiles of n_clicks of those who click,
    and usual_ages, the quartiles of age. start_ms and end_ms hold the busy part of the log (all but 1
    in 2,000 edges at either end), end half open.
    """

    graph: GraphArrays
    base_ms: int
    span_ms: int
    resolution_ms: int
    start_ms: int
    end_ms: int
    edge: Int
    session_first: Int
    session_user: Int
    session_start: Int
    starts_sorted: Int
    time_edge: Int
    user_first: Int
    n_clicks: Int
    users_by_clicks: Int
    clicks_sorted: Int
    item_edge: Int
    item_key: Int
    item_first: Int
    common_gaps: Int
    known: NDArray[np.int8]
    known_row: NDArray[np.int8]
    age: NDArray[np.float32]
    born_ms: Int
    short_pauses: Int
    least_pause_ms: int
    log_traffic: NDArray[np.float64]
    usual_clicks: tuple[float, float]
    usual_ages: tuple[float, float]

    @property
    def n_sessions(self) -> int:
        """How many (user, session) groups."""
        return len(self.session_user)

    @cached_property
    def session_sizes(self) -> Int:
        """Clicks of each session, int64[n_sessions]."""
        return np.diff(self.session_first)

    def rate(self, items: Int, at_ms: Int, half_width_ms: int | Int) -> Int:
        """Count the edges of items[k] within half_width_ms of at_ms[k]; shapes broadcast."""
        relative = np.asarray(at_ms, np.int64) - self.base_ms
        low = np.minimum(np.maximum(relative - half_width_ms, 0), self.span_ms - 1)
        high = np.minimum(np.maximum(relative + half_width_ms + 1, 0), self.span_ms)
        keys = np.asarray(items, np.int64) * self.span_ms
        first, last = np.searchsorted(self.item_key, np.stack([keys + low, keys + high]))
        count: Int = last - first
        return count

    def ages(self, items: Int, at_ms: Int) -> NDArray[np.float64]:
        """Log age of items at given times: log1p of the hours since their first click, 0 before it."""
        age: NDArray[np.float64] = np.log1p(np.maximum(at_ms - self.born_ms[items], 0) / HOUR_MS)
        return age

    def usual_age(self, items: Int) -> NDArray[np.float64]:
        """How usual the age of each item's clicks is: minus the mean distance from all clicks' quartiles."""
        low, high = self.usual_ages
        sample = (
            self.item_first[items][:, None]
            + (np.arange(16) + 0.5) / 16 * np.diff(self.item_first)[items][:, None]
        )
        age = self.age[self.item_edge[sample.astype(np.int64)]]
        usual: NDArray[np.float64] = -(np.maximum(low - age, 0) + np.maximum(age - high, 0)).mean(axis=1)
        return usual

    def item_span(self, items: Int) -> tuple[Int, Int]:
        """First and last time of each item in the log, in ms."""
        first = self.graph.at_ms[self.item_edge[self.item_first[items]]]
        last = self.graph.at_ms[self.item_edge[self.item_first[items + 1] - 1]]
        return first, last

    def rows_near(self, items: Int, at_ms: Int, rng: np.random.Generator) -> Int:
        """Draw for each item one of its graph rows near in time; its action is then usual for the item."""
        key = items * self.span_ms + np.minimum(np.maximum(at_ms - self.base_ms, 0), self.span_ms - 1)
        low, high = self.item_first[items], self.item_first[items + 1] - 1
        middle = np.searchsorted(self.item_key, key)
        place = middle + rng.integers(-3, 4, len(items))
        rows: Int = self.item_edge[np.minimum(np.maximum(place, low), high)]
        for _ in range(4):  # a first click on an item, if one is near: one buys what one viewed
            later = self.known_row[rows].nonzero()[0]
            if len(later) == 0:
                break
            place = middle[later] + rng.integers(-6, 7, len(later))
            rows[later] = self.item_edge[np.minimum(np.maximum(place, low[later]), high[later])]
        return rows

    def hot_edges(self, at_ms: int, size: int, not_items: Int, rng: np.random.Generator) -> Int:
        """Draw clicks on up to `size` of the hottest items around a time: int64, rows of the graph."""
        middle = int(np.searchsorted(self.graph.at_ms, at_ms, sorter=self.time_edge))
        near = self.time_edge[max(0, middle - 200) : middle + 200]
        near = near[~np.isin(self.graph.item_ix[near], not_items)]
        _, first, counts = np.unique(self.graph.item_ix[near], return_index=True, return_counts=True)
        hottest = np.argsort(-counts, kind="stable")[: 2 * size]
        rows: Int = near[first[rng.permutation(hottest)[:size]]]
        return rows

    def random_pauses(self, size: int, rng: np.random.Generator) -> Int:
        """Draw times between two sessions of a user, in ms, of those below a day."""
        if len(self.short_pauses) == 0:
            return rng.integers(HOUR_MS, DAY_MS, size)
        pauses: Int = rng.choice(self.short_pauses, size)
        return pauses

    def random_starts(self, low_ms: int, high_ms: int, size: int, rng: np.random.Generator) -> Int:
        """Draw session starts of the log within [low_ms, high_ms); uniform times where the log has none."""
        first, last = np.searchsorted(self.starts_sorted, [low_ms, high_ms])
        if last - first < 20:
            return rng.integers(low_ms, max(high_ms, low_ms + 1), size)
        jitter = rng.integers(-5 * MINUTE_MS, 5 * MINUTE_MS, size)
        drawn = self.starts_sorted[rng.integers(first, last, size)] + jitter
        starts: Int = np.clip(drawn, low_ms, max(high_ms - 1, low_ms))
        return starts


def profile_log(graph: GraphArrays) -> LogProfile:
    """Read a log's sessions and item lives.

    Raises:
        NotEnoughData: the log has no interaction.
    """
    if graph.n_edges == 0:
        raise NotEnoughData("nothing can be planted into a log without interactions; give a log with some")
    at = graph.at_ms
    edge, first, user, start = _sessions(graph)
    n_clicks = np.bincount(graph.user_ix, minlength=graph.n_users).astype(np.int64)
    span = int(at.max()) - int(at.min()) + 1
    item_key = graph.item_ix.astype(np.int64) * span + (at - at.min())
    item_edge = np.argsort(item_key, kind="stable")
    item_first = np.concatenate([[0], np.cumsum(np.bincount(graph.item_ix, minlength=graph.n_items))])
    born = at[item_edge[np.minimum(item_first[:-1], len(at) - 1)]]
    low, high = np.quantile(at, [0.0005, 0.9995])
    session_of = np.repeat(np.arange(len(user)), np.diff(first))
    gaps = np.diff(at[edge])[np.diff(session_of) == 0]
    pauses = (start[1:] - at[edge[first[1:-1] - 1]])[np.diff(user) == 0]
    pauses = np.sort(pauses[(pauses >= 0) & (pauses < DAY_MS)])
    known = _known(graph, edge, session_of)
    age = np.log1p((at - born[graph.item_ix]) / HOUR_MS).astype(np.float32)
    days = np.bincount((start - at.min() // DAY_MS * DAY_MS) // DAY_MS)
    return LogProfile(
        graph=graph,
        base_ms=int(at.min()),
        span_ms=span,
        resolution_ms=graph.resolution_ms,
        start_ms=int(low),
        end_ms=int(high) + 1,
        edge=edge,
        session_first=first,
        session_user=user,
        session_start=start,
        starts_sorted=np.sort(start),
        time_edge=np.argsort(at, kind="stable"),
        user_first=np.searchsorted(user, np.arange(graph.n_users + 1)),
        n_clicks=n_clicks,
        users_by_clicks=np.argsort(n_clicks, kind="stable"),
        clicks_sorted=np.sort(n_clicks),
        item_edge=item_edge,
        item_key=item_key[item_edge],
        item_first=item_first,
        common_gaps=_common_gaps(gaps),
        known=known,
        known_row=known[np.argsort(edge)],
        age=age,
        born_ms=born,
        short_pauses=pauses,
        least_pause_ms=int(pauses[len(pauses) // 200]) if len(pauses) else 0,
        log_traffic=np.log(days + 0.5),
        usual_clicks=tuple(np.quantile(n_clicks[n_clicks > 0], [0.3, 0.98])),
        usual_ages=tuple(np.quantile(age, [0.25, 0.75])),
    )


def _sessions(graph: GraphArrays) -> tuple[Int, Int, Int, Int]:
    """Group edges into sessions, in (user, start) order: edge, session_first, session_user, session_start."""
    # Graph edges are in (user, time) order; a stable sort by (user, session) keeps time order inside.
    group = graph.user_ix.astype(np.int64) * max(graph.n_sessions, 1) + graph.session_ix
    by_group = np.argsort(group, kind="stable")
    heads = np.flatnonzero(np.diff(group[by_group], prepend=-1))
    sizes = np.diff(heads, append=len(by_group))
    user = graph.user_ix[by_group[heads]].astype(np.int64)
    start = graph.at_ms[by_group[heads]]
    ranked = np.lexsort((start, user))
    sizes, user, start = sizes[ranked], user[ranked], start[ranked]
    first = np.concatenate([[0], np.cumsum(sizes)])
    edge = by_group[np.repeat(heads[ranked] - first[:-1], sizes) + np.arange(len(by_group))]
    return edge, first, user, start


def _known(graph: GraphArrays, edge: Int, session_of: Int) -> NDArray[np.int8]:
    """Say if the user clicked the item before: never (0), in an earlier session (1), in this one (2)."""
    key = graph.user_ix[edge].astype(np.int64) * graph.n_items + graph.item_ix[edge]
    order = np.argsort(key, kind="stable")
    again = np.diff(key[order]) == 0
    same_session = np.diff(session_of[order]) == 0
    known = np.zeros(len(edge), np.int8)
    known[order[1:]] = np.where(again, np.where(same_session, 2, 1), 0)
    return known


def _common_gaps(gaps: Int) -> Int:
    """Find gaps a logger writes itself (Globo ends each session by 30 s): over 2 % of all gaps."""
    if len(gaps) == 0:
        return np.zeros(0, np.int64)
    values, counts = np.unique(gaps, return_counts=True)
    common: Int = values[counts > 0.02 * len(gaps)]
    return common
