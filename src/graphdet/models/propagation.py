"""Messages along user–session–item, computed once: a user's sessions, items and their audiences.

These are the frozen propagation steps of SIGN (Frasca et al., "SIGN: Scalable Inception Graph Neural
Networks", 2020), one per relation path, so that the 3 M edges of a large log are walked once and not in every
training step. The first linear layer of the network sees a user beside the mean of the neighbourhood and can
form the difference of the two.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.models.pyg import HeteroData

Matrix = NDArray[np.float32]


def propagate(data: HeteroData, user: Matrix, item: Matrix, session: Matrix) -> Matrix:
    """Concatenate each user's own inputs with means over sessions, items and those items' audiences.

    Each mean is over sessions first, then over their interactions, so a long session weighs as much as a
    short one.

    Shapes: user float32[n_users, u], item float32[n_items, i], session float32[n_sessions, s]; returns
    float32[n_users, 2 u + i + s]. A user without sessions gets zeros, the middle of the normal scores.
    """
    n_users, n_items, n_sessions = len(user), len(item), len(session)
    started = data["user", "started", "session"].edge_index.cpu().numpy()
    acted = [
        data[edge_type].edge_index.cpu().numpy()
        for edge_type in data.edge_types
        if edge_type[0] == "session" and edge_type[2] == "item" and not edge_type[1].startswith("rev_")
    ]
    edges = np.concatenate(acted, axis=1) if acted else np.zeros((2, 0), np.int64)
    of_user = _mean_over(started[0], started[1], (n_users, n_sessions))
    of_session = _mean_over(edges[0], edges[1], (n_sessions, n_items))
    of_item = _mean_over(edges[1], edges[0], (n_items, n_sessions))
    by_session = np.zeros((n_sessions, user.shape[1]), np.float32)
    by_session[started[1]] = user[started[0]]
    audience = of_item @ by_session
    around = of_user @ np.hstack([session, of_session @ np.hstack([item, audience])])
    return np.hstack([user, around]).astype(np.float32, copy=False)


def _mean_over(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> sp.csr_matrix:
    """Row-stochastic adjacency: row r holds 1/degree for each of its neighbours."""
    degree = np.bincount(row, minlength=shape[0])
    weight = (1.0 / np.maximum(degree, 1)[row]).astype(np.float32)
    return sp.csr_matrix((weight, (row, column)), shape=shape)
