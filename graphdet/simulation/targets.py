"""Where and when a campaign strikes: its window and its target items, alive at that time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Int
from graphdet.errors import NotEnoughData
from graphdet.simulation.campaigns import Campaign
from graphdet.simulation.profile import LogProfile
from graphdet.units import DAY_MS, HOUR_MS

# Rank shares of the items with at least MIN_CLICKS clicks, from rare to popular.
RANKS = {"cold": (0.0, 0.6), "mid": (0.6, 0.93), "warm": (0.8, 0.95), "popular": (0.93, 1.0)}
MIN_CLICKS = 3
NEARNESS = ((HOUR_MS, 1.0), (6 * HOUR_MS, 0.1), (24 * HOUR_MS, 0.01))  # half-widths and their weights
USUAL_AGE_SHARE = 0.4  # of the pool, by how usual the ages are at which an item is clicked
SELF_SAMPLE = 24
MOST_OF_AUDIENCE = 0.6  # of an item's audience
WINDOW_TRIES = 12
RELATED_TRIES = 24
WIDE = 3  # a pool this many times the wanted targets is wide enough to stop looking


@dataclass(frozen=True)
class Strike:
    """A campaign's window [start_ms, end_ms) and its target items.

    items int64[n_targets], in random order; usual float64[n_targets], the traffic around each one's average click.
    """

    start_ms: int
    end_ms: int
    items: Int
    usual: NDArray[np.float64]


def choose_strike(
    profile: LogProfile, campaign: Campaign, used: Int, neighbours: "Neighbours", rng: np.random.Generator
) -> Strike:
    """Choose a window and targets that are alive in it and that no other campaign uses.

    used: int64[n_items], non-zero where another campaign has the item. Fewer targets than wanted are taken
    from a small log, down to half of them and at least four.

    Raises:
        NotEnoughData: the log has too few living items for even that; says how many it needs.
    """
    span = profile.end_ms - profile.start_ms
    length = int(min(campaign.window_s * 1000, max(span * 0.95, 1)))
    length = max(length, profile.resolution_ms)
    least = min(campaign.n_targets, max(4, (campaign.n_targets + 1) // 2))
    best_start, best_pool = profile.start_ms, np.zeros(0, np.int64)
    for _ in range(WINDOW_TRIES):
        last_start = max(profile.end_ms - length, profile.start_ms + 1)
        start = int(profile.random_starts(profile.start_ms, last_start, 1, rng)[0])
        pool = _pool(profile, campaign, start, start + length, used, least)
        if len(pool) > len(best_pool):
            best_start, best_pool = start, pool
        if len(best_pool) >= WIDE * campaign.n_targets:
            break
    if len(best_pool) < least:
        raise NotEnoughData(
            f"the log is too small for a {campaign.kind} campaign: it needs {least} items that are alive for "
            f"{campaign.window_s / 3600:.1f} h and free, the log has {len(best_pool)}; "
            "plant fewer campaigns or use a larger log"
        )
    living = best_pool
    # Targets are clicked at the ages at which people click things: no old hat, nothing seconds old.
    usual = best_pool[np.argsort(-profile.usual_age(best_pool), kind="stable")]
    best_pool = np.sort(usual[: max(int(USUAL_AGE_SHARE * len(usual)), WIDE * campaign.n_targets)])
    wanted = min(campaign.n_targets, max(least, len(best_pool)))
    if campaign.related_targets:
        items = neighbours.related(living, campaign.n_targets, rng)
        if len(items) < least:
            raise NotEnoughData(
                f"the log is too small for a {campaign.kind}: it needs {least} items that are near each other, "
                f"alive at the same time and free, the log has {len(items)}; use a larger log"
            )
    else:
        items = rng.choice(best_pool, wanted, replace=False)
    low, count = profile.item_first[items], profile.item_first[items + 1] - profile.item_first[items]
    sample = low[:, None] + (np.arange(SELF_SAMPLE) + 0.5) / SELF_SAMPLE * count[:, None]
    own = profile.graph.at_ms[profile.item_edge[sample.astype(np.int64)]]
    around = _traffic(profile, items[:, None], own).mean(axis=1)
    return Strike(best_start, best_start + length, items, around)


def _pool(profile: LogProfile, campaign: Campaign, start_ms: int, end_ms: int, used: Int, least: int) -> Int:
    """List the items of the wanted popularity that live in the window, or the nearest to it."""
    counts = np.diff(profile.item_first)
    free = np.flatnonzero((counts >= MIN_CLICKS) & (used == 0))
    if len(free) < least:
        free = np.flatnonzero((counts >= 1) & (used == 0))
    known = np.sort(counts[counts >= MIN_CLICKS])
    enough = WIDE * campaign.n_targets
    if len(known) == 0:
        return free[_alive(profile, free, start_ms, end_ms, enough)]
    shares = RANKS[campaign.target_popularity]
    low, high = (known[min(int(share * len(known)), len(known) - 1)] for share in shares)
    ranked: Int = free[(counts[free] >= low) & (counts[free] <= high)]
    ranked = ranked[_alive(profile, ranked, start_ms, end_ms, enough)]
    if len(ranked) >= campaign.n_targets:
        return ranked
    # Too few of the wanted kind: take the living items nearest to it in popularity.
    alive = free[_alive(profile, free, start_ms, end_ms, enough)]
    distance = np.maximum(low - counts[alive], counts[alive] - high)
    nearest: Int = alive[np.argsort(distance, kind="stable")][: 2 * campaign.n_targets]
    return nearest


def _alive(profile: LogProfile, items: Int, start_ms: int, end_ms: int, wanted: int) -> NDArray[np.bool_]:
    """Say which items real users visit in the window, at least twice; short windows get hours of grace.

    Items with most of their audience there come alone when there are enough of them.
    """
    grace = 6 * HOUR_MS if end_ms - start_ms < DAY_MS else 0
    half = (end_ms - start_ms) // 2 + grace
    inside = profile.rate(items, np.full(len(items), (start_ms + end_ms) // 2), half)
    first, last = profile.item_span(items)
    born_in_time = first <= (start_ms if grace else end_ms)
    living: NDArray[np.bool_] = (inside >= 2) & born_in_time & (last >= start_ms - grace // 6)
    total = np.diff(profile.item_first)[items]
    at_home = living & (inside >= MOST_OF_AUDIENCE * total)
    return at_home if np.count_nonzero(at_home) >= wanted else living


def interest(profile: LogProfile, strike: Strike, at_ms: Int) -> NDArray[np.float64]:
    """How much goes on around each target at each time, against its usual click: float64[n_targets, n_times].

    1 means as many other clicks near, mostly within an hour, as around the item's average click. Tiny but not zero
    where an item lives, tinier where it does not.
    """
    share: NDArray[np.float64] = (
        _traffic(profile, strike.items[:, None], at_ms[None, :]) / strike.usual[:, None]
    )
    return share


def _traffic(profile: LogProfile, items: Int, at_ms: Int) -> NDArray[np.float64]:
    """Clicks near each time, weighted by nearness; shapes broadcast."""
    first, last = profile.item_span(items)
    widths = np.array([half_ms for half_ms, _ in NEARNESS])
    rates = profile.rate(items, at_ms, widths.reshape(-1, *[1] * np.broadcast(items, at_ms).ndim))
    near = sum(weight * rate for (_, weight), rate in zip(NEARNESS, rates, strict=True))
    alive = (at_ms >= first) & (at_ms <= last)
    traffic: NDArray[np.float64] = np.where(alive, near + 1e-3, 0.0)
    return traffic + 1e-9


@dataclass(frozen=True)
class Neighbours:
    """Items seen next to each other inside sessions: undirected steps sorted by item."""

    item: Int
    other: Int

    @classmethod
    def of(cls, profile: LogProfile) -> "Neighbours":
        """Read the steps of a log."""
        item = profile.graph.item_ix[profile.edge].astype(np.int64)
        same = np.diff(np.repeat(np.arange(profile.n_sessions), profile.session_sizes)) == 0
        a, b = item[:-1][same], item[1:][same]
        both, other = np.concatenate([a, b]), np.concatenate([b, a])
        order = np.argsort(both, kind="stable")
        return cls(both[order], other[order])

    def related(self, pool: Int, n: int, rng: np.random.Generator) -> Int:
        """Take up to n items of the pool that are near each other: a random item, its neighbours, then theirs.

        Of RELATED_TRIES random items the one that leads to most.
        """
        inside = np.zeros(int(pool.max()) + 1, bool)
        inside[pool] = True
        best = self._around(int(rng.choice(pool)), inside, n, rng)
        for _ in range(RELATED_TRIES - 1):
            if len(best) == n:
                break
            best = max(best, self._around(int(rng.choice(pool)), inside, n, rng), key=len)
        return np.array(best, np.int64)

    def _around(self, start: int, inside: NDArray[np.bool_], n: int, rng: np.random.Generator) -> list[int]:
        chosen = [start]
        turn = 0
        while len(chosen) < n and turn < len(chosen):
            low, high = np.searchsorted(self.item, [chosen[turn], chosen[turn] + 1])
            near, weight = np.unique(self.other[low:high], return_counts=True)
            ok = (near < len(inside)) & ~np.isin(near, chosen)
            near, weight = near[ok], weight[ok]
            near, weight = near[inside[near]], weight[inside[near]]
            if len(near):
                take = min(max(2, n // 3), n - len(chosen), len(near))
                chosen.extend(int(i) for i in rng.choice(near, take, replace=False, p=weight / weight.sum()))
            turn += 1
        return chosen
