"""Whom an account meets: its closest partners from its acts, as features.pairs and gnn.pair_graph find them.

Those work on the whole log at once; this asks for one account, and tests hold the two together. What is counted of
the log (crowds, the partners' own rarity and partners) stands as it was when the log was read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.features.pairs import Window
from graphdet.gnn.inputs import MAX_PARTNERS
from graphdet.rings.own_time import ranges
from graphdet.serving.inputs import OwnTies, TieTable
from graphdet.tables import GraphArrays


@dataclass(frozen=True)
class Acted:
    """An account's distinct items and its first act on each, in ms; audience and rarity count the account itself.

    Shapes: item (ascending), at_ms, audience int64[k]; rarity float64[k], ln(users ÷ audience); is_new bool[k], items
    that it has not acted on in the log.
    """

    item: Int
    at_ms: Int
    audience: Int
    rarity: Float
    is_new: NDArray[np.bool_]


@dataclass(frozen=True)
class Quiet:
    """The acts of a log outside a window's crowds, by (item, time).

    Shapes: start int64[n_items + 1]; user, at_ms [n_acts]; bucket_key int64[n_buckets] of all (item, span), ascending,
    with bucket_size, all first acts in it.
    """

    span_ms: int
    min_items: int
    crowd: int
    start: Int
    user: NDArray[np.int32]
    at_ms: Int
    bucket_key: Int
    bucket_size: Int
    spans: int
    first_span: int

    @classmethod
    def of(cls, user: Int, item: Int, at_ms: Int, n_items: int, window: Window, crowd: int) -> "Quiet":
        """From all first acts, sorted by (item, time)."""
        span_ms = int(window.span_s * 1000)
        span = at_ms // span_ms
        first_span = int(span.min(initial=0))
        spans = int(span.max(initial=0)) - first_span + 1
        key, at, size = np.unique(item * spans + span - first_span, return_inverse=True, return_counts=True)
        kept = size[at] <= crowd
        start = np.zeros(n_items + 1, np.int64)
        np.cumsum(np.bincount(item[kept], minlength=n_items), out=start[1:])
        quiet_user, quiet_ms = user[kept].astype(np.int32), at_ms[kept]
        return cls(
            span_ms, window.min_items, crowd, start, quiet_user, quiet_ms, key, size, spans, first_span
        )

    def met(self, acted: Acted, row: int) -> tuple[Int, Int, Float, Float]:
        """Who acted on common items within the window: rows, ascending; common items, their rarity, mean gap in s."""
        mine = np.flatnonzero(
            (acted.audience >= 2) & self._is_quiet(acted) & (acted.item < len(self.start) - 1)
        )
        lo, hi = self.start[acted.item[mine]], self.start[acted.item[mine] + 1]
        # By time within each item's acts, so only those within the span are looked at.
        at_ms = acted.at_ms[mine]
        lo = _first_from(self.at_ms, lo, hi, at_ms - self.span_ms)
        hi = _first_from(self.at_ms, lo, hi, at_ms + self.span_ms + 1)
        of = np.repeat(mine, hi - lo)
        places = ranges(lo, hi)
        user = self.user[places].astype(np.int64)
        gap_ms = np.abs(self.at_ms[places] - acted.at_ms[of])
        others = user != row
        users: Int
        users, at = np.unique(user[others], return_inverse=True)
        n = np.bincount(at, minlength=len(users))
        weight: Float = np.bincount(at, acted.rarity[of[others]], len(users)).astype(np.float64)
        gap: Float = np.bincount(at, gap_ms[others], len(users)).astype(np.float64)
        kept = n >= self.min_items
        common: Int = n[kept]
        return users[kept], common, weight[kept].round(6), (gap[kept] / common / 1000).round(3)

    def _is_quiet(self, acted: Acted) -> NDArray[np.bool_]:
        """Which first acts lie outside crowds, bool[k]."""
        span = acted.at_ms // self.span_ms - self.first_span
        inside = (span >= 0) & (span < self.spans) & (acted.item < len(self.start) - 1)
        key = np.where(inside, acted.item * self.spans + span, -1)
        place = np.minimum(np.searchsorted(self.bucket_key, key), max(len(self.bucket_key) - 1, 0))
        if not len(self.bucket_key):
            return np.ones(len(key), bool)
        size = np.where(self.bucket_key[place] == key, self.bucket_size[place], 0)
        return np.asarray(size + acted.is_new <= self.crowd)


def _first_from(values: Int, lo: Int, hi: Int, least: Int) -> Int:
    """Where in each ascending run values[lo:hi] the values from `least` on begin, by bisection of all runs at once."""
    lo, hi = lo.copy(), hi.copy()
    while (unsure := lo < hi).any():
        middle = (lo + hi) // 2
        before = unsure & (values[np.where(unsure, middle, 0)] < least)
        lo, hi = np.where(before, middle + 1, lo), np.where(unsure & ~before, middle, hi)
    return lo


@dataclass(frozen=True)
class Meetings:
    """The quiet acts of each window, and the total rarity of each account's items, float64[n_users]."""

    windows: tuple[Quiet, ...]
    total: Float

    @classmethod
    def of(
        cls, graph: GraphArrays, windows: Sequence[Window], crowds: Sequence[int], total: Float
    ) -> "Meetings":
        """From a graph, with the largest crowd that each window allows."""
        user, item = graph.user_ix.astype(np.int64), graph.item_ix.astype(np.int64)
        order = np.lexsort((graph.at_ms, item, user))
        first = order[np.r_[True, (np.diff(user[order]) != 0) | (np.diff(item[order]) != 0)][: len(order)]]
        first = first[np.lexsort((graph.at_ms[first], item[first]))]
        acts = user[first], item[first], graph.at_ms[first]
        return cls(
            tuple(Quiet.of(*acts, graph.n_items, w, c) for w, c in zip(windows, crowds, strict=True)), total
        )

    def ties(self, acted: Acted, row: int, table: TieTable) -> tuple[OwnTies, Int]:
        """The account's ties, and all its partners before the cut to the closest: int64[k], ascending."""
        found = [window.met(acted, row) for window in self.windows]
        users, at = np.unique(np.concatenate([each[0] for each in found]), return_inverse=True)
        k = len(users)
        seen = np.zeros((k, len(found)))
        seen[at, np.repeat(np.arange(len(found)), [len(each[0]) for each in found])] = 1.0
        n_items, weight, gap = np.zeros(k), np.zeros(k), np.full(k, np.inf)
        np.maximum.at(n_items, at, np.concatenate([each[1] for each in found]))
        np.maximum.at(weight, at, np.concatenate([each[2] for each in found]))
        np.minimum.at(gap, at, np.concatenate([each[3] for each in found]))
        own = max(float(acted.rarity.sum()), 1e-9)
        cosine = np.clip(weight / np.sqrt(own * np.maximum(self.total[users], 1e-9)), 1e-6, 1.0)
        closest = np.sort(np.lexsort((users, -cosine))[:MAX_PARTNERS])
        speaker, cosine = users[closest], cosine[closest]
        common, jaccard = _common(speaker, table)
        columns = [
            np.log1p(n_items[closest]),
            np.log1p(weight[closest]),
            cosine,
            np.log(cosine),
            np.log1p(gap[closest]),
            np.log1p(common),
            jaccard,
            *seen[closest].T,
        ]
        return OwnTies(speaker, np.stack(columns, axis=1).astype(np.float32)), users


def _common(speaker: Int, table: TieTable) -> tuple[Float, Float]:
    """How many partners an account shares with each of its own, as a count and as a Jaccard share."""
    begin, end = table.start[speaker], table.start[speaker + 1]
    size = end - begin
    both = np.isin(table.src[ranges(begin, end)], speaker)
    common = np.bincount(np.repeat(np.arange(len(speaker)), size), both, len(speaker)).astype(np.float64)
    return common, common / np.maximum(size + len(speaker) - common, 1)
