"""The margin of a block: by how much naming it shortens the description of the log, or whether chance explains it.

A two-part description length (Rissanen 1978): what the block's acts gain over the organic model, less the cost of
naming it among all blocks of its size. At 0 and below no method could tell the block from chance.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from graphdet.rings.blocks import Blocks, block_acts, outside_appeal
from graphdet.rings.chunks import by_chunks
from graphdet.rings.moment import Moments, moments, visitors
from graphdet.rings.organic import Float, Organic, surprise

# nats. Naming is paid for as if any block were as likely, so below 0 it is not yet said that no method can tell a block
# from chance; the judge, who sees the margin, decides.
LEAST_MARGIN = -50.0


def _ln_choose(n: float | Float, k: Float) -> Float:
    out: Float = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return out


def margin_nats(n_acts: Float, expected: Float, m: Float, k: Float, n_users: int, n_items: int) -> Float:
    """x ln(x / mu) - (x - mu) - ln C(N, m) - ln C(I, k), for m of N users, k of I items, x acts against mu expected."""
    return surprise(n_acts, expected) - _ln_choose(n_users, m) - _ln_choose(n_items, k)


def naming_margins(blocks: Blocks, model: Organic) -> Float:
    """The larger margin of each block in the whole log and, where it has one, in its moment: float64[n_blocks].

    The expectation leaves the block out, so that none is lost because it explains itself, but for one act on each of
    its items, which is not counted for the block either: an item that is looked at by anybody has a first act. Without
    that, whoever meet twice on something that nobody else visits would look like a ring.
    """
    return np.concatenate(by_chunks(len(blocks), lambda rows: _naming_margins(blocks.take(rows), model)))


def worth_naming(margins: Float) -> NDArray[np.bool_]:
    """Which blocks shorten the description of the log by LEAST_MARGIN, bool[n_blocks]."""
    return np.asarray(margins > LEAST_MARGIN)


def _naming_margins(blocks: Blocks, model: Organic) -> Float:
    acts = block_acts(blocks, model)
    activity = np.asarray(blocks.users @ model.user_slices, np.float64)
    n_acts = np.bincount(acts.block, minlength=len(blocks)).astype(np.float64)
    m = np.diff(blocks.users.indptr).astype(np.float64)
    k = np.diff(blocks.items.indptr).astype(np.float64)
    appeal = outside_appeal(blocks, model, acts, left_in=np.minimum(k / np.maximum(n_acts, 1.0), 1.0))
    expected = np.einsum("ij,ij->i", activity, appeal)
    margin = margin_nats(np.maximum(n_acts - k, 0.0), expected, m, k, model.n_users, model.n_items)
    at = moments(blocks, acts, model)
    margin[at.row] = np.maximum(margin[at.row], moment_margin(blocks, at, model))
    return margin


def moment_margin(blocks: Blocks, at: Moments, model: Organic) -> Float:
    """Nats by which blocks with a moment (rows of `at`) beat chance in it, its naming paid: float64[len(at.row)].

    The first act on each item is not counted here either; what draws anybody to it is known from the rest of the log.
    """
    found, n = visitors(blocks, at, model), len(at.row)
    inside = found.inside
    k = np.diff(blocks.items.indptr)[at.row].astype(np.float64)
    n_acts = np.bincount(found.block[inside], found.count[inside], minlength=n).astype(np.float64)
    expected = np.bincount(found.block[inside], found.expected[inside], minlength=n).astype(np.float64)
    there = np.bincount(found.block[inside], minlength=n).astype(np.float64)
    users, items = at.crowd(model.n_users), at.crowd(model.n_items)
    named = _ln_choose(users, np.minimum(there, users)) + _ln_choose(items, np.minimum(k, items))
    which = np.log(len(model.act_times) / np.maximum(at.n_acts, 1.0)) + np.log(2.0)  # and that there is one
    return np.asarray(surprise(np.maximum(n_acts - k, 0.0), expected) - named - which)
