"""How closely a ring acts in step: gaps between members, and whether sessions follow one order."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_PAIRED = 60  # targets whose order is compared; pairs grow with the square


@dataclass(frozen=True)
class InStep:
    """Measures of synchrony; None where too little is there to measure.

    median_gap_s: from a member's first act on a target to the nearest first act of another member on the same target,
    in seconds. order_share: of two sessions that both hold two targets, how often they take them in the same order
    (½ is chance), over n_order_pairs comparisons.
    """

    median_gap_s: float | None
    order_share: float | None
    n_order_pairs: int


def in_step(acts: "Sequence[Act]", sittings: "Sequence[Sitting]") -> InStep:
    """Measure a ring's acts (by time) and its sessions."""
    share, pairs = _order_share(sittings)
    return InStep(_median_gap_s(acts), share, pairs)


def _median_gap_s(acts: "Sequence[Act]") -> float | None:
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for act in acts:
        first[act.item_id].setdefault(act.user_id, act.at_ms)
    gaps = []
    for times in first.values():
        if len(times) >= 2:
            step = np.diff(np.sort(np.fromiter(times.values(), np.int64)))
            gaps.append(np.minimum(np.append(step, step[-1]), np.insert(step, 0, step[0])))
    return float(np.median(np.concatenate(gaps))) / 1000 if gaps else None


def target_order(sitting: "Sitting") -> tuple[str, ...]:
    """The targets of a session in the order of their first acts."""
    return tuple(dict.fromkeys(item for _, item, _ in sitting.steps if item is not None))


def _order_share(sittings: "Sequence[Sitting]") -> tuple[float | None, int]:
    """Share of pairs of sessions that take two targets in the same order, and how many such pairs there are."""
    count: Counter[str] = Counter()
    orders = [target_order(sitting) for sitting in sittings]
    for order in orders:
        count.update(order)
    place = {item: row for row, (item, _) in enumerate(count.most_common(MOST_PAIRED))}
    before = np.zeros((len(place), len(place)), np.int64)
    for order in orders:
        rows = np.array([place[item] for item in order if item in place], np.int64)
        for k in range(len(rows) - 1):
            before[rows[k], rows[k + 1 :]] += 1
    after = before.T
    upper = np.triu_indices(len(place), 1)
    one, other = before[upper], after[upper]
    same = float((one * (one - 1) / 2 + other * (other - 1) / 2).sum())
    n = float(((one + other) * (one + other - 1) / 2).sum())
    return (same / n if n else None), int(n)


@dataclass(frozen=True)
class Act:
    """A member's act on a target: n events of one action in one session, the first at `at_ms`."""

    user_id: str
    session_id: str
    item_id: str
    action: str
    at_ms: int
    n: int


@dataclass(frozen=True)
class Sitting:
    """A member's session that holds an act on a target: all its acts in the order of time.

    steps: (at_ms, item_id, action); item_id is None for an item that is no target.
    """

    user_id: str
    session_id: str
    steps: tuple[tuple[int, str | None, str], ...]
