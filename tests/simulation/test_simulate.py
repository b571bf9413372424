"""Organic logs, planted campaigns and hard innocents: the truth is true, and nothing of the log is lost."""

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from graphdet.errors import NotEnoughData, UsageError
from graphdet.simulation import (
    CAMPAIGN_KINDS,
    INNOCENT_KINDS,
    LEVELS,
    TRAINED_KINDS,
    Campaign,
    Planted,
    benchmark_plan,
    campaign_of_level,
    innocent,
    innocent_plan,
    kind,
    organic,
    plant,
    training_plan,
)
from graphdet.simulation import walks as transitions
from graphdet.simulation.profile import profile_log
from graphdet.tables import GraphArrays

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["news", "shop"])
def log(request: pytest.FixtureRequest) -> GraphArrays:
    return organic(5_000, 1_000, 21, seed=3, kind=request.param)


@pytest.fixture(scope="module")
def planted(log: GraphArrays) -> Planted:
    return plant(log, benchmark_plan(1), 1, innocent_plan(1))


def same(a: GraphArrays, b: GraphArrays) -> bool:
    arrays = ("user_ix", "item_ix", "session_ix", "action_ix", "at_ms", "n", "entity_user_ix", "entity_ix")
    ids = ("user_ids", "item_ids", "session_ids", "entity_ids", "entity_kinds")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and all(
        getattr(a, name).equals(getattr(b, name)) for name in ids
    )


def is_sorted_as_promised(graph: GraphArrays) -> bool:
    order = np.lexsort((graph.action_ix, graph.session_ix, graph.item_ix, graph.at_ms, graph.user_ix))
    ids_sorted = all(
        ids.to_pylist() == sorted(set(ids.to_pylist()))
        for ids in (graph.user_ids, graph.item_ids, graph.session_ids)
    )
    return ids_sorted and np.array_equal(order, np.arange(graph.n_edges))


def test_an_organic_log_keeps_the_contract_and_repeats(log: GraphArrays) -> None:
    assert is_sorted_as_promised(log)
    again = organic(5_000, 1_000, 21, seed=3, kind="shop" if len(log.actions) > 1 else "news")
    assert same(log, again)
    assert not same(log, organic(5_000, 1_000, 21, seed=4, kind="shop" if len(log.actions) > 1 else "news"))
    owners = np.unique(np.stack([log.session_ix, log.user_ix]), axis=1)
    assert owners.shape[1] == log.n_sessions  # a session has one user


