"""The judge of rings: monotone where told, the same after a round trip, and not taught that a real ring is innocent."""

from pathlib import Path

import numpy as np
import pytest

from graphdet.errors import GraphdetError
from graphdet.models.ring_judge import RingJudge, train_ring_judge

DIRECTION = (1, 0, -1)
N_RINGS, N_NATURAL = 24, 400


def _log(seed: int, n_hidden: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, campaign, jaccard, fold; rings are high in input 0 and low in input 2, as are the hidden ones."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_RINGS + N_NATURAL, 3))
    rings = np.arange(N_RINGS + n_hidden)
    x[rings] += [3.5, 0.0, -3.5]
    campaign = np.where(np.arange(len(x)) < N_RINGS, np.arange(len(x)), -1)
    return x, campaign, np.where(campaign >= 0, 1.0, 0.0), rng.integers(0, 2, len(x))


def test_more_of_the_same_evidence_never_lowers_the_logit() -> None:
    x, campaign, jaccard, fold = _log(1)
    judge = train_ring_judge(x, campaign, jaccard, fold, DIRECTION)
    at = np.random.default_rng(2).normal(scale=2, size=(200, 3))
    folds = np.arange(200) % 2
    for column, sign in enumerate(DIRECTION):
        if sign:
            more = at.copy()
            more[:, column] += sign * np.random.default_rng(3).uniform(0, 3, 200)
            assert (judge.logits(more, folds) >= judge.logits(at, folds) - 1e-9).all()


def test_rings_hidden_in_the_log_are_judged_like_the_planted() -> None:
    x, campaign, jaccard, fold = _log(4, n_hidden=6)
    judge = train_ring_judge(x, campaign, jaccard, fold, DIRECTION)
    logits = judge.logits(x, fold)
    assert (logits[N_RINGS : N_RINGS + 6] > 0).all()
    assert np.mean(logits[N_RINGS + 6 :] > 0) < 0.02


def test_a_saved_judge_says_the_same(tmp_path: Path) -> None:
    x, campaign, jaccard, fold = _log(5)
    judge = train_ring_judge(x, campaign, jaccard, fold, DIRECTION, seed=3)
    judge.save(tmp_path)
    again = RingJudge.load(tmp_path)
    assert np.array_equal(judge.logits(x, fold), again.logits(x, fold))
    same = train_ring_judge(x, campaign, jaccard, fold, DIRECTION, seed=3)
    assert np.array_equal(judge.logits(x, fold), same.logits(x, fold))


def test_without_both_kinds_there_is_nothing_to_learn() -> None:
    x, campaign, jaccard, fold = _log(6)
    with pytest.raises(GraphdetError, match="too small to learn"):
        train_ring_judge(x, campaign, np.ones_like(jaccard), fold, DIRECTION)


def test_a_missing_judge_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GraphdetError, match="Run `graphdet train"):
        RingJudge.load(tmp_path)
