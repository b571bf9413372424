"""Blocks that struck in a moment, a small part of the log's time, held against that moment alone.

Over a whole log, slices of time are weeks: who reviewed eight of nine hotels on one day does not stand out from those
who reviewed three of them in a month. In the moment itself the others are few, and so are the accounts to name among: a
description of a block may first name its moment, then its users and items among those seen in it (a scan statistic,
Kulldorff 1997, as a two-part description length).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphdet.rings.blocks import BlockActs, Blocks, entry_rows
from graphdet.rings.organic import Float, Organic
from graphdet.rings.own_time import counted, own_time, ranges, touches

MOMENT = 1 / 32  # of all distinct acts of a log: two of the organic model's time slices
PRIOR_ACTS = 50.0  # by which the targets' share of the whole log counts beside their share of the moment
LEAST_CROWD = 20.0  # to name a user among
ALIKE = 0.5
LEAST_COST = 3.0  # nats, to name a user

Int = NDArray[np.int64]


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
    appeal = (ordinary + PRIOR_ACTS * usual) / (at.n_acts - special + PRIOR_ACTS)
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
    share = (end - start - count + PRIOR_ACTS * usual) / (at.n_acts - within + PRIOR_ACTS)[block]
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
