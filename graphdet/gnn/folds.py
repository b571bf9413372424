"""Folds of users for learning: groups whole, positives dealt evenly; no torch, as trees take the same folds."""

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import InputError


def user_folds(
    y: NDArray[np.integer],
    group: NDArray[np.integer],
    n_folds: int,
    seed: int,
    given: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Deal users into folds: a group stays together, positives' groups are dealt evenly.

    The rest goes where `given` says, and at random where it is absent or −1.

    Shapes: returns int64[n_users] in 0 … n_folds − 1.

    Raises:
        InputError: there are no clean users, or fewer groups of positives than folds.
    """
    rng = np.random.default_rng([seed, 1])
    fold = rng.integers(0, n_folds, len(y))
    if given is not None:
        fold = np.where(given >= 0, np.asarray(given) % n_folds, fold)
    key = group_keys(group)
    positive_keys = rng.permutation(np.unique(key[y == 1]))
    if not (y == 0).any():
        raise InputError("training needs clean users beside suspicious ones; every label given says fraud")
    if len(positive_keys) < n_folds:
        raise InputError(
            f"training needs suspicious users of at least {n_folds} groups, there are {len(positive_keys)}: "
            "give more labels or a larger log"
        )
    keys, key_of = np.unique(key, return_inverse=True)
    fold_of_key = fold[np.unique(key_of, return_index=True)[1]]
    fold_of_key[np.searchsorted(keys, positive_keys)] = np.arange(len(positive_keys)) % n_folds
    dealt: NDArray[np.int64] = fold_of_key[key_of]
    return dealt


def group_keys(group: NDArray[np.integer]) -> NDArray[np.int64]:
    """A number per group, int64[n]: users in none (−1) are groups of their own."""
    return np.where(group >= 0, group, -1 - np.arange(len(group)))
