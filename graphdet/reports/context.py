"""What lies around a ring: who else touched its targets, and how both grew over time.

A ring against expectation: what chance would have done, as whole distributions.

Two nulls, each with its own question.

**OrganicNull model.** Would these accounts act on these very items anyway? Each account u meets each item i
independently with probability 1 - exp(-mu_ui), mu_ui = sum over 64 time slices of (acts of u) x (acts on i) /
(all acts), the ring's own acts left in, which favours innocence. The count of filled cells of members x targets
is then a sum of unequal coins, a Poisson-binomial variable, computed exactly (up to rounding). It takes the items
as given.

**Matched groups.** But the items were picked because they are shared. So groups of as many other accounts are drawn
from the log, each as active as its counterpart while the ring was at work, and for each group the same number of
items is picked as well as can be: those that most of the group touch. It says how much picking alone can show.

The whole log as a report sees it: the first act of every user on every item, as arrays.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.tables import numbered, require_columns

N_CONTEXT_SLICES = 64  # time slices of equal numbers of acts, as in the organic model of ring finding


@dataclass(frozen=True)
class LogActs:
    """Distinct (user, item) acts with their first time, by user.

    Shapes: user_ids, item_ids Arrow strings in byte order; user_ix, item_ix int32[n_acts] into them; at_ms
    int64[n_acts].
    """

    user_ids: pa.Array
    item_ids: pa.Array
    user_ix: NDArray[np.int32]
    item_ix: NDArray[np.int32]
    at_ms: Int

    @classmethod
    def of(cls, table: pa.Table) -> "LogActs":
        """Encode a table of user_id, item_id, at_ms in any order; of a pair the first act is kept.

        Ids may be whole numbers.

        Raises:
            ValueError: a column is missing.
        """
        require_columns(table.column_names, ("user_id", "item_id", "at_ms"), "acts")
        with ThreadPoolExecutor(2) as pool:  # Arrow and NumPy let go of the interpreter
            (user_ids, user_ix), (item_ids, item_ix) = pool.map(
                numbered, (table["user_id"], table["item_id"])
            )
        at_ms = table["at_ms"].to_numpy().astype(np.int64, copy=False)
        n_items = max(len(item_ids), 1)
        pair = user_ix.astype(np.int64) * n_items + item_ix
        order = _order(pair)
        pair = pair[order]
        begins = np.flatnonzero(np.diff(pair, prepend=-1))
        first = np.minimum.reduceat(at_ms[order], begins) if len(begins) else at_ms
        pair = pair[begins]
        return cls(
            user_ids, item_ids, (pair // n_items).astype(np.int32), (pair % n_items).astype(np.int32), first
        )

    def ready(self) -> "LogActs":
        """Sort the acts now in all the ways that rings are looked at; gives them back."""
        with ThreadPoolExecutor(1) as other:
            by_item = other.submit(lambda: self._by_item)
            _ = self.user_ends, self.slice_acts, by_item.result()
        return self

    @property
    def n_users(self) -> int:
        """How many users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """How many items."""
        return len(self.item_ids)

    @cached_property
    def user_ends(self) -> Int:
        """Where the acts of each user begin, int64[n_users + 1]."""
        return _ends(self.user_ix, self.n_users)

    @cached_property
    def degree(self) -> Int:
        """Distinct items per user, int64[n_users]."""
        return np.diff(self.user_ends)

    @cached_property
    def by_time(self) -> Int:
        """The acts in their order in time, int64[n_acts]."""
        return _order(self.at_ms)

    @cached_property
    def times(self) -> Int:
        """The times of all acts, ascending, int64[n_acts]."""
        return self.at_ms[self.by_time]

    @cached_property
    def _by_item(self) -> tuple[Int, Int]:
        return _order(self.item_ix), _ends(self.item_ix, self.n_items)

    @cached_property
    def cuts(self) -> NDArray[np.float64]:
        """The times between slices, float64[N_CONTEXT_SLICES - 1]."""
        if not len(self.at_ms):
            return np.zeros(0)
        return np.quantile(self.times, np.linspace(0, 1, N_CONTEXT_SLICES + 1)[1:-1])

    @cached_property
    def slice_acts(self) -> NDArray[np.float64]:
        """How many acts fall into each slice, float64[N_CONTEXT_SLICES]."""
        edges = np.searchsorted(self.times, self.cuts, side="left")
        return np.diff(np.concatenate([[0], edges, [len(self.times)]])).astype(np.float64)

    def slices_of(self, acts: Int) -> Int:
        """The slice of some acts."""
        return np.searchsorted(self.cuts, self.at_ms[acts], side="right")

    def rows_of_users(self, ids: list[str]) -> Int:
        """The rows of user ids; those that the log lacks are left out."""
        return _rows(self.user_ids, ids)

    def rows_of_items(self, ids: list[str]) -> Int:
        """The rows of item ids, in the order given; those that the log lacks are left out."""
        return _rows(self.item_ids, ids)

    def on_items(self, items: Int) -> Int:
        """The acts on some items, item by item."""
        order, ends = self._by_item
        parts = [order[ends[item] : ends[item + 1]] for item in items.tolist()]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def of_users(self, users: Int) -> tuple[Int, Int]:
        """The acts of some users, user by user, and for each its place in `users`."""
        n = self.degree[users]
        place = np.repeat(np.arange(len(users)), n)
        first = np.repeat(self.user_ends[users] - np.concatenate([[0], np.cumsum(n)[:-1]]), n)
        return first + np.arange(len(place)), place

    def within(self, first_ms: int, last_ms: int) -> "LogActs":
        """The acts with first_ms <= at_ms <= last_ms; users and items keep their rows."""
        low = int(np.searchsorted(self.times, first_ms, side="left"))
        high = int(np.searchsorted(self.times, last_ms, side="right"))
        rows = np.sort(self.by_time[low:high])
        return LogActs(self.user_ids, self.item_ids, self.user_ix[rows], self.item_ix[rows], self.at_ms[rows])


