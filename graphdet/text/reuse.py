"""How many other accounts said the same: in all, or strictly before each moment."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphdet.text.near import band_keys, distinct_templates, near_clusters

Int = NDArray[np.int64]
REUSE_FEATURES = (
    "template_users",  # other users of the same template
    "template_events",  # other events with the same template
    "near_users",  # other users of a nearly equal template
    "opening_users",  # other users whose text begins with the same OPENING words
)
OPENING = 4  # words; shorter texts have no opening
_CHARS = 12  # of a text without blanks between its words


def reuse(
    texts: Sequence[str | None], user: Int, at_ms: Int | None = None
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Count reuse of templates: names (REUSE_FEATURES) and float32[n, d]; NaN where a text is missing or says nothing.

    Args:
        texts: one per event.
        user: number of each event's user.
        at_ms: times of the events. Given, only what came strictly before an event counts for it, so that later events
            change nothing (near_users is then the most that one band of the MinHash finds: without the check, and
            without chains through texts yet unwritten). None: the whole log counts, as it does for an audit.

    Shapes: user, at_ms int64[n].
    """
    names, kind = distinct_templates(texts)
    out = np.full((len(kind), len(REUSE_FEATURES)), np.nan, np.float32)
    said = np.flatnonzero(kind >= 0)
    if not len(said):
        return REUSE_FEATURES, out
    kind, user = kind[said], np.asarray(user, np.int64)[said]
    at = None if at_ms is None else np.asarray(at_ms, np.int64)[said]
    out[said, 0] = others(kind, user, at)
    out[said, 1] = others(kind, np.arange(len(kind)), at)
    if at is None:
        out[said, 2] = others(near_clusters(names)[kind], user, None)
    else:
        keys = band_keys(names)
        near = out[said, 0]
        for band in range(keys.shape[1]):
            _, key = np.unique(keys[:, band], return_inverse=True)
            near = np.maximum(near, others(key[kind], user, at))
        out[said, 2] = near
    opening = openings(names)[kind]
    has = opening >= 0
    out[said[has], 3] = others(opening[has], user[has], None if at is None else at[has])
    out[said[~has], 3] = 0
    return REUSE_FEATURES, out


def others(key: Int, user: Int, at_ms: Int | None) -> Int:
    """How many other users have the same key, int64[n]; with times, strictly before each row's own."""
    n = len(key)
    if n == 0:
        return np.zeros(0, np.int64)
    _, key = np.unique(key, return_inverse=True)
    _, user = np.unique(user, return_inverse=True)
    if at_ms is None:
        rank = np.zeros(n, np.int64)
    else:
        _, rank = np.unique(at_ms, return_inverse=True)
    order = np.lexsort((rank, user, key))
    new = np.append(True, (np.diff(key[order]) != 0) | (np.diff(user[order]) != 0))
    # The first time that each user has each key, and per row that of its own user.
    first = rank[order[new]]
    own = np.empty(n, np.int64)
    own[order] = first[np.cumsum(new) - 1]
    n_ranks = int(rank.max()) + 2
    line = np.sort(key[order[new]] * n_ranks + first)
    start = np.searchsorted(line, key * n_ranks)
    if at_ms is None:
        return np.asarray(np.searchsorted(line, (key + 1) * n_ranks) - start - 1, np.int64)
    before = np.searchsorted(line, key * n_ranks + rank) - start
    return np.asarray(before - (own < rank), np.int64)


def openings(names: Sequence[str]) -> Int:
    """Which opening a template has, −1 for none."""
    found: list[str | None] = []
    for name in names:
        words = name.split(" ", OPENING)
        if len(words) >= OPENING:
            found.append(" ".join(words[:OPENING]))
        else:
            found.append(name[:_CHARS] if not name.isascii() and len(name) >= _CHARS else None)
    place = {name: ix for ix, name in enumerate(dict.fromkeys(found)) if name is not None}
    return np.array([-1 if name is None else place[name] for name in found], np.int64)
