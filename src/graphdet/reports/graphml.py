"""A ring as GraphML, for Gephi, yEd, Cytoscape and networkx.

The graph is the one in the store, cut to the ring: user nodes, session nodes, item nodes; STARTED edges from
a user to a session and one edge per action from a session to an item.
"""

from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from graphdet import schema
from graphdet.reports.files import write_text
from graphdet.reports.ring_data import RingData
from graphdet.reports.words import moment

_KEYS = (
    ("node", "kind", "string"),
    ("node", "label", "string"),
    ("node", "id_in_log", "string"),
    ("node", "score", "double"),
    ("node", "user_score", "double"),
    ("node", "lift", "double"),
    ("node", "n_users", "int"),
    ("edge", "type", "string"),
    ("edge", "action", "string"),
    ("edge", "at", "string"),
    ("edge", "at_ms", "long"),
    ("edge", "n", "int"),
)


def xml_text(text: str) -> str:
    r"""Escape a text for XML 1.0; characters that XML cannot hold become visible escapes.

    >>> xml_text("a<b\x00\r\ufffe")
    'a&lt;b\\x00&#13;\\ufffe'
    """
    kept = "".join(
        c
        if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000"
        else c.encode("unicode_escape").decode("ascii")
        for c in text
    )
    return escape(kept, {"\r": "&#13;"})


def _data(values: Mapping[str, object], domain: str) -> str:
    """Write the attributes of a node or an edge; missing ones are left out."""
    parts = []
    for place, (of, name, _) in enumerate(_KEYS):
        value = values.get(name)
        if of == domain and value is not None and value == value:
            parts.append(f'<data key="d{place}">{xml_text(str(value))}</data>')
    return "".join(parts)


def graphml(ring: RingData) -> str:
    """Write the ring as one GraphML document; node ids are u0, s0, i0, … and say nothing."""
    users = {member.user_id: f"u{place}" for place, member in enumerate(ring.members)}
    items = {item.item_id: f"i{place}" for place, item in enumerate(ring.items)}
    sessions: dict[tuple[str, str], str] = {}
    for act in ring.acts:
        sessions.setdefault((act.user_id, act.session_id), f"s{len(sessions)}")
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    for place, (domain, name, kind) in enumerate(_KEYS):
        lines.append(f'<key id="d{place}" for="{domain}" attr.name="{name}" attr.type="{kind}"/>')
    lines.append('<graph id="ring" edgedefault="directed">')

    def node(key: str, **values: object) -> None:
        lines.append(f'<node id="{key}">{_data(values, "node")}</node>')

    for member in ring.members:
        node(
            users[member.user_id],
            kind="user",
            label=member.user_id,
            id_in_log=member.user_id,
            score=member.score,
            user_score=member.user_score,
        )
    for (_, session_id), key in sessions.items():
        node(key, kind="session", label=session_id, id_in_log=session_id)
    for item in ring.items:
        node(
            items[item.item_id],
            kind="item",
            label=item.title,
            id_in_log=item.item_id,
            lift=item.lift,
            n_users=item.n_users,
        )
    lines.extend(_edges(ring, users, items, sessions))
    lines.append("</graph></graphml>\n")
    return "\n".join(lines)


def _edges(
    ring: RingData,
    users: Mapping[str, str],
    items: Mapping[str, str],
    sessions: Mapping[tuple[str, str], str],
) -> list[str]:
    """Write STARTED edges, then the acts in their order in time."""
    lines: list[tuple[str, str, dict[str, object]]] = []
    for (user_id, _), session in sessions.items():
        lines.append((users[user_id], session, {"type": "STARTED"}))
    for act in ring.acts:
        values: dict[str, object] = {
            "type": schema.relationship_type(act.action),
            "action": act.action,
            "at": moment(act.at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "at_ms": act.at_ms,
            "n": act.n,
        }
        lines.append((sessions[act.user_id, act.session_id], items[act.item_id], values))
    return [
        f'<edge id="e{place}" source="{source}" target="{target}">{_data(values, "edge")}</edge>'
        for place, (source, target, values) in enumerate(lines)
    ]


def write_graphml(path: Path, ring: RingData) -> Path:
    """Write RING_ID.graphml.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, graphml(ring))
