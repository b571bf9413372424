"""Trees of users as tune judges them: as training does out of fold, and no label reaches its own user."""

import numpy as np
import pytest
from numpy.typing import NDArray

from graphdet.errors import InputError
from graphdet.lab import tune_validation
from graphdet.lab.tune_validation import user_judge
from graphdet.lab.tuning import Settings
from graphdet.learn.train_settings import tree_settings
from graphdet.learn.user_examples import FINER, tree_folds
from graphdet.learn.user_trees import UserColumns, fit_user_trees
from tests.learn.test_user_trees import folds, log

SMALL: Settings = {"rounds": 20, "learning_rate": 0.1}


def world() -> tuple[UserColumns, NDArray[np.int8]]:
    given, y = log()
    return given, np.where(np.arange(len(y)) % 3 == 0, -1, y).astype(np.int8)


@pytest.mark.parametrize("most", [1 << 30, 0])
def test_users_are_judged_as_in_training_whether_or_not_matrices_are_kept(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(tune_validation, "MOST_KEPT_BYTES", most)
    given, y = world()
    made: list[int] = []
    lesson_of = tune_validation.lesson_of
    monkeypatch.setattr(tune_validation, "lesson_of", lambda *args: made.append(args[4]) or lesson_of(*args))
    judge = user_judge(given, y, folds(len(y)), seed=3)
    for settings in (SMALL, SMALL | {"leaves": 4}):
        wanted = fit_user_trees(given, y, folds(len(y)), y, tree_settings(settings, "test"), seed=3)[1]
        np.testing.assert_array_equal(judge(settings), wanted[y >= 0])
    assert sorted(made) == ([0, 1, 2, 3] if most else [0, 0, 0, 1, 1, 2, 2, 3, 3])


def test_turning_a_label_leaves_its_own_user_alone() -> None:
    """The folds are given: dealing them looks at labels, to spread the frauds."""
    given, y = world()
    fold, known = folds(len(y)), np.flatnonzero(y >= 0)
    before = user_judge(given, y, fold, 0)(SMALL)
    for row in known[[0, len(known) // 2, -1]]:
        turned = y.copy()
        turned[row] = 1 - y[row]
        after = user_judge(given, turned, fold, 0)(SMALL)
        # Nor does it reach those judged with this user; it does reach others.
        np.testing.assert_array_equal(after[fold[known] == fold[row]], before[fold[known] == fold[row]])
        assert (after != before).any()


def test_folds_of_trees_keep_groups_whole() -> None:
    _, y = world()
    group = np.where(y == 1, np.arange(len(y)) // 5, -1)
    fold = tree_folds(y, group, 2, seed=0)
    assert set(fold.tolist()) == set(range(2 * FINER))
    for each in np.unique(group[y == 1]):
        assert len(set(fold[group == each].tolist())) == 1


@pytest.mark.parametrize("most", [1 << 30, 0])
def test_one_kind_of_label_outside_a_fold_is_told(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(tune_validation, "MOST_KEPT_BYTES", most)
    given, y = world()
    with pytest.raises(InputError, match="outside each fold"):
        user_judge(given, y, np.where(y == 1, 0, 1), 0)(SMALL)
