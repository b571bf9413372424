"""Blocks, evidence and judgement on a generated log with planted campaigns."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from graphdet.casework.memory import Remembered
from graphdet.casework.standing import Standing
from graphdet.clustering.leiden import communities
from graphdet.detect.held_back import with_doubts, with_rules
from graphdet.detect.score import Flags
from graphdet.evaluation.calibration import estimate_share, posterior, posterior_q_values
from graphdet.evaluation.flag_rule import FlagRule
from graphdet.evaluation.tails import tail_p_values
from graphdet.features.pairs import find_pairs
from graphdet.judge.model import RingJudge
from graphdet.learn.ring_lessons import without_suspects
from graphdet.learn.user_labels import Task
from graphdet.progress import Silent
from graphdet.rings.blocks import Blocks, block_acts, membership
from graphdet.rings.evidence import gather_evidence
from graphdet.rings.evidence_table import EVIDENCE, INPUTS
from graphdet.rings.find import (
    JUDGE_SHARE,
    Candidates,
    campaign_overlap,
    find_candidates,
    judge_rings,
    stands_out,
    strongest_blocks,
)
from graphdet.rings.finding import RingFinding
from graphdet.rings.margin import naming_margins
from graphdet.rings.membership import listed_rings, user_membership
from graphdet.rings.organic import organic_model
from graphdet.rings.refine import refine
from graphdet.rings.why.findings import ring_findings
from graphdet.scores.fused import Fusion, ScoreParts
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import kind
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.workbench import Workbench
from tests.helpers.small_graphs import graph_of


@pytest.fixture(scope="module")
def planted() -> Planted:
    return plant(organic(4_000, 1_500, 20, seed=3), [kind("slow"), kind("camouflage"), kind("tiny")], 5)


@pytest.fixture(scope="module")
def candidates(planted: Planted) -> Candidates:
    with Workbench.in_memory() as bench:
        return find_candidates(planted.graph, find_pairs(planted.graph, bench, Silent()), 0)


@pytest.mark.slow
def test_planted_campaigns_become_candidates(planted: Planted, candidates: Candidates) -> None:
    campaign, jaccard = campaign_overlap(candidates.blocks, planted.campaign_of_user)
    best = [float(jaccard[campaign == k].max(initial=0)) for k in range(2)]
    assert min(best) >= 0.5, best


@pytest.mark.slow
def test_candidates_repeat(planted: Planted, candidates: Candidates) -> None:
    with Workbench.in_memory() as bench:
        again = find_candidates(planted.graph, find_pairs(planted.graph, bench, Silent()), 0)
    assert np.array_equal(again.inputs, candidates.inputs)
    assert np.array_equal(again.blocks.users.indices, candidates.blocks.users.indices)


def test_evidence_of_a_block_by_hand() -> None:
    rows = [(f"u{u}", f"i{i}", 1_000 * u + i) for u in range(5) for i in range(4)]
    rows += [(f"v{k}", f"j{k % 7}", 100 * k) for k in range(60)] + [("v0", "i0", 5)]
    graph = graph_of(rows)
    model = organic_model(graph)
    ids = graph.user_ids.to_pylist()
    users = membership([np.array([ids.index(f"u{u}") for u in range(5)])], graph.n_users)
    names = graph.item_ids.to_pylist()
    items = membership([np.array([names.index(f"i{i}") for i in range(4)])], graph.n_items)
    blocks = Blocks(users, items)
    evidence = {
        name: float(values[0])
        for name, values in gather_evidence(blocks, model, graph, naming_margins(blocks, model)).items()
    }
    assert set(evidence) == set(EVIDENCE)
    assert evidence["n_users"] == 5
    assert evidence["n_items"] == 4
    assert evidence["n_acts"] == 20
    assert evidence["density"] == 1.0
    assert evidence["exclusivity"] == pytest.approx(20 / 21)
    assert evidence["focus"] == 1.0
    assert evidence["sharpness"] == 1.0
    assert evidence["overdispersion"] == 0
    assert evidence["expected_acts"] < 20
    acts = block_acts(blocks, model)
    assert len(acts.act) == 20


@pytest.mark.parametrize(("days_later", "sharpness", "exclusivity"), [(0, 0.5, 0.5), (3, 1.0, 1.0)])
def test_only_who_came_in_a_rings_own_time_blurs_its_edge(
    days_later: int, sharpness: float, exclusivity: float
) -> None:
    ring = [(f"u{u}", f"i{i}", 60_000 * u + i) for u in range(5) for i in range(4)]
    crowd = [(f"v{u % 5}", f"i{u // 5}", 60_000 * (u % 5) + days_later * 86_400_000) for u in range(20)]
    graph = graph_of(ring + crowd)
    model = organic_model(graph)
    inside = np.flatnonzero([name.startswith("u") for name in graph.user_ids.to_pylist()])
    blocks = Blocks(membership([inside], graph.n_users), membership([np.arange(4)], graph.n_items))
    evidence = gather_evidence(blocks, model, graph, naming_margins(blocks, model))
    assert evidence["sharpness"][0] == pytest.approx(sharpness)
    assert evidence["exclusivity"][0] == pytest.approx(exclusivity)


@pytest.mark.parametrize(
    ("loads", "overdispersion"),
    [
        ((3, 3, 3, 3, 3), 0.0),  # dealt out
        ((2, 3, 3, 3, 4), 0.4 / (3 * (1 - 3 / 6))),
        ((2, 2, 2, 3, 6), 2.4 / (3 * (1 - 3 / 6))),  # a core and a fringe
    ],
)
def test_a_fan_base_is_uneven(loads: tuple[int, ...], overdispersion: float) -> None:
    rows = [(f"u{u}", f"i{(u + i) % 6}", 1_000 * u + i) for u, load in enumerate(loads) for i in range(load)]
    graph = graph_of(rows)
    model = organic_model(graph)
    blocks = Blocks(membership([np.arange(5)], 5), membership([np.arange(6)], 6))
    evidence = gather_evidence(blocks, model, graph, naming_margins(blocks, model))
    assert evidence["overdispersion"][0] == pytest.approx(overdispersion)


@pytest.mark.parametrize(
    ("others", "days_later", "recurrence"),
    [
        (5, 3, 0.5),  # as many others do the same three days later
        (15, 3, 0.75),  # three times as many
        (5, 0, 0.0),  # in its own time: that is the matter of sharpness
        (0, 3, 0.0),
    ],
)
def test_a_crowd_comes_back_and_a_campaign_does_not(others: int, days_later: int, recurrence: float) -> None:
    rows = [(f"u{u}", f"i{i}", 60_000 * u + i) for u in range(5) for i in range(4)]
    rows += [
        (f"v{v}", f"i{i}", 1_000 * v + i + days_later * 86_400_000) for v in range(others) for i in range(3)
    ]
    rows += [(f"w{w}", f"i{w % 4}", w * 3_600_000) for w in range(100)]  # one target each: not the same
    graph = graph_of(rows)
    model = organic_model(graph)
    inside = np.flatnonzero([name.startswith("u") for name in graph.user_ids.to_pylist()])
    targets = np.flatnonzero([name.startswith("i") for name in graph.item_ids.to_pylist()])
    blocks = Blocks(membership([inside], graph.n_users), membership([targets], graph.n_items))
    evidence = gather_evidence(blocks, model, graph, naming_margins(blocks, model))
    assert evidence["recurrence"][0] == pytest.approx(recurrence)


def test_refinement_gives_a_ring_its_missing_member_and_drops_the_stranger() -> None:
    rng = np.random.default_rng(0)
    rows = [(f"v{k}", f"j{rng.integers(40)}", int(rng.integers(10**7))) for k in range(400) for _ in range(6)]
    rows += [(f"u{u}", f"i{i}", int(rng.integers(10**7))) for u in range(8) for i in range(6)]
    graph = graph_of(rows)
    ids = graph.user_ids.to_pylist()
    ring = [ids.index(f"u{u}") for u in range(8)]
    blocks = refine(membership([np.array([*ring[:7], ids.index("v3")])], graph.n_users), organic_model(graph))
    assert len(blocks) == 1
    assert blocks.members(0).tolist() == sorted(ring)


def test_communities_are_cliques_of_a_caveman_graph() -> None:
    cave = nx.connected_caveman_graph(5, 6)
    a, b = np.array(cave.edges, np.int32).T
    (found,) = communities(a, b, np.ones(len(a)), (0.3,), seed=0)
    groups = {frozenset(found[found[:, 1] == c, 0].tolist()) for c in np.unique(found[:, 1])}
    assert groups == {frozenset(range(6 * k, 6 * k + 6)) for k in range(5)}


def test_rings_share_few_members() -> None:
    users = membership([np.arange(10), np.arange(8), np.arange(8, 18)], 20)
    blocks = Blocks(users, membership([np.arange(3)] * 3, 5))
    assert strongest_blocks(blocks, np.array([2.0, 1.0, 0.5])).tolist() == [0, 2]


@pytest.mark.parametrize(("logit_of_whole", "named"), [(3.5, [0]), (2.0, [1, 2]), (-0.5, [1, 2])])
def test_the_whole_is_named_before_its_parts(logit_of_whole: float, named: list[int]) -> None:
    users = membership([np.arange(20), np.arange(10), np.arange(11, 20)], 20)
    blocks = Blocks(users, membership([np.arange(3)] * 3, 5))
    assert strongest_blocks(blocks, np.array([logit_of_whole, 4.0, 3.8])).tolist() == named


def test_slices_of_a_crowd_and_chance_meetings_do_not_stand_out() -> None:
    evidence = {
        "sharpness": np.array([1.0, 0.4, 1.0, 0.5, 1.0, 1.0]),
        "recurrence": np.array([0.0, 0.0, 0.9, 0.5, 0.0, 0.0]),
        "margin_nats": np.array([90.0, 90.0, 90.0, -29.0, -31.0, -40.0]),
        "margin_touched_nats": np.array([99.0, 99.0, 99.0, 4.0, 4.0, 6.0]),
    }
    assert stands_out(evidence).tolist() == [True, False, False, True, False, True]


def crowded(logits: NDArray[np.float64], users: list[list[int]], **evidence: list[float]) -> Candidates:
    """Candidates of a tiny log with these members and this evidence; what is not given lets a group stand out."""
    graph = graph_of([(f"u{u:03d}", f"i{u % 7}", 1_000 * u) for u in range(200)])
    n = len(users)
    fine = {"sharpness": 1.0, "recurrence": 0.0, "margin_nats": 50.0, "margin_touched_nats": 50.0}
    numbers = {name: np.array(evidence.get(name, [value] * n)) for name, value in fine.items()}
    members = [np.array(each, np.int64) for each in users]
    blocks = Blocks(membership(members, graph.n_users), membership([np.arange(3)] * n, graph.n_items))
    fold = np.zeros(n, np.int64)
    return Candidates(organic_model(graph), blocks, numbers, logits[:, None], fold, graph)


def test_what_does_not_stand_out_is_a_lead_and_changes_nothing_for_what_does() -> None:
    """A ring, a crowd stronger than it, a variant of the ring that is a crowd, a weak crowd, and ordinary groups."""
    logits = np.array([6.0, 9.0, 7.0, -6.0, *np.linspace(-12.0, -7.0, 20)])
    ordinary = [[50 + 3 * k, 51 + 3 * k, 52 + 3 * k] for k in range(20)]
    users = [[0, 1, 2, 3], [10, 11, 12], [0, 1, 2, 20], [30, 31, 32], *ordinary]
    sharpness = [1.0, 0.24, 0.3, 0.1, *[1.0] * 20]
    found = crowded(logits, users, sharpness=sharpness)
    judged = judge_rings(found, lambda inputs, fold: inputs[:, 0], 0.05)
    rings = judged.standing
    assert judged.apart.tolist() == [True] * 21 + [False]
    assert rings.logit.tolist() == [6.0, *logits[:3:-1]]
    assert judged.flagged.tolist() == [True] + [False] * 21
    # The variant of a flagged ring, which has its members, is no lead, and nobody's membership is that of a lead.
    assert judged.blocks.members(21).tolist() == [10, 11, 12]
    assert set(user_membership(judged, found.model)[1][10:13].tolist()) == {-1}
    assert judged.score[21] > judged.score[0]
    assert judged.p_value[21] < judged.p_value[0]
    assert judged.level[21] == np.inf
    assert rings.q_value.tolist() == posterior_q_values(rings.score).tolist()
    assert {0, 21} <= set(listed_rings(judged).tolist())


def test_every_rule_that_speaks_against_a_flag_is_told_in_its_order() -> None:
    n = 4
    users = [[10 * k, 10 * k + 1, 10 * k + 2] for k in range(n)]
    found = crowded(
        np.array([9.0, 8.0, -1.0, 7.0]),
        users,
        sharpness=[0.24, 1.0, 1.0, 1.0],
        recurrence=[0.7, 0.0, 0.0, np.nan],
        margin_nats=[50.0, -40.0, 50.0, 50.0],
        margin_touched_nats=[50.0, 3.0, 50.0, 50.0],
    )
    judged = judge_rings(found, lambda inputs, fold: inputs[:, 0], 0.05)
    findings = [
        RingFinding(
            f"R{row}", 3, 3, float(judged.score[row]), None, None, bool(judged.flagged[row]), None, None, None
        )
        for row in listed_rings(judged)
    ]
    told = with_rules(findings, judged, 0.05)
    by_user = {
        int(judged.blocks.members(row)[0]): [rule.code for rule in finding.held_back]
        for row, finding in zip(listed_rings(judged).tolist(), told, strict=True)
    }
    assert by_user[0][:2] == ["crowd", "recurring"]
    assert by_user[10][0] == "chance"
    assert by_user[20][0] == "score"
    assert by_user[30] == []  # what is unknown speaks against nobody
    text = next(
        finding for finding in told if finding.held_back and finding.held_back[0].code == "crowd"
    ).held_back
    assert text[0].text.startswith("Of the accounts that act on three quarters as many")
    assert "only 24 % are members" in text[0].text


@pytest.mark.slow
@pytest.mark.parametrize(("ordinary", "flagged"), [((-9.0, 2.0), 5), ((-4.0, 4.0), 0)])
def test_a_judge_to_whom_a_whole_log_looks_alike_accuses_nobody(
    candidates: Candidates, ordinary: tuple[float, float], flagged: int
) -> None:
    """Five groups at logit 6 among 400 that are far below, or that trail up to it."""
    n = 405
    logits = np.random.default_rng(1).normal(*ordinary, n)
    logits[:5] = 6.0
    apart = {"sharpness": np.ones(n), "recurrence": np.zeros(n)}
    apart |= {"margin_nats": np.full(n, 50.0), "margin_touched_nats": np.full(n, 50.0)}
    pairs = membership([np.array([2 * row, 2 * row + 1]) for row in range(n)], 2 * n)
    inputs, fold = np.zeros((n, 1)), np.zeros(n, np.int64)
    many = Candidates(candidates.model, Blocks(pairs, pairs), apart, inputs, fold, candidates.graph)
    judged = judge_rings(many, lambda inputs, fold: logits, 0.05)
    assert judged.flagged.sum() == flagged
    assert judged.overruled >= 5 - flagged
    assert judged.by_tail
    assert (judged.flagged == (judged.level <= 0.05)).all()


@pytest.mark.slow
def test_of_groups_held_back_people_are_told_which_and_why(planted: Planted, candidates: Candidates) -> None:
    margin = INPUTS.index("margin_nats")
    judged = judge_rings(
        candidates, lambda inputs, fold: inputs[:, margin] - np.median(inputs[:, margin]), 0.05
    )
    findings = ring_findings(judged, candidates.model, planted.graph)
    judged = replace(judged, flagged=judged.flagged & (np.arange(len(judged.logit)) > 1))
    doubted = with_rules(findings, judged, 0.05)
    first = [finding.explanation.held_back[:1] for finding in doubted]
    listed = listed_rings(judged)
    # The first two would be flagged: no rule speaks against them.
    assert [bool(reasons) for reasons in first] == (~judged.flagged[listed] & (listed > 1)).tolist()
    ids = [finding.ring_id for finding in findings]
    level = np.where(judged.flagged, 0.01, 0.5)
    level[0], level[1] = 0.061, 0.09
    judged = replace(judged, level=level, flagged=level <= 0.05, overruled=0)
    known = Remembered(doubted, Standing(), {}, None)
    notes = with_doubts(known, judged, 0.05).notes
    assert notes[0] == (
        f"2 groups ({ids[0]}, {ids[1]}) would be flagged at --fdr 0.09, and up to one flag in 11 may then be false."
    )
    assert len(notes) == 1 + bool(judged.overruled)
    overruled = with_doubts(known, replace(judged, overruled=2), 0.05).notes[-1]
    assert overruled.startswith("2 groups would be flagged by score alone, but ")
    quiet = replace(known, quiet={ids[0]: "innocent"})
    assert with_doubts(quiet, judged, 0.05).notes[0].startswith(f"1 group ({ids[1]})")
    assert not with_doubts(quiet, judged, 0.04).notes


class Elder(RingJudge):
    """A judge of other logs, who is sure of some blocks."""

    sure: NDArray[np.bool_]

    def logits(self, inputs: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.where(self.sure, 9.0, -8.0)


@pytest.mark.slow
def test_members_of_what_looks_like_a_ring_of_the_log_are_no_examples_of_ordinary_users(
    planted: Planted, candidates: Candidates
) -> None:
    """The log's own ring is the second campaign, which nobody knows of; the first was planted for training."""
    of_user = planted.campaign_of_user
    _, jaccard = campaign_overlap(candidates.blocks, of_user)
    judge = Elder.blind()
    object.__setattr__(judge, "sure", (jaccard >= 0.5) & stands_out(candidates.evidence))
    known = np.where(of_user == 0, 0, -1).astype(np.int32)
    task = Task(planted.graph, (known >= 0).astype(np.int8), known)
    own = np.where(known == 0, -1, np.arange(len(known))).astype(np.int32)
    y = without_suspects(task, own, candidates, judge).y
    assert (y[known == 0] == 1).all()
    assert (y[of_user == 1] == -1).mean() > 0.5
    assert (y[of_user < 0] == 0).mean() > 0.99
    # Accounts of hard innocents that were planted with the campaigns are known to be ordinary.
    assert (without_suspects(task, np.full_like(own, -1), candidates, judge).y[known < 0] == 0).all()


