"""Small pieces of inline SVG; every text goes through `visible` and is escaped here."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from graphdet.reports import words

SHAPES = 6  # how many actions have a colour and a shape of their own (the palette of Okabe and Ito, style.css)


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
    parts = [Markup("<{}").format(Markup(name))]
    for key, value in attributes.items():
        if value is None:
            continue
        shown = f"{value:.4g}" if isinstance(value, float) and abs(value) < 1 else value
        shown = f"{shown:.1f}".removesuffix(".0") if isinstance(shown, float) else shown
        key = "class" if key == "css" else key.replace("_", "-") if key != "viewBox" else key
        parts.append(Markup(' {}="{}"').format(Markup(key), str(shown)))
    return Markup("").join(parts) + Markup(">{}</{}>").format(content, Markup(name))


def group(parts: Sequence[Markup], **attributes: object) -> Markup:
    """Put elements into a group."""
    return tag("g", Markup("").join(parts), **attributes)


def label(at: Label) -> Markup:
    """Write a label, cut to its width, with the whole text as its title."""
    title = tag("title", words.visible(at.text))
    return tag("text", title + escape(words.shorten(at.text, at.width)), x=at.x, y=at.y, css=at.css)


def mark(kind: int, x: float, y: float, r: float, title: str) -> Markup:
    """Draw the mark of the kind-th action: circle, square, diamond, triangle, cross or bar, told apart without colour."""
    css = f"mark a{min(kind, SHAPES - 1)}"
    hover = tag("title", title)
    paths = {
        1: f"M{x - r:.1f} {y - r:.1f}h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z",
        2: f"M{x:.1f} {y - 1.3 * r:.1f}l{1.3 * r:.1f} {1.3 * r:.1f}l{-1.3 * r:.1f} {1.3 * r:.1f}"
        f"l{-1.3 * r:.1f} {-1.3 * r:.1f}z",
        3: f"M{x:.1f} {y - 1.2 * r:.1f}l{1.2 * r:.1f} {2.2 * r:.1f}h{-2.4 * r:.1f}z",
        4: f"M{x - 0.4 * r:.1f} {y - 1.2 * r:.1f}h{0.8 * r:.1f}v{0.8 * r:.1f}h{0.8 * r:.1f}v{0.8 * r:.1f}"
        f"h{-0.8 * r:.1f}v{0.8 * r:.1f}h{-0.8 * r:.1f}v{-0.8 * r:.1f}h{-0.8 * r:.1f}v{-0.8 * r:.1f}h{0.8 * r:.1f}z",
        5: f"M{x - 0.5 * r:.1f} {y - 1.3 * r:.1f}h{r:.1f}v{2.6 * r:.1f}h{-r:.1f}z",
    }
    if kind <= 0:
        return tag("circle", hover, cx=x, cy=y, r=r, css=css)
    return tag("path", hover, d=paths[min(kind, SHAPES - 1)], css=css)


def picture(parts: Sequence[Markup], width: float, height: float, title: str, described: str) -> Markup:
    """Wrap elements as a picture that scales with the page and that screen readers can announce."""
    head = tag("title", title) + tag("desc", described)
    return tag(
        "svg", head + Markup("").join(parts), viewBox=f"0 0 {width:.0f} {height:.0f}", role="img", width="100%"
    )
