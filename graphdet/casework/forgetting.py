"""What a store was told to forget: read from its audit log, and taken out of it.

An account that is forgotten is noted by a digest under a salt, which the first such entry brings and all share; the id
is nowhere. Whoever holds the store can test whether an id that he names was forgotten (that is what the proof is for,
and what keeps a log that is read again from bringing the account back), and cannot list whose ids they are.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphdet.audit import FORGET, RETENTION, VERDICT, Draft, Entry, digest, redacted, told_of
from graphdet.casework.standing import ASSIGN, LISTS, NOTE, SNOOZE, USER
from graphdet.ports import AuditStore
from graphdet.privacy import NO_LONGER, Scrub, Withheld, digest_of_id

SALT_BYTES = 32
ITEM_DIGEST, BEFORE_MS = "as_item", "before_ms"
OF_PEOPLE = (VERDICT, NOTE, ASSIGN, SNOOZE, *LISTS)  # what retention of verdicts is about


@dataclass(frozen=True)
class Forgetting:
    """An account that was forgotten: the entry that says so, when, by whom."""

    seq: int
    at: str
    who: str


def _whole(entries: Iterable[Entry], what: str) -> Iterable[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Number, document and `after` of the entries of a kind whose text has its hash."""
    for entry in entries:
        document = entry.document()
        after = document.get("after")
        if document.get("what") == what and isinstance(after, dict) and digest(entry.entry) == entry.hash:
            yield entry.seq, document, after


def withheld_of(store: AuditStore) -> Withheld:
    """What a store does not take when a log is read."""
    entries = store.audit().entries
    users, items, salt = set(), set(), b""
    for _, document, after in _whole(entries, FORGET):
        salt = bytes.fromhex(str(after["salt"]))
        users.add(str(document["subject"]))
        if after.get(ITEM_DIGEST):
            items.add(str(after[ITEM_DIGEST]))
    before = [int(after[BEFORE_MS]) for _, _, after in _whole(entries, RETENTION) if after.get(BEFORE_MS)]
    return Withheld(salt, frozenset(users), frozenset(items), max(before, default=None))


def forgetting_of(store: AuditStore, user_id: str) -> Forgetting | None:
    """The first entry by which an account was forgotten; None: it was not."""
    for seq, document, after in _whole(store.audit().entries, FORGET):
        if document["subject"] == digest_of_id(bytes.fromhex(after["salt"]), "user_id", user_id):
            return Forgetting(seq, str(document["at"]), str(document["who"]))
    return None


def note_forgotten(
    store: AuditStore, user_ids: Sequence[str], who: str, removed: Mapping[str, Any], *, as_items: bool
) -> int:
    """Note that accounts are forgotten, and take them out of earlier entries; says out of how many.

    removed: what goes with them, in numbers; it stands in the first of the entries.
    """
    log = store.audit()
    salt = withheld_of(store).salt or secrets.token_bytes(SALT_BYTES)
    changed = list(_without(log.entries, frozenset(user_ids)))
    drafts: list[Draft] = []
    for user_id in user_ids:
        after: dict[str, Any] = {"salt": salt.hex()}
        if as_items:
            after[ITEM_DIGEST] = digest_of_id(salt, "item_id", user_id)
        if not drafts:
            after |= {"removed": dict(removed), "redacted": told_of(changed)}
        drafts.append(Draft(who, FORGET, USER, digest_of_id(salt, "user_id", user_id), after=after))
    store.append_audit(drafts, changed)
    return len(changed)


def n_naming(store: AuditStore, user_ids: Sequence[str]) -> int:
    """How many entries name one of some accounts."""
    return sum(1 for _ in _without(store.audit().entries, frozenset(user_ids)))


def _without(entries: Sequence[Entry], ids: frozenset[str]) -> Iterable[Entry]:
    """The entries that name an account, without it: one about it says nothing any more, another loses the name."""
    scrub = Scrub(ids)
    for entry in entries:
        if not scrub.may_name(entry.entry):
            continue
        document = entry.document()
        fields = {name: document.get(name) for name in ("subject", "before", "after")}
        if document.get("kind") == USER and document.get("subject") in ids:
            yield redacted(entry, {"subject": NO_LONGER, "before": None, "after": None})
            continue
        clean = {name: scrub.value(value) for name, value in fields.items()}
        if clean != fields:
            yield redacted(entry, clean)


def decided_before(store: AuditStore, before: str) -> list[Entry]:
    """Entries of decisions older than a time (ISO 8601 UTC), without what was decided; on users, without whom."""
    found = []
    for entry in store.audit().entries:
        document = entry.document()
        if document.get("what") not in OF_PEOPLE or str(document.get("at")) >= before:
            continue
        if document.get("before") is None and document.get("after") is None:
            continue
        changes: dict[str, Any] = {"before": None, "after": None}
        if document.get("kind") == USER:
            changes["subject"] = NO_LONGER
        found.append(redacted(entry, changes))
    return found


def note_retention(
    store: AuditStore, kind: str, before_ms: int, before: str, who: str, removed: Mapping[str, int]
) -> None:
    """Note that what is older than a time has gone; verdicts go with this note, of events none is taken again."""
    changed = decided_before(store, before) if kind == "verdicts" else []
    after: dict[str, Any] = {"before": before, "removed": dict(removed), "redacted": told_of(changed)}
    if kind == "events":
        after[BEFORE_MS] = before_ms
    store.append_audit([Draft(who, RETENTION, "store", kind, after=after)], changed)
