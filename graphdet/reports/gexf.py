"""A ring as GEXF 1.3, the format of Gephi, which networkx reads too; see `ring_graph` for what is in it.

Colours and sizes are given, so that Gephi shows members, sessions and targets apart at once.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from graphdet.files import write_text
from graphdet.reports.ring_data import RingData
from graphdet.reports.ring_graph import EDGE_KEYS, NODE_KEYS, Value, edges, nodes, xml_safe

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


def _values(values: Mapping[str, Value], keys: Mapping[str, str]) -> str:
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
