"""Which of many texts are nearly the same: MinHash over character shingles, banded, in numpy.

Equal texts are found exactly; near ones by chance, with a probability of 1 − (1 − s⁶)¹⁶ at Jaccard similarity s (.86 at
.7, .99 at .8), each candidate checked against its signature. Nothing depends on the order of the texts.

How many other accounts said the same: in all, or strictly before each moment.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphdet.arrays import Int
from graphdet.text.normal import template

SHINGLE = 5  # characters
N_BANDS, N_ROWS = 16, 6
SIMILAR = 0.7  # estimated Jaccard similarity of two texts that are nearly the same
_SEED = 20_170_401
_CHUNK = 20_000  # shingles at once: 15 MB
_MIX = np.uint64(0x9E3779B97F4A7C15)

U64 = NDArray[np.uint64]


def distinct_templates(texts: Sequence[str | None]) -> tuple[list[str], NDArray[np.int64]]:
    """Templates of the texts, each once and sorted, and int64[n] which one a text has; −1 for none or an empty one."""
    of_text = {text: template(text) for text in set(texts) if text is not None}
    names = sorted({name for name in of_text.values() if name})
    place = {name: ix for ix, name in enumerate(names)}
    found = (-1 if text is None else place.get(of_text[text], -1) for text in texts)
    return names, np.fromiter(found, np.int64, len(texts))


def band_keys(texts: Sequence[str]) -> U64:
    """Keys of the bands of every text, uint64[n, N_BANDS]: near texts have some in common. Of each text by itself."""
    return _bands(signatures(texts))


def near_clusters(texts: Sequence[str]) -> NDArray[np.int64]:
    """Clusters of distinct texts that are nearly the same, int64[n], numbered by their first member's place.

    A text joins by one that it is near to, so the ends of a chain may differ more. Every text of a band is compared
    with the band's first and with the one before it, so the work grows with the texts and not with their pairs.
    """
    n = len(texts)
    if n == 0:
        return np.zeros(0, np.int64)
    order = sorted(range(n), key=lambda row: texts[row])
    marks = signatures([texts[row] for row in order])
    keys = _bands(marks)
    left, right = [], []
    for band in range(N_BANDS):
        by = np.argsort(keys[:, band], kind="stable")
        same = keys[by[1:], band] == keys[by[:-1], band]
        start = np.maximum.accumulate(np.where(np.append(False, same), 0, np.arange(n)))
        for other in (by[start[1:]], by[:-1]):
            left.append(by[1:][same])
            right.append(other[same])
    pairs = np.unique(np.column_stack([np.concatenate(left), np.concatenate(right)]), axis=0)
    alike = np.zeros(len(pairs))
    for at in range(0, len(pairs), 100_000):
        part = pairs[at : at + 100_000]
        alike[at : at + 100_000] = (marks[part[:, 0]] == marks[part[:, 1]]).mean(axis=1)
    pairs = pairs[alike >= SIMILAR]
    link = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, found = connected_components(link, directed=False)
    cluster = np.empty(n, np.int64)
    cluster[order] = found
    _, first, place = np.unique(cluster, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place].astype(np.int64)


def signatures(texts: Sequence[str]) -> U64:
    """MinHash signatures over shingles of SHINGLE characters, uint64[n, N_BANDS × N_ROWS]."""
    rng = np.random.default_rng(_SEED)
    n_marks = N_BANDS * N_ROWS
    factor = rng.integers(0, 1 << 63, n_marks, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    shift = rng.integers(0, 1 << 63, n_marks, dtype=np.uint64)
    out = np.empty((len(texts), n_marks), np.uint64)
    rows: list[int] = []
    parts: list[U64] = []
    size = 0
    for row, text in enumerate(texts):
        shingles = _shingles(text)
        rows.append(row)
        parts.append(shingles)
        size += len(shingles)
        if size >= _CHUNK or row == len(texts) - 1:
            starts = np.cumsum([0, *map(len, parts[:-1])])
            mixed = np.concatenate(parts)[None, :] * factor[:, None] + shift[:, None]
            mixed ^= mixed >> np.uint64(31)  # the low bits of a product know little of the high ones
            mixed *= _MIX
            out[rows] = np.minimum.reduceat(mixed, starts, axis=1).T
            rows, parts, size = [], [], 0
    return out


def _shingles(text: str) -> U64:
    """Hashes of a text's shingles, at least one."""
    code = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    code = np.concatenate([code, np.zeros(max(SHINGLE - len(code), 0), np.uint64)])
    n = len(code) - SHINGLE + 1
    value = np.zeros(n, np.uint64)
    for step in range(SHINGLE):
        value = (value ^ code[step : step + n]) * _MIX
        value ^= value >> np.uint64(29)
    return np.unique(value)


def _bands(marks: U64) -> U64:
    out = np.zeros((len(marks), N_BANDS), np.uint64)
    for band in range(N_BANDS):
        for row in range(N_ROWS):
            out[:, band] = (out[:, band] ^ marks[:, band * N_ROWS + row]) * _MIX
            out[:, band] ^= out[:, band] >> np.uint64(32)
    return out


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
