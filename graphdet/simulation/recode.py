"""New ids in the manner of the old ones, dealt out so that an id tells nothing; edges sorted."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Int, Rng

_DIGITS, _LOWER, _UPPER, _HEX = (
    "0123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdef",
)


def decimal_ids(n: int) -> pa.Array:
    """Make n decimal ids of one width, so that byte order is the order of numbers.

    >>> decimal_ids(3).to_pylist()
    ['100', '101', '102']
    """
    start = 10 ** max(2, len(str(max(n - 1, 0))))
    return pc.cast(pa.array(np.arange(start, start + n, dtype=np.int64)), pa.string())


def deal_ids(old: pa.Array, n_new: int, rng: Rng) -> tuple[pa.Array, Int]:
    """Make ids for the owners of `old` and n_new newcomers, all dealt out at random.

    Returns (ids in byte order, Arrow string[n]; ix int64[n]: the place of each owner's new id). Decimal ids
    become one range of equal width. Otherwise newcomers get ids shaped like random old ones, and old and
    new are shuffled together.
    """
    n = len(old) + n_new
    if len(old) == 0 or pc.all(pc.match_substring_regex(old, r"^[0-9]+$")).as_py():
        ids = decimal_ids(n)
    else:
        ids = pa.concat_arrays(
            [pc.cast(old, pa.string()), pa.array(_shaped_like(old, n_new, rng), pa.string())]
        )
        ids = ids.take(pc.sort_indices(ids))
    return ids, rng.permutation(n)


def deal_some_ids(
    old: pa.Array, named: list[str | None], keeps: NDArray[np.bool_], reserved: pa.Array, rng: Rng
) -> tuple[pa.Array, Int]:
    """Make ids where some are given: the owners marked in `keeps` keep theirs, newcomers may come with a name.

    old: ids, Arrow string[n_old]; named: the newcomers' ids, None where one is to be made; keeps bool[n_old]; reserved:
    names of other things, which no made id repeats. All other ids are dealt out at random among their owners and the
    newcomers without a name. Returns as `deal_ids`.
    """
    names = pc.cast(old, pa.string()).to_pylist()
    made = _shaped_like(
        pa.concat_arrays([pc.cast(old, pa.string()), reserved]), sum(name is None for name in named), rng
    )
    free = [name for name, kept in zip(names, keeps, strict=True) if not kept] + made
    dealt = iter([free[k] for k in rng.permutation(len(free))])
    final = [name if kept else next(dealt) for name, kept in zip(names, keeps, strict=True)]
    final += [next(dealt) if name is None else name for name in named]
    ids = pa.array(final, pa.string())
    order = np.asarray(pc.sort_indices(ids)).astype(np.int64)
    place = np.empty(len(final), np.int64)
    place[order] = np.arange(len(final))
    return ids.take(pa.array(order)), place


def _shaped_like(old: pa.Array, n_new: int, rng: Rng) -> list[str]:
    """Make n_new unused ids: a random old id with every digit and letter drawn anew from its class."""
    taken = set(old.to_pylist())
    made: list[str] = []
    is_hex = not any(re.search(r"[g-z]", text) for text in old.slice(0, 1000).to_pylist())
    lower = _HEX if is_hex else _LOWER
    tries = 0
    while len(made) < n_new:
        template = old[int(rng.integers(len(old)))].as_py()
        tries += 1
        text = "".join(_redraw(c, lower, rng) for c in template)
        if tries > 20 * (n_new + 10):  # templates with too few letters to differ
            text += f"{int(rng.integers(10**9))}"
        if text and text not in taken:
            taken.add(text)
            made.append(text)
    return made


def _redraw(character: str, lower: str, rng: Rng) -> str:
    """Draw another character of the same class; anything but ASCII letters and digits stays."""
    for alphabet in (_DIGITS, lower, _UPPER):
        if character in alphabet:
            return alphabet[int(rng.integers(len(alphabet)))]
    return character


def edge_order(user: Int, at_ms: Int, item: Int, session: Int, action: Int) -> Int:
    """Sort edges by (user, time, item, session, action), as GraphArrays wants them: int64[n_edges]."""
    if len(user) == 0:
        return np.zeros(0, np.int64)
    base, span = int(at_ms.min()), int(at_ms.max()) - int(at_ms.min()) + 1
    n_sessions, n_actions = int(session.max()) + 1, int(action.max()) + 1
    if (int(user.max()) + 1) * span < 2**62 and (int(item.max()) + 1) * n_sessions * n_actions < 2**62:
        minor = (item.astype(np.int64) * n_sessions + session) * n_actions + action
        return np.lexsort((minor, user.astype(np.int64) * span + (at_ms - base)))
    return np.lexsort((action, session, item, at_ms, user))


def merge_repeats(session: Int, item: Int, action: Int, at_ms: Int, n: Int) -> tuple[NDArray[np.bool_], Int]:
    """Fold edges with the same session, item and action into the first of them.

    Returns (keep bool[n_edges], n int64[n_edges]: the sum of n, on kept rows).
    """
    order = np.lexsort((at_ms, action, item, session))
    same = (np.diff(session[order]) == 0) & (np.diff(item[order]) == 0) & (np.diff(action[order]) == 0)
    head = np.concatenate([[True], ~same]) if len(order) else np.zeros(0, bool)
    keep = np.zeros(len(order), bool)
    keep[order[head]] = True
    total = np.zeros(len(order), np.int64)
    if len(order):
        total[order[head]] = np.add.reduceat(n[order], np.flatnonzero(head))
    return keep, total
