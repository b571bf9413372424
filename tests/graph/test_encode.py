"""Encoding: ids map back, order does not matter."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.small_graphs import graph_of

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "é", "Z", "10", "9"]),
        st.sampled_from(["x", "y", "'", "\U0001f600"]),
        st.integers(0, 99),
    ),
    min_size=1,
    max_size=24,
)


@settings(max_examples=8, deadline=None)
@given(ROWS)
def test_ids_map_back_and_are_in_byte_order(rows: list[tuple[str, str, int]]) -> None:
    graph = graph_of(rows)
    users = graph.user_ids.to_pylist()
    assert users == sorted({user for user, _, _ in rows}, key=lambda name: name.encode())
    have = sorted(
        (users[u], graph.item_ids[int(i)].as_py(), int(at))
        for u, i, at in zip(graph.user_ix, graph.item_ix, graph.at_ms, strict=True)
    )
    assert have == sorted(rows)


@settings(max_examples=6, deadline=None)
@given(ROWS, st.randoms())
def test_a_shuffled_log_gives_the_same_arrays(rows: list[tuple[str, str, int]], random) -> None:  # type: ignore[no-untyped-def]
    rows = sorted(set(rows))
    again = list(rows)
    random.shuffle(again)
    one, two = graph_of(rows), graph_of(again)
    for name in ("user_ix", "item_ix", "at_ms", "n"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