def _order(key: NDArray[np.integer]) -> Int:
    """The rows in the order of a key, those of one key in their own order.

    Key and row are sorted as one number where 63 bits hold both: a fifth of the time of an argsort.
    """
    if not len(key):
        return np.zeros(0, np.int64)
    least, n_bits = int(key.min()), len(key).bit_length()
    if (int(key.max()) - least).bit_length() + n_bits > 63:
        return np.argsort(key, kind="stable")
    both = ((key.astype(np.int64) - least) << n_bits) | np.arange(len(key))
    both.sort()
    return both & ((1 << n_bits) - 1)


def _ends(key: NDArray[np.int32], n_keys: int) -> Int:
    """Where the rows of each key below n_keys begin once they are sorted by it, int64[n_keys + 1]."""
    return np.concatenate([[0], np.cumsum(np.bincount(key, minlength=n_keys))])


def _rows(ids: pa.Array, wanted: list[str]) -> Int:
    """Where wanted ids are among all, in the order wanted: few are hashed, and all looked up among them."""
    asked = pc.index_in(ids, value_set=pa.array(list(dict.fromkeys(wanted)), pa.string()))
    rows = np.flatnonzero(asked.is_valid().to_numpy(zero_copy_only=False))
    return rows[np.argsort(asked.drop_null().to_numpy())].astype(np.int64)


N_GROUPS = 199  # so that the smallest p-value is a round 0.005
MOST_DRAWN = 200_000  # accounts drawn for one ring; a huge one gets fewer groups
FEWEST_GROUPS = 40
_AT_ONCE = 200_000  # accounts drawn before their acts are looked up: bounded memory
_NEAREST = 25  # an account is matched with one of at least so many


@dataclass(frozen=True)
class OrganicNull:
    """The organic null: observed and expected filled cells, and chance[k], the probability of k of them."""

    observed: int
    expected: float
    chance: Float
    p_value: float  # chance of at least as many; rounding hides what is below 1e-12


@dataclass(frozen=True)
class Matched:
    """The matched null: the ring's acts on its targets, and those of each group on its own best items."""

    observed: int
    groups: Int

    @property
    def p_value(self) -> float:
        """Share of groups that gather at least as much, the ring counted as one of them."""
        return float((np.sum(self.groups >= self.observed) + 1) / (len(self.groups) + 1))


def organic_null(acts: LogActs, users: Int, items: Int) -> OrganicNull:
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
    return OrganicNull(observed, float(p.sum()), chance, tail)


def _table(rows: Int, slices: Int, n: int) -> Float:
    flat = np.bincount(rows * N_CONTEXT_SLICES + slices, minlength=n * N_CONTEXT_SLICES)
    return flat.reshape(n, N_CONTEXT_SLICES).astype(np.float64)


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


