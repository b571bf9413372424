"""What the network is given, in NumPy alone: partners, sessions, and messages that are computed once.

The messages along user–session–item are the frozen propagation steps of SIGN (Frasca et al., "SIGN: Scalable
Inception Graph Neural Networks", 2020), one per relation path, so that the 3 M edges of a large log are walked once and
not in every training step. The first linear layer of the network sees a user beside the mean of the neighbourhood and
can form the difference of the two. The co-action graph holds each user's closest partners, with what is known of each
tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float32
from graphdet.tables import GraphArrays, PairArrays
from graphdet.units import DAY_MS

Ends = NDArray[np.int64]


def propagate(started: Ends, acted: Ends, user: Float32, item: Float32, session: Float32) -> Float32:
    """Concatenate each user's own inputs with means over sessions, items and those items' audiences.

    Each mean is over sessions first, then over their interactions, so a long session weighs as much as a
    short one.

    Shapes: started int64[2, n_started] users and their sessions; acted int64[2, n_acts] sessions and items; user
    float32[n_users, u], item float32[n_items, i], session float32[n_sessions, s]; returns
    float32[n_users, 2 u + i + s]. A user without sessions gets zeros, the middle of the normal scores.
    """
    return sum_over_partners(
        started, acted, user, session, what_items_say(started, acted, user, item, len(session))
    )


def sum_over_partners(started: Ends, acted: Ends, user: Float32, session: Float32, heard: Float32) -> Float32:
    """The same from what items say, where that is there already: heard float32[n_items, i + u]."""
    of_user = _mean_over(started[0], started[1], (len(user), len(session)))
    of_session = _mean_over(acted[0], acted[1], (len(session), len(heard)))
    around = of_user @ np.hstack([session, of_session @ heard])
    return np.hstack([user, around]).astype(np.float32, copy=False)


def what_items_say(started: Ends, acted: Ends, user: Float32, item: Float32, n_sessions: int) -> Float32:
    """Each item's own inputs beside the mean of its audience over interactions: float32[n_items, i + u]."""
    of_item = _mean_over(acted[1], acted[0], (len(item), n_sessions))
    by_session = np.zeros((n_sessions, user.shape[1]), np.float32)
    by_session[started[1]] = user[started[0]]
    return np.hstack([item, of_item @ by_session])


def partner_count_input(n_partners: NDArray[np.int64]) -> Float32:
    """How many partners users have, before the cut to the closest, as an input: float32[n_users, 1]."""
    return np.log1p(n_partners).astype(np.float32)[:, None] / np.float32(3.0)


def _mean_over(row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, int]) -> sp.csr_matrix:
    """Row-stochastic adjacency: row r holds 1/degree for each of its neighbours."""
    degree = np.bincount(row, minlength=shape[0])
    weight = (1.0 / np.maximum(degree, 1)[row]).astype(np.float32)
    return sp.csr_matrix((weight, (row, column)), shape=shape)


def started_sessions(arrays: GraphArrays) -> NDArray[np.int64]:
    """Users and the sessions they started, int64[2, n]: sessions without interactions are nobody's."""
    owner = np.full(arrays.n_sessions, -1, np.int64)
    owner[arrays.session_ix] = arrays.user_ix
    started = np.flatnonzero(owner >= 0)
    return np.stack([owner[started], started])


def network_session_features(arrays: GraphArrays) -> NDArray[np.float32]:
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
    angle = (start % DAY_MS) * (2.0 * np.pi / DAY_MS)
    columns = [np.log1p(size), np.log1p((end - start) / 1000.0), np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1).astype(np.float32)


TIE_ATTRIBUTES = (
    "n_items_log",  # ln(1 + common items in the widest agreement of any window)
    "weight_log",  # ln(1 + sum of their rarities)
    "cosine",  # that sum ÷ geometric mean of both users' total rarity, 0..1
    "cosine_log",
    "gap_log",  # ln(1 + smallest mean gap in s over the windows)
    "partners_log",  # ln(1 + common partners)
    "partners_jaccard",  # common partners ÷ all partners of the two
)
MAX_PARTNERS = 16


@dataclass(frozen=True)
class Ties:
    """Directed ties, sorted by (dst, src): dst listens to src.

    Shapes: src, dst int64[n_ties]; attributes float32[n_ties, len(TIE_ATTRIBUTES) + n_windows]; n_partners
    int64[n_users] counts a user's partners before the cut to the closest.
    """

    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    attributes: NDArray[np.float32]
    n_partners: NDArray[np.int64]


def user_rarity(arrays: GraphArrays) -> NDArray[np.float64]:
    """Sum of ln(n_users ÷ audience) over each user's distinct items, in nats: float64[n_users]."""
    key = np.unique(arrays.user_ix.astype(np.int64) * arrays.n_items + arrays.item_ix)
    user, item = key // max(arrays.n_items, 1), key % max(arrays.n_items, 1)
    audience = np.bincount(item, minlength=arrays.n_items)
    rarity = np.log(arrays.n_users / audience[item])
    total: NDArray[np.float64] = np.bincount(user, weights=rarity, minlength=arrays.n_users).astype(
        np.float64
    )
    return total


