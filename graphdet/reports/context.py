"""What lies around a ring: who else touched its targets, and how both grew over time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from graphdet.reports.expectation import Matched, Organic, matched_null, organic_null
from graphdet.reports.log_acts import Acts, Ints

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
class Context:
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
    organic: Organic
    matched: Matched | None
    log_first_ms: int
    log_last_ms: int
    n_log_users: int


def look_around(
    acts: Acts, user_ids: list[str], item_ids: list[str], first_ms: int, last_ms: int, seed: int = 0
) -> Context | None:
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
    return Context(
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
    acts: Acts, within: Ints, who: Ints, at: Ints, count: Ints, names: dict[int, str]
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


def _by_band(items: Ints, count: Ints, names: dict[int, str]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    pairs, n = np.unique(np.column_stack([count, items]), axis=0, return_counts=True)
    for (band, item), many in zip(pairs.tolist(), n.tolist(), strict=True):
        found.setdefault(band, {})[names[item]] = many
    return found


def _curve(times: Ints) -> tuple[int, ...]:
    """Some of the times, evenly by rank, the first and the last among them."""
    if len(times) <= CURVE_POINTS:
        return tuple(times.tolist())
    return tuple(times[np.linspace(0, len(times) - 1, CURVE_POINTS).round().astype(int)].tolist())
