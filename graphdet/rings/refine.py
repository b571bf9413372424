"""Refinement of candidate groups to blocks, by turns.

Keep the items on which the users of a group gather more than the organic model expects, by enough nats to pay for
naming the item; then take, from the whole log, the users who act on those items by enough to pay for naming the user;
repeat. All groups are refined together as sparse matrices.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.rings.blocks import (
    EVEN_SHARE,
    MIN_ITEMS,
    MIN_USERS,
    Blocks,
    block_acts,
    by_chunks,
    entry_rows,
    outside_appeal,
    sizes,
)
from graphdet.rings.organic import Organic, dot_of_rows, surprise
from graphdet.rings.own_time import Moments, gatherings, moments, ranges, visitors

ITEM_SHARE = 0.15  # an item belongs to a block only when at least this share of its users act on it
USER_SHARE = 0.10  # a user belongs to a block only when acting on at least this share of its items
ROUNDS = 3
SAME_BLOCK = 0.8  # blocks whose users have at least this Jaccard index are one


def _ones(rows: NDArray[np.int32], columns: NDArray[np.int32], shape: tuple[int, int]) -> sp.csr_matrix:
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sort_indices()
    return matrix


def pick_items(users: sp.csr_matrix, model: Organic) -> sp.csr_matrix:
    """Items on which the users of each group gather beyond expectation, by enough to name the item.

    The expectation is that of the log without the group: a burst that fills its hours would else explain itself.
    """
    counts = (users @ model.by_user).tocoo()
    enough = counts.data >= np.maximum(2, ITEM_SHARE * sizes(users)[counts.row])
    row, item, count = counts.row[enough], counts.col[enough], counts.data[enough]
    activity = np.asarray(users @ model.user_slices, np.float64)
    total = np.maximum(model.slice_acts.astype(np.float64), 1.0)
    rate = activity / np.maximum(
        total - activity, 1.0
    )  # of the group's acts to those of all others, by slice
    own = _own_part(users, row, item, rate, model)
    others = dot_of_rows(rate * total, row, model.item_slices, item) - own
    even = np.maximum(model.audience[item] - count, 0.0) * EVEN_SHARE + 0.5
    expected = (1 - EVEN_SHARE) * np.maximum(others, 0.0) + activity.sum(axis=1)[row] * even / total.sum()
    pays = surprise(count, expected) > np.log(max(model.n_items / 8, 2))
    return _ones(row[pays], item[pays], (users.shape[0], model.n_items))


def _own_part(
    users: sp.csr_matrix,
    row: NDArray[np.int32],
    item: NDArray[np.int32],
    rate: NDArray[np.float64],
    model: Organic,
) -> NDArray[np.float64]:
    """What the group of each (row, item) adds itself to what `rate` makes of the item's acts: float64[len(row)]."""
    named, column = np.unique(item, return_inverse=True)
    place = np.full(model.n_items, -1, np.int32)
    place[named] = np.arange(len(named))
    slot = np.full((users.shape[0], len(named)), -1, np.int32)
    slot[row, column] = np.arange(len(row))
    start, end = model.by_user.indptr[users.indices], model.by_user.indptr[users.indices + 1]
    act = ranges(start, end)
    group = np.repeat(entry_rows(users), end - start)
    at = place[model.acts.item_ix[act]]
    asked = np.flatnonzero(at >= 0)
    group, at, when = group[asked], at[asked], model.acts.slice_ix[act[asked]]
    found = slot[group, at]
    inside = found >= 0
    part = np.bincount(found[inside], rate[group[inside], when[inside]], minlength=len(row))
    return part.astype(np.float64)


def repick_items(blocks: Blocks, model: Organic) -> sp.csr_matrix:
    """The same for blocks, whose items tell their time: those with a moment (see moment.py) are held against it."""
    picked = pick_items(blocks.users, model)
    at = moments(blocks, block_acts(blocks, model), model)
    found = gatherings(blocks, at, model)
    enough = found.count >= ITEM_SHARE * sizes(blocks.users)[at.row[found.block]]
    pays = enough & (surprise(found.count, found.expected) > np.log(max(model.n_items / 8, 2)))
    return _instead(picked, at, found.block[pays], found.item[pays])


def pick_users(blocks: Blocks, model: Organic) -> sp.csr_matrix:
    """Users of the whole log who act on the items of each block beyond expectation, by enough to name the user.

    The expectation is that of the log, or of the block's moment, without the block's present users. In a moment a user
    is named among those who can have been there.
    """
    users, items = blocks.users, blocks.items
    counts = (items @ model.by_item).tocoo()
    enough = counts.data >= np.maximum(2, USER_SHARE * sizes(items)[counts.row])
    row, user, count = counts.row[enough], counts.col[enough], counts.data[enough]
    acts = block_acts(blocks, model)
    appeal = outside_appeal(blocks, model, acts)
    expected = dot_of_rows(appeal, row, model.user_slices, user)
    pays = surprise(count, expected) > np.log(max(model.n_users / 10, 2))
    picked = _ones(row[pays], user[pays], users.shape)
    at = moments(blocks, acts, model)
    found = visitors(blocks, at, model)
    enough = found.count >= np.maximum(2, USER_SHARE * sizes(items)[at.row[found.block]])
    pays = enough & (surprise(found.count, found.expected) > at.user_cost(model.n_users)[found.block])
    return _instead(picked, at, found.block[pays], found.user[pays])


def _instead(
    picked: sp.csr_matrix, at: Moments, block: NDArray[np.int64], column: NDArray[np.int64]
) -> sp.csr_matrix:
    """Replace the rows of blocks with a moment."""
    whole = np.ones(picked.shape[0], bool)
    whole[at.row] = False
    of = entry_rows(picked)
    kept = whole[of]
    return _ones(
        np.concatenate([of[kept], at.row[block]]),
        np.concatenate([picked.indices[kept], column]),
        picked.shape,
    )


def distinct(blocks: Blocks, same: float = SAME_BLOCK) -> Blocks:
    """Drop blocks whose users nearly repeat those of a larger block kept before; order: larger first."""
    size = sizes(blocks.users)
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


@lru_cache(1)
def _words(n: int) -> NDArray[np.uint64]:
    return np.random.default_rng(0).integers(0, 2**63, n, np.uint64)


def _row_keys(matrix: sp.csr_matrix) -> NDArray[np.uint64]:
    """A hash of the columns of each row, uint64[n_rows]; a sum, so their order does not matter."""
    word = _words(matrix.shape[1])
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
        kept = np.flatnonzero(sizes(items) >= MIN_ITEMS)
        users, items = users[kept], items[kept]
        before = _row_keys(users)
        users = pick_users(Blocks(users, items), model)
        large = sizes(users) >= MIN_USERS
        same = large & (_row_keys(users) == before)  # further rounds would change nothing
        settled.append(Blocks(users[same], items[same]))
        users, items = users[large & ~same], items[large & ~same]
        first = _first_of_each(users)
        users = users[first]
        items = repick_items(Blocks(users, items[first]), model)
    kept = np.flatnonzero(sizes(items) >= MIN_ITEMS)
    return _stacked([*settled, Blocks(users[kept], items[kept])])