def test_an_organic_log_is_heavy_tailed_and_has_days_and_nights(log: GraphArrays) -> None:
    clicks = np.sort(np.bincount(log.user_ix))[::-1]
    assert clicks[: len(clicks) // 100].sum() > 0.04 * clicks.sum()
    views = np.sort(np.bincount(log.item_ix))[::-1]
    assert views[: len(views) // 100].sum() > 0.08 * views.sum()
    hour = np.bincount(log.at_ms // 3_600_000 % 24, minlength=24)
    assert hour[10:22].mean() > 2 * hour[2:6].mean()


def test_news_is_forgotten_and_a_shop_is_not() -> None:
    def share_of_first_two_days(graph: GraphArrays) -> float:
        late = graph.at_ms > graph.at_ms.min() + 5 * 86_400_000
        first = np.full(graph.n_items, np.iinfo(np.int64).max)
        np.minimum.at(first, graph.item_ix, graph.at_ms)
        young = graph.at_ms - first[graph.item_ix] < 2 * 86_400_000
        return float(young[late].mean())

    assert share_of_first_two_days(organic(3_000, 600, 21)) > 0.4
    assert share_of_first_two_days(organic(3_000, 600, 21, kind="shop")) < 0.15


def test_users_share_tastes() -> None:
    """What half of the users read together the others do, too, beyond popularity and the hour of the news."""
    graph = organic(4_000, 800, 20, seed=1)
    in_time = np.argsort(graph.at_ms, kind="stable")
    rng = np.random.default_rng(0)
    shuffled = graph.user_ix.copy()
    for rows in np.array_split(in_time, 20 * 24):
        shuffled[rows] = rng.permutation(shuffled[rows])
    assert agreement(graph, graph.user_ix) > agreement(graph, shuffled) + 0.1


def agreement(graph: GraphArrays, user_ix: np.ndarray) -> float:
    seen = np.zeros((graph.n_users, graph.n_items), np.float32)
    seen[user_ix, graph.item_ix] = 1
    half = graph.n_users // 2
    one, other = seen[:half].T @ seen[:half], seen[half:].T @ seen[half:]
    expected = np.outer(seen.mean(axis=0), seen.mean(axis=0)) * half
    upper = np.triu_indices(graph.n_items, 1)
    often = expected[upper] > 2
    lift_one, lift_other = (np.log1p(m[upper][often]) - np.log(expected[upper][often]) for m in (one, other))
    return float(np.corrcoef(lift_one, lift_other)[0, 1])


def test_planting_loses_nothing_of_the_log(log: GraphArrays, planted: Planted) -> None:
    """The organic rows come out as they went in, user for user, but for the ids."""
    graph = planted.graph
    assert is_sorted_as_promised(graph)
    kept = ~planted.planted_edge
    assert kept.sum() == log.n_edges
    back = planted.source_user[graph.user_ix[kept]]
    for name in ("item_ix", "at_ms", "action_ix", "n"):
        mine, theirs = getattr(graph, name)[kept], getattr(log, name)
        order = np.lexsort((graph.action_ix[kept], graph.item_ix[kept], graph.at_ms[kept], back))
        base = np.lexsort((log.action_ix, log.item_ix, log.at_ms, log.user_ix))
        assert np.array_equal(mine[order], theirs[base])
    sessions = np.unique(np.stack([graph.session_ix, graph.user_ix]), axis=1)
    assert sessions.shape[1] == graph.n_sessions


def test_the_truth_is_what_was_planted(planted: Planted) -> None:
    assert len(planted.campaigns) == 10
    graph = planted.graph
    for number, (group, targets) in enumerate(zip(planted.campaigns, planted.targets, strict=True)):
        members = planted.campaign_of_user == number
        assert members.sum() == group.n_accounts
        assert (planted.hijacked & members).sum() == group.n_hijacked
        assert group.density == pytest.approx(group.asked.density, abs=0.15)
        on_target = members[graph.user_ix] & np.isin(graph.item_ix, targets) & planted.planted_edge
        assert on_target.sum() == group.n_target_clicks
        assert on_target.sum() > 2 * len(targets)
        assert (group.end_ms - group.start_ms) / 1000 < 1.3 * group.asked.window_s + 12 * 3600
    together = np.concatenate([*planted.targets, *planted.innocent_targets])
    assert len(together) == len(set(together.tolist()))
    assert not ((planted.campaign_of_user >= 0) & (planted.innocent_of_user >= 0)).any()
    fresh = planted.source_user < 0
    assert not planted.planted_edge[~np.isin(graph.user_ix, np.flatnonzero(
        fresh | (planted.campaign_of_user >= 0) | (planted.innocent_of_user >= 0)
    ))].any()  # fmt: skip


def test_targets_are_clicked_while_they_live(log: GraphArrays, planted: Planted) -> None:
    first = np.full(log.n_items, np.iinfo(np.int64).max)
    last = np.zeros(log.n_items, np.int64)
    np.minimum.at(first, log.item_ix, log.at_ms)
    np.maximum.at(last, log.item_ix, log.at_ms)
    graph = planted.graph
    rows = planted.planted_edge & np.isin(graph.item_ix, np.concatenate(planted.targets))
    at, item = graph.at_ms[rows], graph.item_ix[rows]
    early, late = first[item] - at, at - last[item]
    assert np.mean(early > 3_600_000) < 0.03
    assert np.mean(late > 86_400_000) < 0.03


def test_planting_repeats_and_needs_no_campaign(log: GraphArrays) -> None:
    plan = [kind("tiny"), kind("hijack")]
    assert same(plant(log, plan, 7).graph, plant(log, plan, 7).graph)
    assert not same(plant(log, plan, 7).graph, plant(log, plan, 8).graph)
    alone = plant(log, [], 7)
    assert alone.graph.n_edges == log.n_edges
    assert (alone.campaign_of_user == -1).all()
    assert sorted(alone.source_user.tolist()) == list(range(log.n_users))


@pytest.fixture(scope="module")
def month() -> GraphArrays:
    return organic(4_000, 800, 28, seed=2)


@pytest.mark.parametrize("name", CAMPAIGN_KINDS)
def test_every_kind_looks_like_itself(month: GraphArrays, name: str) -> None:
    log, planted = month, plant(month, [kind(name)], 5)
    group, graph = planted.campaigns[0], planted.graph
    rows = planted.planted_edge & np.isin(graph.item_ix, planted.targets[0])
    hours = (group.end_ms - group.start_ms) / 3_600_000
    if name in ("burst", "throwaway", "disposable"):
        assert hours < 6
        sessions = np.unique(np.stack([graph.user_ix[rows], graph.session_ix[rows]]), axis=1)
        assert sessions.shape[1] < 1.3 * group.n_accounts
    if name == "slow":
        assert hours > 14 * 24
    if name == "hijack":
        assert group.n_hijacked > 0.7 * group.n_accounts
        own = ~planted.planted_edge & planted.hijacked[graph.user_ix]
        assert own.sum() >= 2 * group.n_hijacked
    if name in ("throwaway", "disposable"):
        assert group.n_targets == 1
    if name == "disposable":
        assert group.n_clicks == group.n_target_clicks == group.n_accounts
    if name == "coattail":
        views = np.bincount(log.item_ix, minlength=log.n_items)
        hot = views >= np.sort(views)[-log.n_items // 8]
        with_target = np.unique(graph.session_ix[rows])
        beside = np.isin(graph.session_ix, with_target) & ~np.isin(graph.item_ix, planted.targets[0])
        with_hot = np.unique(graph.session_ix[beside & hot[graph.item_ix]])
        assert len(with_hot) > 0.8 * len(with_target)


def test_shared_devices_and_addresses_are_planted_only_where_the_log_has_some() -> None:
    log = organic(3_000, 500, 14, seed=2)
    campaign = Campaign("farm", 30, 6, 0.8, 86_400.0, camouflage=1.0, shared_device_share=1.0)
    planted = plant(log, [campaign], 1)
    members = np.flatnonzero(planted.campaign_of_user == 0)
    graph = planted.graph
    mine = np.isin(graph.entity_user_ix, members)
    kinds = np.array(graph.entity_kinds.to_pylist())
    shared = np.bincount(graph.entity_ix[mine & (kinds[graph.entity_ix] == "device")])
    assert shared.max() == 30
    pairs = list(zip(graph.entity_kinds.to_pylist(), graph.entity_ids.to_pylist(), strict=True))
    assert pairs == sorted(set(pairs))
    bare = GraphArrays(
        log.user_ids, log.item_ids, log.session_ids, log.actions, log.user_ix, log.item_ix,
        log.session_ix, log.action_ix, log.at_ms, log.n,
    )  # fmt: skip
    assert len(plant(bare, [campaign], 1).graph.entity_ids) == 0


@cache
def small_log() -> GraphArrays:
    return organic(2_000, 400, 14, seed=2)


def renamed(log: GraphArrays, user_ids: list[str]) -> GraphArrays:
    """The same log under other user ids, given in byte order."""
    return GraphArrays(
        pa.array(user_ids), log.item_ids, log.session_ids, log.actions, log.user_ix, log.item_ix,
        log.session_ix, log.action_ix, log.at_ms, log.n,
    )  # fmt: skip


@pytest.mark.parametrize("shape", ["user-{:06d}@mail.example", "{:08x}", "Ünï {:05d} 🦊"])
def test_new_ids_look_like_old_ones(shape: str) -> None:
    log = small_log()
    log = renamed(log, sorted(shape.format(k * 37 + 11) for k in range(log.n_users)))
    planted = plant(log, [kind("camouflage")], 3)
    ids = planted.graph.user_ids.to_pylist()
    assert ids == sorted(set(ids), key=str.encode)
    assert {len(text) for text in ids} == {len(text) for text in log.user_ids.to_pylist()}
    assert set(log.user_ids.to_pylist()) <= set(ids)
    fresh = np.flatnonzero(planted.source_user < 0)
    old_ids = set(log.user_ids.to_pylist())
    with_old_id = sum(ids[k] in old_ids for k in fresh)
    assert with_old_id > 0.5 * len(fresh)  # ids are dealt out to old and new alike


def test_time_resolution_is_kept() -> None:
    log = small_log()
    minute = GraphArrays(
        log.user_ids, log.item_ids, log.session_ids, log.actions, log.user_ix, log.item_ix,
        log.session_ix, log.action_ix, log.at_ms // 60_000 * 60_000, log.n,
    )  # fmt: skip
    planted = plant(minute, [kind("burst"), kind("slow")], 1)
    assert not (planted.graph.at_ms % 60_000).any()


def test_a_log_too_small_says_what_it_needs() -> None:
    with pytest.raises(NotEnoughData, match=r"too small .* needs 15 users, the log has"):
        plant(organic(10, 60, 5), [kind("tiny")])
    with pytest.raises(NotEnoughData, match=r"too small .* needs \d+ items"):
        plant(organic(300, 5, 5), [kind("slow")])
    empty = organic(1, 1, 1)
    empty = GraphArrays(
        empty.user_ids, empty.item_ids, empty.session_ids, empty.actions, empty.user_ix[:0], empty.item_ix[:0],
        empty.session_ix[:0], empty.action_ix[:0], empty.at_ms[:0], empty.n[:0],
    )  # fmt: skip
    with pytest.raises(NotEnoughData, match="without interactions"):
        plant(empty, [kind("tiny")])


def test_a_small_log_gets_smaller_campaigns() -> None:
    planted = plant(organic(60, 60, 10, seed=1), [kind("camouflage")], 1)
    assert planted.campaigns[0].n_accounts == 12
    assert planted.campaigns[0].n_targets >= 4


@pytest.mark.parametrize("seed", range(3))
def test_tiny_logs_are_planted_or_refused_clearly(seed: int) -> None:
    refusals = []
    for n_users, n_items, days in ((1, 1, 1), (20, 8, 1), (40, 30, 2), (200, 40, 3)):
        log = organic(n_users, n_items, days, seed)
        for campaign in (
            kind("burst"),
            kind("throwaway"),
            campaign_of_level("L4", np.random.default_rng(seed)),
        ):
            try:
                planted = plant(log, [campaign], seed)
            except NotEnoughData as error:
                refusals.append(str(error))
            else:
                assert is_sorted_as_promised(planted.graph)
                assert planted.campaigns[0].n_target_clicks > 0
    assert all("too small" in refusal for refusal in refusals)
    assert 0 < len(refusals) < 12


def test_plans_hold_what_they_promise() -> None:
    plan = benchmark_plan(0)
    assert len(plan) == 10
    assert len({campaign.kind for campaign in plan}) == 6
    assert 400 <= sum(campaign.n_accounts for campaign in plan) <= 480
    training = training_plan(0, 60)
    assert {c.level for c in training} >= set(LEVELS)
    assert {c.kind for c in training} >= set(TRAINED_KINDS)
    assert not set(training) & set(plan)
    assert training_plan(0, 60) == training
    assert training_plan(1, 60) != training
    assert {c.kind for c in innocent_plan(0)} == set(INNOCENT_KINDS)


def test_impossible_knobs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"density is 1\.5"):
        Campaign("x", 5, 5, 1.5, 60.0)
    with pytest.raises(UsageError, match="pace is 'lazy'"):
        Campaign("x", 5, 5, 0.5, 60.0, pace="lazy")
    with pytest.raises(UsageError, match="no level 'L9'"):
        campaign_of_level("L9", np.random.default_rng(0))
    with pytest.raises(UsageError, match="no campaign kind 'brust'"):
        kind("brust")
    with pytest.raises(UsageError, match="no kind of log 'blog'"):
        organic(kind="blog")


def test_a_hub_is_nobodys_timetable() -> None:
    """A user of many clicks among users of one is no model for an account; fitting it in takes minutes."""
    rng = np.random.default_rng(0)
    n_users, n_hub, day = 2_000, 1_500, 86_400_000
    user = np.concatenate([np.zeros(n_hub, np.int32), np.arange(1, n_users, dtype=np.int32)])
    item = rng.integers(0, 40, len(user)).astype(np.int32)
    at_ms = 1_700_000_000_000 + np.sort(rng.integers(0, 10 * day, len(user)))
    at_ms[n_hub:] = 1_700_000_000_000 + rng.integers(0, 10 * day, n_users - 1)
    at_ms[:n_hub] = 1_700_000_000_000 + np.arange(n_hub) * (10 * day // n_hub)
    names = [pa.array([f"{letter}{n:05}" for n in range(n)]) for letter, n in (("u", n_users), ("i", 40))]
    sessions = pa.array([f"s{n:05}" for n in range(len(user))])
    log = GraphArrays(
        *names, sessions, ("view",), user, item, np.arange(len(user), dtype=np.int32),
        np.zeros(len(user), np.int16), at_ms, np.ones(len(user), np.int64),
    )  # fmt: skip
    planted = plant(log, [kind("camouflage"), kind("burst")], 1)
    clicks = np.bincount(planted.graph.user_ix, minlength=planted.graph.n_users)
    assert clicks[planted.campaign_of_user >= 0].max() < 200
    assert clicks[planted.campaign_of_user < 0].max() == n_hub


@pytest.mark.slow
def test_groups_for_which_the_log_is_too_small_can_be_left_out(log: GraphArrays) -> None:
    crowd = Campaign("hijack", 1_000, 4, 0.5, 86_400.0, hijacked_share=1.0)
    plan = [kind("tiny"), *[crowd] * 6, kind("tiny")]  # six thousand real users are not there
    with pytest.raises(NotEnoughData):
        plant(log, plan, 1)
    fit = plant(log, plan, 1, leave_out_unfit=True)
    assert [c.kind for c in fit.campaigns].count("tiny") == 2
    assert 2 < len(fit.campaigns) < len(plan)
    assert int(fit.campaign_of_user.max()) == len(fit.campaigns) - 1
    assert len(fit.targets) == len(fit.campaigns)


def test_a_fan_club_needs_items_that_are_near_each_other() -> None:
    """Where every session is a single click, no item is near another: random targets would be no fan club's."""
    log = organic(3_000, 400, 20, seed=2)
    n = len(log.session_ix)
    names = pa.array([f"s{place:06}" for place in range(n)])
    alone = replace(log, session_ids=names, session_ix=np.arange(n, dtype=np.int32))
    club = innocent("fan_club", np.random.default_rng(1))
    assert plant(log, [], 1, [club]).innocents
    with pytest.raises(NotEnoughData, match="near each other"):
        plant(alone, [], 1, [club])


def _camouflage_in_common(planted: Planted) -> float:
    """Items that two accounts of the campaign share beside its targets, on average."""
    graph, targets = planted.graph, planted.targets[0]
    rows = np.flatnonzero((planted.campaign_of_user[graph.user_ix] == 0) & ~np.isin(graph.item_ix, targets))
    pairs = np.unique(np.column_stack([graph.user_ix[rows], graph.item_ix[rows]]), axis=0)
    _, accounts = np.unique(pairs[:, 1], return_counts=True)
    n = int((planted.campaign_of_user == 0).sum())
    return float((accounts * (accounts - 1)).sum() / (n * (n - 1)))


def test_in_a_quiet_log_accounts_of_one_hour_do_not_copy_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of four hundred customers: an hour holds half a session."""
    quiet = organic(400, 800, 360, seed=2, kind="shop")
    fair = plant(quiet, [kind("burst")], 3)
    monkeypatch.setattr(transitions, "NEAR_SESSIONS", 0)
    copied = plant(quiet, [kind("burst")], 3)
    assert _camouflage_in_common(fair) < 0.6 * _camouflage_in_common(copied)


def test_an_hour_is_as_long_as_a_hundred_sessions_take_and_no_shorter() -> None:
    quiet, busy = (
        profile_log(organic(n, 800, days, seed=2, kind="shop")) for n, days in ((400, 360), (10_000, 2))
    )
    near_ms = transitions.Steps.of(quiet).near_ms
    in_it = 2 * near_ms * quiet.n_sessions / quiet.span_ms
    assert in_it == pytest.approx(transitions.NEAR_SESSIONS, rel=0.01)
    assert transitions.Steps.of(busy).near_ms == transitions.LEAST_NEAR_MS
