"""Single items: windows with a burst of throwaway accounts, against the item's own past and what the log is used to.

A throwaway account acts on one item of the log only, all within one scale. Time is cut into windows of that scale,
twice, half a window apart. In a window of an item in which n accounts act and k of them are throwaways,

    p = P(K >= k | K >= 1),  K ~ NegativeBinomial(mean l, size 1 / (1 / r + 1 / R))

with l the item's throwaways outside the window in proportion to what the other items had in it; R how many those are,
as few say little about an item's rate; and r, how far windows stray from the rate, fitted over the windows of the log:
where crowds come and go, as in news, r is small and no crowd is a surprise. A campaign must not teach what is usual, so
for the fit each item's fullest window is set aside. The window counts only where the share k of n is beyond the item's
own usual share too, at SHARE_P by a beta-binomial law whose Beta is fitted across the items: a sale brings many of both
kinds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betainc, gammaln

from graphdet.arrays import Float, Int
from graphdet.evaluation.beta_binomial import fit_beta_binomial, upper_tail
from graphdet.items.acts import ItemActs

MOST_FITTED = 100_000  # windows that an overdispersion is fitted on
SHARE_P = 0.05  # from which the share of throwaways in a window is beyond the item's usual one
CROWD_SHARE = 0.1  # of those counted: more others beyond expectation make a crowd of all kinds
PRIOR_RATE = 0.5  # accounts added to an item's own, so that a new item has a rate
CROWD_SIZE_RANGE = (1e-3, 1e4)


@dataclass(frozen=True)
class CrowdCells:
    """Windows of one scale in which an item has any account, by item and time.

    Shapes, all [n_cells]: item, slot (stretch of time) int64; start_ms int64 from the log's first act; n_users,
    n_throwaway int64.
    """

    item: Int
    slot: Int
    start_ms: Int
    n_users: Int
    n_throwaway: Int


def throwaways(acts: ItemActs, scale_ms: int) -> NDArray[np.bool_]:
    """Accounts all of whose acts are on one item within scale_ms, bool[n_users]."""
    return (acts.lives_ms >= 0) & (acts.lives_ms <= scale_ms)


def cells(acts: ItemActs, scale_ms: int, offset_ms: int, is_throwaway: NDArray[np.bool_]) -> CrowdCells:
    """The windows of a scale, the first of which began offset_ms before the log.

    An account counts once in each window it acts in.
    """
    slot = (acts.at_ms + offset_ms) // scale_ms
    new = np.ones(len(slot), bool)
    new[1:] = (slot[1:] != slot[:-1]) | (acts.item_ix[1:] != acts.item_ix[:-1])
    first = np.flatnonzero(new)
    key = (np.cumsum(new) - 1) * acts.n_users + acts.user_ix
    key.sort()
    key = key[np.append(True, key[1:] != key[:-1])] if len(key) else key
    cell = key // acts.n_users
    thrown = cell[is_throwaway[key % acts.n_users]]
    return CrowdCells(
        acts.item_ix[first],
        slot[first],
        slot[first] * scale_ms - offset_ms,
        np.bincount(cell, minlength=len(first)),
        np.bincount(thrown, minlength=len(first)),
    )


def throwaway_p_values(found: CrowdCells, n_items: int) -> tuple[Float, Float]:
    """P(so many throwaways or more, given one) of each window, and how many are expected; float64[n_cells] each.

    1 where the item always has as large a share of them.
    """
    p, mean = count_p_values(found, found.n_throwaway, n_items)
    some = np.flatnonzero((p < SHARE_P) & (found.n_throwaway > 1))
    out = np.ones(len(p))
    usual = share_p_values(found, some, n_items) <= SHARE_P
    out[some[usual]] = p[some[usual]]
    return out, mean


def share_p_values(found: CrowdCells, some: Int, n_items: int) -> Float:
    """P(so large a share of throwaways) of the windows `some` by the item's own share elsewhere, float64[len(some)]."""
    n, k = found.n_users, found.n_throwaway
    usual = ~fullest(found.item, k, n_items)
    a, b = fit_beta_binomial(*(_sums(found.item[usual], x[usual], n_items) for x in (k, n)))
    item, ks, ns = found.item[some], k[some], n[some]
    rest_k: Float = (_sums(found.item, k, n_items)[item] - ks).astype(np.float64)
    rest_n: Float = (_sums(found.item, n, n_items)[item] - ns).astype(np.float64)
    return upper_tail(ks, ns, np.asarray(a + rest_k), np.asarray(b + rest_n - rest_k))


