"""A ring as GraphML, for Gephi, yEd, Cytoscape and networkx; see `ring_graph` for what is in it."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from graphdet.files import write_text
from graphdet.reports.ring_data import RingData
from graphdet.reports.ring_graph import EDGE_KEYS, NODE_KEYS, Value, edges, nodes, xml_safe

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


def _data(values: Mapping[str, Value], domain: str) -> str:
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
