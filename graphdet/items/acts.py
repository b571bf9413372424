"""Acts by item and time, and the visits and windows that single items are scanned by.

One p-value per item from those at several scales.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.evaluation.tails import adaptive_q_values
from graphdet.tables import GraphArrays, usual_unit_ms

SHORTEST_MS, FACTOR = 60_000, 4  # scales: 1 minute, 4, 16, 64, 4.3 hours …
MOST_SCALES = 8
LONGEST_SHARE = 0.2  # of the log's span: what is longer is no burst


@dataclass(frozen=True)
class ItemActs:
    """All acts, by item, then time, then user.

    Shapes, all [n_acts]: item_ix, user_ix int64; at_ms int64, from 0 at the log's first act. origin_ms is that act's
    time; span_ms the log's length, at least 1. elsewhere bool[n_users], who has other acts too, of which nothing is
    known here; None for nobody.
    """

    item_ix: Int
    user_ix: Int
    at_ms: Int
    n_items: int
    n_users: int
    origin_ms: int
    span_ms: int
    elsewhere: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        item_ix: NDArray[np.integer],
        user_ix: NDArray[np.integer],
        at_ms: NDArray[np.integer],
        n_items: int,
        n_users: int,
    ) -> "ItemActs":
        """Sort acts; at_ms counts from anywhere.

        Raises:
            ValueError: the arrays differ in length.
        """
        if not len(item_ix) == len(user_ix) == len(at_ms):
            raise ValueError(f"acts differ in length: {len(item_ix)}, {len(user_ix)}, {len(at_ms)}")
        origin = int(at_ms.min()) if len(at_ms) else 0
        order = np.lexsort((user_ix, at_ms, item_ix))
        at = at_ms[order].astype(np.int64) - origin
        span = int(at.max(initial=0)) + 1
        return cls(
            item_ix[order].astype(np.int64),
            user_ix[order].astype(np.int64),
            at,
            n_items,
            n_users,
            origin,
            span,
        )

    @classmethod
    def of_graph(cls, graph: GraphArrays) -> "ItemActs":
        """The acts of a graph; those of one session on one item are all at the time of its first."""
        row = np.repeat(np.arange(graph.n_edges), graph.n)
        return cls.of(graph.item_ix[row], graph.user_ix[row], graph.at_ms[row], graph.n_items, graph.n_users)

    @property
    def timed(self) -> bool:
        """Whether the log says when things happened; the acts of one that does not are all at the moment 0."""
        return self.origin_ms != 0 or self.span_ms > 1

    @cached_property
    def unit_ms(self) -> int:
        """The coarsest usual unit of the times, in ms: DAY_MS in a log of days."""
        return usual_unit_ms(self.at_ms + self.origin_ms)

    def scales_ms(self) -> list[int]:
        """Lengths of windows: a geometric grid, as long as a fifth of the log at most; one at least."""
        grid = [SHORTEST_MS * FACTOR**k for k in range(MOST_SCALES)]
        return [scale for scale in grid if scale <= LONGEST_SHARE * self.span_ms] or grid[:1]

    @cached_property
    def by_pair(self) -> tuple[Int, Int]:
        """Acts by item, user and time: their rows, int64[n_acts], and the number of each one's (item, user)."""
        key = self.item_ix * self.n_users + self.user_ix
        order = np.argsort(key, kind="stable")  # by time already
        key = key[order]
        new = np.ones(len(order), bool)
        new[1:] = key[1:] != key[:-1]
        return order, np.cumsum(new) - 1

    @cached_property
    def lives_ms(self) -> Int:
        """From first to last act of users who act on one item only, int64[n_users]; −1 for all others."""
        first = np.full(self.n_users, np.iinfo(np.int64).max)
        last, low, high = (np.full(self.n_users, -1) for _ in range(3))
        low[:] = self.n_items
        np.minimum.at(first, self.user_ix, self.at_ms)
        np.maximum.at(last, self.user_ix, self.at_ms)
        np.minimum.at(low, self.user_ix, self.item_ix)
        np.maximum.at(high, self.user_ix, self.item_ix)
        once = low == high if self.elsewhere is None else (low == high) & ~self.elsewhere
        return np.where(once, last - first, -1)


@dataclass(frozen=True)
class Visits:
    """A user's acts on an item within one scale of the first of them, by turns.

    Shapes: first int64[n_visits], place of the first act in by_pair; size int64[n_visits]; visit, rank
    int64[n_acts], in by_pair, the visit of an act and how many of it came before.
    """

    first: Int
    size: Int
    visit: Int
    rank: Int


def visits(acts: ItemActs, scale_ms: int) -> Visits:
    """Cut the acts of each user on each item into visits: one lasts from an act up to scale_ms later."""
    order, pair = acts.by_pair
    n = len(order)
    key = pair * (acts.span_ms + scale_ms + 1) + acts.at_ms[order]
    is_first = np.zeros(n, bool)
    now = np.flatnonzero(np.append(True, np.diff(pair) != 0)) if n else np.zeros(0, np.int64)
    ends = np.append(now[1:], n) if n else now
    while len(now):
        is_first[now] = True
        following = np.searchsorted(key, key[now] + scale_ms, side="right")
        more = following < ends
        now, ends = following[more], ends[more]
    first = np.flatnonzero(is_first)
    visit = np.cumsum(is_first) - 1
    return Visits(first, np.diff(np.append(first, n)), visit, np.arange(n) - first[visit] if n else visit)


CHOICE_FDR = 0.1


def any_of(p_window: Float, n_windows: Int) -> Float:
    """P(the least of n_windows p-values is that low), were they independent; dependence makes it smaller.

    >>> any_of(np.array([0.5]), np.array([2])).tolist()
    [0.75]
    """
    return np.asarray(-np.expm1(n_windows * np.log1p(-np.clip(p_window, 0.0, 1 - 1e-12))))


def least_of_scales(p: Float, tested: NDArray[np.bool_]) -> tuple[Float, Int]:
    """The least p-value of all scales, paid for by their number (Bonferroni), and its scale; shapes as over_scales.

    >>> least_of_scales(np.array([[0.25, 1.0], [0.5, 0.125]]), np.array([True, False]))[0].tolist()
    [0.5, 1.0]
    """
    return np.where(tested, np.minimum(p.min(axis=0) * len(p), 1.0), 1.0), p.argmin(axis=0)


def over_scales(p: Float, tested: NDArray[np.bool_]) -> tuple[Float, Int]:
    """A p-value per item, and the scale that each is judged at, from p-values at every scale.

    Campaigns of a log mostly work at one pace. Items are dealt into two halves, by turns; each half is judged at the
    scale at which the other half has most discoveries (at a false discovery rate of CHOICE_FDR), so that the choice
    spends nothing. Where the best of all scales, paid for by their number (Bonferroni), has as many, it is taken.

    Shapes: p float64[n_scales, n_items], tested bool[n_items], items with anything to test. Returns p float64[n_items],
    1 for items not tested, and scale int64[n_items], rows of p.
    """
    n_items = p.shape[1]
    least, scale = least_of_scales(p, tested)
    options = np.vstack([least, p])
    out = np.ones(n_items)
    rows = np.flatnonzero(tested)
    for half in (0, 1):
        mine, other = rows[half::2], rows[1 - half :: 2]
        found = [int((adaptive_q_values(option[other]) <= CHOICE_FDR).sum()) for option in options]
        best = int(np.argmax(found))  # the first of equals: all scales
        out[mine] = options[best, mine]
        if best:
            scale[mine] = best - 1
    return out, scale
