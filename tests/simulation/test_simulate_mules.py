"""Payment mules: money that is paid in by many, paid out by few or goes round, and is soon paid on."""

from dataclasses import replace

import numpy as np
import pytest

from graphdet.errors import NotEnoughData, UsageError
from graphdet.simulation import (
    Campaign,
    Planted,
    RowValues,
    kind,
    organic,
    organic_values,
    plant,
    planted_values,
)
from graphdet.simulation.mules import laps
from graphdet.simulation.row_values import round_limit
from graphdet.tables import GraphArrays

pytestmark = pytest.mark.slow

HOUR_MS = 3_600_000
MULES = ("mule_fan_in", "mule_fan_out", "mule_cycle")
FEE_MOST = 0.03


@pytest.fixture(scope="module")
def payments() -> GraphArrays:
    return organic(2_500, 500, 28, seed=5, kind="payments")


@pytest.fixture(scope="module")
def values(payments: GraphArrays) -> RowValues:
    return organic_values(payments, "payments", 5)


def transfers(planted: Planted, amount: np.ndarray) -> list[tuple[int, str, str, float]]:
    """The planted payments of a campaign that have amounts of their own: (ms, payer, recipient, amount), by time."""
    graph = planted.graph
    rows = np.flatnonzero(np.isfinite(planted.of_limit))
    payer = [graph.user_ids[int(user)].as_py() for user in graph.user_ix[rows]]
    recipient = [graph.item_ids[int(item)].as_py() for item in graph.item_ix[rows]]
    return sorted(zip(graph.at_ms[rows].tolist(), payer, recipient, amount[rows].tolist(), strict=True))


def planted_with(payments: GraphArrays, values: RowValues, campaign: Campaign) -> tuple[Planted, list]:
    planted = plant(payments, [campaign], 3, shared_ids=True)
    amount = planted_values(values, planted, 3).amount
    assert amount is not None
    return planted, transfers(planted, amount)


def test_many_pay_in_to_few_shared_recipients_who_pay_one_collector(
    payments: GraphArrays, values: RowValues
) -> None:
    planted, paid = planted_with(payments, values, kind("mule_fan_in"))
    recipients = {recipient for _, _, recipient, _ in paid}
    passers = {payer for _, payer, _, _ in paid} & recipients
    assert len(recipients) == 5
    assert len(passers) == 4
    (collector,) = recipients - passers
    payers_of = {name: {payer for _, payer, recipient, _ in paid if recipient == name} for name in recipients}
    assert payers_of[collector] == passers
    for name in passers:
        assert len(payers_of[name]) > 20
        assert not payers_of[name] & passers
        assert {recipient for _, payer, recipient, _ in paid if payer == name} == {collector}
    assert planted.campaigns[0].density == pytest.approx(0.8, abs=0.12)


def test_payments_stay_just_below_a_round_limit_of_the_log(payments: GraphArrays, values: RowValues) -> None:
    assert values.amount is not None
    limit = round_limit(values.amount)
    assert limit in (100.0, 200.0, 500.0)
    assert 0.02 < np.mean(values.amount >= limit) < 0.3
    for name in MULES[:2]:
        _, paid = planted_with(payments, values, kind(name))
        both = {payer for _, payer, _, _ in paid} & {recipient for _, _, recipient, _ in paid}
        feeders = {payer for _, payer, recipient, _ in paid if recipient in both}
        parts = [
            amount
            for _, payer, recipient, amount in paid
            if (recipient in both if name == "mule_fan_in" else payer not in feeders)
        ]
        assert len(parts) > 50
        assert 0.9 * limit < min(parts)
        assert max(parts) < limit
        assert all(round(amount, 2) == amount for amount in parts)


def test_what_comes_in_is_paid_on_soon_but_for_a_fee(payments: GraphArrays, values: RowValues) -> None:
    _, paid = planted_with(payments, values, kind("mule_fan_in"))
    passers = {payer for _, payer, _, _ in paid} & {recipient for _, _, recipient, _ in paid}
    for name in passers:
        received = [(at, amount) for at, _, recipient, amount in paid if recipient == name]
        sent = [(at, amount) for at, payer, _, amount in paid if payer == name]
        waits = [min(at - earlier for earlier, _ in received if earlier <= at) for at, _ in sent]
        assert np.median(waits) < 5 * HOUR_MS
        total_in, total_out = sum(amount for _, amount in received), sum(amount for _, amount in sent)
        # All of it is sent on, but for the fee and what comes in at the very end of the log.
        assert total_out < total_in
        assert total_out > 0.85 * total_in


