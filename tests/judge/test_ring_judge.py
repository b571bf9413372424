"""The judge of rings: monotone where told, the same after a round trip, and not taught that a real ring is innocent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphdet.errors import GraphdetError
from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.training import train_ring_judge
from graphdet.learn.ring_lessons import knows

pytestmark = pytest.mark.slow

DIRECTION = (1, 0, -1)
N_RINGS, N_NATURAL = 24, 400


def _lessons(seed: int, n_hidden: int = 0, n_innocent: int = 0) -> Lessons:
    """Rings are high in input 0 and low in input 2, and so are those hidden in the log."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_RINGS + N_NATURAL, 3))
    row = np.arange(len(x))
    ring, hidden = row < N_RINGS, (row >= N_RINGS) & (row < N_RINGS + n_hidden)
    innocent = row >= len(x) - n_innocent
    x[ring | hidden] += [3.5, 0.0, -3.5]
    x[innocent] += [3.5, 3.5, -3.5]
    return Lessons(
        inputs=x,
        campaign=np.where(ring, row, -1),
        jaccard=ring.astype(np.float64),
        innocent=np.where(innocent, row - row[innocent].min(initial=len(x)), -1),
        fold=rng.integers(0, 2, len(x)),
    )


def test_more_of_the_same_evidence_never_lowers_the_logit() -> None:
    judge = train_ring_judge(_lessons(1), DIRECTION)
    at = np.random.default_rng(2).normal(scale=2, size=(200, 3))
    folds = np.arange(200) % 2
    for column, sign in enumerate(DIRECTION):
        if sign:
            more = at.copy()
            more[:, column] += sign * np.random.default_rng(3).uniform(0, 3, 200)
            assert (judge.logits(more, folds) >= judge.logits(at, folds) - 1e-9).all()


def test_rings_hidden_in_the_log_are_judged_like_the_planted() -> None:
    lessons = _lessons(4, n_hidden=6)
    logits = train_ring_judge(lessons, DIRECTION).logits(lessons.inputs, lessons.fold)
    assert (logits[N_RINGS : N_RINGS + 6] > 0).all()
    assert np.mean(logits[N_RINGS + 6 :] > 0) < 0.02


def test_a_log_full_of_rings_does_not_teach_that_they_are_innocent() -> None:
    """Every fourth group of the user's own log is a ring, as in a small log that was attacked.

    All of them stand among the examples of natural groups, four for each planted one. Over three logs, as each shows
    from .66 to .81 of them as rings.
    """
    as_rings, others = [], []
    for seed in (6, 16, 26):
        attacked, other = _lessons(seed, n_hidden=100), _lessons(seed + 1)
        judge = replace(train_ring_judge(attacked, DIRECTION, base=other), known=None)  # the networks alone
        logits = judge.logits(attacked.inputs, attacked.fold)
        as_rings.append(np.mean(logits[N_RINGS : N_RINGS + 100] > 0))
        others.append(np.mean(logits[N_RINGS + 100 :] > 0))
    assert np.mean(as_rings) > 0.7
    assert max(others) < 0.02


def test_a_saved_judge_says_the_same(tmp_path: Path) -> None:
    lessons = _lessons(5)
    x, fold = lessons.inputs, lessons.fold
    judge = train_ring_judge(lessons, DIRECTION, seed=3)
    judge.save(tmp_path)
    again = RingJudge.load(tmp_path)
    assert np.array_equal(judge.logits(x, fold), again.logits(x, fold))
    same = train_ring_judge(lessons, DIRECTION, seed=3)
    assert np.array_equal(judge.logits(x, fold), same.logits(x, fold))


def test_a_judge_stays_near_its_second_opinion(tmp_path: Path) -> None:
    """The second learned that input 1 makes a ring, of which the first knows nothing; of 0 only the first knows."""
    lessons, other = _lessons(5), _lessons(6)
    turned = replace(other, inputs=other.inputs[:, [1, 0, 2]])
    first, second = train_ring_judge(lessons, DIRECTION), train_ring_judge(turned, (0, 1, -1))
    x, fold = np.vstack([turned.inputs, lessons.inputs]), np.concatenate([turned.fold, lessons.fold])
    one, two = first.logits(x, fold), second.logits(x, fold)
    both = replace(first, second=second)
    heard = both.logits(x, fold)
    low, high = one < two - np.log(2), one > two + 2
    assert low.any()
    assert high.any()
    assert not (low | high).all()
    assert np.array_equal(heard[low], two[low] - np.log(2))
    assert np.array_equal(heard[high], two[high] + 2)
    assert np.array_equal(heard[~low & ~high], one[~low & ~high])
    both.save(tmp_path)
    assert np.array_equal(RingJudge.load(tmp_path).logits(x, fold), both.logits(x, fold))


def test_a_judge_of_other_logs_knows_a_log_whose_campaigns_it_ranks_as_well() -> None:
    own, like, unlike = _lessons(5), _lessons(6), _lessons(7)
    unlike = replace(unlike, inputs=unlike.inputs[:, [1, 0, 1]])  # its campaigns show in input 1 alone
    judge = train_ring_judge(own, DIRECTION, base=like)
    assert knows(train_ring_judge(like, DIRECTION), judge, own)
    assert not knows(train_ring_judge(unlike, (0, 1, 0)), judge, own)
    assert not knows(RingJudge.blind(), judge, own)


