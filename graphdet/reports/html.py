"""The template environment: autoescape always on; the one style and the one script are pinned by their hashes."""

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from graphdet import __version__, words

# Control characters but line feed and tab, direction marks, halves of surrogate pairs.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _stamp(text: str) -> str:
    """Write an ISO 8601 time to the second; anything else as it is."""
    try:
        return words.clock(words.milliseconds(text))
    except ValueError:
        return words.visible(text) or "–"


@cache
def template_text(name: str) -> str:
    """Read a file of the templates' folder."""
    return resources.files("graphdet.reports").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    # The hash of the policy covers the element's text, so it must hold exactly these bytes.
    return "".join(template_text(name) for name in ("tokens.css", "figures.css", "style.css"))


def _digest(text: str) -> Markup:
    found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(f"sha256-{found}")


@cache
def templates_of(package: str) -> Environment:
    """The templates of a package's folder `templates`, which escape every value, with the filters of all pages."""
    environment = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=words.visible,
        shorten=words.shorten,
        thousands=words.thousands,
        figure=words.figure,
        score=words.score_in_words,
        chance=words.chance,
        percent=words.percent,
        stamp=_stamp,
        clock=lambda at_ms: "–" if at_ms is None else words.clock(at_ms),
    )
    return environment


def render(template: str, **values: Any) -> str:
    """Render a page; every value is escaped unless it is Markup that this package made.

    Templates show names with `visible`; should one forget it, what could hide or turn text is still shown as escapes.
    """
    style, script = _style(), template_text("script.js")
    page = templates_of("graphdet.reports").get_template(template)
    text = page.render(
        **values,
        style=Markup(style),
        style_hash=_digest(style),
        script=Markup(script),
        script_hash=_digest(script),
        version=__version__,
    )
    return _HARMFUL.sub(lambda found: words.visible(found.group()), text)
