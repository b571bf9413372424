"""Messages along user–session–item, computed once: a user's sessions, items and their audiences.

These are the frozen propagation steps of SIGN (Frasca et al., "SIGN: Scalable Inception Graph Neural
Networks", 2020), one per relation path, so that the 3 M edges of a large log are walked once and not in every
training step. The first linear layer of the network sees a user beside the mean of the neighbourhood and can
form the difference of the two.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Ends = NDArray[np.int64]


def propagate(started: Ends, acted: Ends, user: Matrix, item: Matrix, session: Matrix) -> Matrix:
    """Concatenate each user's own inputs with means over sessions, items and those items' audiences.

    Each mean is over sessions first, then over their interactions, so a long session weighs as much as a
    short one.

    Shapes: started int64[2, n_started] users and their sessions; acted int64[2, n_acts] sessions and items; user
    float32[n_users, u], item float32[n_items, i], session float32[n_sessions, s]; returns
    float32[n_users, 2 u + i + s]. A user without sessions gets zeros, the middle of the normal scores.
    """
    return gather(started, acted, user, session, what_items_say(started, acted, user, item, len(session)))


def gather(started: Ends, acted: Ends, user: Matrix, session: Matrix, heard: Matrix) -> Matrix:
    """The same from what items say, where that is there already: heard float32[n_items, i + u]."""
    of_user = _mean_over(started[0], started[1], (len(user), len(session)))
    of_session = _mean_over(acted[0], acted[1], (len(session), len(heard)))
    around = of_user @ np.hstack([session, of_session @ heard])
    return np.hstack([user, around]).astype(np.float32, copy=False)


def what_items_say(started: Ends, acted: Ends, user: Matrix, item: Matrix, n_sessions: int) -> Matrix:
    """Each item's own inputs beside the mean of its audience over interactions: float32[n_items, i + u]."""
    of_item = _mean_over(acted[1], acted[0], (len(item), n_sessions))
    by_session = np.zeros((n_sessions, user.shape[1]), np.float32)
    by_session[started[1]] = user[started[0]]
    return np.hstack([item, of_item @ by_session])


def partner_count_input(n_partners: NDArray[np.int64]) -> Matrix:
    """How many partners users have, before the cut to the closest, as an input: float32[n_users, 1]."""
    return np.log1p(n_partners).astype(np.float32)[:, None] / np.float32(3.0)


def _mean_over(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> sp.csr_matrix:
    """Row-stochastic adjacency: row r holds 1/degree for each of its neighbours."""
    degree = np.bincount(row, minlength=shape[0])
    weight = (1.0 / np.maximum(degree, 1)[row]).astype(np.float32)
    return sp.csr_matrix((weight, (row, column)), shape=shape)
