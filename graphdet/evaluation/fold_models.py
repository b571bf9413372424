"""Which of several models may judge a row: the one rule that keeps a label from reaching its own score.

Models are trained in folds: model k has learned from every labelled row except those of fold k. A row that was
learned from is judged by the model of its own fold alone, which has not seen its label. A row of no fold (−1) was not
learned from, so all models judge it and it gets their mean. Whoever scores with such models does it by these functions.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from graphdet.arrays import Float

Model = TypeVar("Model")
NO_FOLD = -1


def own_fold_or_mean(
    values: Float, fold: NDArray[np.integer], mean: Float | None = None
) -> NDArray[np.float64]:
    """Give each row the value of the model that held out its fold, and a row of no fold the mean of all models.

    The mean is taken over the first axis of `values` as it lies in memory, so the same layout gives the same bits.

    Args:
        values: float64[n_models, n], the value that each model gives each row. Of a row of a fold only that model's
            value is read.
        fold: int[n], from 0 to n_models − 1; NO_FOLD for a row that no model learned from.
        mean: float64[n], for rows of no fold, where the caller has worked it out already.

    Returns:
        float64[n].

    Raises:
        ValueError: a row is of a fold that no model held out.

    >>> own_fold_or_mean(np.array([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]), np.array([0, 1, -1])).tolist()
    [1.0, 6.0, 5.0]
    """
    fold = np.asarray(fold)
    if fold.max(initial=NO_FOLD) >= len(values):
        raise ValueError(f"there is a row of fold {fold.max()}, and models of {len(values)} folds only")
    own = values[np.maximum(fold, 0), np.arange(len(fold))]
    return np.where(fold >= 0, own, values.mean(axis=0) if mean is None else mean)


def values_by_models(
    models: Sequence[Model],
    fold: NDArray[np.integer],
    value_of: Callable[[Model, NDArray[np.bool_]], Float],
) -> Float:
    """Ask each model about the rows that it may judge: those of the fold it held out, and those of no fold.

    Args:
        models: one for each fold, in the order of the folds.
        fold: int[n], NO_FOLD for a row that no model learned from.
        value_of: a model and rows, bool[n], of which there is at least one → float64[number of those rows].

    Returns:
        float64[n_models, n]; 0 where a model may not judge a row.
    """
    values = np.zeros((len(models), len(fold)))
    for k, model in enumerate(models):
        rows = (fold < 0) | (fold == k)
        if rows.any():
            values[k, rows] = value_of(model, rows)
    return values


def models_of_row(models: Sequence[Model], fold: int) -> Sequence[Model]:
    """The models that may judge one row, whose mean is its value: that of its fold, or all for NO_FOLD.

    >>> models_of_row(["a", "b"], 1), models_of_row(["a", "b"], -1)
    (['b'], ['a', 'b'])
    """
    return models if fold < 0 else [models[fold]]


def coarser_folds(fold: NDArray[np.integer], n_folds: int) -> NDArray[np.int64]:
    """The fold of n_folds that each finer fold is a part of, where fold k was cut into k, k + n_folds, and so on.

    Shapes: fold int[n], NO_FOLD stays as it is; returns int64[n].

    >>> coarser_folds(np.array([0, 4, 7, -1]), 3).tolist()
    [0, 1, 1, -1]
    """
    return np.where(fold >= 0, fold % n_folds, NO_FOLD).astype(np.int64)
