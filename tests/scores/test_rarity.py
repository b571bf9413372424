"""Evidence pooled by how few ordinary users have as much of it."""

import numpy as np

from graphdet.arrays import Bool, Float
from graphdet.scores.rarity import SLIGHT, USUAL, Rarity


def heard(values: Float) -> tuple[Float, Bool]:
    """Evidence of which everybody can show some."""
    return values, np.zeros(values.shape, bool)


def strength(rarity: Rarity, values: Float, unheard: bool = False) -> Float:
    """Of values that count alike, as of those who can show some of them or, `unheard`, little."""
    return rarity.strength(values, np.full(values.shape, unheard), np.ones(values.shape[1]))


def test_evidence_is_worth_minus_ln_of_the_share_of_users_with_as_much() -> None:
    rarity = Rarity.fit(*heard(np.arange(1.0, 1_001.0)[:, None]))
    nats = np.log(np.array([1_000, 1]))  # one user of a thousand has so much, all of them have
    expected = nats / (nats + USUAL)
    assert np.allclose(strength(rarity, np.array([[1_000.0], [1.0]])), expected, atol=0.03 * SLIGHT)


def test_what_most_users_have_is_worth_nothing() -> None:
    rarity = Rarity.fit(*heard(np.r_[np.zeros(900), np.ones(100)][:, None]))
    none, some = strength(rarity, np.array([[0.0], [1.0]]))
    assert none == 0
    assert np.isclose(some, np.log(10) / (np.log(10) + USUAL), atol=SLIGHT)


def test_one_strong_piece_outweighs_two_ordinary_ones() -> None:
    values = np.random.default_rng(0).permuted(np.tile(np.arange(1_000.0), (2, 1)), axis=1).T
    strong, ordinary = strength(Rarity.fit(*heard(values)), np.array([[996.0, 0.0], [900.0, 900.0]]))
    assert strong > ordinary


def test_nobody_to_learn_from() -> None:
    assert strength(Rarity.fit(*heard(np.zeros((0, 2)))), np.ones((3, 2))).tolist() == [0, 0, 0]


def test_little_evidence_of_those_who_can_show_little_is_no_sign_of_innocence() -> None:
    values, unheard = np.arange(100.0)[:, None], (np.arange(100) < 50)[:, None]
    rarity = Rarity.fit(values, unheard)
    assert np.isclose(rarity.nats[0][50], 0, atol=SLIGHT)  # all that others are held against have so much
    few = strength(rarity, values[:60], unheard=True)
    assert (few >= 0.5).all()  # as much as the average
    assert (np.diff(few) > 0).all()  # and yet nobody ties
    assert strength(rarity, values[50:51])[0] < few[0]
    everybody = Rarity.fit(values, np.ones((100, 1), bool))
    assert np.isclose(everybody.nats[0][50], np.log(2), atol=SLIGHT)
