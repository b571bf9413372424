"""Small pieces of inline SVG; every text goes through `visible` and is escaped here."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from graphdet import words

SHAPES = 7  # of marks: told apart without colour


# Square, diamond, triangle, cross, bar and triangle on its head of radius 1, as (right, down).
_OUTLINES: tuple[tuple[tuple[float, float], ...], ...] = (
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, -1.2), (1.2, 1), (-1.2, 1)),
    (
        *((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4)),
        *((0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
    ),
    ((-0.6, -1.4), (0.6, -1.4), (0.6, 1.4), (-0.6, 1.4)),
    ((0, 1.2), (1.2, -1), (-1.2, -1)),
)


class Label(NamedTuple):
    """A text and its place; the whole text shows on hover when it had to be cut."""

    x: float
    y: float
    text: str
    width: int
    css: str


def tag(name: str, content: str | Markup = "", **attributes: object) -> Markup:
    """Make one element; `css` becomes class, underscores become hyphens, None is left out.

    >>> tag("text", "<b>", x=1, css="label")
    Markup('<text x="1" class="label">&lt;b&gt;</text>')
    """
    # Plain strings, as Markup.format is ten times slower; every value but our own Markup is escaped.
    text = f"<{name}"
    for key, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, float):
            value = f"{value:.4g}" if abs(value) < 1 else f"{value:.1f}".removesuffix(".0")
        key = "class" if key == "css" else key.replace("_", "-") if key != "viewBox" else key
        text += f' {key}="{escape(value)}"'
    return Markup(f"{text}>{escape(content)}</{name}>")


def joined(parts: Iterable[Markup]) -> Markup:
    """Put elements one after the other; anything that is no Markup is escaped."""
    return Markup("".join(escape(part) for part in parts))


def group(parts: Sequence[Markup], **attributes: object) -> Markup:
    """Put elements into a group."""
    return tag("g", joined(parts), **attributes)


def label(at: Label) -> Markup:
    """Write a label, cut to its width, with the whole text as its title."""
    title = tag("title", words.visible(at.text))
    return tag("text", title + escape(words.shorten(at.text, at.width)), x=at.x, y=at.y, css=at.css)


def mark(kind: int, x: float, y: float, r: float, title: str, colour: str) -> Markup:
    """Draw the mark of the kind-th thing in a class of colour.

    Circle, square, diamond, triangle, cross, bar or triangle on its head: told apart without colour.
    """
    css = f"mark {colour}"
    hover = tag("title", title)
    if kind <= 0:
        return tag("circle", hover, cx=x, cy=y, r=r, css=css)
    outline = _OUTLINES[min(kind, SHAPES - 1) - 1]
    points = " ".join(f"{x + r * right:.1f},{y + r * down:.1f}" for right, down in outline)
    return tag("polygon", hover, points=points, css=css)


def picture(
    parts: Sequence[Markup], width: float, height: float, title: str, described: str, css: str
) -> Markup:
    """Wrap elements as a picture that scales with the page and that screen readers can announce."""
    head = tag("title", title) + tag("desc", described)
    return tag("svg", head + joined(parts), viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", css=css)
