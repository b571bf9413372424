"""Forms of payments as findings, with their evidence in words, and what they say of users."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.arrays import Float
from graphdet.errors import UsageError
from graphdet.evaluation.rounding import six
from graphdet.payments.forms import FormKind, Hold, PaymentForm, find_forms, size_evidence
from graphdet.payments.transfers import Transfers, account_rows, sides
from graphdet.ports import EventStore
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingItem, RingMember
from graphdet.rings.rules import rule_words
from graphdet.rings.why.reasons import duration_in_words, two_digits
from graphdet.schema import RECEIVED, SENT
from graphdet.tables import GraphArrays
from graphdet.words import iso, percent, plural

MOST_PAYMENT_LEADS = 100  # forms that are held back, the strongest
SURE_FORM = 0.99  # no form of payments is surer than that
HELD_FORM: dict[Hold, float] = {
    "no_past": 0.25,
    "log_habit": 0.25,
    "q_value": 0.1,
}  # scores below that of any flag


def payment_findings(store: EventStore, graph: GraphArrays, fdr: float) -> tuple[RingFinding, ...]:
    """Forms of payments, flagged ones first; none where a log is not of payments (see transfers_of).

    Their ids are provisional.
    """
    transfers = transfers_of(store, graph)
    if transfers is None:
        return ()
    forms = find_forms(transfers, fdr)
    held = [form for form in forms if form.held_back_by is not None][:MOST_PAYMENT_LEADS]
    told = [form for form in forms if form.held_back_by is None] + held
    names = _names(graph)
    return tuple(
        _finding(form, transfers, names, graph, f"{form.kind}{n}", fdr) for n, form in enumerate(told)
    )


def payment_evidence(store: EventStore, graph: GraphArrays, findings: Sequence[RingFinding]) -> Float | None:
    """What orders users by their payments, in nats, float64[n_users, 2]: their forms, and the size of payments.

    None where the log is not of payments. findings: those of payment_findings among others.
    """
    transfers = transfers_of(store, graph)
    if transfers is None:
        return None
    of_forms = np.zeros(graph.n_users)
    for finding in findings:
        if finding.kind not in get_args(FormKind) or finding.p_value is None:
            continue
        ids = pa.array([member.user_id for member in finding.members], pa.string())
        users = pc.index_in(ids, value_set=graph.user_ids).to_numpy(zero_copy_only=False).astype(np.int64)
        of_forms[users] = np.maximum(of_forms[users], -np.log(max(finding.p_value, 1e-300)))
    return np.column_stack([of_forms, size_evidence(transfers)])


def transfers_of(store: EventStore, graph: GraphArrays) -> Transfers | None:
    """The transfers of a log that has amounts and whose users and items are accounts of one kind; else None.

    They are of one kind where the log says on which side its users stand (a payee in the config makes such logs), or
    where their ids say so, see payments.transfers.account_rows. Acts on items that the graph lacks are left out. A
    store that keeps no events has one transfer for all of a session to one account, of their mean amount.
    """
    if not len(graph.amount):
        return None
    told = {SENT, RECEIVED} <= set(graph.actions)
    accounts = account_rows(graph.user_ids, graph.item_ids, sure=told)
    if accounts is None:
        return None
    try:
        events = store.events()
    except UsageError:
        action = np.array(graph.actions, object)[graph.action_ix]
        acts = sides(
            graph.user_ix.astype(np.int64),
            accounts[graph.item_ix],
            action,
            graph.at_ms,
            graph.amount / graph.n,
        )
    else:
        table = (
            events.select("user_id", "item_id", "action", "at_ms", "amount").collect("pyarrow").to_native()
        )
        user, item = (
            pc.index_in(pc.cast(table[name], pa.string()), value_set=ids).to_numpy().astype(np.int64)
            for name, ids in (("user_id", graph.user_ids), ("item_id", graph.item_ids))
        )
        kept = np.isin(
            user * graph.n_items + item, graph.user_ix.astype(np.int64) * graph.n_items + graph.item_ix
        )
        amount = pc.cast(table["amount"], pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
        action = np.array(table["action"].to_pylist(), object)
        at_ms = table["at_ms"].to_numpy().astype(np.int64)
        acts = sides(user[kept], accounts[item[kept]], action[kept], at_ms[kept], amount[kept])
    n_accounts = max(graph.n_users, int(accounts.max(initial=-1)) + 1)
    return Transfers.of(*acts, graph.n_users, n_accounts)


def _names(graph: GraphArrays) -> list[str]:
    """The id of each account, in their order (see Transfers)."""
    known = pc.is_in(graph.item_ids, value_set=graph.user_ids)
    return [*graph.user_ids.to_pylist(), *graph.item_ids.filter(pc.invert(known)).to_pylist()]


def _finding(
    form: PaymentForm,
    transfers: Transfers,
    names: Sequence[str],
    graph: GraphArrays,
    ring_id: str,
    fdr: float,
) -> RingFinding:
    held = form.held_back_by
    score = min(1 - form.q_value, SURE_FORM) if held is None else HELD_FORM[held]
    chance = 0.0 if form.kind == "cycle" else min(max(form.expected - 1, 0.0) / len(form.rows), 1.0)
    numbers = _numbers(form, transfers) | {"fdr": fdr}
    first = Reason(form.kind, _words(form, numbers), -float(np.log(max(form.p_value, 1e-300))), dict(numbers))
    rules = () if held is None else (Reason(held, rule_words(held, numbers), numbers=numbers),)
    users = [names[account] for account in form.accounts.tolist() if account < transfers.n_users]
    did = {
        names[account]: (_what_it_did(account, form, transfers),)
        for account in form.accounts.tolist()
        if account < transfers.n_users
    }
    items = _items(form, transfers, names)
    first_ms, last_ms = transfers.at_ms[form.rows].min(), transfers.at_ms[form.rows].max()
    return RingFinding(
        ring_id=ring_id,
        n_users=len(users),
        n_items=len(items),
        score=six(score),
        p_value=six(form.p_value),
        q_value=six(form.q_value),
        flagged=held is None,
        first_seen=iso(first_ms) if graph.timed else None,
        last_seen=iso(last_ms) if graph.timed else None,
        reason=first.text,
        explanation=Explanation(numbers, (first,), _against(form), did, held_back=rules),
        members=tuple(RingMember(user, six(score * (1 - chance))) for user in users),
        items=items,
        kind=form.kind,
    )


def _items(form: PaymentForm, transfers: Transfers, names: Sequence[str]) -> tuple[RingItem, ...]:
    """The accounts that are paid, those by most others first; lift: payers beside those that would be expected."""
    pairs = np.unique(np.column_stack([transfers.payee[form.rows], transfers.payer[form.rows]]), axis=0)
    payees, n_payers = np.unique(pairs[:, 0], return_counts=True)
    lift = len(form.rows) / max(form.expected, 1e-9)
    order = np.lexsort((payees, -n_payers))
    return tuple(RingItem(names[payees[row]], int(n_payers[row]), six(lift)) for row in order.tolist())


def _numbers(form: PaymentForm, transfers: Transfers) -> dict[str, float]:
    amounts = np.exp(transfers.log_amount[form.rows])
    at = transfers.at_ms[form.rows]
    numbers = {
        "payments": float(len(form.rows)),
        "payments_of_account": float(form.n_all),
        "payments_expected": six(form.expected),
        "least_amount": round(float(amounts.min()), 2),
        "most_amount": round(float(amounts.max()), 2),
        "payment_span_s": float(at.max() - at.min()) / 1000,
        "q_value": six(form.q_value),
    }
    if form.kind == "gather_scatter":
        out = transfers.payer[form.rows] == form.hub
        numbers |= {
            "paid_in_by": float(len(np.unique(transfers.payer[form.rows][~out]))),
            "paid_out_to": float(len(np.unique(transfers.payee[form.rows][out]))),
            "passed_on": six(float(amounts[out].sum() / amounts[~out].sum())),
        }
    return numbers


def _words(form: PaymentForm, numbers: Mapping[str, float]) -> str:
    low, high = numbers["least_amount"], numbers["most_amount"]
    amount = f"{high:,.2f}" if high - low < 0.01 else f"{low:,.2f} to {high:,.2f}"
    span = numbers["payment_span_s"]
    within = f" within {duration_in_words(span)}" if span > 0 else ""
    expected = two_digits(form.expected)
    others = plural(len(form.accounts) - 1, "account")
    past = f"{expected} would be expected by its other payments and the habits of this log"
    if form.kind == "fan_in":
        return f"{others} pay {amount} each to one account{within}, where {past}."
    if form.kind == "fan_out":
        return f"One account pays {amount} each to {others}{within}, where {past}."
    if form.kind == "gather_scatter":
        n_in, n_out = plural(numbers["paid_in_by"], "account"), plural(numbers["paid_out_to"], "account")
        share = percent(numbers["passed_on"])
        return (
            f"{n_in} pay like amounts into one account, and it pays like amounts on to {n_out}{within}, "
            f"{share} of what came in."
        )
    if form.kind == "repeated_pairs":
        times = plural(len(form.rows), "payment")
        return f"One account makes {times} of its {form.n_all} to one other{within}, where {past}."
    rounds = two_digits(form.expected)
    return (
        f"{amount} goes round through {plural(len(form.accounts), 'account')} and back{within}, where {rounds} such "
        f"rounds would be expected in the whole log."
    )


def _what_it_did(account: int, form: PaymentForm, transfers: Transfers) -> Reason:
    paid = int((transfers.payer[form.rows] == account).sum())
    got = int((transfers.payee[form.rows] == account).sum())
    did = [f"{verb} {plural(n, 'payment')}" for verb, n in (("makes", paid), ("gets", got)) if n]
    return Reason(form.kind, f"{' and '.join(did)} of it", numbers={"paid": paid, "got": got})


_INNOCENT: dict[str, str] = {
    "fan_in": "Who collects fees, rents or money for a gift is paid one amount by many too.",
    "fan_out": "Who pays wages, refunds or shares pays one amount to many too.",
    "gather_scatter": "Who collects money for others and hands it out looks the same.",
    "repeated_pairs": "Rent, instalments and wages are paid to one account again and again.",
    "cycle": "Friends or firms that settle debts with each other may pay one amount round.",
}


def _against(form: PaymentForm) -> tuple[Reason, ...]:
    """What speaks against a form whatever it looks like."""
    return (Reason("ordinary_payments", _INNOCENT[form.kind]),)
