"""The audit of labels of users finds leaks that are there."""

import numpy as np
from numpy.typing import NDArray

from graphdet.lab.leakage_users import permuted, turned

N = 400


def labels() -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(N) < 0.5, (rng.random(N) < 0.3).astype(int), -1).astype(np.int8)
    return y, np.arange(N) % 4


def test_a_label_that_reaches_its_own_user_is_found() -> None:
    y, fold = labels()
    noise = np.random.default_rng(1).normal(size=N)

    def leaks(told: NDArray[np.int8], k: int) -> NDArray[np.float64]:
        return noise + 0.7 * (told == 1)

    assert not permuted("leaks", y, fold, leaks, 0).passed
    found = turned("leaks", y, fold, leaks, 0)
    assert not found.passed
    assert "10 labels of one fold turned over, 10 of" in found.numbers


def test_a_label_that_others_hear_is_no_leak() -> None:
    y, fold = labels()
    noise = np.random.default_rng(1).normal(size=N)

    def hears(told: NDArray[np.int8], k: int) -> NDArray[np.float64]:
        outside = float(told[(fold != k) & (told >= 0)].mean())
        return noise * (1 + outside)

    assert permuted("hears", y, fold, hears, 0).passed
    assert turned("hears", y, fold, hears, 0).passed


def test_one_that_sees_when_to_stop_is_found() -> None:
    """All that the label of a held-out user does is to choose one of two models."""
    y, fold = labels()
    models = np.random.default_rng(1).normal(size=(2, N))

    def stops(told: NDArray[np.int8], k: int) -> NDArray[np.float64]:
        held = (fold == k) & (told >= 0)
        fit = [np.corrcoef(told[held], model[held])[0, 1] for model in models]
        return models[int(np.argmax(fit))]

    assert not turned("stops", y, fold, stops, 0).passed
