"""The template environment: autoescape always on, no script, styles pinned by their hash."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from graphdet import __version__
from graphdet.reports import words


def _stamp(text: str) -> str:
    """Write an ISO 8601 time to the second; anything else as it is."""
    try:
        return words.clock(words.milliseconds(text))
    except ValueError:
        return words.visible(text) or "–"


@cache
def _style() -> str:
    # The hash of the policy covers the element's text, so it must hold exactly the bytes of the file.
    return resources.files("graphdet.reports").joinpath("templates/style.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("graphdet.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        visible=words.visible,
        thousands=words.thousands,
        figure=words.figure,
        score=words.score,
        chance=words.chance,
        percent=words.percent,
        stamp=_stamp,
        clock=lambda at_ms: "–" if at_ms is None else words.clock(at_ms),
    )
    return environment


def render(template: str, **values: Any) -> str:
    """Render a page; every value is escaped unless it is Markup that this package made."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = _environment().get_template(template)
    return page.render(
        **values, style=Markup(style), style_hash=Markup(f"sha256-{digest}"), version=__version__
    )
