"""The audit log's chain: any changed byte, any entry removed, put in, moved or cut off is found."""

import json
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from graphdet.audit import (
    GENESIS,
    SHOWN_FIELDS,
    AuditLog,
    Draft,
    Entry,
    Head,
    chained,
    digest,
    storable,
    verify,
)

HOSTILE = [
    "plain",
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A0",
    "\u202eright to left\u2066",
    "nul\x00inside",
    "lone \ud800 and \udcff",
    "x" * 10_000,
    "two\nlines\x1b[31m",
    "",
]


def log_of(n: int = 6) -> AuditLog:
    """A log of verdicts and other things, with hostile names and notes."""
    drafts = []
    for ix in range(n):
        text = HOSTILE[ix % len(HOSTILE)]
        after = {"verdict": "guilty", "reason": "other", "note": text, "found": {"members": ["u1", text]}}
        what = ("verdict", "report", "allow")[ix % 3]
        drafts.append(
            Draft(text or "Ann", what, "ring", f"R{ix:04d}", {"old": ix} if ix % 2 else None, after)
        )
    head, entries = Head(), []
    for ix, draft in enumerate(drafts):
        new, head = chained([draft], head, f"2026-01-01T00:00:{ix:02d}.000Z")
        entries += new
    return AuditLog(tuple(entries), head)


def with_entry(log: AuditLog, at: int, **changes: object) -> AuditLog:
    entries = list(log.entries)
    entries[at] = replace(entries[at], **changes)
    return replace(log, entries=tuple(entries))


def test_a_log_as_written_has_no_fault() -> None:
    assert verify(AuditLog((), None)) == []
    assert verify(AuditLog((), Head())) == []
    assert verify(log_of(40)) == []


def test_any_program_can_check_the_chain() -> None:
    import hashlib

    previous = "0" * 64
    for entry in log_of().entries:
        assert json.loads(entry.entry)["previous"] == previous
        previous = hashlib.sha256(entry.entry.encode("ascii")).hexdigest()
        assert previous == entry.hash


def test_texts_come_back_as_they_were() -> None:
    for text in HOSTILE:
        (entry,), _ = chained([Draft(text, "verdict", "user", text, None, {"note": text})], Head(), "now")
        document = entry.document()
        assert (document["who"], document["subject"], document["after"]["note"]) == (text, text, text)
        for shown in entry.shown.values():
            assert shown is None or "\x00" not in shown.encode("utf-8").decode("utf-8")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_flipped_byte_of_any_field_is_found(data: st.DataObject) -> None:
    log = log_of()
    at = data.draw(st.integers(0, len(log.entries) - 1))
    entry = log.entries[at]
    field = data.draw(st.sampled_from(["entry", "hash", *SHOWN_FIELDS]))
    value = getattr(entry, field) if field in ("entry", "hash") else entry.shown[field]
    if not value:
        changed: str | None = "x"
    else:
        raw = bytearray(value.encode())
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= data.draw(st.integers(1, 255))
        changed = raw.decode("utf-8", "surrogateescape")
    if field in SHOWN_FIELDS:
        broken = with_entry(log, at, shown={**entry.shown, field: changed})
    else:
        broken = with_entry(log, at, **{field: changed})
    faults = verify(broken)
    assert faults
    assert {fault.seq for fault in faults} & {entry.seq, entry.seq + 1}


@given(at=st.integers(0, 5))
def test_a_removed_entry_is_found(at: int) -> None:
    log = log_of()
    left = tuple(entry for ix, entry in enumerate(log.entries) if ix != at)
    faults = verify(replace(log, entries=left))
    assert faults
    assert f"{at + 1}" in faults[0].what or faults[0].seq == at + 1


@given(at=st.integers(0, 5), other=st.integers(0, 5))
def test_entries_that_changed_places_are_found(at: int, other: int) -> None:
    log = log_of()
    if at == other:
        return
    entries = list(log.entries)
    one, two = entries[at], entries[other]
    entries[at], entries[other] = replace(two, seq=one.seq), replace(one, seq=two.seq)
    assert verify(replace(log, entries=tuple(entries)))


@given(at=st.integers(0, 6))
def test_a_forged_entry_is_found(at: int) -> None:
    log = log_of()
    before = Head(at, log.entries[at - 1].hash) if at else Head()
    (forged,), _ = chained(
        [Draft("Eve", "verdict", "ring", "R1", None, {"verdict": "innocent"})], before, "now"
    )
    entries = [*log.entries[:at], forged, *log.entries[at:]]
    assert verify(replace(log, entries=tuple(entries)))


@given(n=st.integers(1, 6))
def test_a_tail_that_was_cut_off_is_found_by_the_head(n: int) -> None:
    log = log_of()
    faults = verify(replace(log, entries=log.entries[:-n]))
    assert faults
    assert "cut off" in faults[-1].what
    assert faults[-1].seq == 6 - n + 1


def test_a_head_that_was_changed_or_removed_is_found() -> None:
    log = log_of()
    for head in (None, Head(6, GENESIS), Head(5, log.entries[4].hash), Head(7, log.entries[5].hash)):
        assert verify(replace(log, head=head))


def test_a_log_that_was_cut_with_its_head_is_found_only_by_a_head_noted_elsewhere() -> None:
    log = log_of()
    cut = AuditLog(log.entries[:4], Head(4, log.entries[3].hash))
    assert verify(cut) == []
    assert log.head is not None
    assert "noted elsewhere" in verify(cut, expect=log.head.hash)[0].what
    assert verify(cut, expect=log.entries[2].hash.upper()) == []  # an older head: the log only grew
    assert verify(log, expect=log.head.hash) == []


def test_a_log_written_anew_is_found_only_by_a_head_noted_elsewhere() -> None:
    log = log_of()
    entries, head = [], Head()
    for entry in log.entries:
        d = entry.document()
        draft = Draft("Eve", d["what"], d["kind"], d["subject"], d["before"], d["after"])
        new, head = chained([draft], head, d["at"])
        entries += new
    forged = AuditLog(tuple(entries), head)
    assert verify(forged) == []
    assert log.head is not None
    assert verify(forged, expect=log.head.hash)


def test_a_damaged_text_is_no_crash() -> None:
    for text in ("", "[]", "{", "null", '{"seq": 1}', "\ud800"):
        broken = with_entry(log_of(), 2, entry=text, hash=digest(text))
        assert verify(broken)
        assert isinstance(broken.entries[2].document(), dict)


@given(st.text(st.characters()))
def test_storable_texts_have_no_nul_and_no_surrogate(text: str) -> None:
    storable(text).encode("utf-8")
    assert "\x00" not in storable(text)
    assert Entry(1, text, "", {}).document() is not None


def test_the_first_byte_of_the_previous_hash_matters() -> None:
    log = log_of()
    document = log.entries[3].document()
    document["previous"] = ("0" if document["previous"][0] != "0" else "1") + document["previous"][1:]
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    faults = verify(with_entry(log, 3, entry=text, hash=digest(text)))
    assert faults[0].seq == 4


@pytest.mark.parametrize("expect", [None, GENESIS])
def test_the_empty_head_is_in_every_log(expect: str | None) -> None:
    assert verify(log_of(), expect) == []
