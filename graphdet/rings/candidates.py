"""Candidate groups: communities of the pair graph at several windows and resolutions."""

from collections.abc import Iterable

import numpy as np
import scipy.sparse as sp

from graphdet.clustering.leiden import communities
from graphdet.rings.blocks import MIN_USERS
from graphdet.rings.organic import Organic
from graphdet.tables import PairArrays

# Least average pair weight of a community, as a cosine: tight cores, ordinary groups, loose ones.
RESOLUTIONS = (0.004, 0.016, 0.064)


def candidate_groups(windows: Iterable[PairArrays], model: Organic, seed: int) -> sp.csr_matrix:
    """Communities of at least MIN_USERS users, as CSR float32[n_groups, n_users].

    A pair weighs its rarity, as a share of the largest possible, over the geometric mean of the two users'
    activity: a cosine, so that the very active are not drawn to everybody.
    """
    rows, users, n_groups = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
    top = np.log(max(model.n_users, 3))
    for pairs in windows:
        weight = pairs.weight / top / np.sqrt(model.degree[pairs.a] * model.degree[pairs.b])
        for found in communities(pairs.a, pairs.b, weight, RESOLUTIONS, seed):
            size = np.bincount(found[:, 1]) if len(found) else np.zeros(0, np.int64)
            large = size >= MIN_USERS
            number = np.cumsum(large) - 1 + n_groups
            kept = large[found[:, 1]] if len(found) else np.zeros(0, bool)
            rows.append(number[found[kept, 1]])
            users.append(found[kept, 0])
            n_groups += int(large.sum())
    row, user = np.concatenate(rows), np.concatenate(users)
    return sp.csr_matrix((np.ones(len(row), np.float32), (row, user)), shape=(n_groups, model.n_users))
