"""What holds now, read from the entries of the audit log in their order: the last word on each thing counts.

The reasons that a verdict may name are a closed list.
"""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from graphdet.audit import VERDICT, iso_utc
from graphdet.errors import UsageError
from graphdet.ports import LooseVerdict

GUILTY, INNOCENT, UNSURE = VERDICTS = ("guilty", "innocent", "unsure")
OTHER = "other"  # for every verdict, with a note
VERDICT_REASONS: dict[str, dict[str, str]] = {
    GUILTY: {
        "paid-engagement": "clicks, orders, reviews or likes that somebody pays for",
        "fake-account": "accounts made for this, with no person behind them",
        "hijacked-account": "accounts taken over from their owners",
        "shared-operator": "one operator behind them: devices, addresses, payment, the same hand",
        "refund-abuse": "orders and returns made to take money or goods",
        "confirmed-elsewhere": "proven by another investigation, a platform or a court",
    },
    INNOCENT: {
        "fan-club": "people of one taste: fans, followers, a community",
        "class-or-team": "a school class, a course, a team at work",
        "household-or-office": "people who share a home, an office, a network",
        "newsletter-or-push": "readers sent there by a newsletter, a notification or a link",
        "event-or-promotion": "a sale, a broadcast, a news event drew them",
        "own-automation": "our own tests, crawlers or staff",
        "data-error": "the log is wrong: clocks, ids, duplicates",
    },
    UNSURE: {
        "needs-more-data": "too little to tell; look again with more",
        "needs-second-opinion": "somebody else should look",
    },
}


def check_reason(verdict: str, code: str, note: str) -> None:
    """Check a reason against a verdict.

    Raises:
        UsageError: no such verdict or reason, one that does not go with the verdict, or "other" without a note.
    """
    if verdict not in VERDICTS:
        raise UsageError(f"a verdict is {', '.join(VERDICTS)}, not {verdict!r}")
    if code == OTHER:
        if not note.strip():
            raise UsageError("the reason other needs a note that says which")
        return
    if code in VERDICT_REASONS[verdict]:
        return
    fits = [name for name, codes in VERDICT_REASONS.items() if code in codes]
    near = difflib.get_close_matches(code, [*VERDICT_REASONS[verdict], OTHER], n=1)
    if fits:
        wrong = f"the reason {code} goes with the verdict {fits[0]}, not with {verdict}"
    else:
        wrong = f"there is no reason {code!r}" + (f"; did you mean {near[0]}?" if near else "")
    raise UsageError(f"{wrong}\n{reasons_of(verdict)}")


def reasons_of(verdict: str) -> str:
    """The reasons of a verdict, one a line.

    >>> print(reasons_of("unsure"))
    Reasons for unsure:
      needs-more-data       too little to tell; look again with more
      needs-second-opinion  somebody else should look
      other                 say which in the note
    """
    rows = VERDICT_REASONS[verdict] | {OTHER: "say which in the note"}
    width = max(map(len, rows))
    return "\n".join(
        [f"Reasons for {verdict}:", *(f"  {code:{width}}  {words}" for code, words in rows.items())]
    )


RING_SUBJECT, USER = SUBJECT_KINDS = ("ring", "user")
ALLOW, DENY = LISTS = ("allow", "deny")
SNOOZE = "snooze"
NOTE, ASSIGN = "note", "assign"
NAME_WIDTH = 40


def named(who: str) -> str:
    r"""A name as it stands in reasons: short, control and direction characters as escapes.

    >>> named("Ann\u202e"), len(named("x" * 100))
    ('Ann\\u202e', 40)
    """
    cut = who if len(who) <= NAME_WIDTH else who[: NAME_WIDTH - 1] + "…"
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in hidden else c for c in cut
    )


@dataclass(frozen=True)
class Verdict:
    """A verdict as it was given.

    `found` is what was known of the subject then (see pipeline.verdicts); `seq` the entry, None for one that was
    given in Neo4j Browser and is not noted yet; `fault` why one of those cannot be used.
    """

    kind: str
    subject: str
    verdict: str
    reason: str
    note: str
    who: str
    at: str
    seq: int | None
    found: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None

    def words(self) -> str:
        """Say it in the middle of a sentence, for instance "judged innocent by Ann on 2026-11-25 (fan-club)"."""
        return f"judged {self.verdict} by {named(self.who)} on {self.at[:10]} ({self.reason})"


@dataclass(frozen=True)
class Listed:
    """A user on the allow or deny list; `until`, a time, is when it ends (None: never)."""

    user_id: str
    list: str
    who: str
    at: str
    note: str
    until: str | None

    def words(self) -> str:
        """Say it in the middle of a sentence."""
        end = f", until {self.until[:16].replace('T', ' ')} UTC" if self.until else ""
        return f"on the {self.list} list ({named(self.who)}, {self.at[:10]}{end})"


