"""Collect the data of rings from the tables of a store."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from graphdet.reports.context import Surroundings
from graphdet.reports.evidence import explained_numbers
from graphdet.reports.ring_data import (
    MOST_ELSEWHERE,
    Act,
    Decided,
    Item,
    Member,
    RingData,
    RingSession,
    SharedEntity,
)
from graphdet.rings.finding import Reason, RingFinding
from graphdet.rings.why.doubts import WEAK_DOUBT, doubts_in_words, weak_members_in_words
from graphdet.tables import RingTables, require_columns

ACT_COLUMNS = ("user_id", "session_id", "item_id", "action", "at_ms", "n")
FindingRow = dict[str, Any]
# users, targets, first and last time of their acts (both included) → what waits for the surroundings
Look = Callable[[list[str], list[str], int, int], Callable[[], Surroundings | None]]


@dataclass(frozen=True)
class Sources:
    """What the pages of rings are made from.

    Shapes: interactions has ACT_COLUMNS, scores schema.SCORE_COLUMNS, entities schema.ENTITY_COLUMNS, at least
    those of all members (interactions with targets or not); items schema.ITEM_COLUMNS. `look` finds the
    surroundings of a ring, and may do so beside what the caller does.
    """

    rings: RingTables
    interactions: pa.Table
    scores: pa.Table
    items: pa.Table | None = None
    entities: pa.Table | None = None
    look: Look | None = None
    decided: Mapping[str, Decided] = field(default_factory=dict)  # by ring_id


def item_names(items: pa.Table | None) -> dict[str, str]:
    """Map item_id to name where the log has one (schema.ITEM_COLUMNS)."""
    if items is None or not items.num_rows:
        return {}
    ids, names = items["item_id"].to_pylist(), items["name"].to_pylist()
    return {item: name for item, name in zip(ids, names, strict=True) if name}


def gather_rings(sources: Sources, ring_ids: Sequence[str]) -> Iterator[RingData]:
    """Collect the data of some rings, in the order of `ring_ids`, one at a time.

    Raises:
        ValueError: a column is missing.
    """
    require_columns(sources.interactions.column_names, ACT_COLUMNS, "interactions")
    wanted = pa.array(sorted(set(ring_ids)), pa.string())
    rings = {row["ring_id"]: row for row in _of(sources.rings.rings, "ring_id", wanted)}
    members = _grouped(_of(sources.rings.members, "ring_id", wanted))
    targets = _grouped(_of(sources.rings.items, "ring_id", wanted))
    people = pa.array(sorted({row["user_id"] for rows in members.values() for row in rows}), pa.string())
    scores = {row["user_id"]: row for row in _of(sources.scores, "user_id", people)}
    acts = _grouped(_of(sources.interactions.select(list(ACT_COLUMNS)), "user_id", people), key="user_id")
    links: dict[str, list[FindingRow]] = {}
    if sources.entities is not None and sources.entities.num_rows:
        links = _grouped(_of(sources.entities, "user_id", people), key="user_id")
    pushed = pa.array(sorted({row["item_id"] for rows in targets.values() for row in rows}), pa.string())
    names = item_names(None if sources.items is None else _table_of(sources.items, "item_id", pushed))
    for ring_id in ring_ids:
        mine = members.get(ring_id, [])
        found = _Found(
            rings[ring_id],
            mine,
            targets.get(ring_id, []),
            [act for row in mine for act in acts.get(row["user_id"], ())],
            _shared(mine, links),
        )
        ring = _ring(found, names, scores, sources.look)
        yield replace(ring, decided=sources.decided.get(ring_id, ring.decided))


def _table_of(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    """Keep the rows whose column is one of the values."""
    return table.filter(pc.is_in(pc.cast(table[column], pa.string()), value_set=values))


def _of(table: pa.Table, column: str, values: pa.Array) -> list[FindingRow]:
    rows: list[FindingRow] = _table_of(table, column, values).to_pylist()
    return rows


def _grouped(rows: Sequence[FindingRow], key: str = "ring_id") -> dict[str, list[FindingRow]]:
    groups: dict[str, list[FindingRow]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


@dataclass(frozen=True)
class _Found:
    """The rows of one ring: itself, its members, its targets, all acts of the members, and what they share."""

    ring: FindingRow
    members: Sequence[FindingRow]
    targets: Sequence[FindingRow]
    rows: Sequence[FindingRow]
    shared: list[SharedEntity]


def _ring(
    of: _Found, names: Mapping[str, str], scores: Mapping[str, FindingRow], look: Look | None
) -> RingData:
    """Put one ring together; members by score, targets by members, acts by time."""
    ring, members, targets, rows = of.ring, of.members, of.targets, of.rows
    pushed = {row["item_id"] for row in targets}
    acts = sorted(
        (Act(**{name: act[name] for name in ACT_COLUMNS}) for act in rows if act["item_id"] in pushed),
        key=lambda act: (act.at_ms, act.user_id, act.item_id, act.session_id, act.action),
    )
    others = [act for act in rows if act["item_id"] not in pushed]
    n_others: dict[str, int] = defaultdict(int)
    for other in others:
        n_others[other["user_id"]] += other["n"]
    by_user, by_item = _acts_by(acts, "user_id"), _acts_by(acts, "item_id")
    finding = RingFinding.from_row(ring)
    explanation = finding.explanation
    numbers, against = explanation.numbers, explanation.counter_evidence
    measured = {reason.code for reason in against}
    timed = ring["first_seen"] is not None
    people = [
        _member(
            row, scores.get(row["user_id"], {}), by_user[row["user_id"]], n_others, explanation.member_reasons
        )
        for row in members
    ]
    weak = sum(member.is_weak for member in people)
    doubts = doubts_in_words(numbers, int(ring["n_users"]), ring["q_value"], measured, timed=timed)
    against += tuple(Reason("doubt", line) for line in doubts)
    if weak:
        against += (Reason(WEAK_DOUBT, weak_members_in_words(weak, len(people))),)
    things = [_item(row, names.get(row["item_id"]), by_item[row["item_id"]]) for row in targets]
    data = RingData(
        **{
            name: ring[name]
            for name in ("ring_id", "kind", "n_users", "n_items", "score", "p_value", "q_value")
        },
        flagged=bool(ring["flagged"]),
        first_seen=str(ring["first_seen"] or ""),
        last_seen=str(ring["last_seen"] or ""),
        reason=str(ring["reason"] or ""),
        numbers=tuple(explained_numbers(numbers)),
        reasons=explanation.reasons or sentence_reasons(str(ring["reason"] or "")),
        against=against,
        would_change=explanation.would_change,
        held_back=finding.held_back,
        gnn=explanation.gnn,
        members=sorted(people, key=lambda member: (_last(member.score), member.user_id)),
        items=sorted(things, key=lambda item: (_last(item.n_users), _last(item.lift), item.item_id)),
        acts=acts,
        others_ms=sorted(act["at_ms"] for act in others),
        elsewhere=_elsewhere(others, {member.user_id for member in people if member.is_weak}),
        sittings=_sittings(rows, pushed),
        shared=of.shared,
    )
    if look is None or not acts:
        return data
    return replace(data, around=look([row["user_id"] for row in members], sorted(pushed), *data.window_ms))


def _elsewhere(others: Sequence[FindingRow], user_ids: set[str]) -> tuple[Act, ...]:
    """The first acts of some users on items that are no targets, MOST_ELSEWHERE of each."""
    acts = [Act(**{name: row[name] for name in ACT_COLUMNS}) for row in others if row["user_id"] in user_ids]
    acts.sort(key=lambda act: (act.user_id, act.at_ms, act.item_id, act.session_id, act.action))
    kept: Counter[str] = Counter()
    out = []
    for act in acts:
        kept[act.user_id] += 1
        if kept[act.user_id] <= MOST_ELSEWHERE:
            out.append(act)
    return tuple(out)


def sentence_reasons(sentence: str) -> tuple[Reason, ...]:
    """The parts of a ring's one sentence as reasons, for a ring whose explanation has none.

    >>> [reason.text for reason in sentence_reasons("They act alike; in step.")]
    ['They act alike.', 'In step.']
    """
    parts = [part.strip().rstrip(".") for part in sentence.split("; ") if part.strip()]
    return tuple(Reason("sentence", f"{part[:1].upper()}{part[1:]}.") for part in parts)


def _last(value: float | None) -> float:
    """Sort from large to small, unknown ones last."""
    return math.inf if value is None else -value


def _acts_by(acts: Sequence[Act], key: str) -> dict[str, list[Act]]:
    groups: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        groups[getattr(act, key)].append(act)
    return groups


def _member(
    row: FindingRow,
    score: Mapping[str, Any],
    acts: Sequence[Act],
    n_others: Mapping[str, int],
    reasons: Mapping[str, tuple[Reason, ...]],
) -> Member:
    user_id = row["user_id"]
    return Member(
        user_id=user_id,
        score=row["score"],
        user_score=score.get("score"),
        p_value=score.get("p_value"),
        flagged=score.get("flagged"),
        reason=score.get("reason"),
        n_targets=len({act.item_id for act in acts}),
        n_acts=sum(act.n for act in acts),
        n_other_acts=n_others.get(user_id, 0),
        n_sessions=len({act.session_id for act in acts}),
        first_ms=(acts[0].at_ms or None) if acts else None,  # 0: the log has no times
        last_ms=(acts[-1].at_ms or None) if acts else None,
        reasons=reasons.get(user_id, ()),
    )


def _item(row: FindingRow, name: str | None, acts: Sequence[Act]) -> Item:
    return Item(
        item_id=row["item_id"],
        name=name,
        n_users=row["n_users"],
        lift=row["lift"],
        n_acts=sum(act.n for act in acts),
        first_ms=(acts[0].at_ms or None) if acts else None,  # 0: the log has no times
        last_ms=(acts[-1].at_ms or None) if acts else None,
    )


def _sittings(rows: Sequence[FindingRow], pushed: set[str]) -> list[RingSession]:
    """The sessions that hold an act on a target, by time."""
    wanted = {(row["user_id"], row["session_id"]) for row in rows if row["item_id"] in pushed}
    held: dict[tuple[str, str], list[tuple[int, str | None, str]]] = defaultdict(list)
    inside = [row for row in rows if (row["user_id"], row["session_id"]) in wanted]
    for row in sorted(inside, key=lambda row: (row["at_ms"], row["item_id"], row["action"])):
        target = row["item_id"] if row["item_id"] in pushed else None
        held[row["user_id"], row["session_id"]].append((row["at_ms"], target, row["action"]))
    sittings = [RingSession(*session, tuple(steps)) for session, steps in held.items()]
    return sorted(sittings, key=lambda sitting: (sitting.steps[0][0], sitting.user_id, sitting.session_id))


def _shared(members: Sequence[FindingRow], links: Mapping[str, Sequence[FindingRow]]) -> list[SharedEntity]:
    """Devices, addresses … that two members or more used, those of most members first."""
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in members:
        for link in links.get(row["user_id"], ()):
            users[link["kind"], link["entity_id"]].add(row["user_id"])
    entities = [
        SharedEntity(kind, entity_id, tuple(sorted(who)))
        for (kind, entity_id), who in users.items()
        if len(who) >= 2
    ]
    return sorted(entities, key=lambda entity: (-len(entity.user_ids), entity.kind, entity.entity_id))
