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

LEAST_MARGIN = (
    20.0  # nats; many groups are looked at, and refined until they look their best, so a few nats mean little
)


def _ln_choose(n: float | Float, k: Float) -> Float:
    out: Float = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return out


def margin_nats(n_acts: Float, expected: Float, m: Float, k: Float, n_users: int, n_items: int) -> Float:
    """x ln(x / mu) - (x - mu) - ln C(N, m) - ln C(I, k), for m of N users, k of I items, x acts against mu expected."""
    return surprise(n_acts, expected) - _ln_choose(n_users, m) - _ln_choose(n_items, k)


def naming_margins(blocks: Blocks, model: Organic) -> Float:
    """The larger margin of each block in the whole log and, where it has one, in its moment: float64[n_blocks].

    Here the expectation leaves the block out, so that none is lost because it explains itself. Judges see the margin
    with the block in it: without, every small group on items that nobody else visits would look alike.
    """
    return np.concatenate(by_chunks(len(blocks), lambda rows: _naming_margins(blocks.take(rows), model)))


def worth_naming(blocks: Blocks, model: Organic) -> NDArray[np.bool_]:
    """Which blocks shorten the description of the log by LEAST_MARGIN, bool[n_blocks]."""
    return np.asarray(naming_margins(blocks, model) > LEAST_MARGIN)


def _naming_margins(blocks: Blocks, model: Organic) -> Float:
    acts = block_acts(blocks, model)
    activity = np.asarray(blocks.users @ model.user_slices, np.float64)
    expected = np.einsum("ij,ij->i", activity, outside_appeal(blocks, model, acts))
    n_acts = np.bincount(acts.block, minlength=len(blocks)).astype(np.float64)
    m = np.diff(blocks.users.indptr).astype(np.float64)
    k = np.diff(blocks.items.indptr).astype(np.float64)
    margin = margin_nats(n_acts, expected, m, k, model.n_users, model.n_items)
    at = moments(blocks, model)
    margin[at.row] = np.maximum(margin[at.row], moment_margin(blocks, at, model))
    return margin


def moment_margin(blocks: Blocks, at: Moments, model: Organic) -> Float:
    """Nats by which blocks with a moment (rows of `at`) beat chance in it, its naming paid: float64[len(at.row)]."""
    found, n = visitors(blocks, at, model), len(at.row)
    inside = found.inside
    n_acts = np.bincount(found.block[inside], found.count[inside], minlength=n).astype(np.float64)
    expected = np.bincount(found.block[inside], found.expected[inside], minlength=n).astype(np.float64)
    there = np.bincount(found.block[inside], minlength=n).astype(np.float64)
    k = np.diff(blocks.items.indptr)[at.row].astype(np.float64)
    users, items = at.crowd(model.n_users), at.crowd(model.n_items)
    named = _ln_choose(users, np.minimum(there, users)) + _ln_choose(items, np.minimum(k, items))
    which = np.log(len(model.act_times) / np.maximum(at.n_acts, 1.0)) + np.log(2.0)  # and that there is one
    return np.asarray(surprise(n_acts, expected) - named - which)
