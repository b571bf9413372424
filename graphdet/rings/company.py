"""What company an account keeps, by itself and before any group is looked for; it orders accounts, and accuses nobody.

On how many items it acts, and three numbers in nats over chance:

* the tie: of all accounts that act with this one within a window, the one that it shares most items with, against what
  two accounts so active would share anyway;
* the crowd: how many accounts that do little else come to the same items within a week, against what the item and the
  log are used to at that time. The mean over its items, below 0 where there are fewer than usual;
* coming again: how often it acts on one item, against what the item's other users do; the most over its items.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.rings.organic import surprise
from graphdet.tables import GraphArrays, PairArrays
from graphdet.units import DAY_MS

WEEK_MS = 7 * DAY_MS
LONGEST_SHARE = 0.1  # of the log, that counts as one week in a short log
LITTLE_ELSE = 2  # items that an account of a crowd acts on at most
PRIOR_RATE = 0.5  # accounts added to an item's own, so that a new item has a rate


def company(graph: GraphArrays, windows: Sequence[PairArrays]) -> Float:
    """The tie, the crowd, coming again and the number of items of every user, float64[n_users, 4].

    windows: pairs of the log by co-action window. A log without times has no crowds: 0.
    """
    n_items = np.bincount(graph.user_ix[graph.first_rows], minlength=graph.n_users)
    return np.column_stack([closest_tie(graph, windows), crowd(graph), again(graph), n_items]).round(9)


def closest_tie(graph: GraphArrays, windows: Sequence[PairArrays]) -> Float:
    """By how many nats a user's strongest tie to another is beyond chance, float64[n_users]; 0 without any.

    Chance: two users with a and b items share Poisson(a b Σ p²) of them, with p the share of the log's acts on each
    item.
    """
    kept = graph.first_rows
    degree = np.bincount(graph.user_ix[kept], minlength=graph.n_users).astype(np.float64)
    audience = np.bincount(graph.item_ix[kept], minlength=graph.n_items).astype(np.float64)
    same_item = float(((audience / max(len(kept), 1)) ** 2).sum())
    out = np.zeros(graph.n_users)
    for pairs in windows:
        nats = surprise(pairs.n_items.astype(np.float64), degree[pairs.a] * degree[pairs.b] * same_item)
        np.maximum.at(out, pairs.a, nats)
        np.maximum.at(out, pairs.b, nats)
    return out


def crowd(graph: GraphArrays) -> Float:
    """How full of accounts that do little else a user's items are at its times, float64[n_users], in nats."""
    if not graph.timed or not graph.n_edges:
        return np.zeros(graph.n_users)
    kept = graph.first_rows
    order = kept[np.lexsort((graph.at_ms[kept], graph.item_ix[kept]))]
    user, item = graph.user_ix[order], graph.item_ix[order].astype(np.int64)
    at_ms = graph.at_ms[order] - int(graph.at_ms[order].min())
    span_ms = int(at_ms.max()) + 1
    reach_ms = max(min(WEEK_MS, int(LONGEST_SHARE * span_ms)), 1)
    little_else = np.bincount(user, minlength=graph.n_users)[user] <= LITTLE_ELSE
    near, of_item = _around(item, at_ms, little_else, reach_ms)
    times = np.sort(at_ms[little_else])
    usual_ms = np.searchsorted(times, at_ms + reach_ms, "right") - np.searchsorted(times, at_ms - reach_ms)
    rest = of_item - near + PRIOR_RATE
    nats = _signed(near.astype(np.float64), rest * usual_ms / max(len(times), 1))
    total = np.bincount(user, nats, graph.n_users)
    return np.asarray(total / np.maximum(np.bincount(user, minlength=graph.n_users), 1))


def again(graph: GraphArrays) -> Float:
    """By how many nats a user acts on an item more often than its other users, float64[n_users], the most over items.

    The average of the log counts as one more user of every item.
    """
    pair = graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix
    pairs, at = np.unique(pair, return_inverse=True)
    n = np.bincount(at, graph.n, len(pairs)).astype(np.float64)
    user, item = np.divmod(pairs, max(graph.n_items, 1))
    others = np.bincount(item, n, graph.n_items)[item] - n + n.sum() / max(len(n), 1)
    usual = others / np.bincount(item, minlength=graph.n_items)[item]
    out = np.zeros(graph.n_users)
    np.maximum.at(out, user, surprise(n, usual))
    return out


def _around(item: Int, at_ms: Int, counted: NDArray[np.bool_], reach_ms: int) -> tuple[Int, Int]:
    """Counted acts on an act's item within reach_ms of it, others than itself, and at any time: int64[n_acts] each.

    Acts are sorted by item and time.
    """
    apart = int(at_ms.max(initial=0)) + reach_ms + 1  # so that no reach leads into another item
    key = item * apart + at_ms
    before = np.append(0, np.cumsum(counted))
    low, high = np.searchsorted(key, key - reach_ms), np.searchsorted(key, key + reach_ms, "right")
    first, end = np.searchsorted(item, item), np.searchsorted(item, item, "right")
    low, high = np.maximum(low, first), np.minimum(high, end)
    return before[high] - before[low] - counted, before[end] - before[first] - counted


def _signed(observed: Float, expected: Float) -> Float:
    """Log-likelihood of a Poisson count over its expectation, negative where there are fewer; float64[n]."""
    expected = np.maximum(expected, 1e-3)
    observed = np.maximum(observed, 1e-6)
    nats = observed * np.log(observed / expected) - (observed - expected)
    return np.where(observed > expected, nats, -nats)
