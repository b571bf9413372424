"""A log of pure chance has no rings; what is planted into one stays a ring."""

import numpy as np
import pyarrow as pa

from graphdet.features.pairs import find_pairs
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.chance import beyond_chance, shuffled
from graphdet.rings.find import Judged, find_candidates, judge_rings
from graphdet.tables import GraphArrays
from graphdet.workbench import Workbench

DAY_MS = 86_400_000
FDR = 0.05


def chance_log(seed: int, n_planted: int = 0) -> GraphArrays:
    """A thousand acts by 150 accounts on 60 items within two days; planted accounts act on eight items in an hour."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 150, 1000), rng.integers(0, 60, 1000)
    times = rng.integers(0, 2 * DAY_MS, 1000)
    fresh = np.repeat(np.arange(150, 150 + n_planted), 8)
    users = np.concatenate([users, fresh])
    items = np.concatenate([items, np.tile(np.arange(60, 68), n_planted)])
    times = np.concatenate([times, DAY_MS + rng.integers(0, 3_600_000, len(fresh))])
    order = np.lexsort((items, times, users))
    users, items, times = users[order], items[order], times[order]
    n = len(users)
    return GraphArrays(
        pa.array([f"u{k:04}" for k in range(users.max() + 1)]),
        pa.array([f"i{k:03}" for k in range(items.max() + 1)]),
        pa.array([f"s{k:04}" for k in range(n)]),
        ("view",),
        users.astype(np.int32),
        items.astype(np.int32),
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.int16),
        1_700_000_000_000 + times,
        np.ones(n, np.int64),
    )


def judged_of(graph: GraphArrays, bench: Workbench) -> tuple[Judged, Judged]:
    """As the judge sees it alone, and as chance lets it stand."""
    judge = shipped_judge().logits
    alone = judge_rings(find_candidates(graph, find_pairs(graph, bench, Silent()), 0), judge, FDR)
    return alone, beyond_chance(alone, graph, bench, judge, FDR)


def test_a_log_of_chance_has_no_rings() -> None:
    with Workbench.in_memory() as bench:
        seen = [judged_of(chance_log(seed), bench) for seed in range(4)]
    assert sum(alone.flagged.any() for alone, _ in seen) >= 1  # else this says nothing
    assert sum(floored.flagged.any() for _, floored in seen) <= 1
    for alone, floored in seen:
        assert not (floored.flagged & ~alone.flagged).any()


def test_what_is_planted_stays() -> None:
    with Workbench.in_memory() as bench:
        alone, floored = judged_of(chance_log(0, n_planted=12), bench)
    best = int(np.argmax(alone.logit))
    assert alone.flagged[best]
    assert floored.flagged[best]
    assert floored.flagged.sum() < alone.flagged.sum()  # groups of chance beside it are gone


def test_shuffling_keeps_what_accounts_and_items_do() -> None:
    graph = chance_log(1)
    other = shuffled(graph, 0)
    for name in ("user_ix", "item_ix"):
        assert (np.bincount(getattr(graph, name)) == np.bincount(getattr(other, name))).all()
    one, two = (np.lexsort((g.at_ms, g.user_ix)) for g in (graph, other))
    assert (graph.at_ms[one] == other.at_ms[two]).all()
    assert (graph.item_ix != other.item_ix).any()
