"""The timeline of a ring: all acts of its members, and those on the targets in one row per member."""

import numpy as np
from markupsafe import Markup

from graphdet.reports import svg, words
from graphdet.reports.drawing import choose
from graphdet.reports.ring_data import Act, RingData

_WIDTH = 1000.0
_LEFT, _RIGHT = 180.0, 985.0
_STRIP = 64.0  # height of the strip above the rows
_BINS = 130
_STEPS_S = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_DAYS = (1, 2, 7, 14, 28, 91, 182, 364, 728)


class _Axis:
    """A time axis from first to last, in ms, drawn from _LEFT to _RIGHT."""

    def __init__(self, first_ms: int, last_ms: int) -> None:
        room = max((last_ms - first_ms) * 0.02, 500)
        self.first, self.last = first_ms - room, last_ms + room

    def x(self, at_ms: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (at_ms - self.first) / (self.last - self.first)

    def ticks(self) -> list[tuple[float, str]]:
        """Round times, six to ten of them, with their labels."""
        span_s = (self.last - self.first) / 1000
        steps = [*_STEPS_S, *(86400 * days for days in _DAYS)]
        step = next((s for s in steps if span_s / s <= 8), steps[-1] * max(1, round(span_s / steps[-1] / 8)))
        style = "%H:%M:%S" if step < 60 else "%d %b %H:%M" if step < 86400 else "%d %b %Y"
        first = int(np.ceil(self.first / 1000 / step))
        last = int(np.floor(self.last / 1000 / step))
        return [
            (n * step * 1000.0, words.moment(n * step * 1000.0).strftime(style))
            for n in range(first, last + 1)
        ]

    def draw(self, top: float, bottom: float) -> list[Markup]:
        """Draw the ticks as lines from top to bottom with labels below."""
        parts = []
        for at_ms, text in self.ticks():
            x = self.x(at_ms)
            parts.append(svg.tag("path", d=f"M{x:.1f} {top:.1f}V{bottom:.1f}", css="grid"))
            parts.append(svg.tag("text", text, x=x, y=bottom + 14, css="axis middle"))
        return parts


def draw_timeline(ring: RingData) -> Markup:
    """Draw the strip of all acts and the rows of acts on the targets as inline SVG.

    The strip counts all acts of all members; the window of the ring is marked. Below it, the window alone:
    one row per member in the order of their first act on a target, one mark per act, its shape and colour
    saying the action.
    """
    if not ring.acts:
        return Markup("")
    members, _ = choose(ring)
    members = sorted(members, key=lambda m: (m.first_ms is None, m.first_ms or 0, m.user_id))
    rows = {member.user_id: place for place, member in enumerate(members)}
    step = 22.0 if len(members) <= 24 else 14.0
    top = _STRIP + 62
    bottom = top + step * len(members) + 6
    window = _Axis(ring.acts[0].at_ms, max(act.at_ms for act in ring.acts))
    parts = [*_strip(ring), *_zoom(window, ring), *window.draw(top - 6, bottom)]
    for member in members:
        y = top + step * (rows[member.user_id] + 0.5)
        parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="row"))
        parts.append(svg.label(svg.Label(_LEFT - 10, y + 4, member.user_id, 22, "label end")))
    kinds = {action: kind for kind, action in enumerate(ring.actions)}
    titles = {item.item_id: item.title for item in ring.items}
    for act in ring.acts:
        if act.user_id in rows:
            y = top + step * (rows[act.user_id] + 0.5)
            parts.append(_mark(act, kinds[act.action], window.x(act.at_ms), y, titles[act.item_id]))
    described = (
        f"{words.plural(len(ring.acts), 'act')} on the targets from {words.clock(ring.acts[0].at_ms)} "
        f"to {words.clock(ring.acts[-1].at_ms)} UTC."
    )
    return svg.picture(
        parts, _WIDTH, bottom + 22, f"Timeline of ring {words.visible(ring.ring_id)}", described, "time"
    )


def _mark(act: Act, kind: int, x: float, y: float, item: str) -> Markup:
    times = f" × {act.n}" if act.n > 1 else ""
    told = f"{words.visible(act.action)}{times}: {words.visible(item)}, {words.clock(act.at_ms)} UTC"
    return svg.mark(kind, x, y, 3.4, told)


def _life(ring: RingData) -> _Axis:
    """The axis over everything the members did."""
    times = [act.at_ms for act in ring.acts] + ring.others_ms[:1] + ring.others_ms[-1:]
    return _Axis(min(times), max(times))


def _strip(ring: RingData) -> list[Markup]:
    """Draw how many acts fall into each part of the members' time, on targets and elsewhere."""
    axis = _life(ring)
    edges = np.linspace(axis.first, axis.last, _BINS + 1)
    pushed = np.histogram([act.at_ms for act in ring.acts], edges)[0]
    other = np.histogram(ring.others_ms, edges)[0]
    tallest = max(int((pushed + other).max()), 1)
    base, room, width = _STRIP, _STRIP - 16, (_RIGHT - _LEFT) / _BINS
    shape = {"targets": "", "elsewhere": ""}
    for place in range(_BINS):
        x = _LEFT + place * width
        low = room * pushed[place] / tallest
        high = room * (pushed[place] + other[place]) / tallest
        if pushed[place]:
            shape["targets"] += f"M{x:.1f} {base:.1f}v{-low:.1f}h{width - 0.8:.1f}v{low:.1f}z"
        if other[place]:
            shape["elsewhere"] += (
                f"M{x:.1f} {base - low:.1f}v{low - high:.1f}h{width - 0.8:.1f}v{high - low:.1f}z"
            )
    first, last = axis.x(ring.acts[0].at_ms), axis.x(ring.acts[-1].at_ms)
    return [
        svg.tag("rect", x=first - 2, y=4.0, width=last - first + 4, height=base - 4, css="window"),
        svg.tag("path", d=shape["elsewhere"], css="elsewhere"),
        svg.tag("path", d=shape["targets"], css="targets"),
        svg.tag("text", "all acts of", x=_LEFT - 10, y=base - 22, css="axis end"),
        svg.tag("text", "the members", x=_LEFT - 10, y=base - 8, css="axis end"),
        svg.tag("text", f"most: {words.thousands(tallest)}", x=_LEFT + 2, y=12, css="axis"),
        *axis.draw(base, base + 4),
    ]


def _zoom(window: _Axis, ring: RingData) -> list[Markup]:
    """Draw the lines from the window in the strip to the rows."""
    life = _life(ring)
    first, last = life.x(ring.acts[0].at_ms) - 2, life.x(ring.acts[-1].at_ms) + 2
    top, bottom = _STRIP + 22, _STRIP + 52
    left, right = window.x(window.first), window.x(window.last)
    return [
        svg.tag(
            "path",
            d=f"M{first:.1f} {top:.1f}L{left:.1f} {bottom:.1f}H{right:.1f}L{last:.1f} {top:.1f}z",
            css="window",
        )
    ]
