"""What the log says of its items, and an account's behaviour features from its acts on them.

The twin of features.behaviour.user_features for one account at a time; tests hold the two together. Acts that are new
count in their items' numbers as if the log held them too.
"""

from dataclasses import dataclass

import numpy as np

from graphdet.arrays import Float, Int
from graphdet.features.behaviour import FEATURE_NAMES, RARE_USERS
from graphdet.serving.acts import AccountActs
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS, HOUR_MS

FIXED_POINT_STEPS = float(1 << 20)  # sums are taken in fixed point; see features.behaviour


@dataclass(frozen=True)
class ItemCounts:
    """Numbers of all items.

    Shapes: n_users, first_ms, last_hour, n_edges, peak (interactions in the busiest hour) int64[n_items]; hour_key
    int64[n_hours] of all (item, clock hour), ascending, with hour_edges int64[n_hours], the interactions in it.
    """

    n_users: Int
    first_ms: Int
    last_hour: Int
    n_edges: Int
    peak: Int
    hour_key: Int
    hour_edges: Int
    hours: int
    first_hour: int
    log_users: int

    @classmethod
    def of(cls, graph: GraphArrays) -> "ItemCounts":
        """Count them in a graph."""
        n, item, at_ms = graph.n_items, graph.item_ix.astype(np.int64), graph.at_ms
        hour = at_ms // HOUR_MS
        first_hour = int(hour.min(initial=0))
        hours = int(hour.max(initial=0)) - first_hour + 1
        hour_key, hour_edges = np.unique(item * hours + hour - first_hour, return_counts=True)
        first_ms, last_hour = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
        np.minimum.at(first_ms, item, at_ms)
        np.maximum.at(last_hour, item, hour)
        peak = np.zeros(n, np.int64)
        np.maximum.at(peak, hour_key // hours, hour_edges)
        pairs = np.unique(graph.user_ix.astype(np.int64) * n + item)
        n_users = np.bincount(pairs % max(n, 1), minlength=n).astype(np.int64)
        n_edges = np.bincount(item, minlength=n).astype(np.int64)
        log_users = len(np.unique(graph.user_ix))
        return cls(
            n_users, first_ms, last_hour, n_edges, peak, hour_key, hour_edges, hours, first_hour, log_users
        )

    def context(self, acts: AccountActs, is_new_user: bool) -> "ItemContext":
        """How popular, how old and how busy the item of each act is, new acts counted in."""
        rows, at = np.unique(acts.item, return_inverse=True)
        known = rows < len(self.n_users)
        old = np.where(known, rows, 0)

        def of(values: Int, blank: int) -> Int:
            return np.where(known, values[old], blank) if len(values) else np.full(len(rows), blank, np.int64)

        new = acts.is_new
        hour = acts.at_ms // HOUR_MS
        had = np.zeros(len(rows), bool)
        had[at[~new]] = True
        n_users = of(self.n_users, 0) + ~had
        first_ms, last_hour = of(self.first_ms, 1 << 62), of(self.last_hour, -1 << 62)
        np.minimum.at(first_ms, at[new], acts.at_ms[new])
        np.maximum.at(last_hour, at[new], hour[new])
        n_edges = of(self.n_edges, 0) + np.bincount(at[new], minlength=len(rows))
        cells, cell = np.unique(np.stack([at, hour]), axis=1, return_inverse=True)
        cell = cell.ravel()
        in_hour = self._edges_in(rows[cells[0]], cells[1]) + np.bincount(cell[new], minlength=cells.shape[1])
        peak = of(self.peak, 0)
        np.maximum.at(peak, cells[0], in_hour)
        return ItemContext(
            n_users[at],
            first_ms[at],
            last_hour[at],
            n_edges[at],
            peak[at],
            in_hour[cell],
            self.log_users + is_new_user,
        )

    def _edges_in(self, item: Int, hour: Int) -> Int:
        """Interactions of the log on items in clock hours, int64[n]."""
        inside = (
            (item < len(self.n_users)) & (hour >= self.first_hour) & (hour < self.first_hour + self.hours)
        )
        key = np.where(inside, item * self.hours + hour - self.first_hour, -1)
        place = np.minimum(np.searchsorted(self.hour_key, key), max(len(self.hour_key) - 1, 0))
        found = inside & (self.hour_key[place] == key) if len(self.hour_key) else inside & False
        return np.where(found, self.hour_edges[place] if len(self.hour_key) else 0, 0)


@dataclass(frozen=True)
class ItemContext:
    """The item of each act, as in Items; in_hour: its interactions in the act's hour. Shapes: all int64[n_acts]."""

    n_users: Int
    first_ms: Int
    last_hour: Int
    n_edges: Int
    peak: Int
    in_hour: Int
    log_users: int


def behaviour_of(acts: AccountActs, around: ItemContext, entities: tuple[float, float]) -> Float:
    """Behaviour features of one account, float64[len(FEATURE_NAMES)]; see features.behaviour for what they are.

    `entities` are its last two, which new acts do not change.
    """
    n = len(acts)
    hour = acts.at_ms // HOUR_MS
    n_events = int(acts.n.sum())
    n_items, n_sessions = len(np.unique(acts.item)), len(np.unique(acts.session))
    angle = acts.at_ms % DAY_MS * (2.0 * np.pi / DAY_MS)
    rarity = np.log(around.log_users / around.n_users)
    rarity_mean, rarity_std = _mean_std(rarity)
    age_mean, _ = _mean_std(np.log((acts.at_ms - around.first_ms) / HOUR_MS + 1.0))
    alive_h = around.last_hour - around.first_ms // HOUR_MS + 1
    lift_mean, _ = _mean_std(np.log(around.in_hour * alive_h / around.n_edges))
    cos, sin = _mean_std(np.cos(angle))[0], _mean_std(np.sin(angle))[0]
    gap = np.log1p(np.diff(np.sort(acts.at_ms).astype(np.float64)) / 1000.0)
    gap_mean, gap_std = _mean_std(gap)
    k = np.bincount(acts.action, weights=acts.n)
    k = k[k > 0]
    total = k.sum()
    k_ln_k = np.round(k * np.log(k) * FIXED_POINT_STEPS).sum() / FIXED_POINT_STEPS
    values = {
        "n_events": n_events,
        "n_items": n_items,
        "n_sessions": n_sessions,
        "items_per_session": n / n_sessions,
        "repeat_share": 1.0 - n_items / n_events,
        "span_h": (acts.at_ms.max() - acts.at_ms.min()) / HOUR_MS,
        "n_active_days": len(np.unique(acts.at_ms // DAY_MS)),
        "edges_per_active_hour": n / len(np.unique(hour)),
        "gap_log_mean": gap_mean,
        "gap_log_std": gap_std,
        "gap_log_min": gap.min() if len(gap) else 0.0,
        "hour_concentration": min(float(np.sqrt(cos * cos + sin * sin)), 1.0),
        "item_rarity_mean": rarity_mean,
        "item_rarity_std": rarity_std,
        "rare_item_share": (around.n_users < RARE_USERS).sum() / n,
        "item_age_log_mean": age_mean,
        "busiest_hour_share": (around.in_hour == around.peak).sum() / n,
        "item_lift_mean": lift_mean,
        "main_action_share": k.max() / total,
        "action_entropy": max(float(np.log(total) - k_ln_k / total), 0.0),
        "n_entities": entities[0],
        "entity_users_log_max": entities[1],
    }
    return np.array([values[name] for name in FEATURE_NAMES], np.float64).round(9)


def _mean_std(x: Float) -> tuple[float, float]:
    """Mean and standard deviation from sums in fixed point; 0 and 0 of nothing."""
    if not len(x):
        return 0.0, 0.0
    mean = float(np.round(x * FIXED_POINT_STEPS).sum() / FIXED_POINT_STEPS / len(x))
    square = float(np.round(x * x * FIXED_POINT_STEPS).sum() / FIXED_POINT_STEPS / len(x))
    return mean, float(np.sqrt(max(square - mean * mean, 0.0)))
