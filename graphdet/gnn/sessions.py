"""What the network sees of a session."""

import numpy as np
from numpy.typing import NDArray

from graphdet.tables import GraphArrays

_DAY_MS = 86_400_000


def started_sessions(arrays: GraphArrays) -> NDArray[np.int64]:
    """Users and the sessions they started, int64[2, n]: sessions without interactions are nobody's."""
    owner = np.full(arrays.n_sessions, -1, np.int64)
    owner[arrays.session_ix] = arrays.user_ix
    started = np.flatnonzero(owner >= 0)
    return np.stack([owner[started], started])


def session_features(arrays: GraphArrays) -> NDArray[np.float32]:
    """Features of all sessions, float32[n_sessions, 4]; see session_rows."""
    return session_rows(arrays.session_ix, arrays.at_ms, arrays.n_sessions)


def session_rows(session: NDArray[np.integer], at_ms: NDArray[np.int64], n: int) -> NDArray[np.float32]:
    """Features of n sessions from their interactions, float32[n, 4].

    ln(1 + interactions), ln(1 + duration in s), and the time of day of the start as cosine and sine.

    Shapes: session int[n_edges] in 0 … n − 1, at_ms int64[n_edges].
    """
    size = np.bincount(session, minlength=n)
    start = np.full(n, np.iinfo(np.int64).max)
    end = np.full(n, np.iinfo(np.int64).min)
    np.minimum.at(start, session, at_ms)
    np.maximum.at(end, session, at_ms)
    start, end = np.where(size > 0, start, 0), np.where(size > 0, end, 0)
    angle = (start % _DAY_MS) * (2.0 * np.pi / _DAY_MS)
    columns = [np.log1p(size), np.log1p((end - start) / 1000.0), np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1).astype(np.float32)
