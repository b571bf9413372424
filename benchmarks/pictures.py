"""A picture on a page of its own, as the documentation shows them."""

from collections.abc import Sequence

from graphdet.reports import svg


def page(parts: Sequence[svg.Markup], width: float, height: float, title: str) -> str:
    """An SVG document on white, with a title in the corner."""
    head = svg.tag("text", title, x=8, y=18, font_weight="bold")
    back = svg.tag("rect", x=0, y=0, width=width, height=height, fill="#fff")
    body = svg.tag("g", svg.joined([back, head, *parts]), font_family="sans-serif", font_size=12)
    box = f"0 0 {width:.0f} {height:.0f}"
    made = svg.tag("svg", svg.tag("title", title) + body, viewBox=box, role="img", width=width)
    return str(made).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
