"""verdict, allow, deny, snooze: what analysts decide, noted in the audit log of a store and read back from it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from graphdet.audit import VERDICT, Draft, Entry, Head, iso_utc, utc_now, verify
from graphdet.casework.standing import (
    ASSIGN,
    NOTE,
    RING_SUBJECT,
    SNOOZE,
    USER,
    Standing,
    Verdict,
    check_reason,
    loose_verdict,
    read_standing,
)
from graphdet.casework.subjects import found_of, ring_id_of
from graphdet.errors import UsageError
from graphdet.ports import AuditStore, CaseworkStore

MOST_SNOOZE_DAYS = 3650


def standing_of(store: AuditStore) -> Standing:
    """What holds in a store, ended lists and snoozes among it (see Standing.at); writes nothing."""
    return _standing(store.audit().entries, store)


def decision_doubts(store: AuditStore) -> list[str]:
    """A warning where the audit log was changed: what it says was decided may not have been."""
    faults = verify(store.audit())
    if not faults:
        return []
    places = sorted({fault.seq for fault in faults if fault.seq is not None})
    where = f" (entry {places[0]})" if places else ""
    return [
        f"the audit log was changed{where}, so verdicts and lists may not be what was decided; "
        "look with: graphdet audit verify"
    ]


def _standing(entries: Sequence[Entry], store: AuditStore) -> Standing:
    return read_standing((entry.document() for entry in entries), store.loose_verdicts())


def note_loose(store: CaseworkStore) -> int:
    """Note in the audit log what was decided in Neo4j Browser, with what is known of its subject; says how many."""
    drafts = []
    for loose in store.loose_verdicts():
        verdict = loose_verdict(loose)
        found: dict[str, Any] = {}
        fault = verdict.fault
        if fault is None:
            try:
                found = found_of(store, verdict.kind, verdict.subject)
            except UsageError as error:
                fault = str(error)
        after = _after(verdict.verdict, verdict.reason, verdict.note, found)
        after |= {"given_at": verdict.at, "given_in": "Neo4j Browser"}
        drafts.append(
            Draft(
                verdict.who,
                VERDICT,
                verdict.kind,
                verdict.subject,
                after=after | ({"fault": fault} if fault else {}),
                loose=loose.key,
            )
        )
    if drafts:
        store.append_audit(drafts)
    return len(drafts)


def give_verdict(
    store: CaseworkStore, kind: str, subject: str, verdict: str, reason: str, note: str, who: str
) -> tuple[Verdict, Head]:
    """Give a verdict on a ring or a user; it supersedes an earlier one, which stays in the log.

    Raises:
        UsageError: no such ring or user, no such verdict, or a reason that is none of it.
    """
    check_reason(verdict, reason, note)
    note_loose(store)
    if kind == RING_SUBJECT:
        subject = ring_id_of(store, subject)
    found = found_of(store, kind, subject)
    before = standing_of(store).current.get((kind, subject))
    draft = Draft(who, VERDICT, kind, subject, _told(before), _after(verdict, reason, note, found))
    head = store.append_audit([draft])
    return standing_of(store).current[kind, subject], head


def give_verdicts(
    store: CaseworkStore, ring_ids: Sequence[str], verdict: str, reason: str, note: str, who: str
) -> str:
    """Give one verdict on several rings, all or none; returns the name of the batch, by which `undo` takes it back.

    Raises:
        UsageError: no ring, no such ring, no such verdict, or a reason that is none of it.
    """
    check_reason(verdict, reason, note)
    if not ring_ids:
        raise UsageError("name at least one ring")
    note_loose(store)
    batch = secrets.token_hex(8)
    current = standing_of(store).current
    drafts = []
    for ring_id in dict.fromkeys(ring_id_of(store, name) for name in ring_ids):
        after = _after(verdict, reason, note, found_of(store, RING_SUBJECT, ring_id)) | {"batch": batch}
        before = _told(current.get((RING_SUBJECT, ring_id)))
        drafts.append(Draft(who, VERDICT, RING_SUBJECT, ring_id, before, after))
    store.append_audit(drafts)
    return batch


def undo(store: CaseworkStore, batch: str, who: str) -> int:
    """Take back the verdicts of a batch: what held before holds again; says on how many rings.

    A ring that somebody has judged again since keeps that verdict.

    Raises:
        UsageError: there is no such batch, or nothing of it counts any more.
    """
    documents = [entry.document() for entry in store.audit().entries]
    given = [
        one
        for one in documents
        if one.get("what") == VERDICT and (one.get("after") or {}).get("batch") == batch
    ]
    current = standing_of(store).current
    drafts = []
    for one in given:
        now = current.get((one["kind"], one["subject"]))
        if now is not None and now.seq == one["seq"]:
            before = one.get("before")
            after: dict[str, Any] = {"verdict": None, "note": f"undone, entry {one['seq']}"}
            if before is not None:
                found = found_of(store, one["kind"], one["subject"])
                after = _after(before["verdict"], before["reason"], before["note"], found)
            drafts.append(Draft(who, VERDICT, one["kind"], one["subject"], _told(now), after))
    if not drafts:
        raise UsageError("there is nothing to undo: no such decision, or a later one counts")
    store.append_audit(drafts)
    return len(drafts)


def note_on_ring(store: CaseworkStore, ring_id: str, text: str, who: str) -> str:
    """Write a note on a ring, which decides nothing; returns the ring's whole id.

    Raises:
        UsageError: there is no such ring, or the note is empty.
    """
    if not text.strip():
        raise UsageError("the note is empty")
    ring_id = ring_id_of(store, ring_id)
    found_of(store, RING_SUBJECT, ring_id)
    store.append_audit([Draft(who, NOTE, RING_SUBJECT, ring_id, after={"note": text.strip()})])
    return ring_id


def assign_ring(store: CaseworkStore, ring_id: str, to: str, who: str) -> str:
    """Say who looks after a ring, "" for nobody; returns the ring's whole id.

    Raises:
        UsageError: there is no such ring.
    """
    ring_id = ring_id_of(store, ring_id)
    found_of(store, RING_SUBJECT, ring_id)
    before = standing_of(store).assigned.get(ring_id)
    store.append_audit([Draft(who, ASSIGN, RING_SUBJECT, ring_id, {"to": before}, {"to": to.strip()})])
    return ring_id


def _after(verdict: str, reason: str, note: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"verdict": verdict, "reason": reason, "note": note, "found": dict(found)}


def _told(verdict: Verdict | None) -> dict[str, Any] | None:
    """An earlier verdict as the "before" of the next one."""
    if verdict is None:
        return None
    return {"verdict": verdict.verdict, "reason": verdict.reason, "note": verdict.note, "entry": verdict.seq}


def put_on_list(
    store: AuditStore,
    name: str,
    user_ids: Sequence[str],
    *,
    remove: bool = False,
    until: datetime | None = None,
    note: str = "",
    who: str,
) -> Head:
    """Put users on the allow or deny list (`name`), which takes them off the other; or take them off.

    Users need not be in the log yet.

    Raises:
        UsageError: no user, an empty id; or somebody to be taken off is not on the list.
    """
    if not user_ids or not all(user_ids):
        raise UsageError("name at least one user, by its id")
    now = standing_of(store).at(utc_now())
    drafts = []
    for user_id in dict.fromkeys(user_ids):
        listed = now.listed.get(user_id)
        if remove and (listed is None or listed.list != name):
            raise UsageError(
                f"user {user_id!r} is not on the {name} list"
                + (f" but on the {listed.list} list" if listed else "")
                + "; nothing was changed"
            )
        before = None if listed is None else asdict(listed)
        after = {"list": None if remove else name, "until": iso_utc(until) if until else None, "note": note}
        drafts.append(Draft(who, name, USER, user_id, before, after))
    return store.append_audit(drafts)


def snooze_ring(
    store: CaseworkStore, ring_id: str, until: datetime | None, *, note: str = "", who: str
) -> tuple[str, Head]:
    """Keep a ring quiet until a time; None ends a snooze. Returns the ring's whole id.

    Raises:
        UsageError: there is no such ring, or it is not snoozed.
    """
    ring_id = ring_id_of(store, ring_id)
    found_of(store, RING_SUBJECT, ring_id)
    before = standing_of(store).at(utc_now()).snoozed.get(ring_id)
    if until is None and before is None:
        raise UsageError(f"ring {ring_id} is not snoozed")
    after = {"until": iso_utc(until) if until else None, "note": note}
    draft = Draft(who, SNOOZE, RING_SUBJECT, ring_id, None if before is None else asdict(before), after)
    return ring_id, store.append_audit([draft])


def ends_at(until: str | None, days: float | None) -> datetime | None:
    """The end of a snooze or of a place on a list: a date or time (UTC where it names no zone), or days from now.

    A date means its beginning: spans are half open.

    Raises:
        UsageError: both, no date, in the past, or longer than ten years.
    """
    if until is not None and days is not None:
        raise UsageError("give a date or a number of days, not both")
    if until is None and days is None:
        return None
    now = utc_now()
    if days is not None:
        if not 0 < days <= MOST_SNOOZE_DAYS:
            raise UsageError(f"--days must be above 0 and at most {MOST_SNOOZE_DAYS}, not {days:g}")
        return now + timedelta(days=days)
    try:
        end = datetime.fromisoformat(str(until))
    except ValueError:
        raise UsageError(f"{until!r} is no date; write it as 2026-12-31 or 2026-12-31T18:00") from None
    end = end if end.tzinfo else end.replace(tzinfo=UTC)
    if not now < end <= now + timedelta(days=MOST_SNOOZE_DAYS):
        raise UsageError(f"{until} is {'past' if end <= now else 'more than ten years from now'}")
    return end


def record(
    store: AuditStore, who: str, what: str, kind: str, subject: str, before: Any = None, after: Any = None
) -> Head:
    """Note anything else that must be known later: a report that was written, an id that was revealed."""
    return store.append_audit([Draft(who, what, kind, subject, before, after)])