def test_of_a_group_like_no_planted_campaign_it_has_no_opinion(tmp_path: Path) -> None:
    """Far out in input 1, of which the networks know no direction, they only guess."""
    own, base = _lessons(5), _lessons(6)
    judge = train_ring_judge(own, DIRECTION, base=base)
    guessing = replace(judge, known=None)
    x = np.array([[3.5, 0.0, -3.5], [6.0, 15.0, -6.0], [-1.0, 0.0, 1.0]])
    fold = np.zeros(3, int)
    assert guessing.logits(x, fold)[1] > 2
    assert judge.logits(x, fold)[1] == 0
    assert np.array_equal(judge.logits(x, fold)[[0, 2]], guessing.logits(x, fold)[[0, 2]])
    sure = replace(judge, second=guessing)
    assert sure.logits(x, fold)[1] == guessing.logits(x, fold)[1] - np.log(2)
    sure.save(tmp_path)
    assert np.array_equal(RingJudge.load(tmp_path).logits(x, fold), sure.logits(x, fold))
    assert train_ring_judge(own, DIRECTION).known is None


def test_without_both_kinds_there_is_nothing_to_learn() -> None:
    lessons = _lessons(6)
    with pytest.raises(GraphdetError, match="too small to learn"):
        train_ring_judge(replace(lessons, jaccard=np.ones(len(lessons.inputs))), DIRECTION)


def test_hard_innocents_are_learned_as_no_rings() -> None:
    """They look like rings but for input 1; as a few natural groups like that they could be rings of the log."""
    told = _lessons(7, n_innocent=12)
    untold = replace(told, innocent=np.full(len(told.inputs), -1))
    unseen = np.random.default_rng(8).normal((3.5, 3.5, -3.5), size=(200, 3))
    folds = np.arange(200) % 2
    assert np.mean(train_ring_judge(told, DIRECTION).logits(unseen, folds) > 0) < 0.05
    assert np.mean(train_ring_judge(untold, DIRECTION).logits(unseen, folds) > 0) > 0.1


def test_lessons_of_several_copies_keep_their_campaigns_apart() -> None:
    one, two = _lessons(1, n_innocent=3), _lessons(2, n_innocent=2)
    both = Lessons.joined([one, two])
    assert both.n_found == one.n_found + two.n_found == 2 * N_RINGS
    assert len(np.unique(both.innocent[both.innocent >= 0])) == 5
    assert np.array_equal(both.inputs, np.concatenate([one.inputs, two.inputs]))


def test_a_log_without_natural_groups_learns_from_other_logs() -> None:
    """Its only groups are its own rings: alone it would learn that they are natural."""
    own, base = _lessons(9, n_hidden=2), _lessons(10)
    own.inputs[N_RINGS : N_RINGS + 2] = [3.5, 0.0, -3.5]
    rows = np.arange(N_RINGS + 2)
    few = Lessons(
        own.inputs[rows], own.campaign[rows], own.jaccard[rows], own.innocent[rows], np.zeros(len(rows), int)
    )
    alone = train_ring_judge(few, DIRECTION).logits(few.inputs, few.fold)
    helped = train_ring_judge(few, DIRECTION, base=base).logits(few.inputs, few.fold)
    assert (alone[N_RINGS:] < 1).all()
    assert (helped[N_RINGS:] > alone[N_RINGS:] + 0.5).all()


def test_a_log_with_many_natural_groups_learns_from_itself() -> None:
    """In the other logs rings are the opposite; four hundred natural groups of its own outweigh that."""
    own, other = _lessons(11), _lessons(12)
    opposite = replace(other, inputs=-other.inputs)
    judge = train_ring_judge(own, (0, 0, 0), base=opposite)
    right = train_ring_judge(own, (0, 0, 0))
    agree = (judge.logits(own.inputs, own.fold) > 0) == (right.logits(own.inputs, own.fold) > 0)
    assert agree.mean() > 0.97


def test_nothing_found_in_the_own_log_leaves_the_lessons_of_others() -> None:
    own, base = _lessons(13), _lessons(14)
    nothing = replace(own, jaccard=np.zeros(len(own.inputs)))
    by_both = train_ring_judge(nothing, DIRECTION, base=base)
    by_base = train_ring_judge(base, DIRECTION)
    assert np.mean(by_both.logits(base.inputs, base.fold) > 0) == pytest.approx(
        np.mean(by_base.logits(base.inputs, base.fold) > 0), abs=0.02
    )


def test_lessons_come_back_from_a_file_and_thin(tmp_path: Path) -> None:
    lessons = Lessons.joined([_lessons(15, n_innocent=3), _lessons(16)])
    lessons.save(tmp_path / "lessons.safetensors")
    again = Lessons.load(tmp_path / "lessons.safetensors")
    assert again.n_logs == 2
    assert np.array_equal(again.campaign, lessons.campaign)
    assert again.inputs == pytest.approx(lessons.inputs, abs=1e-6)
    thin = lessons.thinned(50, np.random.default_rng(0))
    assert thin.is_natural.sum() == 50
    assert (thin.n_found, thin.is_innocent.sum()) == (lessons.n_found, 3)


def test_a_missing_judge_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(GraphdetError, match="Run `graphdet train"):
        RingJudge.load(tmp_path)
