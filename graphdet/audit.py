"""The audit log: who did what, when, before and after, chained by hashes.

An entry is a JSON document in one canonical text: ASCII, keys sorted, no blanks, keys `seq` (from 1), `at` (UTC),
`who`, `what`, `kind` and `subject` (of what), `before`, `after`, and `previous`, the hash of the entry before (64 zeros
for the first), and `salt`, random, without which nobody can guess what a text was from its hash. Its hash is the
SHA-256 of that text, so any program can check the chain. The head, how many entries there are and the last hash, is
kept apart from them. Whoever can rewrite all of it, entries and head, is found only by a head that was noted elsewhere.

A text that must go, as it names an account that is forgotten, is replaced by a redacted one: the same entry without it
and without the salt, with the key `redacted`. The entry keeps its hash, so the chain and heads noted elsewhere hold. An
entry that comes later (`what` is of REDACTING) tells which were redacted: seq, hash, and SHA-256 of the text that is
there now.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GENESIS = "0" * 64
FIELDS = ("seq", "at", "who", "what", "kind", "subject", "before", "after", "previous")
# Copies of the document's fields beside it, for people and queries; nothing reads them back but `verify`.
SHOWN_FIELDS = ("at", "who", "what", "kind", "subject", "verdict", "reason", "note")
VERDICT = "verdict"
FORGET, RETENTION = REDACTING = ("forget", "retention")  # entries that tell of redacted ones
SALT, REDACTED = "salt", "redacted"
_SALT_BYTES = 16
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Draft:
    """What is to be noted. `before` and `after` are plain JSON values.

    `loose`: the store's own key of a verdict that was written past the log and is noted by this entry.
    """

    who: str
    what: str
    kind: str
    subject: str
    before: Any = None
    after: Any = None
    loose: str | None = None


@dataclass(frozen=True)
class Entry:
    """An entry as a store holds it: the canonical text, its hash, and copies of SHOWN_FIELDS fields (None: absent)."""

    seq: int
    entry: str
    hash: str
    shown: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """The entry's document; of a damaged text an empty one."""
        try:
            found = json.loads(self.entry)
        except (ValueError, TypeError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Head:
    """How many entries there are, and the hash of the last."""

    count: int = 0
    hash: str = GENESIS


@dataclass(frozen=True)
class AuditLog:
    """All entries by seq, and the head; no head while nothing was ever noted, or when somebody removed it."""

    entries: tuple[Entry, ...]
    head: Head | None


@dataclass(frozen=True)
class Fault:
    """What is wrong at which entry (None: the log as a whole)."""

    seq: int | None
    what: str


def utc_now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def iso_utc(at: datetime) -> str:
    """A time in UTC with milliseconds.

    >>> iso_utc(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000Z'
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def canonical(document: Mapping[str, Any]) -> str:
    r"""The one text of a JSON document.

    >>> canonical({"b": "é\x00", "a": [1, None]})
    '{"a":[1,null],"b":"\\u00e9\\u0000"}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def storable(text: str) -> str:
    r"""A text that every store can hold: NUL and lone surrogates as escapes.

    >>> storable("a\x00\ud800")
    'a\\x00\\ud800'
    """
    return _UNSTORABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def sealed(draft: Draft, head: Head, at: str) -> Entry:
    """Make the entry that follows a head."""
    document = {
        "seq": head.count + 1,
        "at": at,
        "who": draft.who,
        "what": draft.what,
        "kind": draft.kind,
        "subject": draft.subject,
        "before": draft.before,
        "after": draft.after,
        "previous": head.hash,
        SALT: secrets.token_hex(_SALT_BYTES),
    }
    text = canonical(document)
    return Entry(head.count + 1, text, digest(text), shown_of(json.loads(text)))


def chained(drafts: Sequence[Draft], head: Head, at: str) -> tuple[list[Entry], Head]:
    """Make the entries that follow a head, one after the other, and the new head."""
    entries = []
    for draft in drafts:
        entry = sealed(draft, head, at)
        entries.append(entry)
        head = Head(entry.seq, entry.hash)
    return entries, head


def redacted(entry: Entry, changes: Mapping[str, Any]) -> Entry:
    """The entry without what it must not say: some fields of its document changed, its hash as it was."""
    document = {key: value for key, value in entry.document().items() if key != SALT}
    text = canonical(document | dict(changes) | {REDACTED: True})
    return Entry(entry.seq, text, entry.hash, shown_of(json.loads(text)))


def told_of(entries: Sequence[Entry]) -> list[list[Any]]:
    """What an entry of REDACTING says of redacted ones in its `after`, under the key `redacted`."""
    return [[entry.seq, entry.hash, digest(entry.entry)] for entry in entries]


def shown_of(document: Mapping[str, Any]) -> dict[str, str | None]:
    """The copies that belong to a document."""
    after = document.get("after")
    of_verdict = after if document.get("what") == VERDICT and isinstance(after, dict) else {}
    found = {name: document.get(name, of_verdict.get(name)) for name in SHOWN_FIELDS}
    return {name: storable(value) if isinstance(value, str) else None for name, value in found.items()}


def verify(log: AuditLog, expect: str | None = None) -> list[Fault]:
    """Find every entry that was changed, removed, put in or moved, and a tail that was cut off.

    expect: a head's hash that was noted elsewhere; it must be one of the chain's.
    """
    faults = []
    head = Head()
    told = _told_redactions(log.entries)
    for entry in log.entries:
        faults += [Fault(entry.seq, what) for what in _faults(entry, head, told)]
        # Go on from what stands there, so that one change is told once and not at every entry after it.
        head = Head(entry.seq, entry.hash)
    if log.head is None:
        if log.entries:
            faults.append(Fault(None, "the head is missing: somebody removed it"))
    elif log.head.count != head.count:
        faults.append(
            Fault(
                min(log.head.count, head.count) + 1,
                f"the head counts {log.head.count} entries, the last one here is {head.count}: "
                + (
                    "the tail was cut off"
                    if log.head.count > head.count
                    else "entries were put in at the end"
                ),
            )
        )
    elif log.head.hash != head.hash:
        faults.append(Fault(head.count or None, "the last entry's hash is not the head's: it was changed"))
    if expect is not None and expect.lower() not in {GENESIS, *(entry.hash for entry in log.entries)}:
        faults.append(
            Fault(
                None,
                f"the head noted elsewhere ({expect[:16]}…) is in no entry: the log was rewritten or cut",
            )
        )
    return faults


def _told_redactions(entries: Sequence[Entry]) -> dict[int, tuple[str, str, int]]:
    """Redactions that whole entries tell of, by seq: the hash, the SHA-256 of the new text, and who tells it, a seq."""
    found: dict[int, tuple[str, str, int]] = {}
    for entry in entries:
        document = entry.document()
        after = document.get("after")
        if document.get("what") not in REDACTING or not isinstance(after, dict):
            continue
        if digest(entry.entry) == entry.hash:
            rows = after.get(REDACTED)
            for row in rows if isinstance(rows, list) else []:
                if isinstance(row, list) and len(row) == 3 and isinstance(row[0], int):
                    found[row[0]] = (str(row[1]), str(row[2]), entry.seq)
    return found


def _faults(entry: Entry, before: Head, told: Mapping[int, tuple[str, str, int]]) -> list[str]:
    """What is wrong with an entry that should follow a head."""
    document = entry.document()
    if entry.seq != before.count + 1:
        if entry.seq <= before.count:
            return [f"stands twice or out of order, after entry {before.count}: put in or moved"]
        gone = f"entry {before.count + 1}" + (f" to {entry.seq - 1}" if entry.seq > before.count + 2 else "")
        return [f"{gone} before it is missing: removed"]
    fields = {*FIELDS}
    if REDACTED in document:
        teller = told.get(entry.seq, ("", "", 0))
        if teller[:2] != (entry.hash, digest(entry.entry)) or teller[2] <= entry.seq:
            return ["its text was taken out, and no later entry says so: changed"]
        fields.add(REDACTED)
    elif digest(entry.entry) != entry.hash:
        return ["its text does not have its hash: changed"]
    if SALT in document:  # which entries of an older version lack
        fields.add(SALT)
    if {*document} != fields or canonical(document) != entry.entry:
        return ["its text is no canonical entry: changed"]
    if document["seq"] != entry.seq:
        return [f"its text is that of entry {document['seq']}: moved"]
    if document["previous"] != before.hash:
        return ["it does not follow the entry before it: one of the two was changed, moved or put in"]
    wanted = {name: value for name, value in shown_of(document).items() if value is not None}
    found = {name: value for name, value in entry.shown.items() if value is not None}
    wrong = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    return [f"its copy of {', '.join(wrong)} differs from its text: changed"] if wrong else []
