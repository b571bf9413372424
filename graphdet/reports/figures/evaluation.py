"""The drawings of `graphdet evaluate` and `graphdet tune`, in a frame of two axes.

Evaluate: ROC, precision and recall, calibration, scores by class, cost. Tune: values trial by trial, what mattered, and
the value by each setting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg

CURVE_WIDTH, CURVE_HEIGHT = 480.0, 372.0
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
class PlotFrame:
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


ScoreFigures = Mapping[str, Any]
_SHARE = (0.0, 1.0)


def draw_roc(scores: Sequence[ScoreFigures]) -> Markup:
    """Draw true against false positive rate, with 95 % bands and the line of chance."""
    frame = PlotFrame(
        Axis(*_SHARE, "clean things flagged (false positive rate)", share=True),
        Axis(*_SHARE, "frauds found (true positive rate)", share=True),
    )
    parts = [*frame.draw(), svg.tag("path", d=frame.path([(0, 0), (1, 1)]), css="curve grey")]
    for place, one in enumerate(scores):
        parts += _band(frame, one["curves"]["roc_band"], place)
        parts.append(_line(frame.path(one["curves"]["roc"]), place, one["name"]))
        parts.append(
            _operating(
                frame, place, _rate(one, "false_flags", "left_alone"), _rate(one, "true_flags", "missed")
            )
        )
    caption = ", ".join(
        f"{one['name']}: area {words.figure(one['metrics']['auroc']['value'])}" for one in scores
    )
    return _picture(parts, "ROC curve", f"{caption}. The dashed diagonal is chance.")


def draw_precision(scores: Sequence[ScoreFigures], base_rate: float) -> Markup:
    """Draw precision by recall, with 95 % bands and the base rate."""
    frame = PlotFrame(
        Axis(*_SHARE, "frauds found (recall)", share=True),
        Axis(*_SHARE, "frauds among the flagged (precision)", share=True),
    )
    y, caption = frame.y(base_rate), f"base rate {words.percent(base_rate)}"
    parts = [
        *frame.draw(),
        svg.tag("path", d=frame.path([(0, base_rate), (1, base_rate)]), css="curve grey"),
        svg.tag("text", caption, x=frame.left + 8, y=y - 6 if base_rate < 0.9 else y + 16, css="axis"),
    ]
    for place, one in enumerate(scores):
        parts += _band(frame, one["curves"]["pr_band"], place)
        parts.append(_line(frame.steps(one["curves"]["pr"]), place, one["name"]))
        metrics = one["metrics"]
        parts.append(_operating(frame, place, metrics["recall"]["value"], metrics["precision"]["value"]))
    caption = ", ".join(
        f"{one['name']}: area {words.figure(one['metrics']['auprc']['value'])}" for one in scores
    )
    return _picture(parts, "Precision and recall", f"{caption}. The dashed line is the base rate.")


def draw_calibration(scores: Sequence[ScoreFigures]) -> Markup:
    """Draw the share of frauds by score, each bin with its 95 % interval; the area of a mark grows with its rows."""
    frame = PlotFrame(Axis(*_SHARE, "score"), Axis(*_SHARE, "share of frauds", share=True))
    parts = [*frame.draw(), svg.tag("path", d=frame.path([(0, 0), (1, 1)]), css="curve grey")]
    for place, one in enumerate(scores):
        bins = one["calibration"]["bins"] if one["calibration"] else []
        shift = (place - (len(scores) - 1) / 2) * 5
        most = max((each["n"] for each in bins), default=1)
        points = [(each["mean_score"], each["share"]) for each in bins]
        if len(points) > 1:
            parts.append(_line(frame.path(points), place, one["name"], "thin"))
        for each in bins:
            x = frame.x(each["mean_score"]) + shift
            low, high = frame.y(each["share_low"]), frame.y(each["share_high"])
            parts.append(
                svg.tag("path", d=f"M{x:.1f} {low:.1f}V{high:.1f}", css=f"curve s{place} thin solid")
            )
            title = (
                f"{one['name']}, scores {each['low']:g} to {each['high']:g}: {words.thousands(each['n_fraud'])} frauds "
                f"of {words.thousands(each['n'])}, mean score {each['mean_score']:.3f}"
            )
            radius = 3 + 4 * log10(1 + each["n"]) / log10(1 + most)
            parts.append(svg.mark(place, x, frame.y(each["share"]), radius, title, f"c{place}"))
    return _picture(
        parts,
        "Calibration",
        "The share of frauds among things of like score; on the diagonal, scores are probabilities.",
    )


def draw_histogram(one: ScoreFigures) -> Markup:
    """Draw how many frauds (above) and clean things (below) have each score, on a scale of powers of ten."""
    found = one["histogram"]
    edges, fraud, clean = found["edges"], found["n_fraud"], found["n_clean"]
    across = Axis(edges[0], edges[-1], "score")
    most = 10 ** max(0.35, log10(1 + max(*fraud, *clean)))
    middle = 181.0
    parts: list[Markup] = []
    for counts, css, name, top, bottom in (
        (fraud, "bar-fraud", "frauds", 40.0, middle),
        (clean, "null", "clean", middle, 322.0),
    ):
        up = top < 100
        frame = PlotFrame(across, Axis(1.0, most, ""), top, bottom)
        scale = (bottom - top - 12) / log10(most)
        bars = ""
        for k, n in enumerate(counts):
            if n:
                x, wide = frame.x(edges[k]), max(frame.x(edges[k + 1]) - frame.x(edges[k]) - 0.8, 0.8)
                height = log10(1 + n) * scale * (-1 if up else 1)
                bars += f"M{x:.1f} {middle:.1f}v{height:.1f}h{wide:.1f}V{middle:.1f}z"
        parts.append(svg.tag("path", d=bars, css=css))
        power = 1
        while 10**power < most and power < 8:
            height = log10(1 + 10**power) * scale
            y = middle - height if up else middle + height
            if top - 2 <= y <= bottom + 2:
                parts.append(svg.tag("path", d=f"M{frame.left:.1f} {y:.1f}H{frame.right:.1f}", css="row"))
                parts.append(
                    svg.tag("text", words.thousands(10**power), x=frame.left - 7, y=y + 4, css="axis end")
                )
            power += 1
        n = words.thousands(sum(counts))
        parts.append(
            svg.tag("text", f"{n} {name}", x=frame.right, y=top + 2 if up else bottom - 2, css="head end")
        )
    frame = PlotFrame(across, Axis(0, 1, ""), 40.0, 322.0)
    parts.append(svg.tag("path", d=f"M{frame.left:.1f} {middle:.1f}H{frame.right:.1f}", css="axis-line"))
    for value, text in across.ticks():
        parts.append(svg.tag("text", text, x=frame.x(value), y=338, css="axis middle"))
    parts.append(svg.tag("text", "score", x=(frame.left + frame.right) / 2, y=358, css="axis middle"))
    parts.append(svg.tag("text", "how many, on a scale of powers of ten", x=16, y=28, css="axis"))
    threshold = one["threshold"]["value"]
    if threshold is not None and edges[0] <= threshold <= edges[-1]:
        x = frame.x(threshold)
        parts.append(svg.tag("path", d=f"M{x:.1f} 44V322", css="threshold"))
        near = x > (frame.left + frame.right) / 2
        parts.append(svg.tag("text", f"threshold {threshold:.4g}", x=x - 6 if near else x + 6, y=56,
                             css="axis end" if near else "axis"))  # fmt: skip
    return _picture(parts, f"Scores by class, {one['name']}", "Frauds above the line, clean things below it.")


def draw_cost(scores: Sequence[ScoreFigures]) -> Markup:
    """Draw the cost by how many things are flagged, against that of flagging nobody (1)."""
    n = max(one["curves"]["cost"][-1][0] for one in scores)
    highest = max(min(max(point[1] for point in one["curves"]["cost"]), 2.0) for one in scores)
    frame = PlotFrame(
        Axis(1.0, max(n, 10.0), "things flagged, the highest scores first", log=True),
        Axis(0.0, max(highest, 1.05), "cost, of what flagging nobody costs", share=True),
    )
    parts = [
        *frame.draw(),
        svg.tag("path", d=frame.path([(1, 1), (frame.across.high, 1)]), css="curve grey"),
        svg.tag("text", "flagging nobody", x=frame.left + 8, y=frame.y(1) - 6, css="axis"),
    ]
    for place, one in enumerate(scores):
        points = [point for point in one["curves"]["cost"] if point[1] <= frame.up.high or point[0] < 2]
        parts.append(_line(frame.path(points), place, one["name"]))
        flagged = one["confusion"]["true_flags"] + one["confusion"]["false_flags"]
        if flagged and one["relative_cost"] is not None:
            parts.append(_operating(frame, place, flagged, one["relative_cost"]))
        best = min(one["curves"]["cost"], key=lambda point: point[1])
        title = f"{one['name']}: cheapest with {words.thousands(best[0])} flagged"
        parts.append(svg.tag("circle", svg.tag("title", title), cx=frame.x(best[0]), cy=frame.y(best[1]), r=6.0,
                             css=f"curve s{place} solid"))  # fmt: skip
    return _picture(
        parts, "Cost by how many are flagged", "A ring marks the cheapest cut, found on these same labels."
    )


def legend_mark(place: int) -> Markup:
    """The mark and line of the place-th score, for a legend."""
    parts = [
        svg.tag("path", d="M0 7h30", css=f"curve s{place}"),
        svg.mark(place, 15, 7, 5, "", f"c{place}"),
    ]
    return svg.tag("svg", svg.joined(parts), viewBox="0 0 30 14", css="key", aria_hidden="true")


def _line(d: str, place: int, name: str, more: str = "") -> Markup:
    return svg.tag("path", svg.tag("title", name), d=d, css=f"curve s{place} {more}".rstrip())


def _band(frame: PlotFrame, band: Sequence[Sequence[float]] | None, place: int) -> list[Markup]:
    """The area between low and high, given as (across, low, high)."""
    if not band:
        return []
    there = [(x, high) for x, _, high in band]
    back = [(x, low) for x, low, _ in reversed(band)]
    return [svg.tag("path", d=frame.path([*there, *back]) + "z", css=f"band c{place}")]


def _operating(frame: PlotFrame, place: int, x: float | None, y: float | None) -> Markup:
    """Mark what is flagged as the file or the threshold says."""
    if x is None or y is None:
        return Markup("")
    return svg.mark(place, frame.x(x), frame.y(y), 6, "what is flagged", f"c{place}")


def _rate(one: ScoreFigures, part: str, rest: str) -> float | None:
    total = one["confusion"][part] + one["confusion"][rest]
    return one["confusion"][part] / total if total else None


def _picture(parts: Sequence[Markup], title: str, described: str) -> Markup:
    return svg.picture(parts, CURVE_WIDTH, CURVE_HEIGHT, title, described, "plot")


Trials = Sequence[Mapping[str, Any]]  # of place, settings, value, seconds
_BAR, _LEFT_TUNING, _WIDE = 26.0, 150.0, 270.0
_SMALL_BOTTOM = 230.0


def draw_history(trials: Trials) -> Markup:
    """Draw each trial's value and the best so far; the defaults are the first, drawn as a square."""
    frame = PlotFrame(_places(trials), _values(trials, "average precision on the validation part"))
    best, points = trials[0]["value"], []
    for one in trials:
        best = max(best, one["value"])
        points.append((one["place"], best))
    parts = [*frame.draw(), svg.tag("path", d=frame.steps(points), css="curve s0")]
    parts += [_mark(frame, one["place"], one, trials) for one in trials]
    return svg.picture(
        parts,
        CURVE_WIDTH,
        CURVE_HEIGHT,
        "Trials",
        f"The best of {len(trials)} trials has {max(t['value'] for t in trials):.4f}.",
        "plot",
    )


