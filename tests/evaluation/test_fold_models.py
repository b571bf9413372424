"""A row is judged by the model that held out its fold, a row of no fold by all: whatever the numbers are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from graphdet.evaluation.fold_models import (
    NO_FOLD,
    coarser_folds,
    models_of_row,
    own_fold_or_mean,
    values_by_models,
)

Judged = tuple[NDArray[np.float64], NDArray[np.int64]]


@st.composite
def judged(draw: Any) -> Judged:
    """Values float64[n_models, n] and folds int64[n], some of them −1."""
    n_models, n = draw(st.integers(1, 16)), draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.normal(size=(n_models, n)), rng.integers(-1, n_models, n)


@given(judged())
def test_a_row_gets_the_value_of_its_own_fold_and_no_other(made: Judged) -> None:
    values, fold = made
    found = own_fold_or_mean(values, fold)
    for row in np.flatnonzero(fold >= 0):
        assert found[row] == values[fold[row], row]
    others = values.copy()
    others[np.arange(len(values))[:, None] != fold] = np.nan  # all but what a row's own model says
    known = fold >= 0
    assert (own_fold_or_mean(others, fold)[known] == found[known]).all()


@given(judged())
def test_a_row_of_no_fold_gets_the_mean(made: Judged) -> None:
    values, _ = made
    new = np.full(values.shape[1], NO_FOLD)
    assert (own_fold_or_mean(values, new) == values.mean(axis=0)).all()
    given_mean = np.arange(values.shape[1], dtype=np.float64)
    assert (own_fold_or_mean(values, new, given_mean) == given_mean).all()


@given(judged())
def test_values_by_row_have_the_same_mean_to_the_last_bit(made: Judged) -> None:
    values, fold = made
    by_row = np.ascontiguousarray(values.T)
    known = fold >= 0
    found = own_fold_or_mean(by_row.T, fold)
    assert (found[known] == own_fold_or_mean(values, fold)[known]).all()
    assert (found[~known] == by_row.mean(axis=1)[~known]).all()


@given(judged(), st.randoms(use_true_random=False))
def test_renumbering_folds_changes_nothing(made: Judged, random: Any) -> None:
    values, fold = made
    order = list(range(len(values)))
    random.shuffle(order)
    renumbered = np.append(np.argsort(order), NO_FOLD)[fold]
    found = own_fold_or_mean(values[order], renumbered)
    np.testing.assert_allclose(found, own_fold_or_mean(values, fold), rtol=1e-12, atol=1e-12)
    assert (found[fold >= 0] == own_fold_or_mean(values, fold)[fold >= 0]).all()


@given(judged())
def test_a_model_is_asked_about_its_own_fold_and_rows_of_none(made: Judged) -> None:
    values, fold = made

    def value_of(k: int, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        assert rows.any()
        assert np.isin(fold[rows], (k, NO_FOLD)).all()
        return values[k, rows]

    found = values_by_models(range(len(values)), fold, value_of)
    may = (fold == NO_FOLD) | (fold == np.arange(len(values))[:, None])
    assert (found == np.where(may, values, 0)).all()
    assert (own_fold_or_mean(found, fold) == own_fold_or_mean(values, fold)).all()


@given(judged())
def test_one_row_is_judged_as_it_is_among_all(made: Judged) -> None:
    values, fold = made
    for row, value in enumerate(own_fold_or_mean(values, fold).tolist()):
        chosen = [each[row] for each in models_of_row(values, int(fold[row]))]
        assert np.mean(chosen) == pytest.approx(value, abs=1e-12)


@given(judged(), st.integers(1, 4))
def test_a_finer_fold_belongs_to_the_fold_it_is_cut_from(made: Judged, n_parts: int) -> None:
    values, fold = made
    part = np.arange(len(fold)) % n_parts
    finer = np.where(fold >= 0, fold + len(values) * part, NO_FOLD)
    assert (coarser_folds(finer, len(values)) == fold).all()


def test_a_fold_without_a_model_is_an_error() -> None:
    with pytest.raises(ValueError, match="fold 2"):
        own_fold_or_mean(np.zeros((2, 3)), np.array([0, 1, 2]))
