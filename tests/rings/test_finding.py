"""A ring as one object: it reads back from a store, foreign text is taken as far as it goes, and what holds it back."""

import json
from collections import defaultdict
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from graphdet import schema
from graphdet.rings.evidence_table import EVIDENCE_TABLE, INPUTS, JUDGE_DIRECTION, judge_inputs
from graphdet.rings.finding import (
    THOUGH_IT_WOULD,
    Explanation,
    Reason,
    RingFinding,
    RingItem,
    RingMember,
    ring_findings_of,
    ring_tables,
)
from graphdet.rings.leads import lead_table
from graphdet.rings.rules import HELD_BACK_BY, HeldBackBy, rule_words
from graphdet.rings.why.doubts import EVIDENCE_LIMITS
from graphdet.rings.why.explain import CODES, COUNTER_CODES

RARE = Reason("rare_targets", "Rare items.", 5.0, {"observed": 9, "kind": "device"})
SHARES = Reason(
    "shared_entities", "Shares a device.", 1.5, {"observed": 1}, {"with": ["u2"], "entity_id": "d"}
)
EXPLAINED = Explanation(
    {"lift": 2.0, "density": 0.25},
    (RARE,),
    (Reason("small", "The group is small.", 3.0),),
    {"u1": (SHARES,), "u2": ()},
    {"text": "Without u2 it would not be flagged.", "n_members": 1},
)
RING = RingFinding(
    "R0001", 2, 1, 0.97, 0.01, None, True, "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", "Rare items.",
    EXPLAINED, (RingMember("u1", 0.9), RingMember("u2", 0.4)), (RingItem("i", 2, 8.0),),
)  # fmt: skip


def test_a_finding_reads_back_from_the_tables_of_a_store() -> None:
    other = replace(RING, ring_id="R0002", explanation=Explanation(), members=(), items=(), flagged=False)
    assert ring_findings_of(ring_tables([RING, other])) == (RING, other)
    assert ring_findings_of(ring_tables([])) == ()


def test_the_text_in_a_store_has_the_numbers_first_and_every_part_under_its_key() -> None:
    document = json.loads(EXPLAINED.to_json())
    assert list(document) == [
        "lift", "density", "reasons", "counter_evidence", "member_reasons", "would_change",
    ]  # fmt: skip
    assert list(document["member_reasons"]["u1"][0]) == [
        "code",
        "strength",
        "text",
        "numbers",
        "with",
        "entity_id",
    ]
    block = {"n_members": 2, "logit": 1.5, "baseline": 0.0, "sums": {"inputs": 1.5}, "features": []}
    with_network = replace(EXPLAINED, gnn=block)
    assert list(json.loads(with_network.to_json()))[-1] == "gnn"
    assert Explanation.from_json(with_network.to_json()) == with_network


def test_strengths_and_numbers_are_stored_with_four_digits() -> None:
    long = Reason("rare_targets", "x", 5.123456, {"expected": 0.1234567, "observed": 3.0})
    (row,) = json.loads(Explanation(reasons=(long,)).to_json())["reasons"]
    assert (row["strength"], row["numbers"]) == (5.123, {"expected": 0.1235, "observed": 3})


@pytest.mark.parametrize("text", [None, "", "no JSON", "[1]", '"x"', "7", '{"reasons": {"text": "x"}}'])
def test_text_that_is_no_explanation_explains_nothing(text: str | None) -> None:
    assert Explanation.from_json(text) == Explanation()


def test_of_foreign_text_what_is_as_expected_is_taken() -> None:
    found = Explanation.from_json(
        json.dumps(
            {
                "lift": 2,
                "flag": True,
                "reasons": [{"text": "Why.", "strength": "much", "numbers": 3}, {"code": "no text"}, 7],
                "counter_evidence": "x",
                "member_reasons": {"u1": [{"text": "Did it.", "code": 5}]},
                "would_change": {"members": ["u1"]},
                "gnn": {
                    "logit": 1.0,
                    "baseline": 0.0,
                    "n_members": 2,
                    "sums": {},
                    "features": [{"text": "x"}],
                },
            }
        )
    )
    members = {"u1": (Reason("5", "Did it."),)}
    assert found == Explanation({"lift": 2.0}, (Reason("", "Why."),), member_reasons=members)


def test_why_a_ring_is_not_flagged() -> None:
    assert RING.held_back == ()
    lead = replace(RING, flagged=False)
    assert [rule.code for rule in lead.held_back] == ["unrecorded"]  # of a version that kept no rule
    rules = (Reason("crowd", "Of a crowd.", numbers={"sharpness": 0.2}), Reason("score", "Its score is low."))
    ruled = replace(lead, explanation=replace(EXPLAINED, held_back=rules))
    assert ruled.held_back == rules
    assert ring_findings_of(ring_tables([ruled])) == (ruled,)
    decided = replace(ruled, reason=f"Judged innocent by Ann. {THOUGH_IT_WOULD} Rare items.")
    assert [rule.code for rule in decided.held_back] == ["decision", "crowd", "score"]
    assert decided.decision == decided.held_back[0].text == f"Judged innocent by Ann. {THOUGH_IT_WOULD}"
    weak, strong = (
        replace(ruled, ring_id=name, score=score) for name, score in (("R0004", 0.5), ("R0003", 0.8))
    )
    alone = replace(strong, ring_id="R0005", score=0.04, explanation=Explanation(held_back=rules[:1]))
    order = lead_table(ring_tables([weak, RING, strong, alone]))["ring_id"].to_pylist()
    assert order == ["R0005", "R0003", "R0004"]  # first what a rule alone held back
    table = lead_table(ring_tables([RING, decided]))
    assert tuple(table.column_names) == schema.LEAD_COLUMNS
    assert table["held_back_by"].to_pylist() == ["decision"]
    assert table["why"].to_pylist() == [
        f"Judged innocent by Ann. {THOUGH_IT_WOULD} Of a crowd. Its score is low."
    ]


@pytest.mark.parametrize("code", HELD_BACK_BY)
def test_every_rule_has_words(code: HeldBackBy) -> None:
    numbers: dict[str, Any] = defaultdict(lambda: 0.24, {"text": "Judged innocent."})  # whichever it names
    words = rule_words(code, numbers)
    assert words.endswith(".")
    assert not words[0].islower()
    assert set(HELD_BACK_BY) == set(get_args(HeldBackBy))


def test_the_table_of_evidence_numbers_is_whole() -> None:
    names = [number.name for number in EVIDENCE_TABLE]
    assert len(set(names)) == len(names)
    assert all((number.scale is None) == (number.direction is None) for number in EVIDENCE_TABLE)
    assert {code for number in EVIDENCE_TABLE for code in number.supports} <= set(CODES)
    assert {number.measured_by for number in EVIDENCE_TABLE} - {None} <= set(COUNTER_CODES)
    assert {limit.name for limit in EVIDENCE_LIMITS} <= set(names)
    assert len(INPUTS) == len(JUDGE_DIRECTION)


def test_the_judge_is_told_finite_inputs_in_the_order_of_the_table() -> None:
    inputs = judge_inputs({number.name: np.array([0.0, 1.0]) for number in EVIDENCE_TABLE})
    assert inputs.shape == (2, len(INPUTS))
    assert np.isfinite(inputs).all()
    with pytest.raises(KeyError):
        judge_inputs({})
