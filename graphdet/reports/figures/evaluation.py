"""The drawings of `graphdet evaluate`: ROC, precision and recall, calibration, scores by class, cost."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.axes import HEIGHT, WIDTH, Axis, Frame

Document = Mapping[str, Any]
_SHARE = (0.0, 1.0)


def draw_roc(scores: Sequence[Document]) -> Markup:
    """Draw true against false positive rate, with 95 % bands and the line of chance."""
    frame = Frame(
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
    told = ", ".join(
        f"{one['name']}: area {words.figure(one['metrics']['auroc']['value'])}" for one in scores
    )
    return _picture(parts, "ROC curve", f"{told}. The dashed diagonal is chance.")


def draw_precision(scores: Sequence[Document], base_rate: float) -> Markup:
    """Draw precision by recall, with 95 % bands and the base rate."""
    frame = Frame(
        Axis(*_SHARE, "frauds found (recall)", share=True),
        Axis(*_SHARE, "frauds among the flagged (precision)", share=True),
    )
    y, told = frame.y(base_rate), f"base rate {words.percent(base_rate)}"
    parts = [
        *frame.draw(),
        svg.tag("path", d=frame.path([(0, base_rate), (1, base_rate)]), css="curve grey"),
        svg.tag("text", told, x=frame.left + 8, y=y - 6 if base_rate < 0.9 else y + 16, css="axis"),
    ]
    for place, one in enumerate(scores):
        parts += _band(frame, one["curves"]["pr_band"], place)
        parts.append(_line(frame.steps(one["curves"]["pr"]), place, one["name"]))
        metrics = one["metrics"]
        parts.append(_operating(frame, place, metrics["recall"]["value"], metrics["precision"]["value"]))
    told = ", ".join(
        f"{one['name']}: area {words.figure(one['metrics']['auprc']['value'])}" for one in scores
    )
    return _picture(parts, "Precision and recall", f"{told}. The dashed line is the base rate.")


def draw_calibration(scores: Sequence[Document]) -> Markup:
    """Draw the share of frauds by score, each bin with its 95 % interval; the area of a mark grows with its rows."""
    frame = Frame(Axis(*_SHARE, "score"), Axis(*_SHARE, "share of frauds", share=True))
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


def draw_histogram(one: Document) -> Markup:
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
        frame = Frame(across, Axis(1.0, most, ""), top, bottom)
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
    frame = Frame(across, Axis(0, 1, ""), 40.0, 322.0)
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


def draw_cost(scores: Sequence[Document]) -> Markup:
    """Draw the cost by how many things are flagged, against that of flagging nobody (1)."""
    n = max(one["curves"]["cost"][-1][0] for one in scores)
    highest = max(min(max(point[1] for point in one["curves"]["cost"]), 2.0) for one in scores)
    frame = Frame(
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


def _band(frame: Frame, band: Sequence[Sequence[float]] | None, place: int) -> list[Markup]:
    """The area between low and high, given as (across, low, high)."""
    if not band:
        return []
    there = [(x, high) for x, _, high in band]
    back = [(x, low) for x, low, _ in reversed(band)]
    return [svg.tag("path", d=frame.path([*there, *back]) + "z", css=f"band c{place}")]


def _operating(frame: Frame, place: int, x: float | None, y: float | None) -> Markup:
    """Mark what is flagged as the file or the threshold says."""
    if x is None or y is None:
        return Markup("")
    return svg.mark(place, frame.x(x), frame.y(y), 6, "what is flagged", f"c{place}")


def _rate(one: Document, part: str, rest: str) -> float | None:
    total = one["confusion"][part] + one["confusion"][rest]
    return one["confusion"][part] / total if total else None


def _picture(parts: Sequence[Markup], title: str, described: str) -> Markup:
    return svg.picture(parts, WIDTH, HEIGHT, title, described, "plot")
