"""The ring against expectation: two null distributions with what was observed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.context import Surroundings
from graphdet.reports.ring_data import RingData

CHANCE_WIDTH, CHANCE_HEIGHT = 1000.0, 236.0
_INDENT, _PANEL, _BETWEEN = 14.0, 456.0, 60.0
_TOP, _BOTTOM = 58.0, 196.0
_MOST_BARS = 60


@dataclass(frozen=True)
class _Panel:
    """One null: bar heights at values, what was observed, and words."""

    title: str
    values: NDArray[np.float64]  # the left ends of bars
    width: float  # of a bar, in the unit of values
    heights: NDArray[np.float64]
    observed: float
    null: str
    result: str


def draw_chance(ring: RingData) -> Markup:
    """Draw both nulls side by side as inline SVG; nothing where the surroundings were not read."""
    context = ring.context
    if context is None:
        return Markup("")
    panels = [_organic(context), *([_matched(context)] if context.matched is not None else [])]
    parts: list[Markup] = []
    for place, panel in enumerate(panels):
        parts += _draw(panel, _INDENT + place * (_PANEL + _BETWEEN))
    described = " ".join(f"{panel.title}: {panel.result}" for panel in panels)
    title = f"Ring {words.visible(ring.ring_id)} against expectation"
    return svg.picture(parts, CHANCE_WIDTH, CHANCE_HEIGHT, title, described, "figure-chance")


def _organic(context: Surroundings) -> _Panel:
    organic = context.organic
    values, width, heights = _binned(np.arange(len(organic.chance)), organic.chance, organic.observed)
    return _Panel(
        "Pairs with these very targets",
        values,
        width,
        heights,
        organic.observed,
        f"by chance: {words.figure(organic.expected)}",
        f"{words.thousands(organic.observed)} observed, {words.figure(organic.expected)} expected "
        f"with the group's own acts left in",
    )


def _matched(context: Surroundings) -> _Panel:
    matched = context.matched
    assert matched is not None
    counted = np.bincount(matched.groups).astype(np.float64)
    values, width, heights = _binned(np.arange(len(counted)), counted, matched.observed)
    most = int(matched.groups.max())
    return _Panel(
        "Best targets of equal groups",
        values,
        width,
        heights,
        matched.observed,
        f"{len(matched.groups)} groups: at most {words.thousands(most)}",
        f"{words.thousands(matched.observed)} observed, at most {words.thousands(most)} in the groups",
    )


def _binned(
    values: NDArray[np.int64], weight: NDArray[np.float64], observed: int
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Bars over 0 … the larger of the null and what was observed, at most _MOST_BARS of them."""
    last = max(int(values[-1]) if len(values) else 0, observed)
    width = max(1, int(np.ceil((last + 1) / _MOST_BARS)))
    heights = np.bincount(values // width, weight).astype(np.float64)
    return np.arange(len(heights), dtype=np.float64) * width, float(width), heights


def _draw(panel: _Panel, left: float) -> list[Markup]:
    right = left + _PANEL
    last = max(panel.observed, float(panel.values[-1] + panel.width) if len(panel.values) else 1.0) * 1.06 + 1
    wide, tall = (_PANEL - 6) / last, (_BOTTOM - _TOP - 8) / max(float(panel.heights.max()), 1e-12)
    bar = max(panel.width * wide - 0.8, 0.8)
    bars = "".join(
        f"M{left + value * wide:.1f} {_BOTTOM:.1f}v{-height * tall:.1f}h{bar:.1f}V{_BOTTOM:.1f}z"
        for value, height in zip(panel.values.tolist(), panel.heights.tolist(), strict=True)
        if height * tall >= 0.15
    )
    x = left + (panel.observed + 0.5) * wide
    near = panel.observed * wide > _PANEL / 2
    peak = left + (float(panel.values[int(panel.heights.argmax())]) + panel.width) * wide
    parts = [
        svg.tag("text", panel.title, x=left, y=16, css="strong"),
        svg.tag("path", d=f"M{left:.1f} {_BOTTOM:.1f}H{right:.1f}", css="axis-line"),
        svg.tag("path", d=bars, css="null"),
        svg.tag("path", d=f"M{x:.1f} {_TOP - 12:.1f}V{_BOTTOM:.1f}", css="observed"),
        svg.tag("path", d=f"M{x - 5:.1f} {_TOP - 16:.1f}h10l-5 8z", css="pushed"),
        svg.tag(
            "text", f"this ring: {words.thousands(panel.observed)}", x=x - 10 if near else x + 10, y=_TOP - 8,
            css="label strong end" if near else "label strong",
        ),
    ]  # fmt: skip
    room = x - peak if near else _PANEL
    if room > 170:
        parts.append(svg.tag("text", panel.null, x=peak + 10, y=_TOP + 22, css="label soft"))
    for value in _ticks(last):
        at = left + (value + 0.5) * wide
        parts.append(svg.tag("text", words.thousands(value), x=at, y=_BOTTOM + 16, css="axis middle"))
    parts.append(svg.tag("text", "account–item pairs", x=right, y=_BOTTOM + 33, css="axis end"))
    return parts


def _ticks(last: float) -> Sequence[float]:
    """Round values from 0, four to seven of them."""
    for scale in (10.0**k for k in range(12)):
        for step in (1, 2, 5):
            if last / (step * scale) <= 6:
                return [step * scale * k for k in range(int(last / (step * scale)) + 1)]
    return [0]
