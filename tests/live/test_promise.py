"""The promise: e-values are at most 1 on average under the null, and the level holds over all looks."""

import numpy as np
import pytest

from graphdet.live.promise import LEAST_GROUPS, Promise, e_of_q
from graphdet.units import DAY_MS

MONTH_MS = 30 * DAY_MS


def test_a_calibrated_p_value_is_an_e_value() -> None:
    q = np.random.default_rng(0).random(200_000)
    assert np.mean([e_of_q(float(value)) for value in q]) <= 1.02
    assert e_of_q(1e-300) > e_of_q(1e-9) > e_of_q(1e-3) > e_of_q(0.5) >= e_of_q(1.0)


def test_what_an_alert_needs_grows_with_groups_and_time_and_falls_with_alerts() -> None:
    promise = Promise(0.05)
    promise.look(0, MONTH_MS, 2)
    assert promise.needed() == pytest.approx(LEAST_GROUPS / (0.05 * 6 / np.pi**2))
    promise.look(0, MONTH_MS, 50)
    first = promise.needed()
    assert first == pytest.approx(50 / (0.05 * 6 / np.pi**2))
    promise.look(DAY_MS, MONTH_MS, 4)  # an epoch counts the most groups that it ever had
    assert promise.needed() == first
    assert not promise.allows(first - 1)
    assert promise.allows(first)
    assert promise.needed() == pytest.approx(first / 2)
    promise.look(MONTH_MS, MONTH_MS, 20)
    assert (promise.epoch, promise.needed()) == (2, pytest.approx(4 * 20 / 50 * first / 2))
    promise.look(DAY_MS, MONTH_MS, 4)  # never back to an epoch that was spent
    assert promise.epoch == 2


def test_the_level_holds_however_often_one_looks() -> None:
    """Ordinary groups whose likelihood ratio is a martingale, looked at 200 times, over three epochs."""
    chance, n_false, n_logs = np.random.default_rng(1), 0, 300
    for _ in range(n_logs):
        promise, total = Promise(0.05), np.zeros(12)
        for look in range(200):
            promise.look(look * MONTH_MS // 70, MONTH_MS, len(total))
            step = chance.normal(0, 0.3, len(total))
            total += step - 0.045  # exp(total) has mean 1
            if any(promise.allows(float(value)) for value in np.exp(total)):
                n_false += 1
                break
    assert n_false / n_logs <= 0.05 + 2 * (0.05 * 0.95 / n_logs) ** 0.5
