"""Which forms of payments are found, which are flagged, and what holds the others back."""

import numpy as np
import pyarrow as pa
import pytest

from graphdet.arrays import Float, Int
from graphdet.payments.forms import PaymentForm, find_forms, size_evidence
from graphdet.payments.transfers import Transfers, account_rows, sides

DAY_MS = 86_400_000
N, PER, DAYS = 200, 25, 365  # accounts, payments of each, days


class Log:
    """Payments of any amount from anybody to anybody; more can be added."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.payer = np.repeat(np.arange(N), PER)
        self.payee = (self.payer + rng.integers(1, N, len(self.payer))) % N
        self.at = rng.integers(0, DAYS * DAY_MS, len(self.payer))
        self.amount = rng.lognormal(5, 1, len(self.payer)).round(2)

    def add(
        self, payer: Int | list[int], payee: Int | list[int], day: Float | list[float], amount: Float
    ) -> "Log":
        """More payments; one value stands for all."""
        n = max(np.size(payer), np.size(payee))
        for name, value in (("payer", payer), ("payee", payee), ("amount", amount)):
            setattr(self, name, np.append(getattr(self, name), np.broadcast_to(value, n)))
        self.at = np.append(self.at, np.broadcast_to((np.asarray(day) * DAY_MS).astype(np.int64), n))
        return self

    def transfers(self, order: Int | None = None, unit: float = 1.0) -> Transfers:
        """The payments, in another order or currency."""
        rows = np.arange(len(self.payer)) if order is None else order
        return Transfers.of(self.payer[rows], self.payee[rows], self.at[rows], self.amount[rows] * unit, N, N)

    def forms(self) -> list[PaymentForm]:
        """What is found at 5 %."""
        return find_forms(self.transfers(), 0.05)

    def flagged(self) -> list[PaymentForm]:
        """Those that are flagged."""
        return [form for form in self.forms() if form.held_back_by is None]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_flagged_where_nothing_is(seed: int) -> None:
    assert Log(seed).flagged() == []


@pytest.mark.parametrize("inward", [True, False])
def test_one_amount_between_an_account_and_many_others_is_a_fan(inward: bool) -> None:
    others = np.arange(50, 62)
    log = Log(1)
    log.add(others, [7], [30.0], [234.08]) if inward else log.add([7], others, [30.0], [234.08])
    (form,) = log.flagged()
    assert form.kind == ("fan_in" if inward else "fan_out")
    assert (form.hub, form.accounts.tolist()) == (7, [7, *others.tolist()])
    assert len(form.rows) == 12
    assert form.expected < 1.2


def test_a_larger_fan_stays_flagged_and_is_less_likely() -> None:
    found = [Log(1).add(np.arange(50, 50 + n), [7], [30.0], [234.08]).forms()[0] for n in (10, 12, 14)]
    assert [(form.kind, form.held_back_by) for form in found] == [("fan_in", None)] * 3
    assert found[0].q_value >= found[1].q_value >= found[2].q_value


@pytest.mark.parametrize(("n_else", "held"), [(0, []), (9, ["no_past"]), (25, [None])])
def test_an_account_that_hardly_gets_anything_else_has_no_past(n_else: int, held: list[str | None]) -> None:
    log = Log(1)
    others = np.flatnonzero(log.payee == 7)
    log.payee[others[n_else:]] = 8
    log.add(np.arange(50, 80), [7], [30.0], [234.08])
    assert [form.held_back_by for form in log.forms() if form.hub == 7] == held


@pytest.mark.parametrize(("n_shops", "held"), [(2, {None}), (9, {"log_habit"}), (30, set())])
def test_what_many_accounts_of_a_log_do_is_its_habit(n_shops: int, held: set[str | None]) -> None:
    log = Log(1)
    for shop in range(n_shops):  # one price each, beside what they are else paid
        log.add(log.rng.choice(np.arange(30, N), 12, replace=False), [shop], [30.0], [20.0 + shop])
    assert {form.held_back_by for form in log.forms() if form.kind == "fan_in"} == held


def test_an_amount_that_other_accounts_get_often_too_is_no_fan() -> None:
    log = Log(1)
    for account in range(20):  # some get the least amount often, some seldom
        n = 2 + account % 8
        log.add(log.rng.choice(np.arange(30, N), n, replace=False), [account], [30.0], [10.0])
    log.add(np.arange(50, 64), [21], [30.0], [10.0])
    assert log.flagged() == []
    assert [form.hub for form in log.add(np.arange(70, 84), [22], [30.0], [11.37]).flagged()] == [22]


def test_payments_that_go_round_are_a_cycle_with_or_without_order() -> None:
    ring = np.array([3, 90, 17, 140, 66])
    for days in ([100.0, 100.5, 101.0, 101.5, 102.0], [101.0, 100.0, 102.0, 100.5, 101.5]):
        log = Log(1).add(ring, np.roll(ring, -1), days, np.array([9990.0, 9985.0, 9995.0, 9992.0, 9991.0]))
        (form,) = log.flagged()
        assert form.kind == "cycle"
        assert sorted(form.accounts.tolist()) == sorted(ring.tolist())
        place = [ring.tolist().index(account) for account in form.accounts.tolist()]
        assert set(np.diff(place) % 5) == {1}  # in the order in which the money goes


def test_a_cycle_of_amounts_that_differ_is_none() -> None:
    ring = np.array([3, 90, 17, 140, 66])
    log = Log(1).add(ring, np.roll(ring, -1), [100.0], np.array([9990.0, 200.0, 5000.0, 31.0, 800.0]))
    assert log.flagged() == []


def test_what_an_account_gathers_and_scatters_is_one_finding() -> None:
    log = Log(1)
    log.add(np.arange(50, 60), [7], [30.0], [500.0]).add([7], np.arange(60, 72), [33.0], [410.0])
    (form,) = log.flagged()
    assert (form.kind, form.hub) == ("gather_scatter", 7)
    assert sorted(form.accounts.tolist()) == [7, *range(50, 72)]


def test_one_payee_again_and_again_is_held_against_what_the_log_does() -> None:
    alone = Log(1).add([7] * 14, [8], np.arange(14.0) * 20, np.arange(14.0) + 100)
    (form,) = alone.flagged()
    assert (form.kind, form.accounts.tolist()) == ("repeated_pairs", [7, 8])
    usual = Log(1)
    for payer in range(0, 60):
        usual.add([payer] * 14, [payer + 100], np.arange(14.0) * 20, np.arange(14.0) + 100)
    assert usual.flagged() == []


def test_order_and_currency_of_a_log_change_nothing() -> None:
    log = Log(2).add(np.arange(50, 62), [7], [30.0], [234.08])
    plain = find_forms(log.transfers(), 0.05)
    mixed = find_forms(log.transfers(log.rng.permutation(len(log.payer)), 7.5), 0.05)
    for a, b in zip(plain, mixed, strict=True):
        assert (a.kind, a.accounts.tolist(), a.held_back_by) == (b.kind, b.accounts.tolist(), b.held_back_by)
        assert a.p_value == pytest.approx(b.p_value)


def test_the_largest_payments_are_the_rarest() -> None:
    log = Log(1).add([100], [101], [50.0], [9e5])
    rare = size_evidence(log.transfers())
    assert set(np.argsort(-rare)[:2].tolist()) == {100, 101}
    assert rare[100] == pytest.approx(
        -np.log(1 - (1 - 1 / len(log.payer)) ** (log.payer == 100).sum()), abs=1.0
    )
    assert np.median(rare) < 1.5


def test_few_transfers_are_no_error() -> None:
    nothing = np.zeros(0, np.int64)
    assert find_forms(Transfers.of(nothing, nothing, nothing, np.zeros(0), 0, 0), 0.05) == []
    one = np.zeros(1, np.int64)
    assert find_forms(Transfers.of(one, one + 1, one, np.ones(1), 2, 2), 0.05) == []


def test_items_are_accounts_only_where_ids_are_names_of_one_space() -> None:
    accounts = account_rows(pa.array(["a1", "a2", "a3"]), pa.array(["a2", "a3", "b1"]))
    assert accounts is not None
    assert accounts.tolist() == [1, 2, 3]
    assert account_rows(pa.array(["u1", "u2"]), pa.array(["i1", "i2"])) is None
    numbers = pa.array(["1", "2"])
    assert account_rows(numbers, numbers) is None
    assert account_rows(numbers, numbers, sure=True) is not None
    assert (
        account_rows(pa.array([f"a{n}" for n in range(99)]), pa.array(["a1", *(f"b{n}" for n in range(98))]))
        is None
    )


def test_a_transfer_that_both_sides_tell_is_one() -> None:
    user, other = np.array([0, 1, 0, 1, 5, 0]), np.array([1, 0, 1, 0, 0, 1])
    action = np.array(["sent", "received", "sent", "received", "received", "sent"], object)
    at, amount = np.array([5, 5, 5, 5, 6, 7]), np.array([1.0, 1.0, 1.0, 1.0, 2.0, np.nan])
    payer, payee, when, value = sides(user, other, action, at, amount)
    assert list(zip(payer.tolist(), payee.tolist(), when.tolist(), strict=True)) == [
        (0, 1, 5),
        (0, 1, 5),
        (0, 5, 6),
        (0, 1, 7),
    ]
    assert value[:3].tolist() == [1.0, 1.0, 2.0]
