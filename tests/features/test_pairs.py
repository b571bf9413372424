"""Co-action pairs against a plain loop."""

from collections.abc import Callable
from itertools import combinations

import duckdb
import numpy as np
import pytest

from graphdet.features.pairs import (
    WINDOWS,
    FirstActs,
    Window,
    co_action_pairs,
    find_pairs,
    first_acts,
    largest_crowd,
    pair_arrays,
    pairs_in_memory,
    quiet_acts,
)
from graphdet.graph.encode import edges_frame
from graphdet.progress import Silent
from graphdet.tables import GraphArrays, PairArrays
from graphdet.workbench import Workbench
from tests.helpers.small_graphs import graph_of


def by_hand(graph: GraphArrays, window: Window) -> dict[tuple[int, int], int]:
    first: dict[tuple[int, int], int] = {}
    for user, item, at in zip(
        graph.user_ix.tolist(), graph.item_ix.tolist(), graph.at_ms.tolist(), strict=True
    ):
        first[user, item] = min(at, first.get((user, item), at))
    pairs: dict[tuple[int, int], int] = {}
    for item in range(graph.n_items):
        acts = [(user, at) for (user, i), at in first.items() if i == item]
        for (a, at), (b, bt) in combinations(sorted(acts), 2):
            if abs(at - bt) <= window.span_s * 1000:
                pairs[a, b] = pairs.get((a, b), 0) + 1
    return {pair: n for pair, n in pairs.items() if n >= window.min_items}


def by_engine(graph: GraphArrays, window: Window) -> PairArrays:
    with Workbench.in_memory() as bench:
        acts = first_acts(edges_frame(graph, bench))
        quiet = quiet_acts(acts, window, largest_crowd(acts, window))
        return pair_arrays(co_action_pairs(quiet, window))


def by_sorting(graph: GraphArrays, window: Window) -> PairArrays:
    quiet = FirstActs.of(graph).quiet(window)
    return pairs_in_memory(quiet, quiet.followers(window), window)


def random_log(seed: int, n_acts: int = 120) -> GraphArrays:
    rng = np.random.default_rng(seed)
    rows = [(f"u{rng.integers(12)}", f"i{rng.integers(6)}", int(rng.integers(50_000))) for _ in range(n_acts)]
    return graph_of(rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("span_s", [10, 1_000])
@pytest.mark.parametrize("way", [by_engine, by_sorting])
def test_pairs_are_those_of_a_plain_loop(
    way: Callable[[GraphArrays, Window], PairArrays], seed: int, span_s: float
) -> None:
    graph = random_log(seed)
    window = Window(span_s=span_s, min_items=2, budget=10)
    found = way(graph, window)
    have = {(int(a), int(b)): int(n) for a, b, n in zip(found.a, found.b, found.n_items, strict=True)}
    assert have == by_hand(graph, window)


@pytest.mark.parametrize("budget", [1, 3, 100])
@pytest.mark.parametrize("min_items", [1, 2])
def test_sorting_and_the_engine_agree_on_every_value(
    monkeypatch: pytest.MonkeyPatch, min_items: int, budget: float
) -> None:
    monkeypatch.setattr("graphdet.features.pairs.MIN_PAIRS", 0)
    monkeypatch.setattr("graphdet.features.pairs.MEETINGS_AT_ONCE", 7)
    for seed in range(5):
        graph, window = random_log(seed, 400), Window(span_s=4, min_items=min_items, budget=budget)
        one, other = by_engine(graph, window), by_sorting(graph, window)
        for name in ("a", "b", "n_items", "weight", "gap_s"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_log_of_one_act_has_no_pairs() -> None:
    assert len(by_sorting(graph_of([("u", "i", 5)]), WINDOWS[0]).a) == 0


def test_crowds_beyond_the_budget_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphdet.features.pairs.MIN_PAIRS", 0)
    rows = [(f"u{k}", "hot", 0) for k in range(50)] + [(f"u{k}", f"quiet{k % 5}", 0) for k in range(20)]
    with Workbench.in_memory() as bench:
        acts = first_acts(edges_frame(graph_of(rows), bench))
        assert largest_crowd(acts, Window(span_s=10, min_items=1, budget=2)) == 4
        assert largest_crowd(acts, Window(span_s=10, min_items=1, budget=100)) == 50


@pytest.mark.parametrize("most_meetings", [0, 10_000])
def test_all_windows_leave_nothing_on_the_bench(most_meetings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphdet.features.pairs.MOST_MEETINGS", most_meetings)
    rows = [(f"u{k % 9}", f"i{k % 5}", 1_000 * k) for k in range(60)]
    with duckdb.connect() as con:
        windows = find_pairs(graph_of(rows), Workbench(con), Silent())
        left = con.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        )
        assert len(windows) == len(WINDOWS)
        assert left.fetchall() == []
