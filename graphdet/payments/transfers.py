"""Who paid whom how much and when, in a log whose users and items are accounts of one kind."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float, Int
from graphdet.schema import RECEIVED

LEAST_SHARED = 0.2  # share of the users, or of the items, that must be on both sides
MOST_PER_ACCOUNT = 400  # transfers of an account on one side that are looked at, the first


@dataclass(frozen=True)
class Transfers:
    """All transfers with an amount above 0, by time.

    Shapes, all [n]: payer, payee int64 account rows; at_ms int64, all 0 where nobody knows; log_amount float64.
    Accounts are the users of the log in their order, n_users of them, then items that are no users, n_accounts in all.
    """

    payer: Int
    payee: Int
    at_ms: Int
    log_amount: Float
    n_users: int
    n_accounts: int

    @classmethod
    def of(
        cls, payer: Int, payee: Int, at_ms: Int, amount: Float, n_users: int, n_accounts: int
    ) -> "Transfers":
        """Sort transfers and leave out those to oneself and those without an amount above 0.

        Raises:
            ValueError: the arrays differ in length.
        """
        if not len(payer) == len(payee) == len(at_ms) == len(amount):
            raise ValueError(
                f"transfers differ in length: {len(payer)}, {len(payee)}, {len(at_ms)}, {len(amount)}"
            )
        kept = np.isfinite(amount) & (amount > 0) & (payer != payee)
        payer, payee, at_ms, amount = payer[kept], payee[kept], at_ms[kept], amount[kept]
        order = np.lexsort((amount, payee, payer, at_ms))
        return cls(payer[order], payee[order], at_ms[order], np.log(amount[order]), n_users, n_accounts)

    def __len__(self) -> int:
        return len(self.payer)

    @cached_property
    def span_ms(self) -> int:
        """From the first transfer to the last, at least 1."""
        return int(self.at_ms[-1] - self.at_ms[0]) + 1 if len(self) else 1

    @cached_property
    def sorted_amounts(self) -> Float:
        """Logarithms of all amounts, ascending."""
        return np.sort(self.log_amount)

    def rows_of(self, account: Int) -> tuple[Int, Int]:
        """Transfers by account (payer or payee), then time: their rows, and where each begins: [n_accounts + 1].

        account: int64[n], `payer` or `payee`.
        """
        order = np.argsort(account, kind="stable")
        return order, np.searchsorted(account[order], np.arange(self.n_accounts + 1))


def account_rows(user_ids: pa.Array, item_ids: pa.Array, *, sure: bool = False) -> Int | None:
    """The account of each item, int64[n_items], where users and items have ids of one space; else None.

    Ids that are whole numbers say nothing: those of users and of items often are both counted from 1. sure: they are of
    one space whatever they look like. Accounts are numbered as Transfers says.
    """
    place = pc.index_in(item_ids, value_set=user_ids).to_numpy(zero_copy_only=False).astype(np.float64)
    known = np.isfinite(place)
    if not sure:
        shared = item_ids.filter(pa.array(known))
        plain = pc.all(pc.match_substring_regex(shared, "^[0-9]+$")).as_py()
        if plain or known.sum() < max(LEAST_SHARED * min(len(user_ids), len(item_ids)), 1):
            return None
    out = np.where(known, place, 0).astype(np.int64)
    out[~known] = len(user_ids) + np.arange((~known).sum())
    return out


def sides(
    user: Int, other: Int, action: NDArray[np.object_], at_ms: Int, amount: Float
) -> tuple[Int, Int, Int, Float]:
    """Payer, payee, time and amount of acts; a transfer that both sides have in the log is one.

    user, other: int64[n], accounts. action: where it is RECEIVED, `other` paid.
    """
    received = action == RECEIVED
    payer, payee = np.where(received, other, user), np.where(received, user, other)
    if not received.any() or received.all():
        return payer, payee, at_ms, amount
    value = np.where(np.isfinite(amount), amount, -1.0)
    order = np.lexsort((received, value, payee, payer, at_ms))
    new = np.zeros(len(order), bool)
    new[0] = True
    for column in (at_ms, payer, payee, value):
        new[1:] |= np.diff(column[order]) != 0
    group, from_payee = np.cumsum(new) - 1, received[order]
    n_received = np.bincount(group, from_payee)
    more_received = n_received > np.bincount(group) - n_received
    kept = np.sort(order[more_received[group] == from_payee])  # the side that has as many or more
    return payer[kept], payee[kept], at_ms[kept], amount[kept]