def test_few_pay_out_to_many_what_one_feeds_them(payments: GraphArrays, values: RowValues) -> None:
    planted, paid = planted_with(payments, values, kind("mule_fan_out"))
    fed = {payer for _, payer, _, _ in paid} & {recipient for _, _, recipient, _ in paid}
    (feeder,) = {payer for _, payer, _, _ in paid} - fed
    assert len(fed) == 5
    shared: dict[str, set[str]] = {}
    for name in fed:
        received = [(at, amount) for at, payer, recipient, amount in paid if recipient == name]
        sent = [(at, amount) for at, payer, _, amount in paid if payer == name]
        assert {payer for _, payer, recipient, _ in paid if recipient == name} == {feeder}
        assert sum(a for _, a in sent) <= sum(a for _, a in received)
        assert sum(a for _, a in sent) > (1 - FEE_MOST - 0.001) * sum(a for _, a in received)
        assert min(at for at, _ in received) <= min(at for at, _ in sent)
        for _, payer, recipient, _ in paid:
            if payer == name:
                shared.setdefault(recipient, set()).add(payer)
    assert len(shared) >= planted.campaigns[0].n_targets - 8
    assert np.mean([len(payers) for payers in shared.values()]) > 2.5


def followed(paid: list[tuple[int, str, str, float]], start: int) -> list[str] | None:
    """Follow a sum from payment to payment until it is back where it began; None where it does not come back."""
    _, origin, holder, amount = paid[start]
    at, visited = paid[start][0], [origin]
    while holder != origin:
        visited.append(holder)
        onward = [
            row
            for row in paid
            if row[1] == holder and row[0] >= at and (1 - FEE_MOST) * amount - 0.01 <= row[3] < amount
        ]
        if not onward or len(visited) > 6:
            return None
        at, _, holder, amount = onward[0]
    return visited


def test_cycles_close(payments: GraphArrays, values: RowValues) -> None:
    """Money comes back to who paid first, a little less, through accounts that are both payer and recipient."""
    campaign = replace(kind("mule_cycle"), n_accounts=12, n_targets=12, density=0.25, dwell_s=600.0)
    planted, paid = planted_with(payments, values, campaign)
    assert {payer for _, payer, _, _ in paid} == {recipient for _, _, recipient, _ in paid}
    assert planted.campaigns[0].n_accounts == planted.campaigns[0].n_targets == 12
    assert all(payer != recipient for _, payer, recipient, _ in paid)
    balance = dict.fromkeys((payer for _, payer, _, _ in paid), 0)
    for _, payer, recipient, _ in paid:
        balance[payer] -= 1
        balance[recipient] += 1
    assert sum(abs(n) for n in balance.values()) <= 2  # what is paid twice within a visit is paid at once
    rounds = [followed(paid, start) for start in range(len(paid))]
    closed = [visited for visited in rounds if visited is not None]
    assert len(closed) >= len(paid) // 6  # every lap has one payment that it begins with
    assert all(3 <= len(set(visited)) <= 6 for visited in closed)


@pytest.mark.parametrize("n", [3, 4, 9, 18])
def test_laps_are_closed_and_share_the_payments_evenly(n: int) -> None:
    per_account = max(1, round(0.4 * (n - 1)))
    chosen = laps(n, per_account, np.random.default_rng(n))
    pays = np.zeros((n, n), int)
    for lap in chosen:
        assert 3 <= len(lap) == len(set(lap)) <= 6
        for payer, recipient in zip(lap, lap[1:] + lap[:1], strict=True):
            pays[payer, recipient] += 1
    assert np.array_equal(pays.sum(axis=0), pays.sum(axis=1))
    assert (pays > 0).sum() >= n * per_account
    assert (pays > 0).sum() <= n * per_account + 6


