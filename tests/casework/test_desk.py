"""What follows from decisions: who is flagged, what is learned, how often we were right."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from graphdet.casework.effects import muted_in_words, precision_of, settle_rings, settle_users
from graphdet.casework.labels import merge, verdict_labels
from graphdet.casework.standing import VERDICT_REASONS, VERDICTS, Standing, check_reason, read_standing
from graphdet.errors import UsageError
from graphdet.ports import LooseVerdict
from graphdet.rings.finding import RingFinding, RingItem, RingMember

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER, EARLIER = "2026-06-02T00:00:00.000Z", "2026-06-01T00:00:00.000Z"


def entry(seq: int, what: str, kind: str, subject: str, **after: Any) -> dict[str, Any]:
    """A document of the audit log, as far as it matters here."""
    return {"seq": seq, "at": "2026-05-01T12:00:00.000Z", "who": "Ann", "what": what, "kind": kind,
            "subject": subject, "before": None, "after": after}  # fmt: skip


def judged(seq: int, kind: str, subject: str, verdict: str, **found: Any) -> dict[str, Any]:
    return entry(seq, "verdict", kind, subject, verdict=verdict, reason="other", note="n", found=found)


def standing(*documents: dict[str, Any]) -> Standing:
    return read_standing(documents).at(NOW)


def rings(*shapes: tuple[str, str, str, bool]) -> tuple[RingFinding, ...]:
    """Rings of (id, members, items, flagged); a letter is an id."""
    return tuple(
        RingFinding(
            name, len(members), len(items), 0.9, 0.01, 0.01, flagged, "a", "b", "They act together.",
            members=tuple(RingMember(user, 0.9) for user in members),
            items=tuple(RingItem(item, 3, 9.0) for item in items),
        )
        for name, members, items, flagged in shapes
    )  # fmt: skip


def scores(**flagged: bool) -> pa.Table:
    n = len(flagged)
    return pa.table(
        {
            "user_id": list(flagged),
            "score": [0.5] * n,
            "flagged": list(flagged.values()),
            "reason": ["Why."] * n,
        }
    )


# --- what holds ------------------------------------------------------------------------------------------
def test_the_last_word_counts_and_history_stays() -> None:
    now = standing(judged(1, "ring", "R1", "guilty"), judged(2, "ring", "R1", "innocent"))
    assert [one.verdict for one in now.verdicts] == ["guilty", "innocent"]
    found = now.of_ring("R1")
    assert found is not None
    assert (found.verdict, found.seq) == ("innocent", 2)
    assert now.of_user("R1") is None


def test_lists_and_snoozes_end() -> None:
    def at(until: str | None) -> Standing:
        return standing(
            entry(1, "allow", "user", "u", list="allow", until=until),
            entry(2, "snooze", "ring", "R1", until=until or LATER),
        )

    assert set(at(LATER).listed) == {"u"}
    assert set(at(LATER).snoozed) == {"R1"}
    assert at(EARLIER).listed == at(EARLIER).snoozed == {}  # half open: at its end it is over
    assert set(at(None).listed) == {"u"}


def test_a_user_is_on_one_list_and_comes_off_it() -> None:
    on = entry(1, "allow", "user", "u", list="allow", until=None)
    other = entry(2, "deny", "user", "u", list="deny", until=None)
    off = entry(3, "deny", "user", "u", list=None, until=None)
    assert standing(on, other).listed["u"].list == "deny"
    assert standing(on, other, off).listed == {}


def test_verdicts_from_neo4j_browser_count_when_they_are_whole() -> None:
    said = {
        "kind": "ring",
        "subject": "R1",
        "verdict": "innocent",
        "reason": "fan-club",
        "who": "Ann",
        "at": "t",
    }
    wrong: list[dict[str, Any]] = [
        said | {"verdict": "maybe"}, said | {"reason": "because"}, said | {"kind": "item"}, {"subject": 7}, {},
        said | {"reason": "other"},
    ]  # fmt: skip
    now = read_standing([], [LooseVerdict("1", said), *(LooseVerdict("x", each) for each in wrong)])
    assert set(now.current) == {("ring", "R1")}
    assert [one.fault is None for one in now.verdicts] == [True, *[False] * len(wrong)]


def test_names_in_reasons_are_short_and_show_what_they_hide() -> None:
    document = judged(1, "ring", "R1", "innocent", members=["a"], items=["x"])
    document["who"] = "\u202eEve\x1b\n" + "x" * 10_000
    settled = settle_rings(rings(("R1", "a", "x", True)), standing(document)).findings
    reason = str(settled[0].reason)
    assert "\\u202eEve\\x1b\\n" in reason
    assert len(reason) < 300


# --- reasons ---------------------------------------------------------------------------------------------
def test_every_reason_goes_with_its_verdict_only() -> None:
    for verdict in VERDICTS:
        for other, codes in VERDICT_REASONS.items():
            for code in codes:
                if verdict == other:
                    check_reason(verdict, code, "")
                else:
                    with pytest.raises(UsageError, match=f"goes with the verdict {other}"):
                        check_reason(verdict, code, "")
        check_reason(verdict, "other", "a note")
        with pytest.raises(UsageError, match="needs a note"):
            check_reason(verdict, "other", " \n")
        with pytest.raises(UsageError, match=r"(?s)there is no reason.*Reasons for"):
            check_reason(verdict, "zzz", "")


# --- flags -----------------------------------------------------------------------------------------------
def test_an_innocent_ring_stays_quiet_until_it_changes_materially() -> None:
    now = standing(judged(1, "ring", "R1", "innocent", members=list("abcd"), items=list("wxyz")))
    for members, items, flagged in (
        ("abcd", "wxyz", False),
        ("ab", "w", False),
        ("abcdef", "wxyz", False),  # two more of four is half, not more
        ("abcdefg", "wxyz", True),
        ("efgabcd", "wxyz", True),
        ("abcd", "wxyzpq", False),
        ("abcd", "pqrwxyz", True),
    ):
        found = settle_rings(rings(("R1", members, items, True)), now)
        (ring,) = found.findings
        assert ring.flagged == flagged, (members, items)
        assert ("R1" in found.quiet) == (not flagged)
        assert found.counts == {"rings_flagged_again" if flagged else "rings_judged_innocent": 1}
        assert ("Flagged again although judged innocent by Ann on 2026-05-01" in str(ring.reason)) == flagged
        assert str(ring.reason).endswith("They act together.")


def test_a_quiet_ring_that_would_not_be_flagged_is_not_counted() -> None:
    now = standing(judged(1, "ring", "R1", "innocent", members=["a"], items=["x"]))
    found = settle_rings(rings(("R1", "a", "x", False)), now)
    assert (found.counts, set(found.quiet)) == ({}, {"R1"})


def test_a_snoozed_ring_is_quiet_and_a_guilty_one_is_not() -> None:
    now = standing(
        entry(1, "snooze", "ring", "R1", until=LATER), judged(2, "ring", "R2", "guilty", members=["a"])
    )
    found = settle_rings(
        rings(("R1", "ab", "x", True), ("R2", "cd", "x", True), ("R3", "ef", "x", True)), now
    )
    assert [ring.flagged for ring in found.findings] == [False, True, True]
    assert found.counts == {"rings_snoozed": 1}
    assert "until 2026-06-02 00:00 UTC" in found.quiet["R1"]
    assert str(found.findings[1].reason).startswith("Judged guilty by Ann")
    assert found.findings[2].reason == "They act together."


def test_lists_decide_who_is_flagged_and_say_so() -> None:
    now = standing(
        entry(1, "allow", "user", "a", list="allow", until=None),
        entry(2, "deny", "user", "b", list="deny", until=None),
        entry(3, "allow", "user", "c", list="allow", until=EARLIER),
        entry(4, "allow", "user", "nobody", list="allow", until=None),
        judged(5, "user", "d", "innocent", rings=["R1"]),
        judged(6, "user", "e", "innocent", rings=[]),
    )
    table, counts = settle_users(
        scores(a=True, b=False, c=True, d=True, e=True, f=True), now, rings(("R1", "de", "x", True))
    )
    assert dict(zip("abcdef", table["flagged"].to_pylist(), strict=True)) == {
        "a": False, "b": True, "c": True, "d": False, "e": True, "f": True,
    }  # fmt: skip
    assert counts == {"users_on_allow_list": 1, "users_on_deny_list": 1, "users_judged_innocent": 1}
    reasons = dict(zip("abcdef", table["reason"].to_pylist(), strict=True))
    assert reasons["a"].startswith("On the allow list (Ann, 2026-05-01). Not flagged for that")
    assert reasons["b"].startswith("On the deny list (Ann, 2026-05-01). Flagged for that alone.")
    assert "now in R1, which is flagged" in reasons["e"]
    assert reasons["c"] == reasons["f"] == "Why."
    assert all(reason.endswith("Why.") for reason in reasons.values())


def test_with_no_decision_nothing_changes() -> None:
    found = rings(("R1", "ab", "x", True))
    assert settle_rings(found, Standing()).findings == found
    table = scores(a=True)
    assert settle_users(table, Standing(), found) == (table, {})
    assert muted_in_words({}) == []


# --- labels ----------------------------------------------------------------------------------------------
def test_verdicts_become_labels_and_disagreement_is_told() -> None:
    labels = verdict_labels(
        standing(
            judged(1, "ring", "R1", "guilty", members=list("abcd"), sure_members=list("abc")),
            judged(2, "ring", "R2", "innocent", members=list("cxy")),
            judged(3, "ring", "R3", "unsure", members=list("pq")),
            judged(4, "user", "b", "innocent"),
            judged(5, "user", "z", "guilty"),
        )
    )
    assert labels.label == {"a": 1, "b": 0, "x": 0, "y": 0, "z": 1}
    assert labels.ring == {"a": "R1"}
    assert set(labels.conflicts) == {"c"}
    merged, conflicts = merge({"a": 1, "x": 1, "n": 0}, labels)
    assert merged == {"a": 1, "n": 0, "b": 0, "y": 0, "z": 1}
    assert conflicts["x"] == "the label says fraud, the verdict clean"
    assert set(conflicts) == {"c", "x"}


def test_a_superseded_verdict_is_not_learned() -> None:
    one, two = (
        judged(1, "ring", "R1", "guilty", members=["a"]),
        judged(2, "ring", "R1", "unsure", members=["a"]),
    )
    assert verdict_labels(standing(one, two)).label == {}


# --- precision -------------------------------------------------------------------------------------------
def test_precision_counts_what_each_detector_said() -> None:
    now = standing(
        *(judged(n, "ring", f"R{n}", "guilty", flagged=True, detectors=["ring judge", "lockstep"]) for n in range(8)),
        *(judged(n, "ring", f"R{n}", "innocent", flagged=True, detectors=["ring judge"]) for n in range(8, 10)),
        judged(10, "ring", "R10", "unsure", flagged=True, detectors=["ring judge", "ring judge"]),
        judged(11, "ring", "R11", "innocent", flagged=False, detectors=["ring judge"]),
        judged(12, "user", "u", "unsure", flagged=True, detectors=["gnn"]),
    )  # fmt: skip
    of = {(each["of"], each["detector"]): each for each in precision_of(now.current.values())}
    judge = of["flagged rings", "ring judge"]
    assert (judge["n_guilty"], judge["n_innocent"], judge["n_unsure"], judge["precision"]) == (8, 2, 1, 0.8)
    assert (round(judge["low"], 3), round(judge["high"], 3)) == (0.490, 0.943)  # Wilson's, from tables
    assert of["flagged rings", "lockstep"]["precision"] == 1.0
    assert of["not flagged rings", "all"]["precision"] == 0.0
    none = of["flagged users", "gnn"]
    assert (none["precision"], none["low"], none["high"]) == (None, 0.0, 1.0)
    assert next(iter(of)) == ("flagged rings", "all")
