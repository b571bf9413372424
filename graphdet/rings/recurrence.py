"""A block at other times: whether other accounts do the same in other windows just as long.

What a crowd does it does every day: readers of one series of stories come in every window, and those of any one window
look like a group of their own time. A campaign happens once. So the same question is put to every other window of the
log (a placebo in time): how many accounts who are no members act on half as many of the targets within it?
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.blocks import BlockActs, Blocks, block_acts
from graphdet.rings.organic import Float, Organic
from graphdet.rings.own_time import counted


def recurrence(
    blocks: Blocks,
    touched: sp.csr_matrix,
    acts: BlockActs,
    own: tuple[NDArray[np.int64], NDArray[np.int64]],
    model: Organic,
    half: Float,
) -> Float:
    """Of those who do half as much as a typical member in its own time or in the busiest other, the share in the other.

    Windows are as long as the block's own time and lie end to end over the whole log; accounts who need two of them are
    missed. 0 where no other window has anybody, 1/2 where as many others do it as members do in their own time.

    Shapes: touched CSR float32[n_blocks, n_users], on how many targets of a block each user acts; acts, those of the
    block; own, as own_time gives it; half float64[n_blocks] targets; returns float64[n_blocks] in [0, 1).
    """
    n = len(blocks)
    cells = touched.tocoo()
    near = cells.data >= half[cells.row]
    users = sp.csr_matrix(
        (np.ones(near.sum(), np.float32), (cells.row[near], cells.col[near])), shape=blocks.users.shape
    )
    outside = users - users.multiply(blocks.users)
    outside.eliminate_zeros()
    theirs = _by_window(block_acts(Blocks(outside.tocsr(), blocks.items), model), model, *own, half)
    elsewhen = np.zeros(n)
    np.maximum.at(elsewhen, theirs[0][theirs[1] != 0], theirs[2][theirs[1] != 0])
    block, window, members = _by_window(acts, model, *own, half)
    inside = np.zeros(n)
    inside[block[window == 0]] = members[window == 0]
    return elsewhen / np.maximum(elsewhen + inside, 1.0)


def _by_window(
    acts: BlockActs, model: Organic, first: NDArray[np.int64], last: NDArray[np.int64], half: Float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Float]:
    """How many users act on at least `half` of the targets in a window: block, window (0 is the block's
    own), number; a row for each window that has any.
    """
    if not len(acts.act):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    window = (model.acts.at_ms[acts.act] - first[acts.block]) // np.maximum(last - first, 1)[acts.block]
    earliest = int(window.min())
    n_windows = int(window.max()) - earliest + 1
    cell = acts.block * n_windows + (window - earliest)
    keys, count = counted(cell * model.n_users + model.acts.user_ix[acts.act])
    cell = keys // model.n_users
    cells, number = np.unique(cell[count >= half[cell // n_windows]], return_counts=True)
    return cells // n_windows, cells % n_windows + earliest, number.astype(np.float64)