@pytest.mark.slow
def test_a_ring_that_is_not_flagged_vouches_for_no_member(candidates: Candidates) -> None:
    """The judge is sure of two groups; the log's own tail, then an analyst, lets one of them not be flagged."""
    logits = np.full(len(candidates.blocks), -8.0)
    apart = np.flatnonzero(stands_out(candidates.evidence))
    logits[apart] = np.linspace(9, 10, len(apart))
    judged = judge_rings(candidates, lambda inputs, fold: logits, 0.05)
    assert len(judged.score) >= 2
    judged = replace(judged, flagged=np.arange(len(judged.score)) == 0)
    n = candidates.model.n_users
    ring, row = user_membership(judged, candidates.model)
    parts = ScoreParts(np.full(n, -9.0), np.zeros(n), np.zeros(n), ring)
    rng = np.random.default_rng(0)
    y = (rng.random(4_000) < 0.01).astype(np.int64)
    fit = ScoreParts(rng.normal(-9 + 9 * y, 1.0), rng.random(4_000), rng.random(4_000), np.where(y, 0.9, 0.0))
    fusion = Fusion.fit(fit, y)
    value = fusion.score(parts)
    q_value = posterior_q_values(value)
    assert (q_value[(row > 0) & (ring > 0.99)] <= 0.05).all()
    flags = Flags(FlagRule(), judged, candidates)
    nobody = np.zeros(len(judged.score), bool)
    flagged, muted_by = flags.settled(fusion, parts, value, q_value, row, nobody)
    assert (row[flagged] == 0).any()
    assert np.isin(np.flatnonzero(flagged), judged.blocks.members(0)).all()  # some are in another one, too
    assert (muted_by == -1).all()
    flagged, muted_by = flags.settled(fusion, parts, value, q_value, row, judged.flagged)
    assert not flagged.any()
    assert set(muted_by[muted_by >= 0].tolist()) == {0}


