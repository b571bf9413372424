"""Splits of labels: in time nothing of the delay or the test is learned from, and impossible plans are refused."""

import numpy as np
import pytest

from graphdet.evaluation.ranking import best_cut, figures, figures_at, ranking_measures
from graphdet.evaluation.splits import DELAY, LATER, TEST, TRAIN, SplitPlan, split_rows
from graphdet.units import DAY_MS

AT_MS = np.arange(100) * DAY_MS
GROUP = np.arange(100) // 4


def test_in_time_a_delay_lies_between_training_and_test() -> None:
    plan = SplitPlan(train_until_ms=60 * DAY_MS, delay_ms=7 * DAY_MS, test_until_ms=97 * DAY_MS)
    part = split_rows(AT_MS, GROUP, plan, 0).part
    assert [int((part == which).sum()) for which in (TRAIN, DELAY, TEST, LATER)] == [60, 7, 30, 3]
    assert AT_MS[part == TEST].min() - AT_MS[part == TRAIN].max() > 7 * DAY_MS


def test_left_open_the_cut_comes_from_the_labels() -> None:
    found = split_rows(AT_MS, GROUP, SplitPlan(), 0)
    plan = found.plan
    assert plan.test_from_ms is not None
    assert plan.train_until_ms is not None
    assert plan.test_from_ms - plan.train_until_ms == plan.delay_ms == 7 * DAY_MS
    assert 20 <= (found.part == TEST).sum() <= 30


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (SplitPlan(train_until_ms=60 * DAY_MS, test_from_ms=62 * DAY_MS), "less than the delay of 7 days"),
        (SplitPlan(train_until_ms=60 * DAY_MS, test_until_ms=50 * DAY_MS), "ends before it begins"),
    ],
)
def test_a_plan_that_would_leak_is_refused(plan: SplitPlan, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        split_rows(AT_MS, GROUP, plan, 0)


def test_at_random_and_by_group() -> None:
    part = split_rows(AT_MS, GROUP, SplitPlan("random"), 3).part
    assert (part == TEST).sum() == 30
    assert not np.array_equal(part, split_rows(AT_MS, GROUP, SplitPlan("random"), 4).part)
    part = split_rows(AT_MS, GROUP, SplitPlan("group"), 3).part
    assert all(len(np.unique(part[one == GROUP])) == 1 for one in np.unique(GROUP))
    assert (split_rows(AT_MS, GROUP, SplitPlan("none"), 3).part == TRAIN).all()


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

    draw = np.random.default_rng(seed)
    y = (draw.random(300) < 0.2).astype(int)
    score = np.round(draw.normal(size=300) + y, 1)  # with ties
    found = figures(y, score)
    assert found["auroc"] == pytest.approx(roc_auc_score(y, score))
    assert found["average_precision"] == pytest.approx(average_precision_score(y, score))
    told = ranking_measures(y, score, np.arange(300) // 3)
    assert all(one.low <= one.value <= one.high for name, one in told.items() if name == "auroc")
    cut = best_cut(y, score)
    best = figures_at(y, score >= cut)["macro_f1"]
    assert best == pytest.approx(f1_score(y, score >= cut, average="macro"))
    assert all(figures_at(y, score >= other)["macro_f1"] <= best + 1e-12 for other in np.unique(score))


def test_without_times_nothing_is_split_by_time() -> None:
    nowhen = np.zeros(100, np.int64)
    with pytest.raises(ValueError, match="the log has no times to split by; choose --split group"):
        split_rows(nowhen, GROUP, SplitPlan(), 0)
    assert (split_rows(nowhen, GROUP, SplitPlan("group"), 0).part == TEST).any()
