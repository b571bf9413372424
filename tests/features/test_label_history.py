"""Labels as features: known only a delay later, and never one that is hidden."""

import math

import numpy as np
import pytest

from graphdet.features.label_history import LABEL_FEATURES, label_feature_names, label_history

DAY_MS = 86_400_000


def some_labels(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    y = draw.choice([-1, 0, 0, 1], n).astype(np.int8)
    return draw.integers(-1, 4, n), draw.integers(0, 40, n) * DAY_MS // 2, y


@pytest.mark.parametrize("delay", [0, 3 * DAY_MS])
def test_what_is_known_is_what_a_plain_loop_counts(delay: int) -> None:
    key, at_ms, y = some_labels(1)
    rows = np.arange(len(key))
    plain = rows % 3 != 0
    found = label_history({"item": key}, at_ms, y, delay, rows, plain)
    for row in rows:
        mine = dict(zip(LABEL_FEATURES, found[row].tolist(), strict=True))
        if key[row] < 0:
            assert math.isnan(mine["known"])
            continue
        known = (key == key[row]) & (y >= 0) & (at_ms < at_ms[row] - delay)
        week = known & (at_ms >= at_ms[row] - delay - 7 * DAY_MS)
        assert mine["known"] == known.sum()
        assert mine["known_7d"] == week.sum()
        assert mine["frauds_7d"] == (y[week] == 1).sum()
        frauds = at_ms[known & (y == 1)]
        if len(frauds):
            assert mine["fraud_gap_s"] == (at_ms[row] - frauds.max()) / 1000
        else:
            assert math.isnan(mine["fraud_gap_s"])
        assert mine["plain_frauds_7d"] == ((y == 1) & week & plain).sum()
        ordinary = at_ms[known & (y == 1) & plain]
        assert mine["plain_gap_s"] == (at_ms[row] - ordinary.max()) / 1000 if len(ordinary) else True


@pytest.mark.parametrize(
    ("labels", "streak", "age_s"),
    [
        ([1, 0, 1, 1, 1], 3, 4 * 43_200),  # the latest three
        ([1, 1, 1, 1, 1], 5, 6 * 43_200),  # from the first event of the key on
        ([1, 1, 1, 1, 0], 0, None),
        ([0, 1, -1, 1, -1], 2, 5 * 43_200),  # a hidden label breaks nothing
    ],
)
def test_a_streak_is_the_frauds_since_the_last_clean_one(
    labels: list[int], streak: int, age_s: int | None
) -> None:
    key = np.array([7, 3, 3, 3, 3, 3, 3, 3])  # another key before it, two unlabelled events after it
    at_ms = np.arange(8) * DAY_MS // 2
    y = np.array([1, *labels, -1, -1], np.int8)
    found = dict(
        zip(LABEL_FEATURES, label_history({"item": key}, at_ms, y, 0, np.array([7]))[0].tolist(), strict=True)
    )
    assert found["streak"] == streak
    assert math.isnan(found["streak_age_s"]) if age_s is None else found["streak_age_s"] == age_s


@pytest.mark.parametrize("seed", range(3))
def test_a_label_changes_no_row_before_it_is_known(seed: int) -> None:
    key, at_ms, y = some_labels(seed)
    rows, delay = np.arange(len(key)), 2 * DAY_MS
    before = label_history({"item": key}, at_ms, y, delay, rows)
    changed = int(min(np.flatnonzero((y >= 0) & (key >= 0)), key=at_ms.__getitem__))
    flipped = y.copy()
    flipped[changed] = 1 - flipped[changed]
    after = label_history({"item": key}, at_ms, flipped, delay, rows)
    moved = ~((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=1)
    assert not moved[at_ms <= at_ms[changed] + delay].any()
    assert moved.any()  # and it does reach later ones


def test_hidden_labels_are_not_there() -> None:
    key, at_ms, y = some_labels(2)
    rows = np.arange(len(key))
    hidden = np.where(np.arange(len(y)) % 2 == 0, -1, y).astype(np.int8)
    kept = y >= 0
    kept &= np.arange(len(y)) % 2 == 1
    alone = label_history({"item": key}, at_ms, np.where(kept, y, -1).astype(np.int8), 0, rows)
    assert np.array_equal(label_history({"item": key}, at_ms, hidden, 0, rows), alone, equal_nan=True)


def test_names_fit_the_columns_and_a_negative_delay_is_refused() -> None:
    key, at_ms, y = some_labels(3)
    found = label_history({"user": key, "item": key}, at_ms, y, 0, np.arange(7))
    assert found.shape == (7, len(label_feature_names(["user", "item"])))
    with pytest.raises(ValueError, match="cannot be known 1 ms before"):
        label_history({"user": key}, at_ms, y, -1, np.arange(7))
