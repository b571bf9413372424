"""A ring against expectation: what chance would have done, as whole distributions.

Two nulls, each with its own question.

**Organic model.** Would these accounts act on these very items anyway? Each account u meets each item i
independently with probability 1 - exp(-mu_ui), mu_ui = sum over 64 time slices of (acts of u) x (acts on i) /
(all acts), the ring's own acts left in, which favours innocence. The count of filled cells of members x targets
is then a sum of unequal coins, a Poisson-binomial variable, computed exactly (up to rounding). It takes the items
as given.

**Matched groups.** But the items were picked because they are shared. So groups of as many other accounts are drawn
from the log, each as active as its counterpart while the ring was at work, and for each group the same number of
items is picked as well as can be: those that most of the group touch. It says how much picking alone can show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.reports.log_acts import N_SLICES, Acts, Ints

N_GROUPS = 199  # so that the smallest p-value is a round 0.005
MOST_DRAWN = 200_000  # accounts drawn for one ring; a huge one gets fewer groups
LEAST_GROUPS = 40
_AT_ONCE = 200_000  # accounts drawn before their acts are looked up: bounded memory
_NEAREST = 25  # an account is matched with one of at least so many
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Organic:
    """The organic null: observed and expected filled cells, and chance[k], the probability of k of them."""

    observed: int
    expected: float
    chance: Float
    p_value: float  # chance of at least as many; rounding hides what is below 1e-12


@dataclass(frozen=True)
class Matched:
    """The matched null: the ring's acts on its targets, and those of each group on its own best items."""

    observed: int
    groups: Ints

    @property
    def p_value(self) -> float:
        """Share of groups that gather at least as much, the ring counted as one of them."""
        return float((np.sum(self.groups >= self.observed) + 1) / (len(self.groups) + 1))


def organic_null(acts: Acts, users: Ints, items: Ints) -> Organic:
    """Hold a ring against the organic model; users and items are rows."""
    mine, place = acts.of_users(users)
    by_user = _table(place, acts.slices_of(mine), len(users))
    on_them = acts.on_items(items)
    column = np.searchsorted(np.sort(items), acts.item_ix[on_them])
    by_item = _table(column, acts.slices_of(on_them), len(items))
    mu = by_user @ (by_item / np.maximum(acts.slice_acts, 1)).T
    observed = int(np.isin(acts.item_ix[mine], items).sum())
    p = -np.expm1(-mu.ravel())
    chance = poisson_binomial(p)
    tail = float(min(1.0, max(chance[observed:].sum(), 0.0))) if observed < len(chance) else 0.0
    return Organic(observed, float(p.sum()), chance, tail)


def _table(rows: Ints, slices: Ints, n: int) -> Float:
    flat = np.bincount(rows * N_SLICES + slices, minlength=n * N_SLICES)
    return flat.reshape(n, N_SLICES).astype(np.float64)


def poisson_binomial(p: Float) -> Float:
    """The distribution of the number of heads of unequal coins, up to where it is below 1e-12.

    By doubling: the polynomials (1 - p) + p x of all coins are multiplied in pairs, cut at the support.

    >>> poisson_binomial(np.array([0.5, 0.5])).round(3).tolist()
    [0.25, 0.5, 0.25]
    """
    p = p[p > 0]
    spread = float(np.sqrt((p * (1 - p)).sum()))
    room = min(len(p), int(np.ceil(p.sum() + 8 * spread + 30))) + 1
    parts = np.column_stack([1 - p, p]) if len(p) else np.ones((1, 1))
    while len(parts) > 1:
        if len(parts) % 2:
            one = np.zeros((1, parts.shape[1]))
            one[0, 0] = 1.0
            parts = np.concatenate([parts, one])
        width = min(2 * parts.shape[1] - 1, room)
        size = 2 * parts.shape[1] - 1
        product = np.fft.irfft(
            np.fft.rfft(parts[0::2], size, axis=1) * np.fft.rfft(parts[1::2], size, axis=1), size, axis=1
        )
        parts = np.maximum(product[:, :width], 0.0)
    chance: Float = parts[0]
    last = np.flatnonzero(chance > 1e-12)
    return chance[: int(last[-1]) + 1] if len(last) else chance[:1]


def matched_null(acts: Acts, users: Ints, items: Ints, first_ms: int, last_ms: int, seed: int = 0) -> Matched:
    """Hold a ring against groups of accounts as active in its window, each on its own best items."""
    within = acts.within(first_ms, last_ms)
    degree = within.degree
    mine, _ = within.of_users(users)
    observed = int(np.isin(within.item_ix[mine], items).sum())
    outside = degree > 0
    outside[users] = False
    pool = np.flatnonzero(outside)
    # Sixteen bits sort by counting; more than 65,535 items in a window are alike enough.
    pool = pool[np.argsort(np.minimum(degree[pool], 65_535).astype(np.uint16), kind="stable")]
    if len(pool) < len(users):
        return Matched(observed, np.zeros(0, np.int64))
    n_groups = int(np.clip(MOST_DRAWN // max(len(users), 1), LEAST_GROUPS, N_GROUPS))
    drawn = pool[_draw(degree[pool], degree[users], n_groups, np.random.default_rng(seed))]
    parts = np.array_split(drawn, max(1, drawn.size // _AT_ONCE))
    return Matched(observed, np.concatenate([_best(within, part, len(items)) for part in parts]))


def _draw(pool_degree: Ints, wanted: Ints, n_groups: int, rng: np.random.Generator) -> Ints:
    """Draw places of the pool, int64[n_groups, n_members]: within a quarter of the activity asked for."""
    low = np.searchsorted(pool_degree, wanted / 1.25, side="left")
    high = np.searchsorted(pool_degree, wanted * 1.25, side="right")
    short = np.maximum(_NEAREST - (high - low), 0)
    low = np.maximum(low - (short + 1) // 2, 0)
    high = np.minimum(np.maximum(high + short // 2, low + 1), len(pool_degree))
    low = np.minimum(low, len(pool_degree) - 1)
    return rng.integers(low, high, (n_groups, len(wanted)))


def _best(acts: Acts, drawn: Ints, n_items: int) -> Ints:
    """Acts of each group on those n items that most of it touch, int64[n_groups].

    Shapes: drawn int64[n_groups, n_members], rows of users; one drawn twice for a group counts once.
    """
    n_groups, size = drawn.shape
    once = np.sort(np.repeat(np.arange(n_groups), size) * acts.n_users + drawn.ravel())
    once = once[np.diff(once, prepend=-1) > 0]
    mine, place = acts.of_users(once % acts.n_users)
    group = (once // acts.n_users)[place]
    key, count = np.unique(group * acts.n_items + acts.item_ix[mine], return_counts=True)
    group = key // acts.n_items
    order = np.lexsort((-count, group))
    group, count = group[order], count[order]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    best = rank < n_items
    return np.bincount(group[best], count[best], minlength=n_groups).astype(np.int64)