def draw_setting_importance(importance: Mapping[str, float]) -> Markup:
    """Draw the share of the spread that each setting explains, the largest first."""
    parts = []
    for row, (name, share) in enumerate(sorted(importance.items(), key=lambda item: -item[1])):
        y = 14 + row * _BAR
        parts.append(svg.tag("text", name, x=_LEFT_TUNING - 8, y=y + 13, css="label end"))
        parts.append(
            svg.tag("rect", x=_LEFT_TUNING, y=y, width=max(share * _WIDE, 1.0), height=_BAR - 9, css="c0")
        )
        parts.append(
            svg.tag("text", words.percent(share), x=_LEFT_TUNING + share * _WIDE + 7, y=y + 13, css="axis")
        )
    height = 20 + _BAR * len(importance)
    return svg.picture(
        parts, CURVE_WIDTH, height, "What mattered", "Share of the values' spread, by setting.", "plot"
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
    frame = PlotFrame(across, up, bottom=_SMALL_BOTTOM)
    parts = frame.draw() if not names else _named(frame, names, name)
    for one, value in zip(trials, values, strict=True):
        x = float(names.index(str(value)) if names else value)
        parts.append(_mark(frame, x, one, trials))
    return svg.picture(
        parts, CURVE_WIDTH, _SMALL_BOTTOM + 48, f"Value by {name}", f"{len(trials)} trials.", "plot"
    )


def _named(frame: PlotFrame, names: Sequence[str], title: str) -> list[Markup]:
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


def _mark(frame: PlotFrame, x: float, one: Mapping[str, Any], trials: Trials) -> Markup:
    """The defaults as a square, the best as a diamond, others as dots."""
    best = max(trials, key=lambda each: each["value"])
    kind, colour, radius = (0, "cx", 3.5)
    if one["place"] == 0:
        kind, colour, radius = (1, "c1", 5.0)
    if one["place"] == best["place"]:
        kind, colour, radius = (2, "c0", 6.5)
    caption = ", ".join(f"{key} {value}" for key, value in one["settings"].items())
    return svg.mark(kind, frame.x(x), frame.y(one["value"]), radius, f"{one['value']:.4f}: {caption}", colour)


def _places(trials: Trials) -> Axis:
    return Axis(0, max(len(trials) - 1, 1), "trial")


def _values(trials: Trials, title: str) -> Axis:
    values = [one["value"] for one in trials]
    low, high = min(values), max(values)
    pad = max((high - low) * 0.08, 0.002)
    return Axis(low - pad, high + pad, title)
