"""Blocks: sets of users × sets of items, many at once as sparse matrices, and the acts inside them.

Work on many blocks by chunks, on all cores: numpy and scipy let go of the interpreter while they compute.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.organic import Organic

BLOCKS_AT_ONCE = 500  # blocks at once: bounds memory, changes nothing else
MOST_BLOCK_THREADS = 8  # each holds the working memory of a chunk

BlockPart = TypeVar("BlockPart")


def by_chunks(n: int, work: Callable[[slice], BlockPart]) -> list[BlockPart]:
    """What `work` gives for each chunk of rows 0 … n − 1, in their order; at least one chunk, which may be empty."""
    rows = [slice(start, start + BLOCKS_AT_ONCE) for start in range(0, max(n, 1), BLOCKS_AT_ONCE)]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_BLOCK_THREADS)) as pool:
        return list(pool.map(work, rows))


MIN_USERS = 4
MIN_ITEMS = 3
EVEN_SHARE = 0.1  # of the expectation that does not follow the items' hours


@dataclass(frozen=True)
class Blocks:
    """Blocks as two 0/1 matrices: users CSR float32[n_blocks, n_users], items CSR float32[n_blocks, n_items]."""

    users: sp.csr_matrix
    items: sp.csr_matrix

    def __len__(self) -> int:
        return int(self.users.shape[0])

    def take(self, rows: NDArray[np.int64] | slice) -> "Blocks":
        """The blocks of these rows, in this order."""
        return Blocks(self.users[rows], self.items[rows])

    def members(self, row: int) -> NDArray[np.int32]:
        """Sorted user rows of one block."""
        return _row(self.users, row)

    def targets(self, row: int) -> NDArray[np.int32]:
        """Sorted item rows of one block."""
        return _row(self.items, row)


def _row(matrix: sp.csr_matrix, row: int) -> NDArray[np.int32]:
    found = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
    return np.sort(found).astype(np.int32)


def membership(groups: Sequence[NDArray[np.int64]], n: int) -> sp.csr_matrix:
    """Groups of rows as a 0/1 matrix, float32[n_groups, n]."""
    ends = np.cumsum([0, *(len(group) for group in groups)])
    members = np.concatenate([*groups, np.zeros(0, np.int64)]).astype(np.int64)
    return sp.csr_matrix((np.ones(len(members), np.float32), members, ends), shape=(len(groups), n))


def sizes(matrix: sp.csr_matrix) -> NDArray[np.float64]:
    """Number of entries in each row of a 0/1 matrix, float64[n_rows]."""
    size: NDArray[np.float64] = np.diff(matrix.indptr).astype(np.float64)
    return size


def entry_rows(matrix: sp.csr_matrix) -> NDArray[np.int64]:
    """The row of each entry of a matrix, in the order of its `indices`, int64[nnz]."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


@dataclass(frozen=True)
class BlockActs:
    """The acts inside blocks: block, act (row of Organic.acts), both int64[n], sorted by block then act."""

    block: NDArray[np.int64]
    act: NDArray[np.int64]


def block_acts(blocks: Blocks, model: Organic) -> BlockActs:
    """Find the acts of each block's users on its items."""
    users, items = blocks.users, blocks.items
    users.sort_indices()  # then acts come out in order, block by block
    starts = model.by_user.indptr[users.indices]
    lengths = model.by_user.indptr[users.indices + 1] - starts
    ends = np.cumsum(lengths)
    act = np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)
    block = np.repeat(entry_rows(users), lengths)
    # Most acts are on items of no block; only the rest is looked up.
    named = np.unique(items.indices)
    place = np.full(model.n_items, -1, np.int32)
    place[named] = np.arange(len(named))
    column = place[model.by_user.indices[act]]
    asked = np.flatnonzero(column >= 0)
    block, act, column = block[asked], act[asked], column[asked]
    inside = np.zeros(len(act), bool)
    for start in range(0, len(blocks), BLOCKS_AT_ONCE):
        rows = slice(*np.searchsorted(block, [start, start + BLOCKS_AT_ONCE]))
        part = items[start : start + BLOCKS_AT_ONCE]
        target = np.zeros((part.shape[0], len(named)), bool)
        target[entry_rows(part), place[part.indices]] = True
        inside[rows] = target[block[rows] - start, column[rows]]
    return BlockActs(block[inside], act[inside].astype(np.int64))


def outside_appeal(
    blocks: Blocks, model: Organic, acts: BlockActs, left_in: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """How much everybody else is drawn to a block's items, per act and time slice: float64[n_blocks, N_SLICES].

    The organic model without the block's own acts, but for a share of them (left_in, float64[n_blocks] in [0, 1]): in
    a short burst on quiet items the block would otherwise explain itself. A tenth of the weight is spread evenly over
    time, with half an act, so that no expectation is 0.
    """
    shape = (len(blocks), model.item_slices.shape[1])
    flat = np.bincount(
        acts.block * shape[1] + model.acts.slice_ix[acts.act], minlength=shape[0] * shape[1]
    ).reshape(shape)
    taken_out = flat * np.broadcast_to(1.0 - np.asarray(left_in), shape[:1])[:, None]
    total = np.maximum(model.slice_acts, 1.0)
    outside = np.maximum(np.asarray(blocks.items @ model.item_slices, np.float64) - taken_out / total, 0.0)
    audience = np.asarray(blocks.items @ model.audience, np.float64) - taken_out.sum(axis=1)
    even = (np.maximum(audience, 0.0) * EVEN_SHARE + 0.5) / max(total.sum(), 1.0)
    return np.asarray((1 - EVEN_SHARE) * outside + even[:, None])
