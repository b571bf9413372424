"""Everything a ring page shows, as data: what the page draws and what the JSON file holds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.reports import words
from graphdet.reports.evidence import (
    Finding,
    counter_evidence,
    findings,
    meaning_of_p,
    meaning_of_q,
    read_evidence,
)
from graphdet.reports.explanations import Explained, read_explained
from graphdet.tables import RingTables, require_columns

SCHEMA = "graphdet.ring/2"
INTERACTIONS = ("user_id", "session_id", "item_id", "action", "at_ms", "n")
Row = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """A member: its score within the ring, its own score as a user, what it did, and its own reasons, ranked."""

    user_id: str
    score: float
    user_score: float | None
    p_value: float | None
    flagged: bool | None
    reason: str | None
    n_targets: int
    n_acts: int
    n_other_acts: int
    n_sessions: int
    first_ms: int | None
    last_ms: int | None
    reasons: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Item:
    """A target: how many members act on it, how many times more than expected, and when."""

    item_id: str
    name: str | None
    n_users: int
    lift: float
    n_acts: int
    first_ms: int | None
    last_ms: int | None

    @property
    def title(self) -> str:
        """The name where there is one, else the id."""
        return self.name or self.item_id


@dataclass(frozen=True)
class Act:
    """A member's act on a target: n events of one action in one session, the first at `at_ms`."""

    user_id: str
    session_id: str
    item_id: str
    action: str
    at_ms: int
    n: int


@dataclass(frozen=True)
class RingData:
    """One ring with its evidence, members, targets and acts.

    `others_ms` are the times of what the members do elsewhere; `explained` are the ranked reasons and the measured
    counter-evidence, `against` further doubts in words.
    """

    ring_id: str
    n_users: int
    n_items: int
    score: float
    p_value: float | None
    q_value: float | None
    flagged: bool
    first_seen: str
    last_seen: str
    reason: str
    findings: tuple[Finding, ...]
    against: tuple[str, ...]
    members: list[Member]
    items: list[Item]
    acts: list[Act]
    others_ms: list[int]
    explained: Explained = field(default_factory=Explained)

    @property
    def actions(self) -> list[str]:
        """The actions on the targets, the most frequent first."""
        count: dict[str, int] = defaultdict(int)
        for act in self.acts:
            count[act.action] += act.n
        return sorted(count, key=lambda action: (-count[action], action))

    def document(self) -> Row:
        """The JSON document of the ring; times are ISO 8601 in UTC."""
        return {
            "schema": SCHEMA,
            "ring_id": self.ring_id,
            "n_users": self.n_users,
            "n_items": self.n_items,
            "score": self.score,
            "p_value": self.p_value,
            "q_value": self.q_value,
            "flagged": self.flagged,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "reason": self.reason,
            "meaning": {"p_value": meaning_of_p(self.p_value), "q_value": meaning_of_q(self.q_value)},
            "evidence": [asdict(finding) for finding in self.findings],
            "reasons": list(self.explained.reasons),
            "counter_evidence": [
                *self.explained.counter_evidence,
                *({"code": "doubt", "strength": None, "text": text, "numbers": {}} for text in self.against),
            ],
            "would_change": self.explained.would_change,
            "members": [_times(asdict(member)) for member in self.members],
            "items": [_times(asdict(item)) for item in self.items],
            "acts": [_times(asdict(act)) for act in self.acts],
        }


def _times(row: Row) -> Row:
    """Write millisecond times as ISO 8601: first_ms becomes first."""
    out: Row = {}
    for name, value in row.items():
        if name.endswith("_ms"):
            at = None if value is None else words.moment(value).isoformat(timespec="milliseconds")
            out[name.removesuffix("_ms")] = at and at.replace("+00:00", "Z")
        else:
            out[name] = value
    return out


def item_names(items: pa.Table | None) -> dict[str, str]:
    """Map item_id to name where the log has one (schema.ITEM_COLUMNS)."""
    if items is None or not items.num_rows:
        return {}
    ids, names = items["item_id"].to_pylist(), items["name"].to_pylist()
    return {item: name for item, name in zip(ids, names, strict=True) if name}


