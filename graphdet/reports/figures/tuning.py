"""The drawings of `graphdet tune`: values trial by trial, what mattered, and the value by each setting."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.axes import HEIGHT, WIDTH, Axis, Frame

Trials = Sequence[Mapping[str, Any]]  # of place, settings, value, seconds
_BAR, _LEFT, _WIDE = 26.0, 150.0, 270.0
_SMALL_BOTTOM = 230.0


def draw_history(trials: Trials) -> Markup:
    """Draw each trial's value and the best so far; the defaults are the first, drawn as a square."""
    frame = Frame(_places(trials), _values(trials, "average precision on the validation part"))
    best, points = trials[0]["value"], []
    for one in trials:
        best = max(best, one["value"])
        points.append((one["place"], best))
    parts = [*frame.draw(), svg.tag("path", d=frame.steps(points), css="curve s0")]
    parts += [_mark(frame, one["place"], one, trials) for one in trials]
    return svg.picture(
        parts,
        WIDTH,
        HEIGHT,
        "Trials",
        f"The best of {len(trials)} trials has {max(t['value'] for t in trials):.4f}.",
        "plot",
    )


def draw_importance(importance: Mapping[str, float]) -> Markup:
    """Draw the share of the spread that each setting explains, the largest first."""
    parts = []
    for row, (name, share) in enumerate(sorted(importance.items(), key=lambda item: -item[1])):
        y = 14 + row * _BAR
        parts.append(svg.tag("text", name, x=_LEFT - 8, y=y + 13, css="label end"))
        parts.append(svg.tag("rect", x=_LEFT, y=y, width=max(share * _WIDE, 1.0), height=_BAR - 9, css="c0"))
        parts.append(svg.tag("text", words.percent(share), x=_LEFT + share * _WIDE + 7, y=y + 13, css="axis"))
    height = 20 + _BAR * len(importance)
    return svg.picture(
        parts, WIDTH, height, "What mattered", "Share of the values' spread, by setting.", "plot"
    )


def draw_slice(name: str, log: bool, trials: Trials) -> Markup:
    """Draw the value of every trial by one setting; names stand side by side."""
    values = [one["settings"][name] for one in trials]
    up = _values(trials, "average precision")
    names: list[str] = []
    if isinstance(values[0], str):
        names = sorted(set(map(str, values)))
        across = Axis(-0.5, len(names) - 0.5, "")
    else:
        low, high = min(values), max(values)
        log = log and low > 0 and high / low > 3
        pad = 0.0 if high > low else max(abs(high), 1.0) * 0.1
        across = Axis(low - pad, high + pad, name, log=log and not pad)
    frame = Frame(across, up, bottom=_SMALL_BOTTOM)
    parts = frame.draw() if not names else _named(frame, names, name)
    for one, value in zip(trials, values, strict=True):
        x = float(names.index(str(value)) if names else value)
        parts.append(_mark(frame, x, one, trials))
    return svg.picture(parts, WIDTH, _SMALL_BOTTOM + 48, f"Value by {name}", f"{len(trials)} trials.", "plot")


def _named(frame: Frame, names: Sequence[str], title: str) -> list[Markup]:
    """The frame with names in place of numbers across."""
    parts = []
    for value, text in frame.up.ticks():
        y = frame.y(value)
        parts.append(svg.tag("path", d=f"M{frame.left:.1f} {y:.1f}H{frame.right:.1f}", css="grid"))
        parts.append(svg.tag("text", text, x=frame.left - 7, y=y + 4, css="axis end"))
    for place, name in enumerate(names):
        parts.append(svg.tag("text", name, x=frame.x(place), y=frame.bottom + 16, css="axis middle"))
    edge = f"M{frame.left:.1f} {frame.top:.1f}V{frame.bottom:.1f}H{frame.right:.1f}"
    parts.append(svg.tag("path", d=edge, css="axis-line"))
    middle = (frame.left + frame.right) / 2
    parts.append(svg.tag("text", title, x=middle, y=frame.bottom + 36, css="axis middle"))
    parts.append(svg.tag("text", frame.up.title, x=frame.left - 46, y=frame.top - 12, css="axis"))
    return parts


def _mark(frame: Frame, x: float, one: Mapping[str, Any], trials: Trials) -> Markup:
    """The defaults as a square, the best as a diamond, others as dots."""
    best = max(trials, key=lambda each: each["value"])
    kind, colour, radius = (0, "cx", 3.5)
    if one["place"] == 0:
        kind, colour, radius = (1, "c1", 5.0)
    if one["place"] == best["place"]:
        kind, colour, radius = (2, "c0", 6.5)
    told = ", ".join(f"{key} {value}" for key, value in one["settings"].items())
    return svg.mark(kind, frame.x(x), frame.y(one["value"]), radius, f"{one['value']:.4f}: {told}", colour)


def _places(trials: Trials) -> Axis:
    return Axis(0, max(len(trials) - 1, 1), "trial")


def _values(trials: Trials, title: str) -> Axis:
    values = [one["value"] for one in trials]
    low, high = min(values), max(values)
    pad = max((high - low) * 0.08, 0.002)
    return Axis(low - pad, high + pad, title)
