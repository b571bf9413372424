"""The scan of single items: which were pushed on their own, when, and by which accounts.

A ring of users × items needs shared targets; a shop whose orders one buyer makes, or a page hit by accounts that do
nothing else, leaves none. Each item is scanned by windows at several scales for repeats (few accounts that act again
and again, item_repeats.py) and for throwaway accounts (item_crowds.py). Per kind an item gets one p-value over all its
windows, then over scales (item_scales.py), and a q-value over the items of the log.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.evaluation.rounding import six
from graphdet.evaluation.tails import adaptive_q_values
from graphdet.items.acts import ItemActs, any_of, over_scales
from graphdet.items.crowds import (
    CrowdCells,
    alone_p_values,
    cells,
    number_p_values,
    throwaway_p_values,
    throwaways,
)
from graphdet.items.repeats import expected_repeats, repeat_windows
from graphdet.rings.why.reasons import inclusive_span_s, span_in_words, two_digits
from graphdet.tables import typed_table
from graphdet.words import iso

REPEATED_ACTS, THROWAWAY = "repeats", "throwaway"
ITEM_FINDING_KINDS = (REPEATED_ACTS, THROWAWAY)
# Two more are no findings by themselves (see items.bursts): throwaway accounts by their number alone, and the crowds
# of all other accounts with whom no throwaways came.
NEWCOMERS, ORDINARY = "newcomers", "ordinary"
ITEM_WORTH_A_LOOK = 0.01  # p-value up to which an item is told though it is not flagged


@dataclass(frozen=True)
class Strongest:
    """The strongest window of each item, of one scale or over all.

    Shapes, all [n_items]: p float64, over all windows of the item; start_ms, end_ms int64 from the log's first act;
    observed int64 and expected float64, repeats or throwaway accounts; n_users int64, who acts in the window.
    """

    p: Float
    start_ms: Int
    end_ms: Int
    observed: Int
    expected: Float
    n_users: Int


@dataclass(frozen=True)
class ItemFindings:
    """What one kind of scan says of every item.

    Shapes: q float64[n_items]; flagged bool[n_items]; scale_ms int64[n_items], the scale each item is judged at;
    by_scale, the strongest windows at every scale, shortest first; strongest, those of the scale that is judged at.
    """

    kind: str
    q: Float
    flagged: NDArray[np.bool_]
    scale_ms: Int
    by_scale: list[Strongest]
    strongest: Strongest


def scan_items(
    acts: ItemActs,
    fdr: float = 0.05,
    kinds: tuple[str, ...] = ITEM_FINDING_KINDS,
    step: Callable[[], None] | None = None,
    *,
    choose: Callable[[Float, NDArray[np.bool_]], tuple[Float, Int]] = over_scales,
) -> list[ItemFindings]:
    """Scan every item for each kind; flagged are those with q ≤ fdr among the items of the log.

    `step` is called once per kind and scale. choose: how the p-values of all scales become one, see acts.over_scales.
    """
    scales = acts.scales_ms()
    tested = np.bincount(acts.item_ix, minlength=acts.n_items) > 0
    out = []
    for kind in kinds:
        found = []
        for scale in scales:
            found.append(_SCANS[kind](acts, scale))
            if step:
                step()
        p, chosen = choose(np.array([one.p for one in found]), tested)
        q = np.ones(acts.n_items)
        q[tested] = adaptive_q_values(p[tested])
        best = Strongest(
            p,
            *(
                np.array([getattr(one, name) for one in found])[chosen, np.arange(acts.n_items)]
                for name in ("start_ms", "end_ms", "observed", "expected", "n_users")
            ),
        )
        out.append(ItemFindings(kind, q, tested & (q <= fdr), np.array(scales)[chosen], found, best))
    return out


@dataclass(frozen=True)
class Behind:
    """The accounts behind an item's strongest window, most active first.

    Shapes: user, n_acts int64[m], rows and their acts in it. first_ms, last_ms: from the first to the last of these.
    """

    user: Int
    n_acts: Int
    first_ms: int
    last_ms: int


def accounts_of(acts: ItemActs, found: ItemFindings, item: int) -> Behind:
    """The accounts behind an item's strongest window: who acted more than once, or does nothing else."""
    start, end = (int(times[item]) for times in (found.strongest.start_ms, found.strongest.end_ms))
    low, high = np.searchsorted(acts.item_ix, [item, item + 1])
    inside = low + np.flatnonzero((acts.at_ms[low:high] >= start) & (acts.at_ms[low:high] < end))
    users, place, count = np.unique(acts.user_ix[inside], return_inverse=True, return_counts=True)
    kept = count > 1 if found.kind == REPEATED_ACTS else throwaways(acts, int(found.scale_ms[item]))[users]
    at = acts.at_ms[inside[kept[place]]]
    users, count = users[kept], count[kept]
    order = np.lexsort((users, -count))
    if not len(at):
        at = np.array([start])
    return Behind(users[order], count[order], int(at.min()), int(at.max()))


def _repeats(acts: ItemActs, scale_ms: int) -> Strongest:
    windows, seen, law = repeat_windows(acts, scale_ms)
    start = acts.at_ms[windows.first]
    expected = expected_repeats(windows, seen, law)
    found = _Windows(
        windows.item,
        windows.p,
        start,
        acts.at_ms[windows.last] + 1,
        windows.n_acts - windows.n_users,
        expected,
        windows.n_users,
    )
    return _strongest(acts.n_items, np.maximum(seen.n, 1), found)


def _throwaways(acts: ItemActs, scale_ms: int) -> Strongest:
    return _crowds(acts, scale_ms, throwaways(acts, scale_ms), throwaway_p_values)


def _newcomers(acts: ItemActs, scale_ms: int) -> Strongest:
    return _crowds(acts, scale_ms, throwaways(acts, scale_ms), number_p_values)


