"""The margin of a block: by how much naming it shortens the description of the log, or whether chance explains it.

A two-part description length (Rissanen 1978): what the block's acts gain over the organic model, less the cost of
naming it. Where neither way of naming (Margins) leaves more than 0, no method could tell the block from chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from graphdet.arrays import Float
from graphdet.rings.blocks import Blocks, block_acts, by_chunks, outside_appeal
from graphdet.rings.organic import Organic, surprise
from graphdet.rings.own_time import Moments, moments, touched_in_moment, visitors

# Nats, below which a block is not judged at all. The cost of naming a block is that of naming any block of its size,
# which is more than a likely one costs. So a margin a little below 0 does not show that the block is chance; the judge,
# who sees the margin, decides.
LEAST_MARGIN = -50.0


def _ln_choose(n: float | Float, k: Float) -> Float:
    out: Float = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return out


@dataclass(frozen=True)
class Margins:
    """Two descriptions of the same blocks, in nats, float64[n_blocks] each.

    among_all: the items are named among all items of the log.

    among_touched: the members are named first, and then the items among those that any member touched. That is enough
    to name them, because the first act on each item is not counted. It is never below among_all, and it is the better
    answer to whether chance explains a block.
    """

    among_all: Float
    among_touched: Float

    def take(self, rows: NDArray[np.int64]) -> "Margins":
        """Those of some blocks."""
        return Margins(self.among_all[rows], self.among_touched[rows])


def margin_nats(
    n_acts: Float, expected: Float, m: Float, k: Float, n_users: int, n_items: int | Float
) -> Float:
    """x ln(x / mu) - (x - mu) - ln C(N, m) - ln C(I, k), for m of N users, k of I items, x acts against mu expected."""
    return surprise(n_acts, expected) - _ln_choose(n_users, m) - _ln_choose(n_items, k)


def naming_margins(blocks: Blocks, model: Organic) -> Margins:
    """The larger margins of each block in the whole log and, where it has one, in its moment.

    The block's own acts are left out of what is expected, so that a block does not explain itself. One act on each of
    its items stays in the expectation, and is not counted for the block: every item that anybody visits has a first
    act. Without this rule, two accounts that meet twice on items that nobody else visits would look like a ring.
    """
    parts = by_chunks(len(blocks), lambda rows: _naming_margins(blocks.take(rows), model))
    return Margins(
        np.concatenate([part.among_all for part in parts]),
        np.concatenate([part.among_touched for part in parts]),
    )


def worth_naming(margins: Margins) -> NDArray[np.bool_]:
    """Which blocks shorten the description of the log by LEAST_MARGIN, bool[n_blocks]."""
    return np.asarray(margins.among_all > LEAST_MARGIN)


def _naming_margins(blocks: Blocks, model: Organic) -> Margins:
    acts = block_acts(blocks, model)
    activity = np.asarray(blocks.users @ model.user_slices, np.float64)
    n_acts = np.bincount(acts.block, minlength=len(blocks)).astype(np.float64)
    m = np.diff(blocks.users.indptr).astype(np.float64)
    k = np.diff(blocks.items.indptr).astype(np.float64)
    appeal = outside_appeal(blocks, model, acts, left_in=np.minimum(k / np.maximum(n_acts, 1.0), 1.0))
    expected = np.einsum("ij,ij->i", activity, appeal)
    touched = np.diff((blocks.users @ model.by_user).indptr).astype(np.float64)
    counted = np.maximum(n_acts - k, 0.0)
    among_all = margin_nats(counted, expected, m, k, model.n_users, model.n_items)
    among_touched = margin_nats(counted, expected, m, k, model.n_users, np.maximum(touched, k))
    at = moments(blocks, acts, model)
    in_moment = moment_margins(blocks, at, model)
    among_all[at.row] = np.maximum(among_all[at.row], in_moment.among_all)
    among_touched[at.row] = np.maximum(among_touched[at.row], in_moment.among_touched)
    return Margins(among_all, among_touched)


def moment_margins(blocks: Blocks, at: Moments, model: Organic) -> Margins:
    """Nats by which blocks with a moment (rows of `at`) beat chance in it, its naming paid: float64[len(at.row)] each.

    The first act on each item is not counted here either.
    """
    seen, n = visitors(blocks, at, model), len(at.row)
    inside = seen.inside
    k = np.diff(blocks.items.indptr)[at.row].astype(np.float64)
    n_acts = np.bincount(seen.block[inside], seen.count[inside], minlength=n).astype(np.float64)
    expected = np.bincount(seen.block[inside], seen.expected[inside], minlength=n).astype(np.float64)
    n_present = np.bincount(seen.block[inside], minlength=n).astype(np.float64)
    users, items = at.crowd(model.n_users), at.crowd(model.n_items)
    moment_cost = np.log(len(model.act_times) / np.maximum(at.n_acts, 1.0)) + np.log(
        2.0
    )  # the last: that there is a moment
    counted = np.maximum(n_acts - k, 0.0)
    gain = surprise(counted, expected) - moment_cost - _ln_choose(users, np.minimum(n_present, users))
    k = np.minimum(k, items)
    touched = np.clip(touched_in_moment(blocks, at, model), k, items)
    return Margins(gain - _ln_choose(items, k), gain - _ln_choose(touched, k))
