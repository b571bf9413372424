"""What Neo4j Browser gets from us: a style, the saved queries as favourites, and settings of the server it comes with.

The bundled Browser takes a style by dropping a .grass file on it, by `:style URL`, or by `:style` and JSON; favourites
by dropping a zip, whose folders become folders; and commands that it runs after it has connected from the server's
setting browser.post_connect_cmd. So with a server that we start nothing needs to be loaded.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from importlib import resources

from graphdet.store.neo4j import saved
from graphdet.store.neo4j.statements import cypher_text, names, text_literal
from graphdet.store.queries import in_order, title_of

FAVOURITES_FOLDER = "graphdet"  # of the favourites
STYLE_NAME, FAVOURITES_NAME = "graphdet.grass", "graphdet-favourites.zip"
_RULE = re.compile(r"([\w.]+)\s*\{([^{}]*(?:\{\w+\}[^{}]*)*)\}")
_STAMP = (2020, 1, 1, 0, 0, 0)  # the same queries give the same bytes


def style_text() -> str:
    """The style as a GraSS file."""
    return (resources.files("graphdet.store.neo4j") / STYLE_NAME).read_text(encoding="utf-8")


def style_rules() -> dict[str, dict[str, str]]:
    """The style as selectors and their properties.

    >>> style_rules()["node.Ring"]["diameter"]
    '80px'
    """
    rules = {}
    for selector, body in _RULE.findall(style_text()):
        lines = (line.strip().rstrip(";").partition(":") for line in body.splitlines() if ":" in line)
        rules[selector] = {name.strip(): value.strip().strip('"') for name, _, value in lines}
    return rules


def parameters_command() -> str:
    """The Browser command that gives the saved queries' parameters their defaults, without the colon.

    >>> parameters_command()[:8]
    'params {'
    """
    return params(saved.browser_defaults())


def params(values: Mapping[str, str | int | float]) -> str:
    """The Browser command that sets parameters, without the colon.

    >>> params({"min_items": 2, "ring_id": "R'1"})
    "params {min_items: 2, ring_id: 'R\\\\'1'}"
    """
    written = (
        f"{key}: {text_literal(value) if isinstance(value, str) else repr(value)}"
        for key, value in sorted(values.items())
    )
    return f"params {{{', '.join(written)}}}"


def settings() -> dict[str, str]:
    """Settings of a server whose Browser shows our style, knows our parameters and may read our guide."""
    style = json.dumps(style_rules(), separators=(",", ":"))
    return {
        "browser.post_connect_cmd": f"style {style}; {parameters_command()}; clear",
        "browser.remote_content_hostname_whitelist": "guides.neo4j.com,localhost",
    }


def favourites() -> bytes:
    """All saved queries as a zip that Browser imports in one go, in a folder, in the order of an investigation.

    The first sets the parameters, for servers that do not.
    """
    texts = {name: cypher_text(f"browser/{name}") for name in names("browser")}
    titles = in_order({name: title_of(text) for name, text in texts.items()})
    files = [("00-parameters", f"// 00 Set the parameters first\n:{parameters_command()}\n")]
    files += [(f"{title.partition(' ')[0]}-{name}", texts[name]) for name, title in titles.items()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files:
            entry = zipfile.ZipInfo(f"{FAVOURITES_FOLDER}/{name}.cypher", date_time=_STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return packed.getvalue()
