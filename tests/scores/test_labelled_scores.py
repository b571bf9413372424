"""Scores learned from labels: no label reaches its own row, chance stays chance, p-values hold."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from graphdet.evaluation.splits import grouped_folds
from graphdet.scores.labelled import PLAIN, labelled_reasons, score_by_labels

pytestmark = pytest.mark.slow


def sample(seed: int, n: int = 1_500, users: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three features, of which the second tells, one with gaps; a third of the rows is unlabelled."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.2
    x = rng.normal(size=(n, 3)).astype(np.float32)
    x[:, 1] += 2 * truth
    x[rng.random(n) < 0.2, 2] = np.nan
    y = truth.astype(np.int8)
    y[rng.random(n) < 0.33] = -1
    return x, y, rng.integers(users, size=n)


def test_unlabelled_and_labelled_rows_are_ranked() -> None:
    x, y, group = sample(0)
    found = score_by_labels(x, y, group, 0)
    truth = x[:, 1] > 1
    assert roc_auc_score(truth[y < 0], found.score[y < 0]) > 0.9
    assert roc_auc_score(y[y >= 0], found.score[y >= 0]) > 0.8
    assert found.score[y >= 0].mean() == pytest.approx((y[y >= 0] == 1).mean(), abs=0.02)


def test_a_feature_that_only_names_the_row_teaches_nothing() -> None:
    """With the label learnt by heart, each row would be scored by its own label."""
    rng = np.random.default_rng(1)
    n_users = 120
    group = np.repeat(np.arange(n_users), 8)
    per_user = (rng.random(n_users) < 0.3).astype(np.int8)
    x = np.column_stack([group, rng.normal(size=len(group))]).astype(np.float32)
    y = per_user[group]
    found = score_by_labels(x, y, group, 0)
    assert roc_auc_score(y, found.score) < 0.65


def test_permuted_labels_give_chance() -> None:
    x, y, group = sample(2)
    known = y >= 0
    y[known] = np.random.default_rng(3).permutation(y[known])
    found = score_by_labels(x, y, group, 0)
    assert abs(roc_auc_score(y[known], found.score[known]) - 0.5) < 0.08
    assert np.ptp(np.quantile(found.score, [0.05, 0.95])) < 0.2


def test_p_values_of_clean_rows_are_no_smaller_than_chance() -> None:
    x, y, group = sample(4, n=3_000)
    truth = y.copy()
    hidden = np.random.default_rng(5).random(len(y)) < 0.5
    y[hidden] = -1
    found = score_by_labels(x, y, group, 0)
    clean = found.p_value[hidden & (truth == 0)]
    for level in (0.05, 0.2, 0.5):
        assert (clean <= level).mean() <= level + 0.05
    assert found.p_value.min() > 0
    assert found.p_value.max() <= 1


def test_the_same_rows_and_seed_give_the_same_scores() -> None:
    x, y, group = sample(6, n=400)
    one, two = (score_by_labels(x, y, group, 3) for _ in range(2))
    assert np.array_equal(one.score, two.score)
    assert np.array_equal(one.p_value, two.p_value)


@pytest.mark.parametrize("seed", range(20))
def test_folds_keep_groups_together_and_both_labels_outside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.integers(int(rng.integers(4, 30)), size=60)
    y = (rng.random(60) < rng.uniform(0.05, 0.5)).astype(np.int8)
    has = [len(np.unique(group[y == value])) for value in (0, 1)]
    if min(has) < 2:
        with pytest.raises(ValueError, match="two groups"):
            grouped_folds(y, group, seed)
        return
    fold = grouped_folds(y, group, seed)
    assert all(len(np.unique(fold[group == one])) == 1 for one in np.unique(group))
    assert fold.max() + 1 == min(5, *has)
    for k in range(fold.max() + 1):
        assert set(y[fold != k]) == {0, 1}


def test_reasons_name_the_feature_that_tells_with_numbers() -> None:
    x, y, group = sample(8)
    found = score_by_labels(x, y, group, 0)
    flagged = np.zeros(len(y), bool)
    flagged[np.argsort(-found.score)[:30]] = True
    reasons = labelled_reasons(found, ("noise_one", "user_gap_s", "noise_two"), flagged)
    said = [reason for reason, flag in zip(reasons, flagged, strict=True) if flag]
    assert sum(reason.startswith("User gap ") for reason in said) >= 25
    assert all("(typically " in reason for reason in said)
    assert reasons[int(np.argmin(found.score))] == PLAIN