def _ordinary(acts: ItemActs, scale_ms: int) -> Strongest:
    return _crowds(acts, scale_ms, ~throwaways(acts, scale_ms), alone_p_values)


_SCANS = {REPEATED_ACTS: _repeats, THROWAWAY: _throwaways, NEWCOMERS: _newcomers, ORDINARY: _ordinary}


def _crowds(
    acts: ItemActs,
    scale_ms: int,
    counted: NDArray[np.bool_],
    p_values: Callable[[CrowdCells, int], tuple[Float, Float]],
) -> Strongest:
    tilings = [cells(acts, scale_ms, offset, counted) for offset in (0, scale_ms // 2)]
    tested = [p_values(tiling, acts.n_items) for tiling in tilings]
    item = np.concatenate([tiling.item for tiling in tilings])
    start = np.concatenate([tiling.start_ms for tiling in tilings])
    found = _Windows(
        item,
        np.concatenate([p for p, _ in tested]),
        start,
        start + scale_ms,
        np.concatenate([tiling.n_throwaway for tiling in tilings]),
        np.concatenate([expected for _, expected in tested]),
        np.concatenate([tiling.n_users for tiling in tilings]),
    )
    return _strongest(acts.n_items, np.maximum(np.bincount(item, minlength=acts.n_items), 1), found)


@dataclass(frozen=True)
class _Windows:
    """Windows of items that were tested. Shapes: all [n_windows]; start and end in ms, half open."""

    item: Int
    p: Float
    start: Int
    end: Int
    observed: Int
    expected: Float
    n_users: Int


def _strongest(n_items: int, n_windows: Int, tested: _Windows) -> Strongest:
    """Of each item the window with the least p, then the earliest; n_windows int64[n_items] pays for the choice."""
    order = np.lexsort((tested.start, tested.p, tested.item))
    named, first = np.unique(tested.item[order], return_index=True)
    best = order[first]

    def spread(values: NDArray[Any]) -> NDArray[Any]:
        out = np.zeros(n_items, values.dtype)
        out[named] = values[best]
        return out

    over_all = np.ones(n_items)
    over_all[named] = any_of(tested.p[best], n_windows[named])
    return Strongest(
        over_all,
        spread(tested.start),
        spread(tested.end),
        spread(tested.observed),
        spread(tested.expected),
        spread(tested.n_users),
    )


def tabulate_items(
    acts: ItemActs, findings: list[ItemFindings], item_ids: pa.Array, user_ids: pa.Array
) -> tuple[pa.Table, pa.Table]:
    """Items that are flagged, or whose p is at most ITEM_WORTH_A_LOOK, and the accounts behind each.

    Returns tables of ITEM_SCAN_COLUMNS and ITEM_SCAN_ACCOUNTS columns, strongest first.
    """
    items: dict[str, list[object]] = {name: [] for name in ITEM_SCAN_COLUMNS}
    accounts: dict[str, list[object]] = {name: [] for name in ITEM_SCAN_ACCOUNTS}
    rows = [
        (float(found.q[item]), float(found.strongest.p[item]), found.kind, int(item), found)
        for found in findings
        for item in np.flatnonzero(found.flagged | (found.strongest.p <= ITEM_WORTH_A_LOOK))
    ]
    for q, p, kind, item, found in sorted(rows, key=lambda row: row[:4]):
        behind = accounts_of(acts, found, item)
        best, item_id = found.strongest, item_ids[item].as_py()
        values = (
            item_id,
            kind,
            six(p),
            six(q),
            bool(found.flagged[item]),
            iso(acts.origin_ms + behind.first_ms),
            iso(acts.origin_ms + behind.last_ms),
            len(behind.user),
            int(best.observed[item]),
            six(best.expected[item]),
            _words(found, item, behind, acts.unit_ms),
        )
        for name, value in zip(ITEM_SCAN_COLUMNS, values, strict=True):
            items[name].append(value)
        for user, n in zip(behind.user.tolist(), behind.n_acts.tolist(), strict=True):
            for name, value in zip(
                ITEM_SCAN_ACCOUNTS, (item_id, kind, user_ids[user].as_py(), n), strict=True
            ):
                accounts[name].append(value)
    return typed_table(items, _ITEM_TYPES), typed_table(accounts, _ACCOUNT_TYPES)


def _words(found: ItemFindings, item: int, behind: Behind, unit_ms: int) -> str:
    span = span_in_words(inclusive_span_s((behind.last_ms - behind.first_ms) / 1000, unit_ms))
    who = "1 account" if len(behind.user) == 1 else f"{len(behind.user)} accounts"
    expected = two_digits(float(found.strongest.expected[item]))
    if found.kind == REPEATED_ACTS:
        acts = f"{int(behind.n_acts.sum())} acts by {who} within {span}"
        return f"{acts}: {found.strongest.observed[item]} repeats where {expected} would be expected"
    return f"{who} that did nothing else, within {span}, where {expected} would be expected"


# From first_seen to last_seen, ISO 8601 UTC, the accounts behind it acted; observed and expected count repeats or
# throwaway accounts in the window.
ITEM_SCAN_COLUMNS = (
    "item_id", "kind", "p_value", "q_value", "flagged", "first_seen", "last_seen", "n_accounts", "observed", "expected",
    "reason",
)  # fmt: skip
ITEM_SCAN_ACCOUNTS = ("item_id", "kind", "user_id", "n_acts")
_S, _F, _I = pa.string(), pa.float64(), pa.int64()
_ITEM_TYPES = (_S, _S, _F, _F, pa.bool_(), _S, _S, _I, _I, _F, _S)
_ACCOUNT_TYPES = (_S, _S, _S, _I)
