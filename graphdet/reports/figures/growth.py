"""The growth of a ring: members, acts and the rest of the audience, each as the share reached over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.time_axis import TimeAxis
from graphdet.reports.ring_data import RingData

WIDTH, HEIGHT = 1000.0, 262.0
_TOP, _BOTTOM = 30.0, 226.0
_WHOLE, _CLOSE = (48.0, 410.0), (470.0, 800.0)  # left and right of the two panels
_LEGEND = 826.0
_POINTS = 240


@dataclass(frozen=True)
class _Curve:
    """One curve: the times that count, ascending, its class, and two lines for the legend."""

    times: NDArray[np.int64]
    css: str
    name: str
    note: str


def draw_growth(ring: RingData) -> Markup:
    """Draw the growth as inline SVG, over the whole time and within the ring's window."""
    joined = np.sort(np.array([m.first_ms for m in ring.members if m.first_ms is not None], np.int64))
    if not len(joined):
        return Markup("")
    acts = np.array([act.at_ms for act in ring.acts], np.int64)
    audience = np.array(ring.context.audience_ms if ring.context is not None else (), np.int64)
    n_out = ring.context.n_audience if ring.context is not None else 0
    curves = [
        _Curve(joined, "curve members", words.plural(len(joined), "member"), "joined"),
        _Curve(acts, "curve acts", words.plural(len(acts), "act"), "of members on targets"),
        _Curve(audience, "curve grey", f"{words.plural(n_out, 'act')} of others", "on targets, first each"),
    ]
    curves = [curve for curve in curves if len(curve.times)]
    everything = np.concatenate([curve.times for curve in curves])
    whole = TimeAxis([int(everything.min()), int(everything.max())], *_WHOLE, cut=False)
    close = TimeAxis(ring.window_ms, *_CLOSE, cut=False)
    parts = [
        *_panel("over the whole time", whole, curves, ring.window_ms),
        *_panel("within the ring's window", close, curves, None),
    ]
    for place, curve in enumerate(curves):
        y = _TOP + 24 + place * 46
        parts.append(svg.tag("path", d=f"M{_LEGEND:.0f} {y - 4:.1f}h24", css=curve.css))
        parts.append(svg.tag("text", curve.name, x=_LEGEND + 32, y=y, css="label"))
        parts.append(svg.tag("text", curve.note, x=_LEGEND + 32, y=y + 15, css="axis"))
    described = (
        f"Half of the members had joined by {words.clock(int(joined[(len(joined) - 1) // 2]))}, "
        f"all by {words.clock(int(joined[-1]))} UTC."
    )
    title = f"Growth of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, WIDTH, HEIGHT, title, described, "figure-growth")


def _panel(
    title: str, axis: TimeAxis, curves: Sequence[_Curve], window: tuple[int, int] | None
) -> list[Markup]:
    """Draw one panel; `window` is marked where it is a part of it."""
    left, right = axis.left, axis.right
    parts = [svg.tag("text", title, x=left, y=16, css="head")]
    if window is not None:
        first, last = axis.x(window[0]), axis.x(window[1])
        parts.append(
            svg.tag("rect", x=first - 2, y=_TOP, width=last - first + 4, height=_BOTTOM - _TOP, css="window")
        )
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _height(share)
        parts.append(svg.tag("path", d=f"M{left:.0f} {y:.1f}H{right:.0f}", css="grid"))
        if window is not None:
            parts.append(svg.tag("text", words.percent(share), x=left - 8, y=y + 4, css="axis end"))
    parts += axis.draw(_TOP, _BOTTOM)
    first_ms, last_ms = axis.pieces[0].first, axis.pieces[-1].last
    for curve in reversed(curves):
        parts.append(svg.tag("path", d=_steps(curve.times, axis, first_ms, last_ms), css=curve.css))
    return parts


def _height(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _steps(times: NDArray[np.int64], axis: TimeAxis, first_ms: float, last_ms: float) -> str:
    """A rising step line through the times within the panel, thinned to what can be seen."""
    low, high = int(np.searchsorted(times, first_ms)), int(np.searchsorted(times, last_ms, side="right"))
    path = f"M{axis.left:.0f} {_height(low / len(times)):.1f}"
    if high > low:
        kept = np.unique(np.linspace(low, high - 1, min(high - low, _POINTS)).round().astype(int))
        for place in kept.tolist():
            path += f"H{axis.x(float(times[place])):.1f}V{_height((place + 1) / len(times)):.1f}"
    return path + f"H{axis.right:.0f}"
