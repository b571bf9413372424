"""Folds that keep groups together, and p-values from what is known to be clean."""

from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Float = NDArray[np.float64]
N_FOLDS = 5


def user_folds(user_ids: pa.Array, n_folds: int) -> NDArray[np.int64]:
    """Give each user a fold by a checksum of the id, the same in every run: int64[n_users]."""
    ids = user_ids.to_pylist()
    return np.fromiter((crc32(name.encode()) % n_folds for name in ids), np.int64, len(ids))


def grouped_folds(y: NDArray[np.integer], group: NDArray[np.integer], seed: int) -> NDArray[np.int64]:
    """Deal groups into folds so that the rest of each fold has rows of both labels.

    Shapes: y, 1 or 0, and group int[n]; returns int64[n], folds from 0. There are as many as N_FOLDS, or
    as the scarcer label has groups. A group with both labels counts for both.

    Raises:
        ValueError: a label is found in fewer than two groups.
    """
    groups, row = np.unique(group, return_inverse=True)
    has = [np.bincount(row[y == value], minlength=len(groups)) > 0 for value in (0, 1)]
    n_folds = min(N_FOLDS, int(has[0].sum()), int(has[1].sum()))
    if n_folds < 2:
        raise ValueError("each label needs two groups or more")
    order = np.random.default_rng(seed).permutation(len(groups))
    both, fraud, clean = has[0] & has[1], has[1] & ~has[0], has[0] & ~has[1]
    fold = np.zeros(len(groups), np.int64)
    # Each label's groups are dealt in one round, so that no fold has all of a label.
    mixed = order[both[order]]
    fold[mixed] = np.arange(len(mixed))
    for part in (fraud, clean):
        rest = order[part[order]]
        fold[rest] = len(mixed) + np.arange(len(rest))
    return (fold % n_folds)[row]


def conformal_p_values(values: Float, clean: Float) -> Float:
    """Share of clean values that are at least as high, the value itself counted among them (add one).

    Shapes: values float64[n], clean float64[m]; returns float64[n] in (0, 1].

    >>> conformal_p_values(np.array([9.0, 1.5]), np.array([1.0, 2.0, 3.0])).tolist()
    [0.25, 0.75]
    """
    return (1 + _as_high(values, clean)) / (1 + len(clean))


def cross_conformal_p_values(values: Float, clean: Float, clean_fold: NDArray[np.int64]) -> Float:
    """The same over the models of several folds: each value is ranked by a model among what that has not seen.

    Vovk 2015 (cross-conformal predictors). Shapes: values float64[n_folds, n], clean float64[m] by the model
    of its own fold, clean_fold int64[m]; returns float64[n] in (0, 1].
    """
    above = np.zeros(values.shape[1])
    for fold in range(len(values)):
        above += _as_high(values[fold], clean[clean_fold == fold])
    return (1 + above) / (1 + len(clean))


def _as_high(values: Float, others: Float) -> Float:
    return (len(others) - np.searchsorted(np.sort(others), values, side="left")).astype(np.float64)
