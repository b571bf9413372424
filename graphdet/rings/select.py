"""From many overlapping blocks to rings that share few members."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.blocks import Blocks

MOST_TAKEN = 0.3  # a block is a ring of its own when at most this share of its users is in a stronger one
MOST_CONNECTED = 60  # blocks; a ring leads to a few dozen variants at most


PART = 0.9  # of a block's users in a larger one make it a part of that …
LARGER = 1.1  # … if that has this many times its users …
MUCH_ALIKE = 1.0  # … and it gives way unless it is stronger by more than this logit


def _parts(blocks: Blocks, strength: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which blocks are parts of larger ones that look like rings too, bool[n_blocks]."""
    size = np.diff(blocks.users.indptr)
    shared = (blocks.users @ blocks.users.T).tocoo()
    of, whole = shared.row, shared.col
    inside = (shared.data >= PART * size[of]) & (size[whole] > LARGER * size[of])
    inside &= (strength[whole] >= strength[of] - MUCH_ALIKE) & (strength[whole] > 0)
    part = np.zeros(len(blocks), bool)
    part[of[inside]] = True
    return part


def strongest(blocks: Blocks, strength: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of blocks, strongest first, each with at most MOST_TAKEN of its users in stronger ones.

    strength: logits, float64[n_blocks]. A part of a block that is judged much like it is left out.
    """
    part = _parts(blocks, strength)
    taken = np.zeros(blocks.users.shape[1], bool)
    kept = []
    for row in np.argsort(-strength, kind="stable"):
        if part[row]:
            continue
        members = blocks.members(int(row))
        if taken[members].mean() <= MOST_TAKEN:
            taken[members] = True
            kept.append(int(row))
    return np.asarray(kept, np.int64)


def folds(blocks: Blocks, item_keys: NDArray[np.int64], n_folds: int) -> NDArray[np.int64]:
    """Which fold a block belongs to, int64[n_blocks]: all blocks of one connected group fall into the same.

    Blocks are connected when they share at least half of the smaller one's users. A group is anchored by its
    target with the smallest key (int64[n_items], a hash of the item's id), so the same group falls into the
    same fold whatever else is in the log. Groups of more than MOST_CONNECTED blocks, the great overlapping
    tastes of a log, are cut by the anchors of their blocks instead.
    """
    n = len(blocks)
    anchor = np.fromiter((item_keys[blocks.targets(row)].min() for row in range(n)), np.int64, n)
    size = np.diff(blocks.users.indptr)
    shared = (blocks.users @ blocks.users.T).tocoo()
    close = shared.data >= 0.5 * np.minimum(size[shared.row], size[shared.col])
    links = sp.csr_matrix((np.ones(int(close.sum())), (shared.row[close], shared.col[close])), shape=(n, n))
    n_groups, group = sp.csgraph.connected_components(links, directed=False)
    least = np.full(n_groups, np.iinfo(np.int64).max)
    np.minimum.at(least, group, anchor)
    small = np.bincount(group, minlength=n_groups)[group] <= MOST_CONNECTED
    return np.where(small, least[group], anchor) % n_folds