def gather(
    rings: RingTables,
    interactions: pa.Table,
    items: pa.Table | None,
    scores: pa.Table,
    ring_ids: Sequence[str],
) -> list[RingData]:
    """Collect the data of some rings, in the order of `ring_ids`.

    Shapes: interactions has INTERACTIONS, at least those of all members; items schema.ITEM_COLUMNS; scores
    schema.SCORE_COLUMNS.

    Raises:
        ValueError: a column is missing.
    """
    require_columns(interactions.column_names, INTERACTIONS, "interactions")
    wanted = pa.array(sorted(set(ring_ids)), pa.string())
    ring_rows = {row["ring_id"]: row for row in _of(rings.rings, "ring_id", wanted)}
    members, targets = (
        _grouped(_of(rings.members, "ring_id", wanted)),
        _grouped(_of(rings.items, "ring_id", wanted)),
    )
    people = pa.array(sorted({row["user_id"] for rows in members.values() for row in rows}), pa.string())
    user_scores = {row["user_id"]: row for row in _of(scores, "user_id", people)}
    acts = _grouped(_of(interactions.select(list(INTERACTIONS)), "user_id", people), key="user_id")
    pushed = {row["item_id"] for rows in targets.values() for row in rows}
    names = item_names(
        None if items is None else _table_of(items, "item_id", pa.array(sorted(pushed), pa.string()))
    )
    return [
        _ring(
            ring_rows[ring_id], members.get(ring_id, []), targets.get(ring_id, []), acts, names, user_scores
        )
        for ring_id in ring_ids
    ]


def _table_of(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    """Keep the rows whose column is one of the values."""
    return table.filter(pc.is_in(pc.cast(table[column], pa.string()), value_set=values))


def _of(table: pa.Table, column: str, values: pa.Array) -> list[Row]:
    rows: list[Row] = _table_of(table, column, values).to_pylist()
    return rows


def _grouped(rows: Sequence[Row], key: str = "ring_id") -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def _ring(
    ring: Row,
    members: Sequence[Row],
    targets: Sequence[Row],
    acts_of: Mapping[str, Sequence[Row]],
    names: Mapping[str, str],
    scores: Mapping[str, Row],
) -> RingData:
    """Put one ring together; members by score, targets by members, acts by time."""
    pushed = {row["item_id"] for row in targets}
    rows = [act for row in members for act in acts_of.get(row["user_id"], ())]
    acts = sorted(
        (Act(**{name: act[name] for name in INTERACTIONS}) for act in rows if act["item_id"] in pushed),
        key=lambda act: (act.at_ms, act.user_id, act.item_id, act.session_id, act.action),
    )
    others = [act for act in rows if act["item_id"] not in pushed]
    n_others: dict[str, int] = defaultdict(int)
    for other in others:
        n_others[other["user_id"]] += other["n"]
    by_user: dict[str, list[Act]] = defaultdict(list)
    by_item: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        by_user[act.user_id].append(act)
        by_item[act.item_id].append(act)
    explained = read_explained(ring["evidence"])
    people = [
        _member(
            row,
            scores.get(row["user_id"], {}),
            by_user[row["user_id"]],
            n_others[row["user_id"]],
            explained.member_reasons.get(row["user_id"], ()),
        )
        for row in members
    ]
    people.sort(key=lambda member: (-member.score, member.user_id))
    things = [_item(row, names.get(row["item_id"]), by_item[row["item_id"]]) for row in targets]
    things.sort(key=lambda item: (-item.n_users, -item.lift, item.item_id))
    evidence = read_evidence(ring["evidence"])
    weak = sum(member.user_score is not None and member.user_score < 0.5 for member in people)
    return RingData(
        **{name: ring[name] for name in ("ring_id", "n_users", "n_items", "score", "p_value", "q_value")},
        flagged=bool(ring["flagged"]),
        first_seen=str(ring["first_seen"] or ""),
        last_seen=str(ring["last_seen"] or ""),
        reason=str(ring["reason"] or ""),
        findings=tuple(findings(evidence)),
        against=tuple(counter_evidence(evidence, ring, weak)),
        members=people,
        items=things,
        acts=acts,
        others_ms=sorted(act["at_ms"] for act in others),
        explained=explained,
    )


def _member(
    row: Row, score: Mapping[str, Any], acts: Sequence[Act], n_others: int, reasons: tuple[Row, ...]
) -> Member:
    return Member(
        user_id=row["user_id"],
        score=row["score"],
        user_score=score.get("score"),
        p_value=score.get("p_value"),
        flagged=score.get("flagged"),
        reason=score.get("reason"),
        n_targets=len({act.item_id for act in acts}),
        n_acts=sum(act.n for act in acts),
        n_other_acts=n_others,
        n_sessions=len({act.session_id for act in acts}),
        first_ms=acts[0].at_ms if acts else None,
        last_ms=acts[-1].at_ms if acts else None,
        reasons=reasons,
    )


def _item(row: Row, name: str | None, acts: Sequence[Act]) -> Item:
    return Item(
        item_id=row["item_id"],
        name=name,
        n_users=row["n_users"],
        lift=row["lift"],
        n_acts=sum(act.n for act in acts),
        first_ms=acts[0].at_ms if acts else None,
        last_ms=acts[-1].at_ms if acts else None,
    )
