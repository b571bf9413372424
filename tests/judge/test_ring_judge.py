"""The judge of rings: monotone where told, the same after a round trip, and not taught that a real ring is innocent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from graphdet.errors import GraphdetError
from graphdet.judge.examples import Lessons
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge, shipped_lessons
from graphdet.judge.training import adapted_judge, loss_shares, train_ring_judge
from graphdet.rings.evidence_table import INPUTS, JUDGE_DIRECTION

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


def test_nobody_is_let_go_for_more_evidence_of_guilt() -> None:
    """The shipped judge, of groups like those it learned from: blatant to any degree, they are no less like rings."""
    judge, lessons = shipped_judge(), shipped_lessons()
    rng = np.random.default_rng(0)
    rows = rng.choice(len(lessons.inputs), 600, replace=False)
    at, fold = lessons.inputs[rows], lessons.fold[rows]
    for factor in (0.5, 5.0, 100.0):
        worse = at + factor * rng.uniform(0, 1, at.shape) * np.array(JUDGE_DIRECTION)
        assert (judge.logits(worse, fold) >= judge.logits(at, fold) - 1e-9).all()
    assert {name for name, way in zip(INPUTS, JUDGE_DIRECTION, strict=True) if way} >= {
        "density", "margin_nats", "exclusivity", "sharpness", "halo_lift", "spread", "fading_nats",
    }  # fmt: skip


def test_what_a_log_cannot_show_counts_as_usual() -> None:
    judge = train_ring_judge(_lessons(1), DIRECTION)
    unknown, usual = np.array([[np.nan, 0.3, -1.0]]), np.array([[judge.mean[0], 0.3, -1.0]])
    assert judge.logits(unknown, np.zeros(1, int)) == pytest.approx(judge.logits(usual, np.zeros(1, int)))


def test_the_shipped_judge_is_the_one_that_its_lessons_teach() -> None:
    lessons = shipped_lessons()
    again = train_ring_judge(lessons, JUDGE_DIRECTION)
    rows = np.arange(0, len(lessons.inputs), 40)
    told, kept = (
        judge.logits(lessons.inputs[rows], lessons.fold[rows]) for judge in (again, shipped_judge())
    )
    assert told == pytest.approx(kept, abs=0.05)


def test_a_judge_that_is_adapted_knows_the_rings_of_the_log_and_those_it_knew() -> None:
    """In the user's log rings show in input 1 alone; some of its natural groups are rings as other logs have them."""
    base, own, unseen = _lessons(21), _lessons(22), _lessons(23)
    base = replace(base, share=loss_shares(base, None))
    turned = replace(own, inputs=own.inputs[:, [1, 0, 2]] * [1, 1, 0])
    hidden = np.flatnonzero(turned.is_natural)[:40]
    turned.inputs[hidden] = [3.5, 0.0, -3.5]
    shipped = train_ring_judge(base, DIRECTION)
    judge = adapted_judge(shipped, base, turned, DIRECTION)
    x, fold = unseen.inputs[:, [1, 0, 2]] * [1, 1, 0], unseen.fold
    ranked = [average_precision_score(unseen.is_ring, each.logits(x, fold)) for each in (judge, shipped)]
    assert ranked[0] > ranked[1] + 0.2
    assert (judge.logits(turned.inputs, turned.fold)[hidden] > 0).all()
    assert average_precision_score(unseen.is_ring, judge.logits(unseen.inputs, fold)) > 0.9


def test_rings_hidden_in_the_log_are_judged_like_the_planted() -> None:
    lessons = _lessons(4, n_hidden=6)
    logits = train_ring_judge(lessons, DIRECTION).logits(lessons.inputs, lessons.fold)
    assert (logits[N_RINGS : N_RINGS + 6] > 0).all()
    assert np.mean(logits[N_RINGS + 6 :] > 0) < 0.02


def test_a_saved_judge_says_the_same(tmp_path: Path) -> None:
    lessons = _lessons(5)
    x, fold = lessons.inputs, lessons.fold
    judge = train_ring_judge(lessons, DIRECTION, seed=3)
    judge.save(tmp_path)
    again = RingJudge.load(tmp_path)
    assert np.array_equal(judge.logits(x, fold), again.logits(x, fold))
    same = train_ring_judge(lessons, DIRECTION, seed=3)
    assert np.array_equal(judge.logits(x, fold), same.logits(x, fold))


def test_without_both_kinds_there_is_nothing_to_learn() -> None:
    lessons = _lessons(6)
    with pytest.raises(GraphdetError, match="too few for a judge"):
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