@dataclass(frozen=True)
class Snooze:
    """A ring that nobody wants to hear of until a time."""

    ring_id: str
    who: str
    at: str
    note: str
    until: str

    def words(self) -> str:
        """Say it in the middle of a sentence."""
        return f"snoozed by {named(self.who)} until {self.until[:16].replace('T', ' ')} UTC"


@dataclass(frozen=True)
class WrittenNote:
    """What somebody wrote on a ring or a user without deciding anything."""

    who: str
    at: str
    text: str


@dataclass
class Standing:
    """Verdicts, the oldest first; the one that counts by (kind, subject); who is on a list; what is snoozed.

    notes by (kind, subject), the oldest first; assigned: ring_id → who looks after it.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    current: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    snoozed: dict[str, Snooze] = field(default_factory=dict)
    notes: dict[tuple[str, str], list[WrittenNote]] = field(default_factory=dict)
    assigned: dict[str, str] = field(default_factory=dict)

    def of_ring(self, ring_id: str) -> Verdict | None:
        """The verdict on a ring that counts."""
        return self.current.get((RING_SUBJECT, ring_id))

    def of_user(self, user_id: str) -> Verdict | None:
        """The verdict on a user that counts."""
        return self.current.get((USER, user_id))

    def at(self, now: datetime) -> "Standing":
        """The same without what has ended by `now`."""
        text = iso_utc(now)
        return replace(
            self,
            listed={key: one for key, one in self.listed.items() if one.until is None or text < one.until},
            snoozed={key: one for key, one in self.snoozed.items() if text < one.until},
        )


def read_standing(documents: Iterable[Mapping[str, Any]], loose: Iterable[LooseVerdict] = ()) -> Standing:
    """Read what holds from the documents of the audit log, and from verdicts that are not noted there yet."""
    standing = Standing()
    for document in documents:
        after = document.get("after")
        what, subject = str(document.get("what")), str(document.get("subject"))
        after = after if isinstance(after, dict) else {}
        if what == VERDICT and after.get("verdict") is None:
            standing.current.pop((str(document.get("kind")), subject), None)  # withdrawn
        elif what == VERDICT:
            _add(standing, _verdict(document, after))
        elif what == NOTE:
            who, at, text = _by(document, after)
            standing.notes.setdefault((str(document.get("kind")), subject), []).append(
                WrittenNote(who, at, text)
            )
        elif what == ASSIGN:
            _assign(standing, subject, after.get("to"))
        elif what in LISTS:
            _list(standing, what, subject, document, after)
        elif what == SNOOZE:
            if after.get("until"):
                standing.snoozed[subject] = Snooze(subject, *_by(document, after), until=str(after["until"]))
            else:
                standing.snoozed.pop(subject, None)
    for one in loose:
        _add(standing, loose_verdict(one))
    return standing


def _assign(standing: Standing, ring_id: str, who: object) -> None:
    if who:
        standing.assigned[ring_id] = str(who)
    else:
        standing.assigned.pop(ring_id, None)


def _by(document: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(document.get("who")), str(document.get("at")), str(after.get("note") or "")


def _verdict(document: Mapping[str, Any], after: Mapping[str, Any]) -> Verdict:
    who, at, note = _by(document, after)
    given = Verdict(
        kind=str(document.get("kind")),
        subject=str(document.get("subject")),
        verdict=str(after.get("verdict")),
        reason=str(after.get("reason")),
        note=note,
        who=who,
        at=str(after.get("given_at") or at),
        seq=int(document.get("seq") or 0),
        found=after.get("found") or {},
    )
    return replace(given, fault=after.get("fault"))


def _add(standing: Standing, verdict: Verdict) -> None:
    standing.verdicts.append(verdict)
    if verdict.fault is None:
        standing.current[verdict.kind, verdict.subject] = verdict


def _list(
    standing: Standing, name: str, user_id: str, document: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Put a user on a list, which takes it off the other, or off this one."""
    if after.get("list") == name:
        until = after.get("until")
        standing.listed[user_id] = Listed(user_id, name, *_by(document, after), until=until)
    else:
        standing.listed.pop(user_id, None)


def loose_verdict(loose: LooseVerdict) -> Verdict:
    """Read a verdict that was written in Neo4j Browser, where nothing checked it."""

    def text(name: str) -> str:
        value = loose.said.get(name)
        return "" if value is None else str(value)

    verdict = Verdict(
        kind=text("kind"),
        subject=text("subject"),
        verdict=text("verdict"),
        reason=text("reason"),
        note=text("note"),
        who=text("who") or "Neo4j Browser",
        at=text("at"),
        seq=None,
    )
    try:
        if verdict.kind not in SUBJECT_KINDS or not verdict.subject:
            raise UsageError("it names neither a ring nor a user (kind and subject)")
        check_reason(verdict.verdict, verdict.reason, verdict.note)
    except UsageError as error:
        return replace(verdict, fault=str(error).partition("\n")[0])
    return verdict
