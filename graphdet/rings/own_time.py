"""A block in its own time, at other times, and in the moment in which it struck.

Own time: in a long log most of an item's audience came long before or after a ring. Held against them all, a sharp
burst of a week looks like a slice of a crowd; held against those of its own time, it stands alone.

Other times: what a crowd does it does every day: readers of a series of stories come in every window, and those of any
one window look like a group of their own time. A campaign happens once. So the same question is put to every other
window of the log (a placebo in time): how many accounts who are no members act on half as many of the targets in it?

Moments: over a whole log, slices of time are weeks, and who reviewed eight of nine hotels on one day does not stand out
from those who reviewed three of them in a month. In the moment itself the others are few, and so are the accounts to
name among: a description of a block may first name its moment, then its users and items among those seen in it (a scan
statistic, Kulldorff 1997, as a two-part description length).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.rings.blocks import BlockActs, Blocks, block_acts, entry_rows
from graphdet.rings.organic import Organic

MIDDLE = (0.05, 0.95)  # of the members' acts: a member who passed by much earlier does not stretch the time
PAD_SHARE = 0.1  # of that time, added at either end …
PAD_MS = 3_600_000  # … with an hour


def middle_of(at_ms: Int) -> tuple[int, int]:
    """The first and the last of the middle nine tenths of some moments, int64[n], at least one.

    >>> middle_of(np.array([0, *range(100, 120), 5000]))
    (100, 119)
    """
    ordered, last = np.sort(at_ms), len(at_ms) - 1
    low, high = (int(ordered[round(share * last)]) for share in MIDDLE)
    return low, high


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


MOMENT = 1 / 32  # of all distinct acts of a log: two of the organic model's time slices
PRIOR_MOMENT_ACTS = (
    50.0  # by which the targets' share of the whole log counts beside their share of the moment
)
LEAST_CROWD = 20.0  # to name a user among
ALIKE = 0.5
LEAST_COST = 3.0  # nats, to name a user


@dataclass(frozen=True)
class Moments:
    """The blocks with a moment: row int64[n]; first_ms, last_ms int64[n]; n_acts float64[n], distinct acts in it."""

    row: Int
    first_ms: Int
    last_ms: Int
    n_acts: Float

    def crowd(self, most: int) -> Float:
        """How many of `most` users (items) can have been there at most, float64[n]."""
        return np.clip(self.n_acts, LEAST_CROWD, max(most, LEAST_CROWD))

    def user_cost(self, n_users: int) -> Float:
        """Nats to name one user, in a block of ten, among those who can have been there, float64[n]."""
        return np.maximum(np.log(self.crowd(n_users) / 10), LEAST_COST)


def moments(blocks: Blocks, acts: BlockActs, model: Organic) -> Moments:
    """Which blocks have a moment, and when; acts, those of the blocks."""
    first, last = own_time(acts, model, len(blocks))
    times = model.act_times
    n_acts = (np.searchsorted(times, last, side="right") - np.searchsorted(times, first)).astype(np.float64)
    row = np.flatnonzero((n_acts <= MOMENT * len(times)) & (np.diff(blocks.items.indptr) > 0))
    return Moments(row, first[row], last[row], n_acts[row])


@dataclass(frozen=True)
class Visitors:
    """Who touched targets in a block's moment, all [n]: block int64 (of Moments.row), user int64, count float64 of
    targets, inside bool; expected float64, of the count, by the user's acts in the moment and what others did there.
    """

    block: Int
    user: Int
    count: Float
    inside: NDArray[np.bool_]
    expected: Float


def visitors(blocks: Blocks, at: Moments, model: Organic) -> Visitors:
    """Everybody who touched at least two targets in the moment of a block (of the rows of `at`), and its members."""
    its = blocks.take(at.row)
    n = len(its)
    found = touches(its, at.first_ms, at.last_ms, model)
    within = np.bincount(found.block[found.inside], found.count[found.inside], minlength=n)
    there = np.bincount(found.block[found.inside], minlength=n)
    # Who does half of what members do is no witness of the ordinary: members that are still to be found would
    # otherwise vouch for those that were.
    alike = found.inside | (found.count >= np.maximum(2, ALIKE * within / np.maximum(there, 1))[found.block])
    ordinary = np.bincount(found.block[~alike], found.count[~alike], minlength=n)
    special = np.bincount(found.block[alike], found.count[alike], minlength=n)
    usual = (its.items @ model.audience) / max(len(model.act_times), 1)
    appeal = (ordinary + PRIOR_MOMENT_ACTS * usual) / (at.n_acts - special + PRIOR_MOMENT_ACTS)
    kept = np.flatnonzero((found.count >= 2) | found.inside)
    block, user = found.block[kept], found.user[kept]
    start, end = model.acts_by_user_time.between(user, at.first_ms[block], at.last_ms[block])
    return Visitors(
        block, user, found.count[kept].astype(np.float64), found.inside[kept], (end - start) * appeal[block]
    )


@dataclass(frozen=True)
class Gatherings:
    """Items that the users of a block touched in its moment, all [n]: block int64 (of Moments.row), item int64, count
    float64 of members, expected float64 of it.
    """

    block: Int
    item: Int
    count: Float
    expected: Float


def gatherings(blocks: Blocks, at: Moments, model: Organic) -> Gatherings:
    """Every item that two or more members of a block touched in its moment."""
    block, item, count, within = _touched(blocks, at, model)
    several = count >= 2
    block, item, count = block[several], item[several], count[several]
    start, end = model.acts_by_item_time.between(item, at.first_ms[block], at.last_ms[block])
    usual = model.audience[item] / max(len(model.act_times), 1)
    share = (end - start - count + PRIOR_MOMENT_ACTS * usual) / (at.n_acts - within + PRIOR_MOMENT_ACTS)[
        block
    ]
    return Gatherings(block, item, count.astype(np.float64), within[block] * share)


def touched_in_moment(blocks: Blocks, at: Moments, model: Organic) -> Float:
    """How many distinct items the members of each block (of the rows of `at`) touched in its moment, float64[n]."""
    block, *_ = _touched(blocks, at, model)
    return np.bincount(block, minlength=len(at.row)).astype(np.float64)


def _touched(blocks: Blocks, at: Moments, model: Organic) -> tuple[Int, Int, Int, Int]:
    """Items that members touched in their moment: block, item and count of members; and each block's acts then."""
    users = blocks.take(at.row).users
    n = users.shape[0]
    of = entry_rows(users)
    start, end = model.acts_by_user_time.between(users.indices, at.first_ms[of], at.last_ms[of])
    within = np.bincount(of, end - start, minlength=n)
    touched = model.acts_by_user_time.other_ix[ranges(start, end)].astype(np.int64)
    keys, count = counted(np.repeat(of, end - start) * np.int64(model.n_items) + touched)
    return keys // model.n_items, keys % model.n_items, count, within
