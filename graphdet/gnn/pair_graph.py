"""The co-action graph the network looks at: each user's closest partners, with what is known of each tie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.tables import GraphArrays, PairArrays

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
