"""Single items: windows in which few accounts act again and again, against how often people of this log come back.

A user's acts on an item within a scale are a visit. In the organic model every visit to item i has a second act with
chance s_i, and once it has, each further one follows with chance g_i; both differ from item to item, s_i as Beta(a, b)
and g_i as Beta(c, d), fitted across the items of the log, and an item's own visits outside the window move them. In a
window in which u users act n times, n − u acts are repeats, and

    p = P(repeats >= n - u | u) = sum_k BetaBinomial(k; u, a', b') P(k + Y_k >= n - u)

with Y_k a beta negative binomial of k visits that go on, and a', b' (c', d') moved by the item. Who shares a window
with many others says little there, who fills it alone says a lot, and an item whose buyers always order twice
expects it.

Neither law may be learned from the campaigns in the log. The first allows for one bought visit in some items (a
mixture: k of n visits repeated, or k − 1 of n − 1 and one more); of the second, each item's largest visit is set
aside.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln

from graphdet.arrays import Float, Int
from graphdet.evaluation.beta_binomial import fit_beta_binomial, log_pmf
from graphdet.items.acts import ItemActs, visits
from graphdet.rings.own_time import ranges

MOST_REPEATS = 60  # told apart; more are as likely as these
# Acts in a window per own act of the visit that it holds; where there are more it stands for nothing.
MOST_OTHERS = 64
MOST_WINDOW_ACTS = 4_000_000  # held at a time


@dataclass(frozen=True)
class RepeatLaw:
    """How visits go on at one scale: Beta(a, b) of the second act, Beta(c, d) of each further one."""

    a: float
    b: float
    c: float
    d: float


@dataclass(frozen=True)
class ItemVisits:
    """Per item, int64[n_items] each: visits; those with a second act; acts after the second of all visits."""

    n: Int
    repeated: Int
    further: Int


@dataclass(frozen=True)
class Windows:
    """Windows of one scale and how surprising each is.

    Shapes, all [n_windows]: item int64; first, last int64, rows of acts, both included; n_users, n_acts int64; p
    float64.
    """

    item: Int
    first: Int
    last: Int
    n_users: Int
    n_acts: Int
    p: Float


def repeat_windows(acts: ItemActs, scale_ms: int) -> tuple[Windows, ItemVisits, RepeatLaw]:
    """The window of scale_ms that every visit with a second act begins, and its p-value.

    Also what the items' visits are and the law fitted on them.
    """
    order, _ = acts.by_pair
    found = visits(acts, scale_ms)
    of_visit = acts.item_ix[order][found.first]
    seen = _per_item(of_visit, found.size, acts.n_items)
    law = fit_law(seen, _largest(of_visit, found.size, acts.n_items))
    row = np.flatnonzero(found.size > 1)
    first = order[found.first[row]]
    key = acts.item_ix * (acts.span_ms + scale_ms + 1) + acts.at_ms
    last = np.searchsorted(key, key[first] + scale_ms, side="right") - 1
    kept = last - first + 1 <= MOST_OTHERS * found.size[row]
    first, last = first[kept], last[kept]
    users, again = _inside(acts, first, last)
    item, n_acts = acts.item_ix[first], last - first + 1
    p = repeat_p_values(users, n_acts - users, again, item, seen, law)
    return Windows(item, first, last, users, n_acts, p), seen, law


def _per_item(of_visit: Int, size: Int, n_items: int) -> ItemVisits:
    repeated = size > 1
    return ItemVisits(
        np.bincount(of_visit, minlength=n_items),
        np.bincount(of_visit[repeated], minlength=n_items),
        np.bincount(of_visit[repeated], size[repeated] - 2, minlength=n_items).astype(np.int64),
    )


def _largest(of_visit: Int, size: Int, n_items: int) -> Int:
    out = np.zeros(n_items, np.int64)
    np.maximum.at(out, of_visit, size)
    return out


def fit_law(seen: ItemVisits, largest: Int) -> RepeatLaw:
    """Fit a scale's law, see the module's head. Shapes: largest int64[n_items], acts of each item's largest visit."""
    a, b = fit_beta_binomial(seen.repeated, seen.n, one_added=True)
    further = seen.further - np.maximum(largest - 2, 0)
    stopped = np.maximum(seen.repeated - 1, 0)
    c, d = fit_beta_binomial(further, further + stopped)
    if c / (c + d) < a / (a + b):  # too few are left to tell: who came back goes on no less than others
        c, d = a, b
    return RepeatLaw(a, b, c, d)


