"""Money that goes round: payments of like amounts from account to account, back to the first, within a window of time.

The chance that an account pays on what it received, within the window, is at most the number of its payments there
times the chance that one of them is such an amount: the share of such amounts in the log, times how many times more
often than by that share the payments of this log are like what their payer received. The last account must pay the
first. The product over the cycle bounds how many such cycles would be expected from one payment; of the payments that
may have begun it the one with most is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphdet.arrays import Float, Int
from graphdet.payments.fans import LIKE
from graphdet.payments.transfers import Transfers

SHORTEST, LONGEST = 3, 6  # payments in a cycle; two accounts that pay each other are no cycle
CYCLE_WINDOWS = (1 / 256, 1 / 64, 1 / 16, 1 / 4)  # of the log's span
MOST_NEXT = 8  # payments that one may be paid on by, the nearest in time
MOST_LINKS = (
    5_000_000  # of payments with those of their payee that are looked at; longer windows are left out
)
MOST_STEPS = 200  # taken from one payment


@dataclass(frozen=True)
class Cycle:
    """rows: of Transfers, in the order in which the money goes. p_value: among cycles from one payment of the log."""

    rows: Int
    p_value: float


@dataclass(frozen=True)
class _Links:
    """Payments and those of their payees within a window: rows `paid` and `on`, int64[m], by `paid`."""

    paid: Int
    on: Int


def find_cycles(transfers: Transfers) -> list[Cycle]:
    """All cycles, the least likely first, each set of payments once."""
    found: dict[frozenset[int], Cycle] = {}
    if len(transfers) < SHORTEST or transfers.span_ms == 1:
        return []
    for share in CYCLE_WINDOWS:
        window_ms = int(share * transfers.span_ms)
        links = _links(transfers, window_ms)
        if links is None:
            break
        for tolerance in LIKE:
            for cycle in _cycles(transfers, links, window_ms, tolerance):
                key = frozenset(cycle.rows.tolist())
                if key not in found or cycle.p_value < found[key].p_value:
                    found[key] = cycle
    return sorted(found.values(), key=lambda cycle: (cycle.p_value, cycle.rows.tolist()))


def _links(transfers: Transfers, window_ms: int) -> _Links | None:
    """None where there are more than MOST_LINKS."""
    order, _ = transfers.rows_of(transfers.payer)
    step = transfers.span_ms + 2 * window_ms + 1
    since = transfers.at_ms - transfers.at_ms[0] + window_ms
    key = transfers.payer[order] * step + since[order]
    mine = transfers.payee * step + since
    low = np.searchsorted(key, mine - window_ms)
    high = np.searchsorted(key, mine + window_ms, side="right")
    n = high - low
    if n.sum() > MOST_LINKS:
        return None
    paid = np.repeat(np.arange(len(transfers)), n)
    place = np.arange(len(paid)) - np.repeat(np.cumsum(n) - n, n) + low[paid]
    return _Links(paid, order[place])


def _cycles(transfers: Transfers, links: _Links, window_ms: int, tolerance: float) -> Iterator[Cycle]:
    gap = np.abs(transfers.log_amount[links.on] - transfers.log_amount[links.paid])
    like = gap <= tolerance
    common = _common(transfers, tolerance)
    usual = np.minimum(common * max(like.sum() / max(common[links.paid].sum(), 1e-9), 1.0), 1.0)
    # Where each account keeps a fee, the last payment is less like the first than it is like the one before.
    rather = gap <= tolerance * (LONGEST - 1)
    shape = (len(transfers),) * 2
    ties = coo_array((np.ones(rather.sum(), bool), (links.paid[rather], links.on[rather])), shape=shape)
    part = connected_components(ties, connection="strong")[1]
    kept = like & (part[links.paid] == part[links.on])
    paid, on = _nearest(transfers, links.paid[kept], links.on[kept])
    start = np.searchsorted(paid, np.arange(len(transfers) + 1))
    busy = _Busy(transfers, window_ms)
    tried = (LONGEST - SHORTEST + 1) * len(LIKE) * len(CYCLE_WINDOWS)
    for first in np.unique(paid).tolist():
        for rows in _walks(transfers, on, start, first, window_ms):
            yield Cycle(np.array(rows), min(_p_value(busy, transfers, rows, usual) * tried, 1.0))


def _p_value(busy: "_Busy", transfers: Transfers, rows: list[int], usual: Float) -> float:
    """How many such cycles would be expected from the one of its payments from which most would be."""
    chance = [busy.paid_on(row, float(usual[row])) for row in rows]
    turns = []
    for last, row in enumerate(rows):  # each of the payments as the one that closes the cycle
        closing = busy.paid_to(rows[last - 1], int(transfers.payee[row]), float(usual[rows[last - 1]]))
        others = [each for place, each in enumerate(chance) if place not in (last, (last - 1) % len(rows))]
        turns.append(closing * float(np.prod(others)))
    return max(turns)


def _common(transfers: Transfers, tolerance: float) -> Float:
    """Chance of amounts like that of each transfer, by those of other accounts, float64[n]."""
    amounts, at = transfers.sorted_amounts, transfers.log_amount
    inside = np.searchsorted(amounts, at + tolerance, side="right") - np.searchsorted(amounts, at - tolerance)
    return np.asarray((inside - 0.5) / len(transfers))


def _nearest(transfers: Transfers, paid: Int, on: Int) -> tuple[Int, Int]:
    """Of each payment the MOST_NEXT nearest in time that pay it on, but not straight back."""
    forward = transfers.payee[on] != transfers.payer[paid]
    paid, on = paid[forward], on[forward]
    order = np.lexsort((on, np.abs(transfers.at_ms[on] - transfers.at_ms[paid]), paid))
    paid, on = paid[order], on[order]
    rank = np.arange(len(paid)) - np.searchsorted(paid, paid)
    return paid[rank < MOST_NEXT], on[rank < MOST_NEXT]


def _walks(transfers: Transfers, on: Int, start: Int, first: int, window_ms: int) -> Iterator[list[int]]:
    """Cycles from a payment, of later rows than it, within the window of it; each account once."""
    home, at = int(transfers.payer[first]), int(transfers.at_ms[first])
    stack = [[first]]
    steps = 0
    while stack and steps < MOST_STEPS:
        walk = stack.pop()
        seen = {int(transfers.payer[row]) for row in walk}
        for row in on[start[walk[-1]] : start[walk[-1] + 1]].tolist():
            if row <= first or transfers.at_ms[row] - at > window_ms:
                continue
            steps += 1
            payee = int(transfers.payee[row])
            if payee == home and len(walk) + 1 >= SHORTEST:
                yield [*walk, row]
            elif payee != home and payee not in seen and len(walk) + 1 < LONGEST:
                stack.append([*walk, row])


class _Busy:
    """How many payments an account makes around the time of another."""

    def __init__(self, transfers: Transfers, window_ms: int) -> None:
        self._transfers = transfers
        self._order, self._start = transfers.rows_of(transfers.payer)
        self._window_ms = window_ms

    def _near(self, row: int) -> Int:
        account = int(self._transfers.payee[row])
        rows = self._order[self._start[account] : self._start[account + 1]]
        at = self._transfers.at_ms[rows]
        middle = self._transfers.at_ms[row]
        low, high = np.searchsorted(at, [middle - self._window_ms, middle + self._window_ms + 1])
        return rows[low:high]

    def paid_on(self, row: int, usual: float) -> float:
        """How many payments like it the payee of a payment makes within the window, were its amounts the log's."""
        return min(len(self._near(row)) * usual, 1.0)

    def paid_to(self, row: int, account: int, usual: float) -> float:
        """The same for those to one account."""
        return min(max(int((self._transfers.payee[self._near(row)] == account).sum()), 1) * usual, 1.0)
