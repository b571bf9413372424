"""A ring as a graph for other programs: the graph of the store, cut to the ring.

User, session and item nodes, and nodes of the devices, addresses … that members share; STARTED edges from a
user to a session, one edge per action from a session to an item, USED edges from a user to a shared thing. Node
ids are u0, s0, i0, e0 … and say nothing.

XML 1.0 cannot hold some characters (NUL, most control characters, lone surrogates). Such a name is written with
visible escapes, and `id_json` beside it holds the exact name as JSON in ASCII; a name without `id_json` is
written exactly. So every name comes back.

A ring as GEXF 1.3, the format of Gephi, which networkx reads too; see `ring_graph` for what is in it.

Colours and sizes are given, so that Gephi shows members, sessions and targets apart at once.

A ring as GraphML, for Gephi, yEd, Cytoscape and networkx; see `ring_graph` for what is in it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from graphdet import schema
from graphdet.files import write_text
from graphdet.reports.ring_data import RingData
from graphdet.words import iso

AttributeValue = str | float | int | None
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
    values: dict[str, AttributeValue]


@dataclass(frozen=True)
class Edge:
    """An edge between two node ids."""

    source: str
    target: str
    values: dict[str, AttributeValue]


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


def _named(text: str) -> dict[str, AttributeValue]:
    exact = xml_safe(text) == text
    return {"id_in_log": text, "id_json": None if exact else json.dumps(text)}


def nodes(ring: RingData) -> Iterator[Node]:
    """The nodes of a ring: members, sessions, targets, shared things."""
    for place, member in enumerate(ring.members):
        scores: dict[str, AttributeValue] = {"score": member.score, "user_score": member.user_score}
        yield Node(f"u{place}", member.user_id, {"kind": "user", **_named(member.user_id), **scores})
    for (_, session_id), key in _sessions(ring).items():
        yield Node(key, session_id, {"kind": "session", **_named(session_id)})
    for place, item in enumerate(ring.items):
        numbers: dict[str, AttributeValue] = {"lift": item.lift, "n_users": item.n_users}
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
        values: dict[str, AttributeValue] = {
            "type": schema.relationship_type(act.action),
            "action": act.action,
            "n": act.n,
        }
        if ring.timed:
            values |= {"at": iso(act.at_ms), "at_ms": act.at_ms}
        yield Edge(sessions[act.user_id, act.session_id], items[act.item_id], values)


_GEXF_TYPES = {"string": "string", "double": "double", "int": "integer", "long": "long"}
# Okabe and Ito: blue members, vermilion targets, grey sessions, purple for what is shared.
_LOOKS = {"user": (0, 114, 178, 12), "item": (213, 94, 0, 12), "session": (150, 150, 150, 4)}
_OTHER_LOOK = (204, 121, 167, 8)


@lru_cache(maxsize=1 << 16)  # ids come again and again
def _attribute(text: str) -> str:
    r"""Escape a text for a double-quoted XML attribute, white space kept.

    >>> _attribute('a"b\n<')
    'a&quot;b&#10;&lt;'
    """
    return escape(xml_safe(text), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _values(values: Mapping[str, AttributeValue], keys: Mapping[str, str]) -> str:
    """Write the attributes of a node or an edge; missing ones are left out."""
    places = {name: place for place, name in enumerate(keys)}
    found = "".join(
        f'<attvalue for="{places[name]}" value="{_attribute(value) if isinstance(value, str) else value}"/>'
        for name, value in values.items()
        if value is not None and value == value
    )
    return f"<attvalues>{found}</attvalues>"


def _declared(of: str, keys: Mapping[str, str]) -> str:
    rows = "".join(
        f'<attribute id="{place}" title="{name}" type="{_GEXF_TYPES[kind]}"/>'
        for place, (name, kind) in enumerate(keys.items())
    )
    return f'<attributes class="{of}">{rows}</attributes>'


def gexf(ring: RingData) -> str:
    """Write the ring as one GEXF document."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<gexf xmlns="http://gexf.net/1.3" xmlns:viz="http://gexf.net/1.3/viz" version="1.3">',
        "<meta><creator>graphdet</creator></meta>",
        '<graph mode="static" defaultedgetype="directed">',
        _declared("node", NODE_KEYS),
        _declared("edge", EDGE_KEYS),
        "<nodes>",
    ]
    for node in nodes(ring):
        red, green, blue, size = _LOOKS.get(str(node.values["kind"]), _OTHER_LOOK)
        look = f'<viz:color r="{red}" g="{green}" b="{blue}"/><viz:size value="{size}"/>'
        label = _attribute(node.label)
        lines.append(f'<node id="{node.key}" label="{label}">{_values(node.values, NODE_KEYS)}{look}</node>')
    lines.append("</nodes><edges>")
    for place, edge in enumerate(edges(ring)):
        ends = f'source="{edge.source}" target="{edge.target}"'
        lines.append(f'<edge id="{place}" {ends}>{_values(edge.values, EDGE_KEYS)}</edge>')
    lines.append("</edges></graph></gexf>\n")
    return "\n".join(lines)


def write_gexf(path: Path, ring: RingData) -> Path:
    """Write RING_ID.gexf.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, gexf(ring))


_KEYS = {
    ("node", name): (f"d{place}", kind)
    for place, (name, kind) in enumerate({"label": "string", **NODE_KEYS}.items())
} | {
    ("edge", name): (f"d{len(NODE_KEYS) + 1 + place}", kind)
    for place, (name, kind) in enumerate(EDGE_KEYS.items())
}

_OPEN = {
    domain: {name: f'<data key="{key}">' for (of, name), (key, _) in _KEYS.items() if of == domain}
    for domain in ("node", "edge")
}


@lru_cache(maxsize=1 << 16)  # ids come again and again
def xml_text(text: str) -> str:
    r"""Escape a text for XML 1.0; characters that XML cannot hold become visible escapes.

    >>> xml_text("a<b\x00\r\ufffe")
    'a&lt;b\\x00&#13;\\ufffe'
    """
    return escape(xml_safe(text), {"\r": "&#13;"})


def _data(values: Mapping[str, AttributeValue], domain: str) -> str:
    """Write the attributes of a node or an edge; missing ones are left out."""
    opening, out = _OPEN[domain], ""
    for name, value in values.items():  # a loop: it runs for every act of a ring
        if value is not None and value == value:
            out += f"{opening[name]}{xml_text(value) if isinstance(value, str) else value}</data>"
    return out


def graphml(ring: RingData) -> str:
    """Write the ring as one GraphML document."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    for (domain, name), (key, kind) in _KEYS.items():
        lines.append(f'<key id="{key}" for="{domain}" attr.name="{name}" attr.type="{kind}"/>')
    lines.append('<graph id="ring" edgedefault="directed">')
    for node in nodes(ring):
        values = {"label": node.label, **node.values}
        lines.append(f'<node id="{node.key}">{_data(values, "node")}</node>')
    for place, edge in enumerate(edges(ring)):
        ends = f'source="{edge.source}" target="{edge.target}"'
        lines.append(f'<edge id="e{place}" {ends}>{_data(edge.values, "edge")}</edge>')
    lines.append("</graph></graphml>\n")
    return "\n".join(lines)


def write_graphml(path: Path, ring: RingData) -> Path:
    """Write RING_ID.graphml.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, graphml(ring))