def repeat_p_values(
    users: Int, repeats: Int, again: Int, item: Int, seen: ItemVisits, law: RepeatLaw
) -> Float:
    """P(at least so many repeats) of windows, see the module's head.

    Shapes, all int64[n_windows]: users who act, acts beyond one for each, users with two acts or more, the item.
    """
    rest_repeated = np.maximum(seen.repeated[item] - again, 0)
    rest_once = np.maximum(seen.n[item] - users - rest_repeated, 0)
    rest_further = np.maximum(seen.further[item] - (repeats - again), 0)
    columns = [users, np.minimum(repeats, MOST_REPEATS), rest_repeated, rest_once, rest_further]
    keys, row = np.unique(np.column_stack(columns), axis=0, return_inverse=True)
    n, r = keys[:, 0], keys[:, 1]
    a, b = law.a + keys[:, 2], law.b + keys[:, 3]
    c, d = law.c + keys[:, 4], law.d + keys[:, 2]
    below = np.zeros(len(keys))
    p = np.zeros(len(keys))
    for k in range(int(r.max(initial=0))):
        has = np.flatnonzero((k < r) & (k <= n))
        chance = np.exp(log_pmf(np.full(len(has), k), n[has], a[has], b[has]))
        below[has] += chance
        if k:
            p[has] += chance * _goes_on(k, r[has] - k, c[has], d[has])
    p += np.where(n >= r, np.maximum(1 - below, 0.0), 0.0)
    return np.clip(p, 1e-15, 1.0)[row.ravel()]


def expected_repeats(windows: Windows, seen: ItemVisits, law: RepeatLaw) -> Float:
    """How many repeats the users of each window would make by the item's own law, float64[n_windows]."""
    a, b = law.a + seen.repeated[windows.item], law.b + (seen.n - seen.repeated)[windows.item]
    c, d = law.c + seen.further[windows.item], law.d + seen.repeated[windows.item]
    return np.asarray(windows.n_users * a / (a + b) * (1 + c / np.maximum(d - 1, 1e-9)))


def _goes_on(k: int, y: Int, c: Float, d: Float) -> Float:
    """P(Y_k ≥ y) of a beta negative binomial: further acts of k visits, Beta(c, d) the chance of each."""
    if k == 1:
        return np.asarray(np.exp(betaln(c + y, d) - betaln(c, d)))
    below = np.zeros(len(y))
    for j in range(int(y.max(initial=0))):
        has = j < y
        ways = gammaln(k + j) - gammaln(j + 1) - gammaln(k)
        below[has] += np.exp(ways + betaln(c[has] + j, d[has] + k) - betaln(c[has], d[has]))
    return np.maximum(1 - below, 0.0)


def _inside(acts: ItemActs, first: Int, last: Int) -> tuple[Int, Int]:
    """How many users act, and how many more than once, in windows of acts first … last, int64[n_windows] each."""
    n = len(first)
    users, again = np.zeros(n, np.int64), np.zeros(n, np.int64)
    length = last - first + 1
    ends = np.cumsum(length)
    start = 0
    while start < n:
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + MOST_WINDOW_ACTS)))
        some = slice(start, stop)
        window = np.repeat(np.arange(stop - start), length[some])
        keys, count = np.unique(
            window * acts.n_users + acts.user_ix[ranges(first[some], last[some] + 1)], return_counts=True
        )
        who = keys // acts.n_users
        users[some] = np.bincount(who, minlength=stop - start)
        again[some] = np.bincount(who[count > 1], minlength=stop - start)
        start = stop
    return users, again
