"""Co-action pairs against a plain loop."""

from itertools import combinations

import duckdb
import numpy as np
import pytest
from tests.unit.small_graphs import graph_of

from graphdet.features.pairs import (
    WINDOWS,
    Window,
    co_action_pairs,
    first_acts,
    largest_crowd,
    pair_arrays,
    quiet_acts,
)
from graphdet.graph.encode import edges_frame
from graphdet.pipeline.detect import find_pairs
from graphdet.ports import Silent
from graphdet.tables import GraphArrays


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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("span_s", [10, 1_000])
def test_pairs_are_those_of_a_plain_loop(seed: int, span_s: float) -> None:
    rng = np.random.default_rng(seed)
    rows = [(f"u{rng.integers(12)}", f"i{rng.integers(6)}", int(rng.integers(50_000))) for _ in range(120)]
    graph = graph_of(rows)
    window = Window(span_s=span_s, min_items=2, budget=10)
    with duckdb.connect() as con:
        acts = first_acts(edges_frame(graph, con))
        quiet = quiet_acts(acts, window, largest_crowd(acts, window))
        found = pair_arrays(co_action_pairs(quiet, window))
    have = {(int(a), int(b)): int(n) for a, b, n in zip(found.a, found.b, found.n_items, strict=True)}
    assert have == by_hand(graph, window)


def test_crowds_beyond_the_budget_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphdet.features.pairs.MIN_PAIRS", 0)
    rows = [(f"u{k}", "hot", 0) for k in range(50)] + [(f"u{k}", f"quiet{k % 5}", 0) for k in range(20)]
    with duckdb.connect() as con:
        acts = first_acts(edges_frame(graph_of(rows), con))
        assert largest_crowd(acts, Window(span_s=10, min_items=1, budget=2)) == 4
        assert largest_crowd(acts, Window(span_s=10, min_items=1, budget=100)) == 50


def test_all_windows_leave_nothing_on_the_bench() -> None:
    rows = [(f"u{k % 9}", f"i{k % 5}", 1_000 * k) for k in range(60)]
    with duckdb.connect() as con:
        windows = find_pairs(graph_of(rows), con, Silent())
        left = con.execute(
            "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
        )
        assert len(windows) == len(WINDOWS)
        assert left.fetchall() == []
