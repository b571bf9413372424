"""Fans: one account with like amounts from many payers, or to many payees."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphdet.arrays import Bool, Float, Int
from graphdet.evaluation.beta_binomial import fit_beta_binomial, upper_tail
from graphdet.payments.habits import HABITS, fit_habits, group_p_value, habit_likelihood
from graphdet.payments.transfers import MOST_PER_ACCOUNT, Transfers

LEAST_MEMBERS = 3  # other accounts in a fan
LOOK_CLOSER = 0.05  # p-value up to which an amount is looked for at other accounts too
LIKE = (1e-6, 0.01, 0.05)  # how far apart like amounts may be, in shares: to the cent, nearly, roughly


@dataclass(frozen=True)
class Fan:
    """The strongest group of like transfers of one account.

    hub: the account. rows: of Transfers, by time. n_others: other accounts in it. n_all: transfers of the account on
    that side. expected: so many would be in the group. p_value: among all groups of the account, not all accounts.
    """

    hub: int
    rows: Int
    n_others: int
    n_all: int
    expected: float
    p_value: float


@dataclass(frozen=True)
class _Side:
    """Transfers of one account on one side, by time: rows, other, amount [n]."""

    hub: int
    rows: Int
    other: Int
    amount: Float

    def apart(self) -> Bool:
        return np.asarray(self.other[:, None] != self.other[None, :])

    def like(self, tolerance: float) -> Bool:
        return np.asarray(np.abs(self.amount[:, None] - self.amount[None, :]) <= tolerance)


def find_fans(transfers: Transfers, *, inward: bool) -> tuple[list[Fan], int]:
    """The strongest fan of each account with LEAST_MEMBERS others or more, and how many accounts were tested.

    inward: fans of payers that pay the account; else of payees that it pays.
    """
    hubs, others = (transfers.payee, transfers.payer) if inward else (transfers.payer, transfers.payee)
    sides = list(_sides(transfers, hubs, others))
    of_other = transfers.rows_of(others)
    found: dict[int, Fan] = {}
    for tolerance in LIKE:
        common = [_common(transfers, side, tolerance) for side in sides]
        groups = [_strongest(side, each, tolerance) for side, each in zip(sides, common, strict=True)]
        rest = [
            _without(side, group, each, tolerance)
            for side, group, each in zip(sides, groups, common, strict=True)
        ]
        weight = fit_habits(np.array(rest).reshape(len(sides), len(HABITS)))
        for side, each, group, own in zip(sides, common, groups, rest, strict=True):
            if not group.any():
                continue
            k = len(np.unique(side.other[group]))
            usual = _usual_of_members(transfers, side, group, float(each[group].max()), tolerance, of_other)
            p, expected = group_p_value(k, len(side.rows), usual, weight, own)
            if p <= LOOK_CLOSER:
                p = max(p, _p_elsewhere(transfers, hubs, side, group, tolerance))
            p = min(p * len(side.rows) * len(LIKE), 1.0)
            if side.hub not in found or p < found[side.hub].p_value:
                found[side.hub] = Fan(side.hub, side.rows[group], k, len(side.rows), expected, p)
    return [found[hub] for hub in sorted(found)], len(sides)


def _sides(transfers: Transfers, hubs: Int, others: Int) -> Iterator[_Side]:
    order, start = transfers.rows_of(hubs)
    for hub in np.flatnonzero(np.diff(start) >= LEAST_MEMBERS).tolist():
        rows = order[start[hub] : start[hub + 1]][:MOST_PER_ACCOUNT]
        if len(np.unique(others[rows])) >= LEAST_MEMBERS:
            yield _Side(hub, rows, others[rows], transfers.log_amount[rows])


def _common(transfers: Transfers, side: _Side, tolerance: float) -> Float:
    """How common amounts like each of an account's are in the rest of the log, float64[n]."""
    own = np.sort(side.amount)
    low, high = side.amount - tolerance, side.amount + tolerance
    inside = [
        np.searchsorted(amounts, high, side="right") - np.searchsorted(amounts, low, side="left")
        for amounts in (transfers.sorted_amounts, own)
    ]
    return np.asarray((inside[0] - inside[1] + 0.5) / (len(transfers) - len(own) + 1))


def _strongest(side: _Side, common: Float, tolerance: float) -> Bool:
    """The group of like amounts that is largest beside how common they are, bool[n]; none where it has few members."""
    gap = side.amount[None, :] - side.amount[:, None]
    group = (gap >= -1e-12) & (gap <= tolerance)  # each amount and those up to so much above it
    size = np.array([len(np.unique(side.other[row])) for row in group])
    gain = np.where(size >= LEAST_MEMBERS, size * np.log(size / (len(size) * common)), -np.inf)
    best = int(np.argmax(gain))
    return group[best] if size[best] >= LEAST_MEMBERS else np.zeros(len(size), bool)


def _without(side: _Side, group: Bool, common: Float, tolerance: float) -> Float:
    """habit_likelihood of an account's transfers outside a group."""
    rest = np.ix_(~group, ~group)
    return habit_likelihood(side.like(tolerance)[rest], side.apart()[rest], common[~group])


def _usual_of_members(
    transfers: Transfers,
    side: _Side,
    inside: Bool,
    common: float,
    tolerance: float,
    of_other: tuple[Int, Int],
) -> float:
    """Chance of such an amount, by what the members do with accounts other than the hub."""
    order, start = of_other
    low, high = side.amount[inside].min() - tolerance, side.amount[inside].max() + tolerance
    chances = []
    own = set(side.rows.tolist())
    for member in np.unique(side.other[inside]).tolist():
        rows = order[start[member] : start[member + 1]][:MOST_PER_ACCOUNT]
        amounts = transfers.log_amount[[row for row in rows.tolist() if row not in own]]
        chances.append((((amounts >= low) & (amounts <= high)).sum() + common) / (len(amounts) + 1))
    return float(np.mean(chances))


def _p_elsewhere(transfers: Transfers, hubs: Int, side: _Side, inside: Bool, tolerance: float) -> float:
    """P(so many like transfers, given one) by the other accounts that have such an amount; 0 where none has it twice.

    A round amount, or the least that is ever paid, is rare in the log and usual at some accounts: its share among their
    other transfers is taken to differ as Beta from account to account.
    """
    low, high = side.amount[inside].min() - tolerance, side.amount[inside].max() + tolerance
    alike = np.flatnonzero((transfers.log_amount >= low) & (transfers.log_amount <= high))
    accounts, n_alike = np.unique(hubs[alike], return_counts=True)
    others = accounts != side.hub
    further = n_alike[others] - 1
    if not further.any():
        return 0.0
    n_all = np.bincount(hubs, minlength=transfers.n_accounts)[accounts[others]]
    a, b = fit_beta_binomial(further, n_all - 1)
    k, n = np.array([inside.sum() - 1]), np.array([len(inside) - 1])
    return float(upper_tail(k, n, np.array([a]), np.array([b]))[0])
