"""The company that an account keeps: its closest tie, and the crowd that comes to the same items."""

import numpy as np

from graphdet.features.pairs import find_pairs
from graphdet.progress import Silent
from graphdet.rings.company import again, closest_tie, company, crowd
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS
from graphdet.workbench import Workbench
from tests.helpers.small_graphs import graph_of

START_MS = 1_700_000_000_000


def log(twins: int = 8, crowd_at_day: int = 50) -> GraphArrays:
    """Ordinary users act on five of 40 items over 100 days; two share `twins` rare items; 30 come for one item once."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", START_MS + int(rng.integers(100 * DAY_MS)))
        for user in range(300)
        for item in rng.choice(40, 5, replace=False)
    ]
    rows += [(f"twin{k}", f"rare{item}", START_MS + item * DAY_MS) for k in (1, 2) for item in range(twins)]
    rows += [(f"one{k}", "i0", START_MS + crowd_at_day * DAY_MS + k) for k in range(30)]
    rows += [(f"stray{k}", f"i{k % 40}", START_MS + k % 100 * DAY_MS) for k in range(100)]
    return graph_of(rows)


def of(graph: GraphArrays, value: np.ndarray, name: str) -> np.ndarray:
    return value[[user.startswith(name) for user in graph.user_ids.to_pylist()]]


def test_twins_have_the_closest_tie() -> None:
    graph = log()
    with Workbench.in_memory() as bench:
        tie = closest_tie(graph, find_pairs(graph, bench, Silent()))
    assert (of(graph, tie, "twin") > of(graph, tie, "u").max()).all()
    assert (of(graph, tie, "one") == 0).all()  # they share one item, and one is no tie


def test_more_common_items_are_a_closer_tie() -> None:
    strength = []
    for twins in (4, 8):
        graph = log(twins)
        with Workbench.in_memory() as bench:
            strength.append(of(graph, company(graph, find_pairs(graph, bench, Silent()))[:, 0], "twin").max())
    assert strength[0] < strength[1]


def test_a_crowd_of_accounts_that_do_nothing_else_stands_out() -> None:
    graph = log()
    found = crowd(graph)
    assert (of(graph, found, "one") > 10).all()
    assert (of(graph, found, "one") > of(graph, found, "stray").max()).mean() > 0.9
    assert of(graph, found, "twin").max() < 1


def test_who_comes_again_and_again_stands_out_where_others_come_once() -> None:
    rows = [(f"u{k}", f"i{k % 3}", START_MS + k) for k in range(60)]
    rows += [("again", "i0", START_MS + k * DAY_MS) for k in range(8)]
    rows += [(f"fan{k}", "club", START_MS + n * DAY_MS) for k in range(20) for n in range(8)]
    found = again(graph_of(rows))
    assert of(graph_of(rows), found, "again") > 5
    assert of(graph_of(rows), found, "fan").max() < 1  # all fans do
    assert of(graph_of(rows), found, "u").max() == 0


def test_without_times_there_is_no_crowd() -> None:
    graph = graph_of([(f"u{k}", "i", 0) for k in range(10)])
    assert company(graph, []).tolist() == [[0, 0, 0, 1]] * 10
