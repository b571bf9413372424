"""Forms of payments that are found in a log, and which of them are beyond its habits."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import chi2

from graphdet.arrays import Float, Int
from graphdet.evaluation.tails import benjamini_hochberg
from graphdet.payments.cycles import Cycle, find_cycles
from graphdet.payments.fans import Fan, find_fans
from graphdet.payments.habits import tail_of_others
from graphdet.payments.repeats import find_repeated_pairs
from graphdet.payments.transfers import Transfers

FormKind = Literal["cycle", "fan_in", "fan_out", "gather_scatter", "repeated_pairs"]
Hold = Literal["no_past", "log_habit", "q_value"]

FORM_WORTH_A_LOOK, MOST_Q_VALUE = (
    0.01,
    0.5,
)  # p- and q-value up to which a form is a lead though it is not flagged
LEAST_ELSE = 0.5  # transfers of an account outside a group, in shares of the group, that make a past
PASSED_ON = (0.8, 1.05)  # of what came in, where an account passes it on
SAME_CYCLE = 2  # accounts that two cycles share when they are one finding
STEPS = 4  # times that the progress of find_forms is called


@dataclass(frozen=True)
class PaymentForm:
    """One form of payments.

    hub: the account that pays or is paid by the others, −1 in a cycle. accounts: all accounts, the hub first, in a
    cycle in the order of the money. rows: of Transfers. n_all: transfers of the hub on that side. expected: so many of
    the group would be by its habits. p_value: by its accounts' habits and by the log's. q_value: among the accounts of
    the log that were tested for this kind. held_back_by: None where it is flagged.
    """

    kind: FormKind
    hub: int
    accounts: Int
    rows: Int
    n_all: int
    expected: float
    p_value: float
    q_value: float = 1.0
    held_back_by: Hold | None = None


def find_forms(transfers: Transfers, fdr: float, step: Callable[[], None] | None = None) -> list[PaymentForm]:
    """All forms that are flagged or worth a look; flagged ones first, then the least likely first.

    Flagged are those with q ≤ fdr, by Benjamini and Hochberg among the tested accounts (cycles: payments) of the log.
    Before that the p-value of an account's form is held against those of all other accounts, and an account that hardly
    does anything else has no past that it could be held against.
    """
    say = step or (lambda: None)
    fans: dict[FormKind, tuple[list[Fan], int]] = {}
    fans["fan_in"] = find_fans(transfers, inward=True)
    say()
    fans["fan_out"] = find_fans(transfers, inward=False)
    say()
    found: list[PaymentForm] = []
    passed = _passed_on(transfers, fans["fan_in"][0], fans["fan_out"][0])
    found += _judged(passed, min(fans["fan_in"][1], fans["fan_out"][1]), fdr)
    both = {form.hub for form in found if form.held_back_by is None}
    for kind, (some, n_tested) in fans.items():
        forms = [_of_fan(transfers, kind, fan) for fan in some]
        found += [form for form in _judged(forms, n_tested, fdr) if form.hub not in both]
    found += _cycle_forms(transfers, find_cycles(transfers), fdr)
    say()
    pairs, n_payers = find_repeated_pairs(transfers)
    forms = [
        PaymentForm(
            "repeated_pairs",
            int(transfers.payer[pair.rows[0]]),
            np.array([transfers.payer[pair.rows[0]], transfers.payee[pair.rows[0]]]),
            pair.rows,
            pair.n_all,
            pair.expected,
            pair.p_value,
        )
        for pair in pairs
    ]
    found += _judged(forms, n_payers, fdr)
    say()
    told = [form for form in found if form.held_back_by is None or _worth_a_look(form)]
    return sorted(told, key=lambda form: (form.held_back_by is not None, form.p_value, form.kind, form.hub))


def _worth_a_look(form: PaymentForm) -> bool:
    """Whether a form that is not flagged is a lead."""
    return form.p_value <= FORM_WORTH_A_LOOK and form.q_value <= MOST_Q_VALUE


def _of_fan(transfers: Transfers, kind: FormKind, fan: Fan) -> PaymentForm:
    others = transfers.payer if kind == "fan_in" else transfers.payee
    accounts = np.append(fan.hub, _distinct(others[fan.rows]))
    return PaymentForm(kind, fan.hub, accounts, fan.rows, fan.n_all, fan.expected, fan.p_value)


def _distinct(accounts: Int) -> Int:
    """Each once, in the order of the first time."""
    return accounts[np.sort(np.unique(accounts, return_index=True)[1])]


def _passed_on(transfers: Transfers, inward: Iterable[Fan], outward: Iterable[Fan]) -> list[PaymentForm]:
    """Accounts that many pay like amounts and that then pay like amounts to many, about as much in all."""
    paying = {fan.hub: fan for fan in outward}
    forms = []
    for fan in inward:
        out = paying.get(fan.hub)
        if out is None:
            continue
        share = float(
            np.exp(transfers.log_amount[out.rows]).sum() / np.exp(transfers.log_amount[fan.rows]).sum()
        )
        later = np.median(transfers.at_ms[out.rows]) >= np.median(transfers.at_ms[fan.rows])
        if not (PASSED_ON[0] <= share <= PASSED_ON[1] and later):
            continue
        gathered = _distinct(transfers.payer[fan.rows])
        accounts = _distinct(np.concatenate([[fan.hub], gathered, transfers.payee[out.rows]]))
        # Fisher's: two independent p-values, of what comes in and of what goes out.
        p = float(chi2.sf(-2 * np.log(max(fan.p_value, 1e-300)) - 2 * np.log(max(out.p_value, 1e-300)), 4))
        rows = np.concatenate([fan.rows, out.rows])
        expected, n_all = fan.expected + out.expected, fan.n_all + out.n_all
        forms.append(PaymentForm("gather_scatter", fan.hub, accounts, rows, n_all, expected, p))
    return forms


def _judged(forms: list[PaymentForm], n_tested: int, fdr: float) -> list[PaymentForm]:
    """Forms of one kind, at most one an account, with q-values and what holds them back."""
    own = np.ones(max(n_tested, len(forms)))
    own[: len(forms)] = [form.p_value for form in forms]
    tail = tail_of_others(own)
    alone, q = benjamini_hochberg(own), benjamini_hochberg(tail)
    out = []
    for form, p, by_itself, among in zip(forms, tail, alone, q, strict=False):
        hold: Hold | None = None
        if by_itself > fdr:
            hold = "q_value"
        elif form.n_all < (1 + LEAST_ELSE) * len(form.rows):
            hold = "no_past"
        elif among > fdr:
            hold = "log_habit"
        q_value = float(max(by_itself, among))
        out.append(replace(form, p_value=float(p), q_value=q_value, held_back_by=hold))
    return out


def _cycle_forms(transfers: Transfers, cycles: list[Cycle], fdr: float) -> list[PaymentForm]:
    """Cycles that share accounts are one form, with the p-value of the strongest."""
    joined: list[tuple[Cycle, set[int], Int]] = []
    for cycle in cycles:
        payers = set(transfers.payer[cycle.rows].tolist())
        at = next((at for at, (_, known, _) in enumerate(joined) if len(known & payers) >= SAME_CYCLE), None)
        if at is None:
            joined.append((cycle, payers, cycle.rows))
        elif cycle.p_value <= FORM_WORTH_A_LOOK:
            first, known, rows = joined[at]
            joined[at] = (first, known | payers, _distinct(np.concatenate([rows, cycle.rows])))
    p = np.ones(max(len(transfers), len(joined)))
    p[: len(joined)] = [cycle.p_value for cycle, _, _ in joined]
    q = benjamini_hochberg(p)
    forms = []
    for (cycle, _, rows), value in zip(joined, q, strict=False):
        accounts = _distinct(transfers.payer[rows])
        hold: Hold | None = None if value <= fdr else "q_value"
        chance = cycle.p_value * len(transfers)
        forms.append(
            PaymentForm("cycle", -1, accounts, rows, len(rows), chance, cycle.p_value, float(value), hold)
        )
    return forms


def size_evidence(transfers: Transfers) -> Float:
    """−ln of the chance that so many payments as each user makes and gets have one as large, float64[n_users].

    By the amounts of the log; 0 for users without any.
    """
    n, most = np.zeros(transfers.n_accounts), np.full(transfers.n_accounts, -np.inf)
    for side in (transfers.payer, transfers.payee):
        n += np.bincount(side, minlength=transfers.n_accounts)
        np.maximum.at(most, side, transfers.log_amount)
    above = len(transfers) - np.searchsorted(transfers.sorted_amounts, most)
    share = np.minimum(above / max(len(transfers), 1), 1 - 1e-12)
    chance = np.where(n > 0, -np.expm1(n * np.log1p(-share)), 1.0)
    return np.asarray(-np.log(np.clip(chance, 1e-300, 1.0))[: transfers.n_users])