def closest_ties(
    arrays: GraphArrays, windows: Sequence[PairArrays], max_partners: int = MAX_PARTNERS
) -> Ties:
    """Merge the pairs of several windows and keep each user's closest partners by rarity cosine.

    The cut bounds the work of a layer by n_users × max_partners whatever the crowd, and a hub hears only its
    closest.

    Raises:
        ValueError: there is no window, or max_partners is below 1.
    """
    if not windows or max_partners < 1:
        raise ValueError("ties need at least one window of pairs and max_partners of at least 1")
    n = arrays.n_users
    a, b, seen, n_items, weight, gap = _merged(windows, n)
    total = np.maximum(user_rarity(arrays), 1e-9)
    cosine = np.clip(weight / np.sqrt(total[a] * total[b]), 1e-6, 1.0)
    src, dst = np.concatenate([a, b]), np.concatenate([b, a])
    pair = np.tile(np.arange(len(a)), 2)
    order = np.lexsort((src, -cosine[pair], dst))
    n_partners = np.bincount(dst, minlength=n)
    first = np.cumsum(n_partners) - n_partners
    rank = np.arange(len(order)) - first[dst[order]]
    kept = order[rank < max_partners]
    src, dst, pair = src[kept], dst[kept], pair[kept]
    common, jaccard = _common_partners(src, dst, n)
    columns = [
        np.log1p(n_items[pair]),
        np.log1p(weight[pair]),
        cosine[pair],
        np.log(cosine[pair]),
        np.log1p(gap[pair]),
        np.log1p(common),
        jaccard,
        *seen[pair].T,
    ]
    attributes = np.stack(columns, axis=1).astype(np.float32)
    order = np.lexsort((src, dst))
    return Ties(src[order], dst[order], attributes[order], n_partners)


HEARD_LENGTH = (
    5.0  # of a user's inputs, beyond which what they say is shortened: about that of 22 normal scores
)


def heard_from_partners(
    user: Float32,
    tie: Ends,
    most_listeners: int | None = None,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Float32:
    """Each user's own inputs beside what its partners say: their mean inputs, and how many they are, as a logarithm.

    A partner says 1 and its inputs ÷ HEARD_LENGTH, shortened to length 1; users hear the sums. With `most_listeners` m
    a partner is heard by m users at most, drawn by `rng`, so that one user changes the sums by at most
    √(2 m), and with `noise` they get Gaussian noise of as many times that: what follows from them is differentially
    private (Sajadmanesh et al., "GAP", 2023). In the other ties it is not hidden who is whose partner.

    Shapes: user float32[n, u]; tie int64[2, n_ties], the one who is heard above the listener; returns
    float32[n, 2 u + 1].
    """
    rng = rng or np.random.default_rng(0)
    said = user / HEARD_LENGTH
    said = said / np.maximum(np.linalg.norm(said, axis=1, keepdims=True), 1.0)
    said = np.hstack([np.ones((len(user), 1), np.float32), said])
    speaker, listener = tie
    if most_listeners is not None:
        order = np.lexsort((rng.random(len(speaker)), speaker))
        n_of = np.bincount(speaker, minlength=len(user))
        place = np.arange(len(order)) - (np.cumsum(n_of) - n_of)[speaker[order]]
        kept = order[place < most_listeners]
        speaker, listener = speaker[kept], listener[kept]
    links = sp.csr_matrix((np.ones(len(speaker), np.float32), (listener, speaker)), shape=(len(user),) * 2)
    heard = links @ said
    if noise:
        heard = heard + noise * np.sqrt(2.0 * (most_listeners or MAX_PARTNERS)) * rng.standard_normal(
            heard.shape
        )
    n_heard = heard[:, :1]
    inputs = np.hstack([user, heard[:, 1:] / np.maximum(n_heard, 1.0), np.log1p(np.maximum(n_heard, 0.0))])
    return inputs.astype(np.float32, copy=False)


def _merged(windows: Sequence[PairArrays], n: int) -> tuple[NDArray[Any], ...]:
    """Union of the windows' pairs: a, b, seen[n_pairs, n_windows], most items, most weight, smallest gap."""
    key = np.concatenate([w.a.astype(np.int64) * n + w.b for w in windows])
    window = np.repeat(np.arange(len(windows)), [len(w.a) for w in windows])
    pairs, at = np.unique(key, return_inverse=True)
    seen = np.zeros((len(pairs), len(windows)))
    seen[at, window] = 1.0
    n_items, weight = np.zeros(len(pairs)), np.zeros(len(pairs))
    gap = np.full(len(pairs), np.inf)
    np.maximum.at(n_items, at, np.concatenate([w.n_items for w in windows]))
    np.maximum.at(weight, at, np.concatenate([w.weight for w in windows]))
    np.minimum.at(gap, at, np.concatenate([w.gap_s for w in windows]))
    return pairs // n, pairs % n, seen, n_items, weight, gap


def _common_partners(
    src: NDArray[np.int64], dst: NDArray[np.int64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many partners the two ends of each tie both listen to, as a count and as a Jaccard share."""
    listens = sp.csr_matrix((np.ones(len(src), np.float32), (dst, src)), shape=(n, n))
    degree = np.diff(listens.indptr)
    common = np.zeros(len(src))
    step = 200_000  # bounds the memory of the row-by-row products
    for k in range(0, len(src), step):
        both = listens[dst[k : k + step]].multiply(listens[src[k : k + step]])
        common[k : k + step] = np.asarray(both.sum(axis=1)).ravel()
    union = np.maximum(degree[src] + degree[dst] - common, 1)
    return common, common / union
