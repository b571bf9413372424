"""A block in its own time: who else was on its targets while its members were.

In a long log most of an item's audience came long before or after a ring. Held against them all, a sharp burst of a
week looks like a slice of a crowd; held against those of its own time, it stands alone.
"""

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.blocks import BlockActs, Blocks
from graphdet.rings.organic import Float, Organic

MIDDLE = (0.05, 0.95)  # of the members' acts: a member who passed by much earlier does not stretch the time
PAD_SHARE = 0.1  # of that time, added at either end …
PAD_MS = 3_600_000  # … with an hour


def own_time(acts: BlockActs, model: Organic, n_blocks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last millisecond of each block's own time, int64[n_blocks] each."""
    at_ms = model.acts.at_ms[acts.act]
    ordered = at_ms[np.lexsort((at_ms, acts.block))]
    count = np.bincount(acts.block, minlength=n_blocks)
    start = np.cumsum(count) - count
    last = np.maximum(count - 1, 0)
    low, high = (ordered[np.minimum(start + (share * last).round().astype(np.int64), max(len(ordered) - 1, 0))]
                 for share in MIDDLE)  # fmt: skip
    pad = (PAD_SHARE * (high - low)).astype(np.int64) + PAD_MS
    return low - pad, high + pad


def in_own_time(blocks: Blocks, acts: BlockActs, model: Organic, half: Float) -> tuple[Float, Float]:
    """Sharpness and exclusivity within each block's own time, float64[n_blocks] each.

    sharpness: of the users with at least `half` (float64[n_blocks]) of the targets in that time, the share inside.
    exclusivity: of the distinct acts on the targets in that time, the share by members.
    """
    n = len(blocks)
    low, high = own_time(acts, model, n)
    by_time = model.acts_by_item_time
    item = blocks.items.indices
    block = np.repeat(np.arange(n), np.diff(blocks.items.indptr))
    start, end = by_time.between(item, low[block], high[block])
    length = end - start
    ends = np.cumsum(length)
    place = np.repeat(start - (ends - length), length) + np.arange(ends[-1] if len(ends) else 0)
    key = np.repeat(block, length) * model.n_users + by_time.user_ix[place]
    keys, touched = np.unique(key, return_counts=True)
    at = keys // model.n_users
    members = np.repeat(np.arange(n), np.diff(blocks.users.indptr)) * model.n_users + blocks.users.indices
    inside = np.isin(keys, members)
    near = touched >= half[at]
    sharpness = np.bincount(at[near & inside], minlength=n) / np.maximum(
        np.bincount(at[near], minlength=n), 1
    )
    total = np.bincount(at, touched, minlength=n)
    return sharpness, np.bincount(at[inside], touched[inside], minlength=n) / np.maximum(total, 1)
