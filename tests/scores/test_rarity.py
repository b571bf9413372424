"""Evidence pooled by how few ordinary users have as much of it."""

import json

import numpy as np

from graphdet.scores.rarity import USUAL, Rarity


def test_evidence_is_worth_minus_ln_of_the_share_of_users_with_as_much() -> None:
    rarity = Rarity.fit(np.arange(1.0, 1_001.0)[:, None])
    nats = np.log(np.array([1_000, 1]))  # one user of a thousand has so much, all of them have
    expected = nats**2 / (nats**2 + USUAL)
    assert np.allclose(rarity.strength(np.array([[1_000.0], [1.0]])), expected)


def test_what_most_users_have_is_worth_nothing() -> None:
    rarity = Rarity.fit(np.r_[np.zeros(900), np.ones(100)][:, None])
    none, some = rarity.strength(np.array([[0.0], [1.0]]))
    assert none == 0
    assert np.isclose(some, np.log(10) ** 2 / (np.log(10) ** 2 + USUAL))


def test_one_strong_piece_outweighs_two_ordinary_ones() -> None:
    values = np.random.default_rng(0).permuted(np.tile(np.arange(1_000.0), (2, 1)), axis=1).T
    strong, ordinary = Rarity.fit(values).strength(np.array([[990.0, 0.0], [900.0, 900.0]]))
    assert strong > ordinary


def test_json_keeps_it() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3))
    rarity = Rarity.fit(values)
    again = Rarity.from_json(json.loads(json.dumps(rarity.to_json())))
    assert np.array_equal(again.strength(values), rarity.strength(values))


def test_nobody_to_learn_from() -> None:
    assert Rarity.fit(np.zeros((0, 2))).strength(np.ones((3, 2))).tolist() == [0, 0, 0]
