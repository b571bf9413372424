"""Blocks: sets of users × sets of items, and their alternating refinement.

A candidate group is sharpened by turns: keep the items on which its users gather more than the organic model
expects, by enough nats to pay for naming the item; then take, from the whole log, the users who act on those items
by enough to pay for naming the user; repeat. All blocks are refined together as sparse matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.organic import Organic, surprise

MIN_USERS = 4
MIN_ITEMS = 3
ITEM_SHARE = 0.15  # an item belongs to a block only when at least this share of its users act on it
USER_SHARE = 0.10  # a user belongs to a block only when acting on at least this share of its items
ROUNDS = 3
CHUNK = 1_000  # blocks refined at once: bounds memory, changes nothing else
SAME = 0.8  # blocks whose users have at least this Jaccard index are one


@dataclass(frozen=True)
class Blocks:
    """Blocks as two 0/1 matrices: users CSR float32[n_blocks, n_users], items CSR float32[n_blocks, n_items]."""

    users: sp.csr_matrix
    items: sp.csr_matrix

    def __len__(self) -> int:
        return int(self.users.shape[0])

    def take(self, rows: NDArray[np.int64]) -> "Blocks":
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
    return np.diff(matrix.indptr).astype(np.float64)


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


def pick_users(items: sp.csr_matrix, model: Organic) -> sp.csr_matrix:
    """Users of the whole log who act on the items of each block beyond expectation, by enough to name the user."""
    counts = (items @ model.by_item).tocoo()
    enough = counts.data >= np.maximum(2, USER_SHARE * _size(items)[counts.row])
    row, user, count = counts.row[enough], counts.col[enough], counts.data[enough]
    appeal = np.asarray(items @ model.item_slices)
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
    parts = [
        _refine_chunk(groups[start : start + CHUNK], model) for start in range(0, groups.shape[0], CHUNK)
    ]
    if not parts:
        return Blocks(groups, sp.csr_matrix((0, model.n_items), dtype=np.float32))
    return distinct(
        Blocks(
            sp.vstack([part.users for part in parts], format="csr"),
            sp.vstack([part.items for part in parts], format="csr"),
        )
    )


def _refine_chunk(users: sp.csr_matrix, model: Organic) -> Blocks:
    items = pick_items(users, model)
    for _ in range(ROUNDS):
        items = items[np.flatnonzero(_size(items) >= MIN_ITEMS)]
        users = pick_users(items, model)
        kept = np.flatnonzero(_size(users) >= MIN_USERS)
        blocks = distinct(Blocks(users[kept], items[kept]), same=0.999)
        users, items = blocks.users, pick_items(blocks.users, model)
    kept = np.flatnonzero(_size(items) >= MIN_ITEMS)
    return Blocks(users[kept], items[kept])
