"""Blocks: sets of users × sets of items, and their alternating refinement.

A candidate group is sharpened by turns: keep the items on which its users gather more than the organic model
expects, by enough nats to pay for naming the item; then take, from the whole log, the users who act on those
items by enough to pay for naming the user; repeat. All blocks are refined together as sparse matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.chunks import CHUNK, by_chunks
from graphdet.rings.organic import Organic, surprise

MIN_USERS = 4
MIN_ITEMS = 3
ITEM_SHARE = 0.15  # an item belongs to a block only when at least this share of its users act on it
USER_SHARE = 0.10  # a user belongs to a block only when acting on at least this share of its items
ROUNDS = 3
EVEN_SHARE = 0.1  # of the expectation that does not follow the items' hours
SAME = 0.8  # blocks whose users have at least this Jaccard index are one


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


def _size(matrix: sp.csr_matrix) -> NDArray[np.float64]:
    size: NDArray[np.float64] = np.diff(matrix.indptr).astype(np.float64)
    return size


def _ones(rows: NDArray[np.int32], columns: NDArray[np.int32], shape: tuple[int, int]) -> sp.csr_matrix:
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sort_indices()
    return matrix


def pick_items(users: sp.csr_matrix, model: Organic) -> sp.csr_matrix:
    """Items on which the users of each group gather beyond expectation, by enough to name the item."""
    counts = (users @ model.by_user).tocoo()
    enough = counts.data >= np.maximum(2, ITEM_SHARE * _size(users)[counts.row])
    row, item, count = counts.row[enough], counts.col[enough], counts.data[enough]
    activity = np.asarray(users @ model.user_slices)
    expected = np.einsum("ij,ij->i", activity[row], model.item_slices[item])
    pays = surprise(count, expected) > np.log(max(model.n_items / 8, 2))
    return _ones(row[pays], item[pays], (users.shape[0], model.n_items))


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
    block = np.repeat(np.repeat(np.arange(len(blocks)), np.diff(users.indptr)), lengths)
    # Most acts are on items of no block; only the rest is looked up.
    named = np.unique(items.indices)
    place = np.full(model.n_items, -1, np.int32)
    place[named] = np.arange(len(named))
    column = place[model.by_user.indices[act]]
    asked = np.flatnonzero(column >= 0)
    block, act, column = block[asked], act[asked], column[asked]
    inside = np.zeros(len(act), bool)
    for start in range(0, len(blocks), CHUNK):
        rows = slice(*np.searchsorted(block, [start, start + CHUNK]))
        part = items[start : start + CHUNK]
        target = np.zeros((part.shape[0], len(named)), bool)
        target[np.repeat(np.arange(part.shape[0]), np.diff(part.indptr)), place[part.indices]] = True
        inside[rows] = target[block[rows] - start, column[rows]]
    return BlockActs(block[inside], act[inside].astype(np.int64))


def outside_appeal(blocks: Blocks, model: Organic, acts: BlockActs) -> NDArray[np.float64]:
    """How much everybody else is drawn to a block's items, per act and time slice: float64[n_blocks, N_SLICES].

    The organic model without the block's own acts: in a short burst on quiet items the block would otherwise
    explain itself. A tenth of the weight is spread evenly over time, with half an act, so that no
    expectation is 0.
    """
    shape = (len(blocks), model.item_slices.shape[1])
    flat = np.bincount(
        acts.block * shape[1] + model.acts.slice_ix[acts.act], minlength=shape[0] * shape[1]
    ).reshape(shape)
    total = np.maximum(model.slice_acts, 1.0)
    outside = np.maximum(np.asarray(blocks.items @ model.item_slices, np.float64) - flat / total, 0.0)
    audience = np.asarray(blocks.items @ model.audience, np.float64) - flat.sum(axis=1)
    even = (np.maximum(audience, 0.0) * EVEN_SHARE + 0.5) / max(total.sum(), 1.0)
    return np.asarray((1 - EVEN_SHARE) * outside + even[:, None])


def pick_users(users: sp.csr_matrix, items: sp.csr_matrix, model: Organic) -> sp.csr_matrix:
    """Users of the whole log who act on the items of each block beyond expectation, by enough to name the user.

    The expectation is that of the log without the block's present users.
    """
    counts = (items @ model.by_item).tocoo()
    enough = counts.data >= np.maximum(2, USER_SHARE * _size(items)[counts.row])
    row, user, count = counts.row[enough], counts.col[enough], counts.data[enough]
    block = Blocks(users, items)
    appeal = outside_appeal(block, model, block_acts(block, model))
    expected = np.einsum("ij,ij->i", appeal[row], model.user_slices[user])
    pays = surprise(count, expected) > np.log(max(model.n_users / 10, 2))
    return _ones(row[pays], user[pays], (items.shape[0], model.n_users))


def distinct(blocks: Blocks, same: float = SAME) -> Blocks:
    """Drop blocks whose users nearly repeat those of a larger block kept before; order: larger first."""
    size = _size(blocks.users)
    order = np.lexsort((blocks.users @ np.arange(blocks.users.shape[1]), -size))
    blocks = blocks.take(order)
    size = size[order]
    overlap = (blocks.users @ blocks.users.T).tocoo()
    jaccard = overlap.data / (size[overlap.row] + size[overlap.col] - overlap.data)
    close = (overlap.row > overlap.col) & (jaccard >= same)
    drop = np.zeros(len(blocks), bool)
    for row, other in sorted(zip(overlap.row[close].tolist(), overlap.col[close].tolist(), strict=True)):
        if not drop[other]:
            drop[row] = True
    return blocks.take(np.flatnonzero(~drop))


def refine(groups: sp.csr_matrix, model: Organic) -> Blocks:
    """Refine candidate groups (CSR float32[n_groups, n_users]) to blocks; those that shrink away are dropped."""
    groups = groups[_first_of_each(groups)]
    return distinct(_stacked(by_chunks(groups.shape[0], lambda rows: _refine_chunk(groups[rows], model))))


def _stacked(parts: Sequence[Blocks]) -> Blocks:
    return Blocks(
        sp.vstack([part.users for part in parts], format="csr"),
        sp.vstack([part.items for part in parts], format="csr"),
    )


def _row_keys(matrix: sp.csr_matrix) -> NDArray[np.uint64]:
    """A hash of the columns of each row, uint64[n_rows]; a sum, so their order does not matter."""
    word = np.random.default_rng(0).integers(0, 2**63, matrix.shape[1], np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(word[matrix.indices])])
    return np.asarray(sums[matrix.indptr[1:]] - sums[matrix.indptr[:-1]])


def _first_of_each(groups: sp.csr_matrix) -> NDArray[np.int64]:
    """Rows, ascending, without those that repeat an earlier one: windows and resolutions often agree."""
    _, first = np.unique(_row_keys(groups), return_index=True)
    return np.sort(first)


def _refine_chunk(users: sp.csr_matrix, model: Organic) -> Blocks:
    items = pick_items(users, model)
    settled = []
    for _ in range(ROUNDS):
        kept = np.flatnonzero(_size(items) >= MIN_ITEMS)
        users, items = users[kept], items[kept]
        before = _row_keys(users)
        users = pick_users(users, items, model)
        large = _size(users) >= MIN_USERS
        same = large & (_row_keys(users) == before)  # further rounds would change nothing
        settled.append(Blocks(users[same], items[same]))
        users, items = users[large & ~same], items[large & ~same]
        users = users[_first_of_each(users)]
        items = pick_items(users, model)
    kept = np.flatnonzero(_size(items) >= MIN_ITEMS)
    return _stacked([*settled, Blocks(users[kept], items[kept])])
