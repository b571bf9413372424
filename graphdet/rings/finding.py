"""A found ring as one object, and its text in a store.

A RingFinding is what the steps of a run hand on: from the judged rings (rings.why.findings) through the doubts of the
judges (detect.held_back), earlier runs and decisions (casework.memory) and the network (gnn.words). `ring_tables` makes
the tables that a store keeps, in which the explanation of a ring is one JSON text, the column schema.RING_EVIDENCE.
Whoever reads rings from a store parses that text with `Explanation.from_json`, here and nowhere else.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from graphdet import schema
from graphdet.arrays import Int
from graphdet.rings.rules import DECISION, UNRECORDED, rule_words
from graphdet.tables import RingTables, typed_table

# Of a member, as its last reason has it under schema.ROLE; those of WEAK are weak members (see rings.membership).
MemberRole = Literal["core", "fringe", "bystander", "chance"]
WEAK: tuple[MemberRole, ...] = ("bystander", "chance")
THOUGH_IT_WOULD = "Not flagged for that, though it would be."  # ends what a decision adds to a reason

_REASON_KEYS = ("code", "strength", "text", "numbers")
_REASONS, _COUNTER, _CHANGE, _MEMBERS = "reasons", "counter_evidence", "would_change", "member_reasons"
_GNN, _HELD_BACK = "gnn", "held_back"


def four_digits(value: float | int | str) -> float | int | str:
    """Round a number to four significant digits, whole numbers as int; a text stays as it is.

    >>> four_digits(12.34567), four_digits(3.0), four_digits("device")
    (12.35, 3, 'device')
    """
    if isinstance(value, str):
        return value
    short = float(f"{float(value):.4g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


@dataclass(frozen=True)
class Reason:
    """One reason for a ring or an account in it, or one that speaks against it.

    code: what kind of reason it is. strength: nats, None where nobody measured it. numbers: those in the text.

    more: what else a store keeps with it, such as the device that members share and with whom.

    acts: rows of Organic.acts that the reason rests on, int64[n_acts], those that carry it most first. They are known
    only in the run that found the ring and are not stored.
    """

    code: str
    text: str
    strength: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    acts: Int = field(default_factory=lambda: np.zeros(0, np.int64), repr=False, compare=False)

    @property
    def nats(self) -> float:
        """The strength, 0 where nobody measured it."""
        return self.strength or 0.0

    def rounded(self) -> "Reason":
        """The same with four significant digits in its strength and its numbers, as a store keeps it."""
        strength = None if self.strength is None else float(f"{self.strength:.4g}")
        numbers = {name: four_digits(value) for name, value in self.numbers.items()}
        return replace(self, strength=strength, numbers=numbers)

    def document(self) -> dict[str, Any]:
        """The reason as plain data for JSON: code, strength, text and numbers, then what is in `more`."""
        known = {
            "code": self.code,
            "strength": self.strength,
            "text": self.text,
            "numbers": dict(self.numbers),
        }
        return known | {key: value for key, value in self.more.items() if key not in known}


@dataclass(frozen=True)
class Explanation:
    """Why a group is a ring, and what speaks against it.

    numbers: the evidence, by the names of evidence_table.EVIDENCE. reasons and counter_evidence: the strongest first.
    member_reasons: by user id. would_change: the fewest members without whom the ring would not be flagged, as a `text`
    and the numbers in it; None where that was not worked out. gnn: what the network sees in the members together
    (see gnn.words.ring_block); None where it was not asked. held_back: of a ring that is not flagged all the rules that
    speak against a flag, each with its code of rings.rules and a whole sentence, the first the one that held it back.
    """

    numbers: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    counter_evidence: tuple[Reason, ...] = ()
    member_reasons: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    would_change: Mapping[str, Any] | None = None
    gnn: Mapping[str, Any] | None = None
    held_back: tuple[Reason, ...] = ()

    def to_json(self) -> str:
        """The text that a store keeps: the numbers by name, then the rest, each under its own key."""
        document: dict[str, Any] = {
            **self.numbers,
            _REASONS: _documents(self.reasons),
            _COUNTER: _documents(self.counter_evidence),
            _MEMBERS: {user: _documents(reasons) for user, reasons in self.member_reasons.items()},
            _CHANGE: self.would_change,
        }
        document |= {} if self.gnn is None else {_GNN: self.gnn}
        document |= {_HELD_BACK: _documents(self.held_back)} if self.held_back else {}
        return json.dumps(document)

    def role_of(self, user_id: str) -> MemberRole | None:
        """What part a member has in the ring; None where nobody said: of kinds other than rings, and of older runs."""
        return role_in(self.member_reasons.get(user_id, ()))

    @classmethod
    def from_json(cls, text: str | None) -> "Explanation":
        """Read the text that a store keeps, of this version or another; whatever is not as expected is left out.

        >>> found = Explanation.from_json('{"lift": 12.5, "note": "x", "reasons": [{"text": "Rare items."}, 7]}')
        >>> found.numbers, [reason.text for reason in found.reasons]
        ({'lift': 12.5}, ['Rare items.'])
        >>> Explanation.from_json(None) == Explanation.from_json("no JSON") == Explanation()
        True
        """
        try:
            document = json.loads(text or "{}")
        except ValueError:
            return cls()
        if not isinstance(document, dict):
            return cls()
        members, change = document.get(_MEMBERS), document.get(_CHANGE)
        return cls(
            numbers=_numbers(document),
            reasons=_reasons(document.get(_REASONS)),
            counter_evidence=_reasons(document.get(_COUNTER)),
            member_reasons={user: _reasons(rows) for user, rows in members.items()}
            if isinstance(members, dict)
            else {},
            would_change=change if isinstance(change, dict) and isinstance(change.get("text"), str) else None,
            gnn=_gnn_block(document.get(_GNN)),
            held_back=_reasons(document.get(_HELD_BACK)),
        )


def role_in(reasons: Iterable[Reason]) -> MemberRole | None:
    """The part of a member in its ring as its reasons tell it; None where they do not.

    >>> role_in([Reason("hurry", "acts fast"), Reason("membership", "", numbers={"role": "chance"})])
    'chance'
    """
    told = (reason.numbers[schema.ROLE] for reason in reasons if schema.ROLE in reason.numbers)
    return next((role for role in told if role in get_args(MemberRole)), None)


def listed_role(role: MemberRole | None) -> str | None:
    """The part of a member as tables have it, of schema.MEMBER_ROLES.

    >>> listed_role("core"), listed_role("bystander"), listed_role(None)
    ('core', 'weak', None)
    """
    return "weak" if role in WEAK else role


def with_roles(scores: pa.Table, tables: RingTables) -> tuple[pa.Table, RingTables]:
    """Scores and rings with the part of each member in its ring: schema.SUSPECT_COLUMNS and LISTED_MEMBER_COLUMNS.

    scores: schema.SCORE_COLUMNS; the part is that in the ring of the row.
    """
    role: dict[tuple[str, str], str] = {}
    for row in tables.rings.select(["ring_id", schema.RING_EVIDENCE]).to_pylist():
        explanation = Explanation.from_json(row[schema.RING_EVIDENCE])
        for user_id in explanation.member_reasons:
            if found := listed_role(explanation.role_of(user_id)):
                role[row["ring_id"], user_id] = found

    def roles(table: pa.Table) -> pa.Array:
        pairs = zip(table["ring_id"].to_pylist(), table["user_id"].to_pylist(), strict=True)
        return pa.array([role.get(pair) for pair in pairs], pa.string())

    of_scores = scores.append_column(schema.ROLE, roles(scores)).select(schema.SUSPECT_COLUMNS)
    members = tables.members.append_column(schema.ROLE, roles(tables.members))
    return of_scores, RingTables(tables.rings, members, tables.items)


def _documents(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    return [reason.rounded().document() for reason in reasons]


def _numbers(document: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in document.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _reasons(rows: Any) -> tuple[Reason, ...]:
    """The reasons in a parsed list; whatever has no text is left out."""
    if not isinstance(rows, list):
        return ()
    return tuple(_reason(row) for row in rows if isinstance(row, dict) and row.get("text"))


def _reason(row: Mapping[str, Any]) -> Reason:
    strength, numbers = row.get("strength"), row.get("numbers")
    return Reason(
        code=str(row.get("code") or ""),
        text=str(row["text"]),
        strength=float(strength) if isinstance(strength, int | float) else None,
        numbers=numbers if isinstance(numbers, dict) else {},
        more={key: value for key, value in row.items() if key not in _REASON_KEYS},
    )


def _gnn_block(value: Any) -> Mapping[str, Any] | None:
    """What the network said of the members together; None where any part of it is missing.

    Keys: n_members, logit, baseline, sums (effects by kind) and features, a list of {text, effect, …}.
    """
    if not isinstance(value, dict):
        return None
    sums, features = value.get("sums"), value.get("features")
    if not isinstance(sums, dict) or not isinstance(features, list):
        return None
    if not all(isinstance(row, dict) and isinstance(row.get("text"), str) for row in features):
        return None
    numbers = [value.get(name) for name in ("logit", "baseline", "n_members")]
    numbers += [*sums.values(), *(row.get("effect") for row in features)]
    return value if all(isinstance(number, int | float) for number in numbers) else None


@dataclass(frozen=True)
class RingMember:
    """An account in a ring, and how sure its membership is: a score in [0, 1]."""

    user_id: str
    score: float


@dataclass(frozen=True)
class RingItem:
    """A target of a ring: how many members act on it, and how many times more than expected."""

    item_id: str
    n_users: int
    lift: float


@dataclass(frozen=True)
class RingFinding:
    """One ring as it was found, with all that explains it and why it is or is not flagged.

    kind: what it is, of schema.RING_KINDS. members: the surest first. items: its targets, those of most members first.
    first_seen, last_seen: ISO 8601, UTC. reason: the explanation in one sentence, after what analysts decided on the
    ring.
    """

    ring_id: str
    n_users: int
    n_items: int
    score: float
    p_value: float | None
    q_value: float | None
    flagged: bool
    first_seen: str | None
    last_seen: str | None
    reason: str | None
    explanation: Explanation = field(default_factory=Explanation)
    members: tuple[RingMember, ...] = ()
    items: tuple[RingItem, ...] = ()
    kind: schema.RingKind = schema.PLAIN_RING

    @property
    def user_ids(self) -> frozenset[str]:
        """The ids of the members."""
        return frozenset(member.user_id for member in self.members)

    @property
    def item_ids(self) -> frozenset[str]:
        """The ids of the targets."""
        return frozenset(item.item_id for item in self.items)

    @property
    def decision(self) -> str | None:
        """What an analyst decided that took the flag, in words; None where no decision did."""
        words, decided, _ = str(self.reason or "").partition(THOUGH_IT_WOULD)
        return words + decided if decided else None

    @property
    def held_back(self) -> tuple[Reason, ...]:
        """Why the ring is not flagged: a decision where one took the flag, then all rules; nothing where it is flagged.

        The code of each is one of rings.rules.HeldBackBy, its text a whole sentence.
        """
        if self.flagged:
            return ()
        decided = () if self.decision is None else (Reason(DECISION, self.decision),)
        return decided + self.explanation.held_back or (Reason(UNRECORDED, rule_words(UNRECORDED, {})),)

    @classmethod
    def from_row(
        cls, row: Mapping[str, Any], members: Iterable[RingMember] = (), items: Iterable[RingItem] = ()
    ) -> "RingFinding":
        """Make a finding of a row of RingTables.rings.

        Raises:
            KeyError: a column of schema.RING_COLUMNS or schema.RING_EVIDENCE is missing.
        """
        columns = {name: row[name] for name in schema.RING_COLUMNS} | {"flagged": bool(row["flagged"])}
        explanation = Explanation.from_json(row[schema.RING_EVIDENCE])
        return cls(**columns, explanation=explanation, members=tuple(members), items=tuple(items))


_S, _F, _I, _B = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_RING_TYPES = (_S, _S, _I, _I, _F, _F, _F, _B, _S, _S, _S, _S)
_MEMBER_TYPES = (_S, _S, _F)
_ITEM_TYPES = (_S, _S, _I, _F)


def ring_tables(findings: Sequence[RingFinding]) -> RingTables:
    """The tables that a store keeps of these rings, in the same order; this is where explanations become JSON."""
    rings: dict[str, list[object]] = {
        name: [getattr(finding, name) for finding in findings] for name in schema.RING_COLUMNS
    }
    rings[schema.RING_EVIDENCE] = [finding.explanation.to_json() for finding in findings]
    members = [
        (finding.ring_id, each.user_id, each.score) for finding in findings for each in finding.members
    ]
    items = [
        (finding.ring_id, each.item_id, each.n_users, each.lift)
        for finding in findings
        for each in finding.items
    ]
    return RingTables(
        typed_table(rings, _RING_TYPES),
        typed_table(_columns(schema.RING_MEMBER_COLUMNS, members), _MEMBER_TYPES),
        typed_table(_columns(schema.RING_ITEM_COLUMNS, items), _ITEM_TYPES),
    )


def _columns(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, list[object]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def ring_findings_of(tables: RingTables) -> tuple[RingFinding, ...]:
    """The rings of a store's tables, in the order of the rings table."""
    members: dict[str, list[RingMember]] = {}
    items: dict[str, list[RingItem]] = {}
    for row in tables.members.to_pylist():
        members.setdefault(row["ring_id"], []).append(RingMember(row["user_id"], row["score"]))
    for row in tables.items.to_pylist():
        items.setdefault(row["ring_id"], []).append(RingItem(row["item_id"], row["n_users"], row["lift"]))
    return tuple(
        RingFinding.from_row(row, members.get(row["ring_id"], ()), items.get(row["ring_id"], ()))
        for row in tables.rings.to_pylist()
    )
