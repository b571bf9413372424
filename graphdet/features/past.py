"""What came before, over arrays: one sort per key, then counts and sums over any span by running totals.

Window functions of an engine were tried first: 420 s for one key with four spans over 1.75 million payments, where
this takes about two (docs/decisions/0010). Positions only ever point at rows strictly earlier than the moment asked
for, so events of the same moment do not see each other, the order of the rows does not matter, and nothing later can
be seen.
"""

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
NO_KEY = -1


def codes(*columns: Int) -> Int:
    """Number the distinct combinations of key columns from 0; NO_KEY where any part is NO_KEY.

    Shapes: each int64[n]; returns int64[n].
    """
    out = columns[0].astype(np.int64)
    for other in columns[1:]:
        absent = (out < 0) | (other < 0)
        out = out * (int(other.max(initial=0)) + 1) + other
        out[absent] = NO_KEY
        out = _dense(out)
    return out


def _dense(code: Int) -> Int:
    values, place = np.unique(code, return_inverse=True)
    return np.asarray(place - int(len(values) > 0 and values[0] == NO_KEY), np.int64)


class Past:
    """Rows sorted by key and time, to be asked what came before a moment.

    Shapes: key int64[m] (NO_KEY: the row has none and is never seen), at_ms int64[m].
    """

    def __init__(self, key: Int, at_ms: Int) -> None:
        self.order = np.lexsort((at_ms, key))
        self.key = key[self.order]
        self.at_ms = at_ms[self.order]

    def first_at_or_after(self, key: Int, at_ms: Int) -> Int:
        """For each asked key and moment the first place of that key at that moment or later, int64[q]."""
        begun, span = int(self.at_ms.min(initial=0)), self._span()
        if (int(max(self.key.max(initial=0), key.max(initial=0))) + 2) * span < 1 << 62:
            line = self.key * span + (self.at_ms - begun)
            return np.searchsorted(line, key * span + np.clip(at_ms - begun, 0, span - 1)).astype(np.int64)
        return self._bisect(key, at_ms)

    def _span(self) -> int:
        return int(self.at_ms.max(initial=0)) - int(self.at_ms.min(initial=0)) + 2

    def _bisect(self, key: Int, at_ms: Int) -> Int:
        """The same where keys and times do not fit into one number."""
        low, high = self.start(key), np.searchsorted(self.key, key, side="right").astype(np.int64)
        while True:
            still = np.flatnonzero(low < high)
            if not len(still):
                return low
            middle = (low[still] + high[still]) // 2
            later = self.at_ms[middle] >= at_ms[still]
            high[still[later]] = middle[later]
            low[still[~later]] = middle[~later] + 1

    def start(self, key: Int) -> Int:
        """The first place of each asked key, int64[q]."""
        return np.searchsorted(self.key, key, side="left").astype(np.int64)

    def running(self, values: NDArray[np.int64]) -> Int:
        """Running totals of a column of whole numbers, int64[m + 1]: total[b] − total[a] sums places a to b."""
        return np.concatenate([[0], np.cumsum(values[self.order])]).astype(np.int64)

    def largest(self, values: NDArray[np.int64], most: int) -> Int:
        """Largest value of the key so far at every place, int64[m]; values are in 0..most."""
        new = np.append(True, self.key[1:] != self.key[:-1]) if len(self.key) else np.zeros(0, bool)
        floor = np.cumsum(new) * (most + 1)
        return np.asarray(np.maximum.accumulate(values[self.order] + floor) - floor, np.int64)


class Seen:
    """What each of some moments sees of a Past: everything strictly before it, or the spans that end there.

    A span of s seconds before t is [t − s, t): start inclusive, end exclusive. With `delay_ms` every row of the past
    is seen only after that much time. Places (`start`, `end`, `since`) are held in the order of key and time, which
    makes looking up several times faster; what is counted comes out in the order of the moments asked.
    """

    def __init__(
        self, past: Past, key: Int, at_ms: Int, delay_ms: int = 0, order: NDArray[np.int64] | None = None
    ) -> None:
        self.past, self.delay_ms = past, delay_ms
        self.order = np.lexsort((at_ms, key)) if order is None else order
        self.key, self.at_ms = key[self.order], at_ms[self.order]
        self.start = past.start(self.key)
        self.end = past.first_at_or_after(self.key, self.at_ms - delay_ms)
        self.absent = self.key < 0

    def since(self, span_s: int | None) -> Int:
        """The first place of the span; None: of all time."""
        if span_s is None:
            return self.start
        return self.past.first_at_or_after(self.key, self.at_ms - self.delay_ms - span_s * 1000)

    def count(self, since: Int) -> NDArray[np.float64]:
        """How many rows from `since`, float64[q]; NaN without a key."""
        return self._given((self.end - since).astype(np.float64), ~self.absent)

    def total(self, running: Int, since: Int) -> NDArray[np.float64]:
        """Sum of a running total from `since`, float64[q]; NaN without a key."""
        return self._given((running[self.end] - running[since]).astype(np.float64), ~self.absent)

    def gap_s(self) -> NDArray[np.float64]:
        """Seconds since the last row before, NaN for none."""
        return self._age(self.end - 1, self.end > self.start)

    def age_s(self, since: Int | None = None) -> NDArray[np.float64]:
        """Seconds since the first row before (from `since`), NaN for none."""
        since = self.start if since is None else since
        return self._age(since, self.end > since)

    def last(self, values: Int | NDArray[np.float64]) -> NDArray[np.float64]:
        """A column that is in the past's order, at the last place before; NaN for none."""
        have = (self.end > self.start) & ~self.absent
        found = np.full(len(self.key), np.nan)
        found[have] = values[self.end[have] - 1]
        return self._given(found, have)

    def _age(self, place: Int, have: NDArray[np.bool_]) -> NDArray[np.float64]:
        have = have & ~self.absent
        found = np.full(len(self.key), np.nan)
        found[have] = (self.at_ms[have] - self.past.at_ms[place[have]]) / 1000.0
        return self._given(found, have)

    def _given(self, values: NDArray[np.float64], have: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Values in the order of the moments asked, NaN where there is none."""
        out = np.empty(len(values))
        out[self.order] = np.where(have, values, np.nan)
        return out


def own_past(key: Int, at_ms: Int) -> Seen:
    """What each row sees of the rows of its own key."""
    past = Past(key, at_ms)
    return Seen(past, key, at_ms, order=past.order)


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """part ÷ whole, NaN where whole is 0 or NaN."""
    out = np.full(len(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
