"""Scales of the drawings, linear or logarithmic, with round ticks."""

import math
from dataclasses import dataclass

from markupsafe import Markup

from graphdet.reports import svg
from graphdet.reports.eda.labels import compact

Tick = tuple[float, str]


@dataclass(frozen=True)
class Scale:
    """Values from low to high drawn from start to end; a logarithmic scale takes what is above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value is drawn, clipped to the scale."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        part = (value - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[Tick]:
        """Round values on the scale, with their texts."""
        values = (
            _log_ticks(self.low, self.high, most) if self.log else linear_ticks(self.low, self.high, most)
        )
        return [(value, compact(value)) for value in values]


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values from low to high, at most so many.

    >>> linear_ticks(0, 0.31, 4)
    [0.0, 0.1, 0.2, 0.3]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    scale = 10.0 ** math.floor(math.log10(rough))
    steps = [step * scale for step in (1, 2, 5, 10, 20)]
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(n * step, 12) for n in range(first, last + 1)]
    return [low]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        every = max(1, math.ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, every)]
    steps = [step * 10.0**power for power in range(first - 1, last + 1) for step in (1, 2, 5)]
    found = [value for value in steps if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    return found[:: max(1, math.ceil(len(found) / most))]


def across(scale: Scale, ticks: list[Tick], y: float, name: str, top: float | None = None) -> list[Markup]:
    """Draw an axis below, with ticks, texts that do not touch, its name, and grid lines up to `top`."""
    parts = [svg.tag("path", d=f"M{scale.start:.1f} {y:.1f}H{scale.end:.1f}", css="axis-line")]
    taken = -1e9
    for value, text in ticks:
        x = scale(value)
        if top is not None:
            parts.append(svg.tag("path", d=f"M{x:.1f} {top:.1f}V{y:.1f}", css="grid"))
        parts.append(svg.tag("path", d=f"M{x:.1f} {y:.1f}v4", css="axis-line"))
        half = 3.2 * len(text) + 4
        if min(x, scale.end + 8 - half) - half < taken:
            continue
        at_end = x + half > scale.end + 12  # would run out of the picture
        parts.append(
            svg.tag(
                "text",
                text,
                x=scale.end + 8 if at_end else x,
                y=y + 17,
                css="axis end" if at_end else "axis middle",
            )
        )
        taken = x + half
    parts.append(svg.tag("text", name, x=scale.end, y=y + 34, css="axis end"))
    return parts


def upward(scale: Scale, ticks: list[Tick], left: float, right: float, name: str) -> list[Markup]:
    """Draw grid lines with texts on the left, and the axis's name above."""
    parts = []
    for value, text in ticks:
        y = scale(value)
        parts.append(svg.tag("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", css="grid"))
        parts.append(svg.tag("text", text, x=left - 6, y=y + 4, css="axis end"))
    parts.append(svg.tag("text", name, x=4, y=12, css="axis"))
    return parts
