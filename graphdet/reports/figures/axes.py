"""A frame to draw curves in: two axes, linear or logarithmic, with grid, ticks and titles."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg

WIDTH, HEIGHT = 480.0, 372.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 464.0, 40.0, 322.0


@dataclass(frozen=True)
class Axis:
    """Values from low to high, named for people; `share`: ticks are percentages."""

    low: float
    high: float
    title: str
    log: bool = False
    share: bool = False

    def part(self, value: float) -> float:
        """Where a value lies between low (0) and high (1); beyond them at the nearer end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values with their texts, at most seven."""
        if self.log:
            powers = range(ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9) + 1)
            if len(powers) > 2:
                return [(10.0**power, words.figure(10.0**power)) for power in powers[:: -(-len(powers) // 6)]]
            around = (k * 10.0**power for power in range(powers.start - 1, powers.stop) for k in (1, 2, 5))
            return [(value, words.figure(value)) for value in around if self.low <= value <= self.high]
        span = self.high - self.low
        step: float = next(
            s * 10.0**e for e in range(-12, 13) for s in (1, 2, 2.5, 5) if span / (s * 10.0**e) <= 5.01
        )
        first = ceil(self.low / step - 1e-9)
        values = [k * step for k in range(first, floor(self.high / step + 1e-9) + 1)]
        return [(v, words.percent(v) if self.share else words.figure(round(v, 12))) for v in values]


@dataclass(frozen=True)
class Frame:
    """Where curves are drawn."""

    across: Axis
    up: Axis
    top: float = _TOP
    bottom: float = _BOTTOM
    left: float = _LEFT
    right: float = _RIGHT

    def x(self, value: float) -> float:
        """Where a value lies across."""
        return self.left + (self.right - self.left) * self.across.part(value)

    def y(self, value: float) -> float:
        """Where a value lies up."""
        return self.bottom - (self.bottom - self.top) * self.up.part(value)

    def path(self, points: Sequence[Sequence[float]]) -> str:
        """Straight lines through points (across, up)."""
        return "M" + "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)

    def steps(self, points: Sequence[Sequence[float]]) -> str:
        """Level up to each point, then up or down."""
        first, *rest = points
        return f"M{self.x(first[0]):.1f} {self.y(first[1]):.1f}" + "".join(
            f"H{self.x(x):.1f}V{self.y(y):.1f}" for x, y in rest
        )

    def draw(self) -> list[Markup]:
        """Draw grid, ticks and titles."""
        parts = []
        for value, text in self.across.ticks():
            x = self.x(value)
            parts.append(svg.tag("path", d=f"M{x:.1f} {self.top:.1f}V{self.bottom:.1f}", css="grid"))
            parts.append(svg.tag("text", text, x=x, y=self.bottom + 16, css="axis middle"))
        for value, text in self.up.ticks():
            y = self.y(value)
            parts.append(svg.tag("path", d=f"M{self.left:.1f} {y:.1f}H{self.right:.1f}", css="grid"))
            parts.append(svg.tag("text", text, x=self.left - 7, y=y + 4, css="axis end"))
        edge = f"M{self.left:.1f} {self.top:.1f}V{self.bottom:.1f}H{self.right:.1f}"
        parts.append(svg.tag("path", d=edge, css="axis-line"))
        parts.append(
            svg.tag(
                "text",
                self.across.title,
                x=(self.left + self.right) / 2,
                y=self.bottom + 36,
                css="axis middle",
            )
        )
        parts.append(svg.tag("text", self.up.title, x=self.left - 46, y=self.top - 12, css="axis"))
        return parts
