"""A block in its own time: who else was on its targets while its members were.

In a long log most of an item's audience came long before or after a ring. Held against them all, a sharp burst of a
week looks like a slice of a crowd; held against those of its own time, it stands alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.blocks import BlockActs, Blocks, entry_rows
from graphdet.rings.organic import Float, Organic

MIDDLE = (0.05, 0.95)  # of the members' acts: a member who passed by much earlier does not stretch the time
PAD_SHARE = 0.1  # of that time, added at either end …
PAD_MS = 3_600_000  # … with an hour


def own_time(acts: BlockActs, model: Organic, n_blocks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last millisecond of each block's own time, int64[n_blocks] each."""
    at_ms = model.acts.at_ms[acts.act]
    if not len(at_ms):
        nothing = np.zeros(n_blocks, np.int64)
        return nothing, nothing
    origin = int(at_ms.min())
    stride = int(at_ms.max()) - origin + 1
    ordered = np.sort(acts.block * stride + (at_ms - origin)) % stride + origin
    count = np.bincount(acts.block, minlength=n_blocks)
    start = np.cumsum(count) - count
    last = np.maximum(count - 1, 0)
    low, high = (ordered[np.minimum(start + (share * last).round().astype(np.int64), max(len(ordered) - 1, 0))]
                 for share in MIDDLE)  # fmt: skip
    pad = (PAD_SHARE * (high - low)).astype(np.int64) + PAD_MS
    return low - pad, high + pad


@dataclass(frozen=True)
class Touches:
    """Who touched how many targets of each block in its own time; all [n], by block then user.

    block, user, count int64; inside bool, whether the user is a member.
    """

    block: NDArray[np.int64]
    user: NDArray[np.int64]
    count: NDArray[np.int64]
    inside: NDArray[np.bool_]


def touches(
    blocks: Blocks, first_ms: NDArray[np.int64], last_ms: NDArray[np.int64], model: Organic
) -> Touches:
    """Count the distinct acts of everybody on the targets of each block from first_ms to last_ms (int64[n_blocks])."""
    block = entry_rows(blocks.items)
    start, end = model.acts_by_item_time.between(blocks.items.indices, first_ms[block], last_ms[block])
    place = ranges(start, end)
    key = np.repeat(block, end - start) * model.n_users + model.acts_by_item_time.other_ix[place]
    keys, count = counted(key)
    members = entry_rows(blocks.users) * model.n_users + blocks.users.indices
    inside = np.zeros(len(keys), bool)
    place = np.searchsorted(keys, members)
    there = place < len(keys)
    place = place[there]
    inside[place[keys[place] == members[there]]] = True
    block = keys // model.n_users
    return Touches(block, keys - block * model.n_users, count, inside)


def counted(key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct values, ascending, and how often each comes; sorts `key`, which is made to be counted, in place."""
    key.sort()
    head = np.flatnonzero(np.diff(key, prepend=key[:1] - 1))
    return key[head], np.diff(np.append(head, len(key)))


def ranges(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """The whole numbers of all ranges start … end − 1, one range after the other."""
    length = end - start
    ends = np.cumsum(length)
    out: NDArray[np.int64] = np.repeat(start - (ends - length), length) + np.arange(
        ends[-1] if len(ends) else 0
    )
    return out


def in_own_time(
    blocks: Blocks, own: tuple[NDArray[np.int64], NDArray[np.int64]], model: Organic, half: Float
) -> tuple[Float, Float]:
    """Sharpness and exclusivity within each block's own time (`own`, as own_time gives it), float64[n_blocks] each.

    sharpness: of the users with at least `half` (float64[n_blocks]) of the targets in that time, the share inside.
    exclusivity: of the distinct acts on the targets in that time, the share by members.
    """
    n = len(blocks)
    found = touches(blocks, *own, model)
    near = found.count >= half[found.block]
    sharpness = np.bincount(found.block[near & found.inside], minlength=n) / np.maximum(
        np.bincount(found.block[near], minlength=n), 1
    )
    total = np.bincount(found.block, found.count, minlength=n)
    by_members = np.bincount(found.block[found.inside], found.count[found.inside], minlength=n)
    return sharpness, by_members / np.maximum(total, 1)
