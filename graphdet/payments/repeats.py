"""Pairs: one account pays another again and again, where the accounts of the log hardly pay anybody twice.

Whom an account pays is drawn from the urn of `habits`, with payees for amounts: who pays everybody twice, and any
account of a log in which that is usual, may do so.
"""

from dataclasses import dataclass

import numpy as np

from graphdet.arrays import Float, Int
from graphdet.payments.habits import HABITS, fit_habits, group_p_value, habit_likelihood
from graphdet.payments.transfers import MOST_PER_ACCOUNT, Transfers

LEAST_PAYMENTS = 3  # of an account that is tested


@dataclass(frozen=True)
class RepeatedPair:
    """The payee that an account pays most often, beside how popular it is.

    rows: of Transfers, by time. n_all: payments of the payer. expected: so many would be to the payee. p_value: among
    all payees of the account.
    """

    rows: Int
    n_all: int
    expected: float
    p_value: float


def find_repeated_pairs(transfers: Transfers) -> tuple[list[RepeatedPair], int]:
    """The most repeated payee of each payer that pays somebody twice, and how many payers were tested."""
    order, start = transfers.rows_of(transfers.payer)
    received = np.bincount(transfers.payee, minlength=transfers.n_accounts)
    payers = np.flatnonzero(np.diff(start) >= LEAST_PAYMENTS).tolist()
    rows_of = [order[start[payer] : start[payer + 1]][:MOST_PER_ACCOUNT] for payer in payers]
    every = [_Choices.of(transfers.payee[rows], received, len(transfers)) for rows in rows_of]
    best = [choices.strongest() for choices in every]
    rest = [choices.without(payee) for choices, payee in zip(every, best, strict=True)]
    weight = fit_habits(np.array(rest).reshape(len(every), len(HABITS)))
    found = []
    for rows, choices, payee, own in zip(rows_of, every, best, rest, strict=True):
        if payee is None:
            continue
        mine = choices.place == payee
        p, expected = group_p_value(int(mine.sum()), len(rows), float(choices.common[payee]), weight, own)
        found.append(RepeatedPair(rows[mine], len(rows), expected, min(p * len(choices.count), 1.0)))
    return found, len(payers)


@dataclass(frozen=True)
class _Choices:
    """Whom an account pays: place int64[n] of each payment's payee; count and common of each payee."""

    place: Int
    count: Int
    common: Float

    @classmethod
    def of(cls, payee: Int, received: Int, n_transfers: int) -> "_Choices":
        payees, place, count = np.unique(payee, return_inverse=True, return_counts=True)
        common = (received[payees] - count + 0.5) / (n_transfers - len(payee) + 1)
        return cls(place, count, np.minimum(common, 0.999))

    def strongest(self) -> int | None:
        """The payee that is paid most beside how popular it is; None where nobody is paid twice."""
        if self.count.max() < 2:
            return None
        gain = self.count * np.log(self.count / (len(self.place) * self.common))
        return int(np.argmax(np.where(self.count >= 2, gain, -np.inf)))

    def without(self, payee: int | None) -> Float:
        """habit_likelihood of the payments to others."""
        kept = self.place[self.place != payee] if payee is not None else self.place
        like = kept[:, None] == kept[None, :]
        return habit_likelihood(like, np.ones_like(like), self.common[kept])