def matched_null(
    acts: LogActs, users: Int, items: Int, first_ms: int, last_ms: int, seed: int = 0
) -> Matched:
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
    n_groups = int(np.clip(MOST_DRAWN // max(len(users), 1), FEWEST_GROUPS, N_GROUPS))
    drawn = pool[_draw(degree[pool], degree[users], n_groups, np.random.default_rng(seed))]
    parts = np.array_split(drawn, max(1, drawn.size // _AT_ONCE))
    return Matched(observed, np.concatenate([_best(within, part, len(items)) for part in parts]))


def _draw(pool_degree: Int, wanted: Int, n_groups: int, rng: np.random.Generator) -> Int:
    """Draw places of the pool, int64[n_groups, n_members]: within a quarter of the activity asked for."""
    low = np.searchsorted(pool_degree, wanted / 1.25, side="left")
    high = np.searchsorted(pool_degree, wanted * 1.25, side="right")
    short = np.maximum(_NEAREST - (high - low), 0)
    low = np.maximum(low - (short + 1) // 2, 0)
    high = np.minimum(np.maximum(high + short // 2, low + 1), len(pool_degree))
    low = np.minimum(low, len(pool_degree) - 1)
    return rng.integers(low, high, (n_groups, len(wanted)))


def _best(acts: LogActs, drawn: Int, n_items: int) -> Int:
    """LogActs of each group on those n items that most of it touch, int64[n_groups].

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


NEAREST_OUTSIDERS = 12
CURVE_POINTS = 160  # of the growth of the audience


@dataclass(frozen=True)
class Outsider:
    """An account outside that touched two targets or more in the ring's window."""

    user_id: str
    item_ids: tuple[str, ...]
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class Surroundings:
    """The surroundings of one ring.

    outside_by_item: item_id → (accounts outside that touched it in the ring's window, at any time). bands: number of
    targets touched → how many accounts outside, in the window. audience_ms: times of the first acts of accounts
    outside, in the ring's window or not, at most CURVE_POINTS quantiles of them, ascending. n_audience: how many.
    organic and matched: see `expectation`; matched is None where the log has too few other accounts.
    """

    outsiders: tuple[Outsider, ...]
    outside_by_item: dict[str, tuple[int, int]]
    bands: dict[int, int]
    band_items: dict[int, dict[str, int]]  # targets touched → item_id → accounts outside in that band
    audience_ms: tuple[int, ...]
    n_audience: int
    organic: OrganicNull
    matched: Matched | None
    log_first_ms: int
    log_last_ms: int
    n_log_users: int


def look_around(
    acts: LogActs, user_ids: list[str], item_ids: list[str], first_ms: int, last_ms: int, seed: int = 0
) -> Surroundings | None:
    """Collect the surroundings of a ring, at work from first_ms to last_ms, both included; None: no act of it."""
    # Sorted, so that sums and draws do not depend on the order given.
    users, items = np.sort(acts.rows_of_users(user_ids)), np.sort(acts.rows_of_items(item_ids))
    if not len(users) or not len(items):
        return None
    touched = acts.on_items(items)
    touched = touched[~np.isin(acts.user_ix[touched], users)]
    within = touched[(acts.at_ms[touched] >= first_ms) & (acts.at_ms[touched] <= last_ms)]
    who, at, count = np.unique(acts.user_ix[within].astype(np.int64), return_inverse=True, return_counts=True)
    names = dict(zip(items.tolist(), acts.item_ids.take(pa.array(items)).to_pylist(), strict=True))
    bands = dict(zip(*(part.tolist() for part in np.unique(count, return_counts=True)), strict=True))
    matched = matched_null(acts, users, items, first_ms, last_ms, seed)
    return Surroundings(
        outsiders=_nearest(acts, within, who, at, count, names),
        outside_by_item={
            name: (int(np.sum(acts.item_ix[within] == item)), int(np.sum(acts.item_ix[touched] == item)))
            for item, name in names.items()
        },
        bands=bands,
        band_items=_by_band(acts.item_ix[within].astype(np.int64), count[at], names),
        audience_ms=_curve(np.sort(acts.at_ms[touched])),
        n_audience=len(touched),
        organic=organic_null(acts, users, items),
        matched=matched if len(matched.groups) else None,
        log_first_ms=int(acts.times[0]),
        log_last_ms=int(acts.times[-1]),
        n_log_users=acts.n_users,
    )


def _nearest(
    acts: LogActs, within: Int, who: Int, at: Int, count: Int, names: dict[int, str]
) -> tuple[Outsider, ...]:
    """The accounts outside that touched most targets, two or more."""
    order = np.lexsort((who, -count))
    chosen = [place for place in order[:NEAREST_OUTSIDERS].tolist() if count[place] >= 2]
    found = []
    for place in chosen:
        mine = within[at == place]
        found.append(
            Outsider(
                user_id=acts.user_ids[int(who[place])].as_py(),
                item_ids=tuple(sorted(names[item] for item in acts.item_ix[mine].tolist())),
                first_ms=int(acts.at_ms[mine].min()),
                last_ms=int(acts.at_ms[mine].max()),
            )
        )
    return tuple(found)


def _by_band(items: Int, count: Int, names: dict[int, str]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    pairs, n = np.unique(np.column_stack([count, items]), axis=0, return_counts=True)
    for (band, item), many in zip(pairs.tolist(), n.tolist(), strict=True):
        found.setdefault(band, {})[names[item]] = many
    return found


def _curve(times: Int) -> tuple[int, ...]:
    """Some of the times, evenly by rank, the first and the last among them."""
    if len(times) <= CURVE_POINTS:
        return tuple(times.tolist())
    return tuple(times[np.linspace(0, len(times) - 1, CURVE_POINTS).round().astype(int)].tolist())
