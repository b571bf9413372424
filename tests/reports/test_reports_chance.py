"""What a ring is held against: the log as arrays, both null distributions, and what lies around a ring."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from graphdet.reports.context import (
    N_CONTEXT_SLICES,
    LogActs,
    look_around,
    matched_null,
    organic_null,
    poisson_binomial,
)
from graphdet.reports.figures.in_time import TimeAxis

START = 1_506_826_800_000
DAY = 86_400_000


def random_log(
    seed: int, n_users: int = 60, n_items: int = 40, n_acts: int = 600
) -> dict[tuple[str, str], int]:
    """First acts of a log without any ring."""
    draw = np.random.default_rng(seed)
    first: dict[tuple[str, str], int] = {}
    users, items = draw.integers(0, n_users, n_acts), draw.zipf(1.6, n_acts) % n_items
    for user, item, at in zip(users, items, draw.integers(0, 10 * DAY, n_acts), strict=True):
        key = f"u{user}", f"i{item}"
        first[key] = min(first.get(key, 2**62), START + int(at))
    return first


def acts_of(first: dict[tuple[str, str], int], shuffle: int | None = None) -> LogActs:
    rows = [(u, i, at) for (u, i), at in first.items()]
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(rows)
    users, items, at = zip(*rows, strict=True)
    return LogActs.of(
        pa.table({"user_id": list(users), "item_id": list(items), "at_ms": [int(a) for a in at]})
    )


def with_ring(
    first: dict[tuple[str, str], int], users: int = 12, items: int = 5
) -> tuple[list[str], list[str]]:
    """Add a ring that takes every one of some items within an hour."""
    people, things = [f"ring{n}" for n in range(users)], [f"i{n}" for n in range(20, 20 + items)]
    for n, user in enumerate(people):
        for k, item in enumerate(things):
            first[user, item] = START + 3 * DAY + 60_000 * n + 1_000 * k
        first[user, f"i{n % 20}"] = START + n * DAY // 3
    return people, things


def test_the_log_as_arrays_is_the_log() -> None:
    first = random_log(1)
    acts = acts_of(first)
    back = {
        (acts.user_ids[int(u)].as_py(), acts.item_ids[int(i)].as_py()): int(at)
        for u, i, at in zip(acts.user_ix, acts.item_ix, acts.at_ms, strict=True)
    }
    assert back == first
    users = ["u3", "u1", "nobody", "u7"]
    rows = acts.rows_of_users(users)
    assert acts.user_ids.take(pa.array(rows)).to_pylist() == ["u3", "u1", "u7"]
    mine, place = acts.of_users(rows)
    found = Counter(
        (int(p), acts.item_ids[int(acts.item_ix[a])].as_py()) for a, p in zip(mine, place, strict=True)
    )
    assert found == Counter((["u3", "u1", "u7"].index(u), i) for u, i in first if u in ("u3", "u1", "u7"))
    on = acts.on_items(acts.rows_of_items(["i2", "i5"]))
    assert len(on) == sum(item in ("i2", "i5") for _, item in first)
    low, high = START + DAY, START + 4 * DAY
    part = acts.within(low, high)
    names = acts.user_ids.take(pa.array(part.user_ix)), acts.item_ids.take(pa.array(part.item_ix))
    inside = list(zip(*(column.to_pylist() for column in names), strict=True))
    assert dict(zip(inside, part.at_ms.tolist(), strict=True)) == {
        pair: at for pair, at in first.items() if low <= at <= high
    }
    assert [user for user, _ in inside] == sorted(user for user, _ in inside)


@pytest.mark.parametrize("least", [0, -5, 10**15, -(2**62)])
@pytest.mark.parametrize("most", [0, 3, 10**9, 2**62])
def test_acts_are_in_order_whatever_their_times(least: int, most: int) -> None:
    at = np.random.default_rng(3).integers(0, 40, 300) * (most // 40) + least
    acts = acts_of({(f"u{n % 20}", f"i{n}"): int(when) for n, when in enumerate(at.tolist())})
    assert np.array_equal(acts.times, np.sort(at))
    assert np.array_equal(acts.by_time, np.argsort(acts.at_ms, kind="stable"))
    assert len(acts.within(least, least + most).at_ms) == 300


def test_an_empty_log_and_one_act_have_no_surroundings() -> None:
    types = {"user_id": pa.string(), "item_id": pa.string(), "at_ms": pa.int64()}
    empty = LogActs.of(pa.Table.from_pylist([], schema=pa.schema(list(types.items()))))
    assert look_around(empty, ["u"], ["i"], 0, 1) is None
    one = acts_of({("u", "i"): START})
    found = look_around(one, ["u"], ["i"], START, START)
    assert found is not None
    assert (found.organic.observed, found.bands, found.matched) == (1, {}, None)


@pytest.mark.parametrize("seed", range(8))
def test_poisson_binomial_agrees_with_adding_coins_one_by_one(seed: int) -> None:
    p = np.random.default_rng(seed).random(1 + 9 * seed) ** (1 + seed % 3)
    one_by_one = np.ones(1)
    for chance in p:
        one_by_one = np.convolve(one_by_one, [1 - chance, chance])
    got = poisson_binomial(p)
    want = np.zeros(max(len(got), len(one_by_one)))
    want[: len(one_by_one)] = one_by_one
    np.testing.assert_allclose(np.pad(got, (0, len(want) - len(got))), want, atol=1e-11)


def test_poisson_binomial_of_many_unlike_coins_has_their_mean_and_variance() -> None:
    p = np.random.default_rng(3).beta(0.2, 60, 40_000)
    chance = poisson_binomial(p)
    k = np.arange(len(chance))
    assert chance.sum() == pytest.approx(1, abs=1e-9)
    assert chance @ k == pytest.approx(p.sum(), rel=1e-6)
    assert chance @ k**2 - (chance @ k) ** 2 == pytest.approx((p * (1 - p)).sum(), rel=1e-5)


def test_the_organic_model_is_the_sum_it_says() -> None:
    first = random_log(2)
    people, things = with_ring(first)
    acts = acts_of(first)
    users, items = acts.rows_of_users(people), acts.rows_of_items(things)
    got = organic_null(acts, users, items)
    times = np.array(sorted(first.values()))
    cuts = np.quantile(times, np.linspace(0, 1, N_CONTEXT_SLICES + 1)[1:-1])
    of_slice = {key: int(np.searchsorted(cuts, at, side="right")) for key, at in first.items()}
    total = Counter(of_slice.values())
    met = 0.0
    for user in people:
        for item in things:
            mine = Counter(s for (u, _), s in of_slice.items() if u == user)
            its = Counter(s for (_, i), s in of_slice.items() if i == item)
            met += 1 - np.exp(-sum(mine[s] * its[s] / total[s] for s in mine))
    assert got.expected == pytest.approx(met)
    assert got.expected == pytest.approx(got.chance @ np.arange(len(got.chance)))  # the middle of the hill
    assert got.observed == len(people) * len(things)
    assert got.p_value < 1e-6


def test_a_ring_beats_groups_that_pick_their_best_items_and_a_random_group_does_not() -> None:
    first = random_log(4, n_users=300, n_acts=3000)
    people, things = with_ring(first, users=15)
    acts = acts_of(first)
    items = acts.rows_of_items(things)
    window = (START + 3 * DAY, START + 4 * DAY)
    ring = matched_null(acts, acts.rows_of_users(people), items, *window)
    assert len(ring.groups) == 199
    assert ring.observed == 75
    assert ring.groups.max() < 40
    assert ring.p_value == pytest.approx(1 / 200)
    anybody = acts.rows_of_users([f"u{n}" for n in range(15)])
    crowd = matched_null(acts, anybody, items, START, START + 10 * DAY)
    assert crowd.p_value > 0.05


def test_surroundings_count_who_else_touched_the_targets_in_the_window() -> None:
    first = random_log(5)
    people, things = with_ring(first)
    low, high = START + 2 * DAY, START + 5 * DAY
    acts = acts_of(first)
    got = look_around(acts, people, things, low, high)
    assert got is not None
    others = [(u, i) for (u, i), at in first.items() if i in things and u not in people and low <= at <= high]
    per_user = Counter(u for u, _ in others)
    assert got.bands == dict(Counter(per_user.values()))
    assert {item: n for item, (n, _) in got.outside_by_item.items()} == {
        item: sum(i == item for _, i in others) for item in things
    }
    assert [len(o.item_ids) for o in got.outsiders] == sorted(
        (n for n in per_user.values() if n >= 2), reverse=True
    )[:12]
    assert got.n_audience == sum(i in things and u not in people for u, i in first)
    again = look_around(acts_of(first, shuffle=1), people[::-1], things[::-1], low, high)
    assert again is not None
    assert again.outsiders == got.outsiders
    assert again.organic.chance.tolist() == got.organic.chance.tolist()


def test_a_time_axis_cuts_silence_keeps_order_and_one_scale() -> None:
    times = [START + k * 1000 for k in range(60)] + [START + 9 * DAY + k * 1000 for k in range(60)]
    axis = TimeAxis(times, 100.0, 900.0)
    assert len(axis.pieces) == 2
    places = [axis.x(at) for at in times]
    assert places == sorted(places)
    assert places[0] >= 100
    assert places[-1] <= 900
    scales = [(piece.last - piece.first) / (piece.x1 - piece.x0) for piece in axis.pieces]
    assert scales[0] == pytest.approx(scales[1])
    assert not TimeAxis(times[:60], 100.0, 900.0).is_cut
    assert len(TimeAxis([START], 0.0, 10.0).pieces) == 1
