"""Facts for a language model hold no id, and of its answers only sentences that hold to facts are kept."""

import pytest

from graphdet.reports.gather import Sources, gather_rings
from graphdet.reports.narrative import fact_sheet, holds, messages, read_narrative
from graphdet.reports.ring_data import RingData
from tests.reports.report_findings import HOSTILE, make_findings


def ring(ring_id: str) -> RingData:
    rings, scores, acts, items = make_findings()
    return next(iter(gather_rings(Sources(rings, acts, scores, items), [ring_id])))


@pytest.mark.parametrize("ring_id", ["R0001", "R0002"])
def test_no_name_of_the_log_is_in_the_facts(ring_id: str) -> None:
    data = ring(ring_id)
    sent = "\n".join(message["content"] for message in messages(fact_sheet(data)))
    names = {m.user_id for m in data.members} | {i.item_id for i in data.items} | set(HOSTILE)
    names |= {i.name for i in data.items if i.name} | {a.session_id for a in data.acts} | {"<i>buy"}
    assert not [name for name in names if name in sent]
    assert "M1" in sent
    assert "T1" in sent


def test_placeholders_are_turned_back_only_here() -> None:
    data = ring("R0002")
    sheet = fact_sheet(data)
    key = next(key for key, fact in sheet.facts.items() if "surest" in fact)
    told = read_narrative(f"M1 is sure [{key}].", sheet, "m", "e")
    assert [s.text for s in told.sentences] == [f"{data.members[0].user_id} is sure."]
    assert data.members[0].user_id in told.facts[key]


FACT = (
    "60 accounts act on 10 items (85 %), 1,200 acts within 3 min of M2, from 2026-01-19 17:51:01, T4 first."
)


@pytest.mark.parametrize(
    "words",
    [
        "60 accounts act on ten items.",
        "85% of it was done.",
        "There were 1200 acts within 3 minutes of M2.",
        "It began on 2026-01-19 at 17:51.",
        "T4 came first.",
    ],
)
def test_what_stands_in_the_fact_is_kept(words: str) -> None:
    assert holds(words, [FACT])


@pytest.mark.parametrize(
    "words",
    [
        "61 accounts act.",
        "60 % of them act.",  # a count is no share
        "Within 3 h of M2.",
        "Within 3 days.",
        "M3 leads.",
        "It began on 2026-01-20.",
        "It began at 18:51.",
        "Half of them are bots.",
        "Hundreds of accounts act.",
        "Eleven items.",
        "٣ accounts act.",
        "½ of them.",
        "10⁹ acts.",
        "See www.evil.example now.",
        "See [this](https://evil.example).",
        "a" * 600,
        "!!!",
        "0x3C accounts act.",
        "60accounts and 7accounts.",
        "1,2,0,0 acts.",
        "-99 acts.",
    ],
)
def test_what_does_not_is_dropped(words: str) -> None:
    assert not holds(words, [FACT])


def test_a_citation_must_exist_and_long_answers_are_cut() -> None:
    sheet = fact_sheet(ring("R0001"))
    told = read_narrative("Accounts act. [E1]\nAccounts act [E1, E77].\nAccounts act.", sheet, "m", "e")
    assert (len(told.sentences), told.n_dropped) == (1, 2)
    many = read_narrative("Accounts act [E1].\n" * 100, sheet, "m", "e")
    assert (len(many.sentences), many.n_dropped) == (20, 80)
    assert read_narrative("[E1] " * 10_000, sheet, "m", "e").sentences == ()
