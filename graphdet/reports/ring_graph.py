"""A ring as a graph for other programs: the graph of the store, cut to the ring.

User, session and item nodes, and nodes of the devices, addresses … that members share; STARTED edges from a
user to a session, one edge per action from a session to an item, USED edges from a user to a shared thing. Node
ids are u0, s0, i0, e0 … and say nothing.

XML 1.0 cannot hold some characters (NUL, most control characters, lone surrogates). Such a name is written with
visible escapes, and `id_json` beside it holds the exact name as JSON in ASCII; a name without `id_json` is
written exactly. So every name comes back.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from graphdet import schema
from graphdet.reports.ring_data import RingData
from graphdet.words import iso

Value = str | float | int | None
# The attributes of nodes and of edges, in this order, with their types.
NODE_KEYS = {
    "kind": "string",
    "id_in_log": "string",
    "id_json": "string",
    "score": "double",
    "user_score": "double",
    "lift": "double",
    "n_users": "int",
}
EDGE_KEYS = {"type": "string", "action": "string", "at": "string", "at_ms": "long", "n": "int"}


@dataclass(frozen=True)
class Node:
    """A node: its id in the file, what people see, and its attributes."""

    key: str
    label: str
    values: dict[str, Value]


@dataclass(frozen=True)
class Edge:
    """An edge between two node ids."""

    source: str
    target: str
    values: dict[str, Value]


def xml_safe(text: str) -> str:
    r"""Turn characters that XML 1.0 cannot hold into visible escapes.

    >>> xml_safe("a<b\x00\ufffe")
    'a<b\\x00\\ufffe'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _named(text: str) -> dict[str, Value]:
    exact = xml_safe(text) == text
    return {"id_in_log": text, "id_json": None if exact else json.dumps(text)}


def nodes(ring: RingData) -> Iterator[Node]:
    """The nodes of a ring: members, sessions, targets, shared things."""
    for place, member in enumerate(ring.members):
        scores: dict[str, Value] = {"score": member.score, "user_score": member.user_score}
        yield Node(f"u{place}", member.user_id, {"kind": "user", **_named(member.user_id), **scores})
    for (_, session_id), key in _sessions(ring).items():
        yield Node(key, session_id, {"kind": "session", **_named(session_id)})
    for place, item in enumerate(ring.items):
        numbers: dict[str, Value] = {"lift": item.lift, "n_users": item.n_users}
        yield Node(f"i{place}", item.title, {"kind": "item", **_named(item.item_id), **numbers})
    for place, entity in enumerate(ring.shared):
        yield Node(f"e{place}", entity.entity_id, {"kind": entity.kind, **_named(entity.entity_id)})


def _sessions(ring: RingData) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for act in ring.acts:
        found.setdefault((act.user_id, act.session_id), f"s{len(found)}")
    return found


def edges(ring: RingData) -> Iterator[Edge]:
    """The edges of a ring: STARTED, USED, then the acts in their order in time."""
    users = {member.user_id: f"u{place}" for place, member in enumerate(ring.members)}
    items = {item.item_id: f"i{place}" for place, item in enumerate(ring.items)}
    sessions = _sessions(ring)
    for (user_id, _), session in sessions.items():
        yield Edge(users[user_id], session, {"type": "STARTED"})
    for place, entity in enumerate(ring.shared):
        for user_id in entity.user_ids:
            yield Edge(users[user_id], f"e{place}", {"type": "USED"})
    for act in ring.acts:
        values: dict[str, Value] = {
            "type": schema.relationship_type(act.action),
            "action": act.action,
            "at": iso(act.at_ms),
            "at_ms": act.at_ms,
            "n": act.n,
        }
        yield Edge(sessions[act.user_id, act.session_id], items[act.item_id], values)