@pytest.mark.slow
def test_sure_accounts_vouch_for_nobody_who_is_more_likely_ordinary(candidates: Candidates) -> None:
    nothing = np.full(len(candidates.blocks), -20.0)
    judged = judge_rings(candidates, lambda inputs, fold: nothing, 0.05)
    value = np.full(candidates.model.n_users, 1e-6)
    value[:40], value[40:42] = 0.999, (0.49, 0.51)
    q_value = posterior_q_values(value)
    assert (q_value[:42] <= 0.05).all()
    flagged = Flags(FlagRule(), judged, candidates).of(value, q_value, judged.flagged)
    assert np.flatnonzero(flagged).tolist() == [*range(40), 41]
    assert Flags(FlagRule(review=42), judged, candidates).of(value, q_value, judged.flagged)[:42].all()


def test_the_only_ring_among_thousands_of_groups_can_be_believed() -> None:
    """The likeliest share would be 0, and its posterior with it."""
    natural = np.random.default_rng(3).normal(-8, 3, 5_000)
    logits = np.append(natural, 7.0)
    score = posterior(logits, JUDGE_SHARE, estimate_share(logits, JUDGE_SHARE))
    assert score[-1] >= 0.95
    alone = posterior(natural, JUDGE_SHARE, estimate_share(natural, JUDGE_SHARE))
    assert alone.max() < 0.9


def test_few_groups_give_no_small_p_value() -> None:
    rng = np.random.default_rng(1)
    few, many = rng.normal(-8, 3, 10), rng.normal(-8, 3, 500)
    assert tail_p_values(np.append(few, 20.0))[-1] >= 1 / 11
    assert tail_p_values(np.append(many, 20.0))[-1] < 1e-4


def test_p_values_of_natural_groups_are_not_too_small() -> None:
    rng = np.random.default_rng(2)
    p = np.concatenate([tail_p_values(rng.normal(-8, 3, 300)) for _ in range(40)])
    assert np.mean(p <= 0.01) <= 0.02