def count_p_values(found: CrowdCells, count: Int, n_items: int) -> tuple[Float, Float]:
    """P(so many of `count`, int64[n_cells], or more, given one) of each window, and how many are expected.

    The fit leaves out each item's fullest window. Returns float64[n_cells] each.
    """
    rest, mean = _expected(found, count, n_items)
    p = np.ones(len(count))
    some = np.flatnonzero(count > 0)
    fitted = some[~fullest(found.item, count, n_items)[some]]
    fitted = fitted[:: len(fitted) // MOST_FITTED + 1]
    spread = _fit_spread(count[fitted].astype(np.float64), mean[fitted], rest[fitted]) if len(fitted) else 1.0
    size = 1 / (spread + 1 / rest[some])
    share = mean[some] / (mean[some] + size)
    tail = betainc(count[some].astype(np.float64), size, share)
    p[some] = np.minimum(tail / np.maximum(betainc(1.0, size, share), 1e-300), 1.0)
    return p, mean


def number_p_values(found: CrowdCells, n_items: int) -> tuple[Float, Float]:
    """P(so many of those counted, given one) of each window, and how many are expected; float64[n_cells] each."""
    return count_p_values(found, found.n_throwaway, n_items)


def alone_p_values(found: CrowdCells, n_items: int) -> tuple[Float, Float]:
    """P(so many of those counted or more, given one) of each window, and how many are expected; float64[n_cells] each.

    1 where more than CROWD_SHARE as many others came too, beyond those expected: then all kinds came. No share of them
    is asked for, as in throwaway_p_values: where nearly all are of the kind that is counted, none is beyond the usual.
    """
    p, mean = count_p_values(found, found.n_throwaway, n_items)
    others = found.n_users - found.n_throwaway
    _, usual = _expected(found, others, n_items)
    return np.where(others - usual > CROWD_SHARE * found.n_throwaway, 1.0, p), mean


def _expected(found: CrowdCells, count: Int, n_items: int) -> tuple[Float, Float]:
    """Of each window the item's count outside it, and what that lets expect in it; float64[n_cells] each."""
    item_n = _sums(found.item, count, n_items)
    slot_n = _sums(found.slot, count, int(found.slot.max(initial=0)) + 1)
    rest: Float = (item_n[found.item] - count).astype(np.float64) + PRIOR_RATE
    return rest, np.maximum(rest * (slot_n[found.slot] - count + 1) / max(float(count.sum()), 1.0), 1e-9)


def fullest(item: Int, count: Int, n_items: int) -> NDArray[np.bool_]:
    """Of each item the window with most, the first of equals; bool[n_cells]."""
    most = np.zeros(n_items, np.int64)
    np.maximum.at(most, item, count)
    top = np.flatnonzero((count == most[item]) & (count > 0))
    out = np.zeros(len(item), bool)
    out[top[np.unique(item[top], return_index=True)[1]]] = True
    return out


def _sums(group: Int, values: Int, n: int) -> Int:
    return np.bincount(group, values, minlength=n).astype(np.int64)


def _fit_spread(n: Float, mean: Float, rest: Float) -> float:
    """1 / r of negative binomials with known means, seen only from one up, by maximum likelihood."""

    def loss(log_size: float) -> float:
        size = 1 / (np.exp(-log_size) + 1 / rest)
        share = mean / (mean + size)
        none = size * np.log1p(-share)
        chance = gammaln(n + size) - gammaln(size) - gammaln(n + 1) + n * np.log(share) + none
        return float(-(chance - np.log(np.maximum(-np.expm1(none), 1e-300))).sum())

    return float(np.exp(-minimize_scalar(loss, bounds=tuple(np.log(CROWD_SIZE_RANGE)), method="bounded").x))
