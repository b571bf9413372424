"""Explanations of rings found in a planted log: ranked, stored, read back, and what would change the verdict."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.reports.evidence import evidence_findings
from graphdet.rings.evidence_table import EVIDENCE
from graphdet.rings.find import Candidates, Judged, judge_rings, ring_candidates
from graphdet.rings.finding import Explanation, RingFinding, ring_findings_of, ring_tables
from graphdet.rings.why.explain import CODES, explain_rings, summary_sentence
from graphdet.rings.why.findings import member_texts, ring_findings
from graphdet.rings.why.ring_view import LogView, RingView
from graphdet.rings.why.without import NO_RING_LOGIT, fewest_members, logits_without, without_acts
from graphdet.simulation.assemble import Planted
from graphdet.simulation.campaigns import kind
from graphdet.simulation.organic import organic
from graphdet.simulation.plant import plant
from graphdet.workbench import Workbench

pytestmark = pytest.mark.slow

JUDGE = shipped_judge().logits


@dataclass(frozen=True)
class Case:
    """A planted log, judged and explained; rows are those of flagged rings."""

    planted: Planted
    candidates: Candidates
    judged: Judged
    rows: list[int]
    why: list[Explanation]
    findings: tuple[RingFinding, ...]


@pytest.fixture(scope="module")
def case() -> Case:
    planted = plant(organic(4_000, 1_500, 20, seed=3), [kind("burst"), kind("camouflage"), kind("slow")], 5)
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(planted.graph, bench, 0, Silent())
    judged = judge_rings(candidates, JUDGE, 0.05)
    rows = np.flatnonzero(judged.flagged).tolist()
    why = explain_rings(judged, rows, candidates.model, planted.graph, JUDGE)
    findings = ring_findings(judged, candidates.model, planted.graph, JUDGE)
    return Case(planted, candidates, judged, rows, why, findings)


def test_there_are_rings_to_explain(case: Case) -> None:
    assert len(case.rows) >= 2


def test_a_log_without_nothing_is_judged_as_before(case: Case) -> None:
    nothing = [np.zeros(0, np.int64)] * len(case.rows)
    logits = logits_without(case.judged, case.rows, nothing, case.candidates.model, case.planted.graph, JUDGE)
    assert logits == pytest.approx(case.judged.logit[case.rows])


def test_the_log_without_acts_is_the_model_of_what_is_left(case: Case) -> None:
    model = case.candidates.model
    gone = np.arange(0, len(model.acts.at_ms), 97)
    there, anew = without_acts(model, gone), without_acts(model, gone)
    for name in ("user_gram", "item_gram"):
        anew.__dict__.pop(name)
        scale = np.abs(getattr(anew, name)).max()
        assert np.allclose(getattr(there, name), getattr(anew, name), rtol=1e-4, atol=1e-6 * scale)
    assert there.by_user.nnz == model.by_user.nnz - len(gone)


def test_nothing_is_left_of_a_ring_without_its_acts(case: Case) -> None:
    ring = RingView(LogView(case.candidates.model, case.planted.graph), case.judged.blocks.take(slice(0, 1)))
    gone = [ring.act]
    logits = logits_without(case.judged, [0], gone, case.candidates.model, case.planted.graph, JUDGE)
    assert logits[0] == NO_RING_LOGIT


def test_the_threshold_parts_flagged_rings_from_others(case: Case) -> None:
    assert case.judged.logit[case.judged.flagged].min() >= case.judged.threshold
    assert case.judged.logit[~case.judged.flagged].max() < case.judged.threshold


def test_reasons_are_ranked_and_true_counts(case: Case) -> None:
    for why in case.why:
        strengths = [reason.strength for reason in why.reasons]
        assert strengths == sorted(strengths, reverse=True)
        assert {reason.code for reason in why.reasons} <= set(CODES)
        assert all(reason.numbers["observed"] > reason.numbers["expected"] for reason in why.reasons)
        assert summary_sentence(why).startswith(f"{len(why.member_reasons)} accounts act on the same")


def test_what_would_change_the_verdict_does(case: Case) -> None:
    ids = case.planted.graph.user_ids.to_pylist()
    model, graph = case.candidates.model, case.planted.graph
    for row, why in zip(case.rows, case.why, strict=True):
        change = why.would_change
        assert change is not None
        assert (
            1
            <= change["n_members"]
            == len(change["members"])
            <= change["of_members"]
            == len(why.member_reasons)
        )
        ring = RingView(LogView(model, graph), case.judged.blocks.take(np.array([row])))
        places = [int(np.flatnonzero(ring.members == ids.index(user))[0]) for user in change["members"]]
        gone = ring.act[np.isin(ring.user, places)]
        assert len(gone) == change["n_acts"]
        (left,) = logits_without(case.judged, [row], [gone], model, graph, JUDGE)
        assert left < case.judged.threshold
        fewer = ring.act[np.isin(ring.user, places[:-1])]
        (still,) = logits_without(case.judged, [row], [fewer], model, graph, JUDGE)
        assert still >= case.judged.threshold


def test_halving_finds_the_fewest_members(case: Case) -> None:
    members = [[np.array([k]) for k in range(9)]]
    row = case.rows[:1]
    n, _ = fewest_members(
        case.judged, row, members, case.candidates.model, case.planted.graph, lambda x, _: x[:, 0] * 0 - 99
    )
    assert n.tolist() == [1]


def test_a_finding_holds_its_numbers_and_explanation(case: Case) -> None:
    for finding in case.findings:
        explanation = finding.explanation
        assert set(explanation.numbers) == set(EVIDENCE)
        assert {row.name for row in evidence_findings(explanation.numbers)} == set(EVIDENCE)
        assert set(explanation.member_reasons) == finding.user_ids
        assert explanation.reasons
        assert explanation.reasons[0].text[1:] in finding.reason


def test_findings_read_back_from_their_tables(case: Case) -> None:
    tables = ring_tables(case.findings)
    again = ring_findings_of(tables)
    assert ring_tables(again) == tables
    for before, after in zip(case.findings, again, strict=True):
        assert replace(before, explanation=after.explanation) == after
        assert before.explanation.numbers == after.explanation.numbers
        assert [one.rounded() for one in before.explanation.reasons] == list(after.explanation.reasons)
        assert before.explanation.member_reasons == after.explanation.member_reasons


def test_members_are_told_what_they_did(case: Case) -> None:
    texts = member_texts(case.findings)
    assert len(texts) == sum(len(finding.members) for finding in case.findings)
    assert all(1 <= len(each) <= 2 and each[0].startswith("touched") for each in texts.values())


def test_without_the_judge_nothing_is_said_of_the_verdict(case: Case) -> None:
    (why,) = explain_rings(case.judged, case.rows[:1], case.candidates.model, case.planted.graph)
    assert why.would_change is None
    assert not any("judge_logit_drop" in reason.numbers for reason in why.reasons)