def test_a_mule_has_one_id_where_ids_are_shared_and_two_where_they_are_not(payments: GraphArrays) -> None:
    for campaign in map(kind, MULES):
        planted = plant(payments, [campaign], 1, shared_ids=True)
        graph = planted.graph
        items = np.flatnonzero(planted.user_of_item >= 0)
        assert len(items) >= 4
        users = planted.user_of_item[items]
        assert [graph.item_ids[int(i)].as_py() for i in items] == [
            graph.user_ids[int(u)].as_py() for u in users
        ]
        assert (planted.campaign_of_user[users] == 0).all()
        assert set(items) <= set(planted.targets[0])
        assert len(set(graph.user_ids.to_pylist())) == graph.n_users
        before = set(payments.user_ids.to_pylist()) & set(payments.item_ids.to_pylist())
        after = set(graph.user_ids.to_pylist()) & set(graph.item_ids.to_pylist())
        named = {graph.item_ids[int(i)].as_py() for i in items}
        assert after == before | named  # nobody else became both by chance
    shop = organic(1_500, 400, 28, seed=4, kind="shop")
    planted = plant(shop, [kind("mule_cycle")], 1)
    assert (planted.user_of_item >= 0).sum() == planted.campaigns[0].n_accounts


def test_users_who_also_are_items_keep_their_ids(payments: GraphArrays) -> None:
    items = set(payments.item_ids.to_pylist())
    planted = plant(payments, [kind("tiny"), kind("mule_fan_in")], 2, shared_ids=True)
    back = {
        planted.graph.user_ids[user].as_py(): payments.user_ids[int(source)].as_py()
        for user, source in enumerate(planted.source_user)
        if source >= 0
    }
    both = {old for old in back.values() if old in items}
    assert len(both) > 150
    assert all(new == old for new, old in back.items() if old in both)
    assert sum(new == old for new, old in back.items() if old not in both) < 0.05 * len(back)


@pytest.fixture(scope="module", params=["news", "shop", "payments"])
def base(request: pytest.FixtureRequest) -> tuple[str, GraphArrays]:
    return request.param, organic(1_500, 400, 28, seed=4, kind=request.param)


@pytest.mark.parametrize("name", MULES)
def test_mules_keep_the_contract_of_a_log(base: tuple[str, GraphArrays], name: str) -> None:
    kind_of_log, log = base
    planted = plant(log, [kind(name)], 2, shared_ids=kind_of_log == "payments")
    graph, group = planted.graph, planted.campaigns[0]
    rows = [tuple(row) for row in np.stack([graph.session_ix, graph.item_ix, graph.action_ix], axis=1)[
        planted.planted_edge
    ]]  # fmt: skip
    assert len(rows) == len(set(rows))
    sessions = np.unique(np.stack([graph.session_ix, graph.user_ix]), axis=1)
    assert sessions.shape[1] == graph.n_sessions
    assert log.at_ms.min() <= graph.at_ms.min()
    assert graph.at_ms.max() <= log.at_ms.max()
    assert group.n_accounts == (planted.campaign_of_user == 0).sum()
    acts = np.bincount(graph.user_ix[planted.planted_edge], minlength=graph.n_users)
    assert (acts[planted.campaign_of_user == 0] > 0).all()
    assert group.density == pytest.approx(group.asked.density, abs=0.15)
    assert group.n_clicks > group.n_target_clicks
    assert np.array_equal(log.item_ix[planted.source_edge], graph.item_ix)


def test_mules_repeat(payments: GraphArrays) -> None:
    plan = [kind(name) for name in MULES]
    one, other = (plant(payments, plan, 2, shared_ids=True) for _ in range(2))
    assert np.array_equal(one.graph.at_ms, other.graph.at_ms)
    assert one.graph.user_ids.equals(other.graph.user_ids)
    assert np.array_equal(one.of_limit, other.of_limit, equal_nan=True)


@pytest.mark.parametrize("seed", range(3))
def test_tiny_logs_get_small_flows_or_a_clear_refusal(seed: int) -> None:
    refusals, n_planted = [], 0
    for n_users, n_items, days in ((1, 1, 1), (20, 8, 1), (40, 30, 2), (200, 40, 3)):
        log = organic(n_users, n_items, days, seed, kind="payments")
        for name in MULES:
            try:
                planted = plant(log, [kind(name)], seed, shared_ids=True)
            except NotEnoughData as error:
                refusals.append(str(error))
            else:
                n_planted += 1
                assert planted.campaigns[0].n_target_clicks > 0
    assert all("too small" in refusal for refusal in refusals)
    assert n_planted > 0


def test_money_that_comes_straight_back_is_no_cycle() -> None:
    with pytest.raises(UsageError, match="n_accounts is 2, it must be in 3"):
        replace(kind("mule_cycle"), n_accounts=2)
    with pytest.raises(UsageError, match="flow is 'sideways', it must be one of empty, fan_in"):
        Campaign("x", 5, 5, 0.5, 60.0, flow="sideways")
