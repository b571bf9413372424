"""Each reason on a small log where it is true, and on one where it is not."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from graphdet.rings.evidence import gather_evidence
from graphdet.rings.evidence_table import judge_inputs
from graphdet.rings.find import Candidates, Judged, judge_rings
from graphdet.rings.margin import naming_margins
from graphdet.rings.membership import SURE_MEMBER, member_roles, member_strength
from graphdet.rings.why.counter import innocent_explanations
from graphdet.rings.why.explain import CODES, COUNTER_CODES, Natural, strongest_measures
from graphdet.rings.why.findings import ring_findings
from graphdet.rings.why.measures import Measure
from graphdet.rings.why.measures_time import LOCKSTEP_WINDOWS_S
from graphdet.rings.why.member_reasons import member_reasons
from graphdet.rings.why.reasons import member_words, ring_words
from graphdet.rings.why.ring_view import RingView
from tests.rings.why.reason_logs import DAY, DAYS, MEMBERS, SmallLog

pytestmark = pytest.mark.slow

COMMON = [f"j{k:03}" for k in range(20, 26)]  # items with an audience
OWN = [f"t{k}" for k in range(6)]  # items of nobody else
NOTHING_KNOWN = Natural({}, None)


def sharing(users: list[str], targets: list[str]) -> RingView:
    """Nothing but the shared targets: at any time, in sessions of their own, among much else."""
    log = SmallLog()
    log.apart(users, targets)
    log.ordinary(users)
    return log.ring(users, targets)


# The rings below are only looked at, so each is made once.
@cache
def quiet() -> RingView:
    return sharing(MEMBERS, COMMON)


@cache
def together() -> RingView:
    log = SmallLog()
    for k, target in enumerate(COMMON):
        for user in MEMBERS:
            at = (3 + 6 * k) * DAY + int(log.rng.integers(30_000))
            log.sitting(user, f"{user}-{target}", [target], at)
    log.ordinary(MEMBERS)
    return log.ring(MEMBERS, COMMON)


@cache
def one_by_one(by_script: bool, once: bool = False) -> RingView:
    """All targets in one session, in one order four seconds apart, or in any order and pace."""
    log = SmallLog()
    for user in MEMBERS:
        items = COMMON if by_script else list(log.rng.permutation(COMMON))
        at = int(log.rng.integers(DAYS * DAY))
        log.sitting(user, f"{user}-all", items, at, [4.0] * len(items) if by_script else None)
    if not once:
        log.ordinary(MEMBERS)
    return log.ring(MEMBERS, COMMON)


@cache
def after_hot() -> RingView:
    """Each target right after the item that thirty others came to at that hour."""
    log = SmallLog()
    for k, target in enumerate(COMMON):
        at = (3 + 6 * k) * DAY
        for visitor in range(30):
            log.sitting(f"v{visitor + 30 * k:03}", f"hot{k}-{visitor}", [f"hot{k}"], at + 60_000 * visitor)
        for n, user in enumerate(MEMBERS):
            log.sitting(user, f"{user}-{target}", [f"hot{k}", target], at + 200_000 * n)
    log.ordinary(MEMBERS)
    return log.ring(MEMBERS, COMMON)


@cache
def linked(n_sharing: int, kind: str = "device") -> RingView:
    log = SmallLog()
    log.apart(MEMBERS, COMMON)
    log.ordinary(MEMBERS)
    log.links += [(user, kind, "x" if k < n_sharing else f"own{k}") for k, user in enumerate(MEMBERS)]
    return log.ring(MEMBERS, COMMON)


@cache
def only_this() -> RingView:
    log = SmallLog()
    log.apart(MEMBERS, COMMON)
    return log.ring(MEMBERS, COMMON)


@cache
def newcomers() -> RingView:
    log = SmallLog()
    for user in MEMBERS:
        for target in COMMON:
            log.sitting(user, f"{user}-{target}", [target], int(log.rng.integers(10 * DAY, 12 * DAY)))
    log.ordinary(MEMBERS, 2, 10 * DAY, 12 * DAY - 3_600_000)
    return log.ring(MEMBERS, COMMON)


@cache
def paying(same: bool) -> RingView:
    """Everybody pays something of his own on every item, but for the members, who may all pay 990."""
    log = SmallLog()
    log.apart(MEMBERS, COMMON)
    log.ordinary(MEMBERS)
    prices = np.random.default_rng(1)
    log.amount_of = lambda user, item: (
        990.0 if same and user in MEMBERS else float(prices.uniform(100, 2_000))
    )
    return log.ring(MEMBERS, COMMON)


@cache
def priced() -> RingView:
    """Every item has its price, and nine in ten cost the same: that is no pattern of the members."""
    log = SmallLog()
    log.apart(MEMBERS, COMMON)
    log.ordinary(MEMBERS)
    log.amount_of = lambda user, item: 990.0 if item[-1] != "7" else 120.0
    return log.ring(MEMBERS, COMMON)


@cache
def own_targets() -> RingView:
    return sharing(MEMBERS, OWN)


TRUE: dict[str, Callable[[], RingView]] = {
    "shared_targets": quiet,
    "rare_targets": own_targets,
    "exclusive_targets": own_targets,
    "lockstep": together,
    "scripted": lambda: one_by_one(by_script=True),
    "one_sitting": lambda: one_by_one(by_script=False),
    "coattail": after_hot,
    "shared_entities": lambda: linked(6),
    "focus": only_this,
    "throwaway": lambda: one_by_one(by_script=False, once=True),
    "new_accounts": newcomers,
    "same_amounts": lambda: paying(same=True),
}


def named(ring: RingView) -> dict[str, Measure]:
    return {measure.code: measure for _, measure in strongest_measures(ring, NOTHING_KNOWN)}


def test_every_reason_has_a_log_where_it_is_true() -> None:
    assert tuple(TRUE) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_reason_is_named_where_it_is_true(code: str) -> None:
    ring = TRUE[code]()
    found = named(ring)
    assert code in found
    measure = found[code]
    assert measure.observed > measure.expected
    assert len(measure.acts)
    assert np.isin(measure.acts, ring.act).all()
    assert len(np.unique(measure.acts)) == len(measure.acts)


def test_a_quiet_group_has_no_reason_but_its_targets() -> None:
    assert list(named(quiet())) == ["shared_targets"]


@pytest.mark.parametrize(
    ("ring", "codes"),
    [
        (together, {"lockstep"}),
        (lambda: one_by_one(by_script=True), {"scripted", "one_sitting"}),
        (lambda: one_by_one(by_script=False), {"one_sitting"}),
        (after_hot, {"coattail", "lockstep"}),  # an hour after the same thing is also close in time
        (lambda: linked(6), {"shared_entities"}),
        (lambda: linked(2), set()),  # two who share one are a couple
        (only_this, {"focus"}),
        (lambda: one_by_one(by_script=False, once=True), {"one_sitting", "focus", "throwaway"}),
        (own_targets, {"rare_targets", "exclusive_targets"}),
        (lambda: paying(same=True), {"same_amounts"}),
        (lambda: paying(same=False), set()),
        (priced, set()),
    ],
)
def test_no_reason_is_named_that_is_not_true(ring: Callable[[], RingView], codes: set[str]) -> None:
    assert set(named(ring())) - {"shared_targets"} == codes


def test_a_group_of_strangers_shares_no_targets() -> None:
    log = SmallLog()
    strangers = [f"v{k:03}" for k in range(8)]
    assert named(log.ring(strangers, COMMON)) == {}


def test_what_natural_groups_show_as_well_is_no_reason() -> None:
    alike = {("lockstep", f"{window:g}"): 1e12 for window in LOCKSTEP_WINDOWS_S}
    natural = Natural(alike, None)
    codes = [measure.code for _, measure in strongest_measures(together(), natural)]
    assert "lockstep" not in codes


def test_strength_of_a_count_by_hand() -> None:
    assert Measure("x", 8, 2).strength() == pytest.approx(8 * np.log(4) - 6)
    assert Measure("x", 8, 2, trials=10).strength() == pytest.approx(8 * np.log(4) + 2 * np.log(0.2 / 0.8))
    assert Measure("x", 8, 2, trials=10).strength(4.0) == 0.0
    assert Measure("x", 1, 2).strength() == 0.0


# --- what speaks against ---------------------------------------------------------------------------------------


def against(ring: RingView, **evidence: float) -> dict[str, float]:
    found = named(ring)
    window = float(found["lockstep"].numbers["window_s"]) if "lockstep" in found else None
    strengths = dict.fromkeys(found, 10.0)
    return {measure.code: nats for nats, measure in innocent_explanations(ring, evidence, strengths, window)}


@pytest.mark.parametrize(
    ("code", "name"), [("common_taste", "halo_lift"), ("taste_elsewhere", "elsewhere_lift")]
)
def test_a_common_taste_speaks_against(code: str, name: str) -> None:
    ring = quiet()
    assert code not in against(ring, **{name: 1.1})
    much, more = against(ring, **{name: 4.0})[code], against(ring, **{name: 9.0})[code]
    assert 0 < much < more


@cache
def with_crowd(crowd: bool) -> RingView:
    log = SmallLog()
    for k, target in enumerate(COMMON):
        at = 20 * DAY + 1_800_000 * k
        for n, user in enumerate(MEMBERS):
            log.sitting(user, f"{user}-{target}", [target], at + 5_000 * n)
        for visitor in range(20 if crowd else 0):
            log.sitting(f"v{visitor + 20 * k:03}", f"crowd{k}-{visitor}", [target], at + 4_000 * visitor)
    log.ordinary(MEMBERS)
    return log.ring(MEMBERS, COMMON)


def test_a_burst_of_the_whole_audience_speaks_against() -> None:
    assert "lockstep" in named(with_crowd(False))
    assert "natural_burst" not in against(with_crowd(False))
    crowd = with_crowd(True)
    alone = innocent_explanations(crowd, {}, {}, 60.0)
    assert "natural_burst" in {measure.code for _, measure in alone}


def test_long_histories_speak_against() -> None:
    assert "long_histories" not in against(only_this())
    log = SmallLog()
    for user in MEMBERS:
        for target in COMMON[:4]:
            log.sitting(user, f"{user}-{target}", [target], int(log.rng.integers(20 * DAY, 21 * DAY)))
    log.ordinary(MEMBERS, 6)
    assert "long_histories" in against(log.ring(MEMBERS, COMMON[:4]))


def test_small_groups_and_households_speak_against() -> None:
    assert "small" not in against(quiet())
    assert "small" in against(sharing(MEMBERS[:4], COMMON))
    assert "household" not in against(linked(4))
    assert "household" in against(linked(8))


def test_a_wording_is_shared_like_a_device_but_makes_no_household() -> None:
    ring = linked(8, "template")
    assert "household" not in against(ring)
    assert named(ring)["shared_entities"].observed == named(linked(8))["shared_entities"].observed > 0
    assert named(ring)["shared_entities"].variant == "template"


def test_targets_of_everybody_speak_against() -> None:
    assert "open_targets" in against(quiet())
    assert "open_targets" not in against(own_targets())


# --- members ---------------------------------------------------------------------------------------------------


def test_a_member_is_told_what_it_did_with_whom() -> None:
    ring = linked(3)
    found = member_reasons(ring, 50.0, None, 0.1)
    ids = [ring.log.graph.user_ids[int(user)].as_py() for user in ring.members]
    of = {user: {reason.code: reason for reason in reasons} for user, reasons in zip(ids, found, strict=True)}
    assert of["u0"]["shared_targets"].numbers["observed"] == 6
    assert of["u0"]["shared_entities"].more["with"] == ["u1", "u2"]
    assert of["u0"]["shared_entities"].more["entity_id"] == "x"
    assert "shared_entities" not in of["u7"]
    assert all(reasons[-1].code == "membership" for reasons in found)
    assert all(reasons[-1].numbers["margin_without_nats"] < 50 for reasons in found)


def test_a_member_in_step_is_told_so() -> None:
    found = member_reasons(together(), 50.0, 60.0, 0.1)
    for reasons in found:
        (step,) = [reason for reason in reasons if reason.code == "lockstep"]
        assert step.numbers["observed"] == 6
        assert step.numbers["expected"] < 1


def test_all_codes_have_words() -> None:
    names = "observed expected n_members n_targets n_acts span_s most_outsiders n_by_members n_audience_acts window_s"
    more = "n_same n_events n_steps pace_s n_sharing n_entities share days lift share_outside share_of_two margin_nats"
    numbers = dict.fromkeys([*names.split(), *more.split(), "margin_without_nats"], 2) | {"kind": "device"}
    for code in (*CODES, *COUNTER_CODES):
        assert len(ring_words(code, numbers)) > 20
    for code in ("shared_targets", "lockstep", "shared_entities", "focus", "membership"):
        assert len(member_words(code, numbers)) > 10


# --- what part a member has ------------------------------------------------------------------------------------


@cache
def crew_and_two_more() -> tuple[Judged, RingView, dict[str, str]]:
    """Eight accounts on six targets; "busy" on three of them and on much else, "slim" on the same three alone.

    Gives the ring as a judge who is sure of it sees it, and the role of each member.
    """
    targets = [f"j{k}" for k in range(100, 106)]
    log = SmallLog()
    log.apart(MEMBERS, targets)
    log.ordinary(MEMBERS)
    log.apart(["busy"], [f"j{k:03}" for k in range(8)])
    log.apart(["busy", "slim"], targets[:3])
    ring = log.ring([*MEMBERS, "busy", "slim"], targets)
    model, graph = ring.log.model, ring.log.graph
    evidence = gather_evidence(ring.blocks, model, graph, naming_margins(ring.blocks, model))
    fold = np.zeros(1, np.int64)
    candidates = Candidates(model, ring.blocks, evidence, judge_inputs(evidence), fold, graph)
    judged = judge_rings(candidates, lambda inputs, fold: np.full(len(inputs), 20.0), 0.05)
    ids = [graph.user_ids[int(user)].as_py() for user in ring.members]
    return judged, ring, dict(zip(ids, member_roles(judged, model).tolist(), strict=True))


def test_who_does_little_here_and_much_elsewhere_is_a_bystander() -> None:
    judged, _, role = crew_and_two_more()
    assert judged.flagged.all()
    assert {role[user] for user in MEMBERS} == {"core"}
    assert (role["busy"], role["slim"]) == ("bystander", "fringe")


def test_a_ring_vouches_for_no_bystander() -> None:
    judged, ring, role = crew_and_two_more()
    sure = dict(zip(role, member_strength(judged, ring.log.model).tolist(), strict=True))
    assert sure["busy"] < SURE_MEMBER <= min(sure[user] for user in role if user != "busy")
    (finding,) = ring_findings(judged, ring.log.model, ring.log.graph)
    last = {user: reasons[-1] for user, reasons in finding.explanation.member_reasons.items()}
    assert {user: reason.numbers["role"] for user, reason in last.items()} == role
    assert "bystander" in last["busy"].text
    assert "as clear a case" in last["busy"].text
    assert "a weaker case" in last["u0"].text


def test_a_target_is_held_against_what_others_do_on_it() -> None:
    judged, ring, _ = crew_and_two_more()
    (finding,) = ring_findings(judged, ring.log.model, ring.log.graph)
    expected = sum(item.n_users / item.lift for item in finding.items)
    (shared,) = [reason for reason in finding.explanation.reasons if reason.code == "shared_targets"]
    assert 0.7 < expected / float(shared.numbers["expected"]) < 1.5
    assert (
        expected < 0.8 * finding.explanation.numbers["expected_acts"]
    )  # where the ring's own acts are left in
