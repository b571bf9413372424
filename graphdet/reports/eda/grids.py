"""Drawings with rows of names: correlation, drift, importance, agreement, commonest values."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.eda import labels
from graphdet.reports.eda.labels import Scale, across, linear_ticks

MOST_GRID_ROWS = 16  # of drift and importance
_LETTER = 7.4  # width of one of small text, in the widest of the common fonts (DejaVu Sans)
_WIDTH = 920.0  # at least, so that small grids are not blown up
MOVED, FAR_OUT_SHARE = 0.1, 0.25  # of the population stability index


def draw_correlation(one: Mapping[str, Any]) -> Markup:
    """Draw rank correlations below the diagonal: blue together, orange against, the stronger the fuller."""
    names, r = one["names"], one["r"]
    n = len(names)
    wide, high, left = 33.0, 21.0, 196.0
    # Names of columns climb from the diagonal: what the first ones need above, and the last ones to the right.
    climbs = [len(labels.feature(name)) * _LETTER for name in names[:-1]]
    top = max(12.0, *(climb * 0.62 - (k + 1) * high + 8 for k, climb in enumerate(climbs)))
    width = left + max((k + 0.5) * wide + climb * 0.79 + 8 for k, climb in enumerate(climbs))
    parts = []
    for i, name in enumerate(names):
        y = top + i * high
        if i:
            parts.append(svg.tag("text", labels.feature(name), x=left - 8, y=y + 15, css="small end"))
        if i < n - 1:
            x, up = left + (i + 0.5) * wide, y + high - 4
            parts.append(
                svg.tag(
                    "text",
                    labels.feature(name),
                    x=x,
                    y=up,
                    css="small",
                    transform=f"rotate(-38 {x:.1f} {up:.1f})",
                )
            )
        for j in range(i):
            value = r[i][j]
            hover = svg.tag("title", f"{labels.feature(name)} and {labels.feature(names[j])}: {value:.2f}")
            parts.append(
                svg.tag("rect", hover, x=left + j * wide + 1, y=y + 1, width=wide - 2, height=high - 2, rx=2,
                        css="plus" if value >= 0 else "minus", fill_opacity=f"{0.04 + 0.72 * abs(value):.3f}")
            )  # fmt: skip
            if abs(value) >= 0.3:
                text = labels.signed(value).replace("1.00", "1")
                parts.append(
                    svg.tag("text", text, x=left + (j + 0.5) * wide, y=y + 14.5, css="cell-text middle")
                )
    caption = "; ".join(
        f"{labels.feature(a)} and {labels.feature(b)} {v:.2f}" for a, b, v in one["strongest"][:3]
    )
    return svg.picture(
        parts,
        max(width, _WIDTH),
        top + n * high + 8,
        f"Rank correlation of {one['of']} features",
        caption,
        "figure-grid",
    )


def draw_drift(found: Mapping[str, Any]) -> Markup:
    """Draw the stability index of each feature from one period to the next; marked from .1, strong from .25."""
    rows = found["rows"][:MOST_GRID_ROWS]
    steps = found["steps"]
    left, top, high = 206.0, 44.0, 23.0
    wide = min(86.0, (1000.0 - left - 70) / max(len(steps), 1))
    right = left + wide * len(steps)
    parts = []
    begins = [labels.period(to, found["width_s"], found["zone"]) for _, to in steps]
    skip = 1 if wide >= 62 or (found["width_s"] < 28 * 86400 and wide >= 48) else 2
    for k, text in enumerate(begins):
        if k % skip == 0:
            parts.append(svg.tag("text", text, x=left + (k + 0.5) * wide, y=top - 8, css="tiny middle"))
    parts.append(svg.tag("text", "period that began on", x=left - 8, y=top - 8, css="axis end"))
    parts.append(svg.tag("text", "KS, most", x=right + 8, y=top - 8, css="axis"))
    for i, row in enumerate(rows):
        y = top + i * high
        parts.append(svg.tag("text", labels.feature(row["name"]), x=left - 8, y=y + 16, css="small end"))
        for k, value in enumerate(row["psi"]):
            level = "far" if value >= FAR_OUT_SHARE else "moved" if value >= MOVED else "still"
            hover = svg.tag(
                "title",
                f"{labels.feature(row['name'])}: PSI {value:.3f} to {begins[k]}",
            )
            parts.append(
                svg.tag("rect", hover, x=left + k * wide + 1, y=y + 1, width=wide - 2, height=high - 2, rx=2,
                        css=f"psi {level}")
            )  # fmt: skip
            text = f"{value:.2f}".lstrip("0") if value < 9.95 else f"{value:.0f}"
            css = "cell-text middle" + (" strong" if level == "far" else " soft" if level == "still" else "")
            parts.append(svg.tag("text", text or ".00", x=left + (k + 0.5) * wide, y=y + 16, css=css))
        distances = [d for d in row["ks"] if d is not None]
        parts.append(
            svg.tag(
                "text", f"{max(distances):.2f}" if distances else "–", x=right + 10, y=y + 16, css="small"
            )
        )
    worst = max(rows, key=lambda row: max(row["psi"]))
    caption = f"The furthest move: {labels.feature(worst['name'])}, {max(worst['psi']):.2f}."
    height = top + len(rows) * high + 8
    return svg.picture(
        parts, max(right + 70, _WIDTH), height, "Drift from period to period", caption, "figure-grid"
    )


def draw_importance(found: Mapping[str, Any]) -> Markup:
    """Draw what shuffling a feature costs, and what the forest itself says of it, side by side."""
    rows = found["features"][:MOST_GRID_ROWS]
    left, top, high = 210.0, 34.0, 22.0
    bottom = top + len(rows) * high + 4
    low = min(0.0, *(row["permutation"] - row["permutation_std"] for row in rows))
    cost = Scale(
        low, max([row["permutation"] + row["permutation_std"] for row in rows] + [0.01]), left, 590.0
    )
    own = Scale(0, max(row["impurity"] for row in rows) or 1, 640.0, 985.0)
    parts = [svg.tag("text", "lost when shuffled, on the part kept apart", x=left, y=16, css="strong")]
    parts.append(svg.tag("text", "used by the forest", x=own.start, y=16, css="strong"))
    for i, row in enumerate(rows):
        y = top + i * high
        parts.append(svg.tag("text", labels.feature(row["name"], 32), x=left - 10, y=y + 15, css="small end"))
        for scale, key in ((cost, "permutation"), (own, "impurity")):
            a, b = sorted((scale(0), scale(row[key])))
            hover = svg.tag("title", f"{labels.feature(row['name'])}: {row[key]:.4f}")
            css = "heat" if key == "permutation" else "other-bar"
            parts.append(
                svg.tag("rect", hover, x=a, y=y + 3, width=max(b - a, 0.8), height=high - 7, css=css)
            )
        a, b = (cost(row["permutation"] + side * row["permutation_std"]) for side in (-1, 1))
        parts.append(svg.tag("path", d=f"M{a:.1f} {y + high / 2 - 0.5:.1f}H{b:.1f}", css="whisker"))
    parts.append(svg.tag("path", d=f"M{cost(0):.1f} {top:.1f}V{bottom:.1f}", css="axis-line"))
    for scale, name in ((cost, "average precision lost"), (own, "share of impurity removed")):
        ticks = [(value, labels.compact(value)) for value in linear_ticks(scale.low, scale.high, 6)]
        parts += across(scale, ticks, bottom, name)
    caption = f"Most is lost without {labels.feature(rows[0]['name'])}: {rows[0]['permutation']:.3f}."
    return svg.picture(
        parts, 1000.0, bottom + 42, "Which features tell the labels apart", caption, "figure-grid"
    )


def agreement(one: Mapping[str, Any]) -> Markup:
    """Draw how many are named by which of the three ways: dots for the ways, bars for how many."""
    regions = sorted(one["agreement"], key=lambda region: (-len(region["methods"]), region["methods"]))
    methods = one["methods"]
    top, high, gap = 30.0, 25.0, 56.0
    parts = [
        svg.tag("text", labels.METHODS[name], x=28 + gap * k, y=16, css="axis middle")
        for k, name in enumerate(methods)
    ]
    left = 28 + gap * len(methods) - 14
    scale = Scale(0, max(region["n"] for region in regions) or 1, left, 310.0)
    for i, region in enumerate(regions):
        y = top + i * high + high / 2
        at = [28 + gap * k for k, name in enumerate(methods) if name in region["methods"]]
        if len(at) > 1:
            parts.append(svg.tag("path", d=f"M{at[0]:.0f} {y:.1f}H{at[-1]:.0f}", css="joint"))
        for k, name in enumerate(methods):
            css = "heat" if name in region["methods"] else "empty-cell"
            parts.append(svg.tag("circle", cx=28 + gap * k, cy=y, r=6, css=css))
        css = "pushed" if len(region["methods"]) == len(methods) else "other-bar"
        width = max(scale(region["n"]) - left, 0.8)
        parts.append(svg.tag("rect", x=left, y=y - 8, width=width, height=16, css=css))
        parts.append(svg.tag("text", words.thousands(region["n"]), x=left + width + 6, y=y + 4, css="small"))
    caption = "; ".join(
        f"{' and '.join(labels.METHODS[m] for m in region['methods'])}: {region['n']}" for region in regions
    )
    return svg.picture(
        parts, 360.0, top + len(regions) * high + 8, "How far the three agree", caption, "figure-panel"
    )


def commonest(one: Mapping[str, Any], n_events: int) -> Markup:
    """Draw the commonest values of a column as bars."""
    rows: list[Sequence[Any]] = [list(row) for row in one["top"]]
    if not rows:
        return Markup("")
    rest = n_events - one["n_missing"] - sum(n for _, n in rows)
    if rest > 0:
        more = one["n_distinct"] - len(rows)
        rows.append([f"{words.thousands(more)} other{'' if more == 1 else 's'}", rest])
    if one["n_missing"]:
        rows.append(["no value", one["n_missing"]])
    most = max(n for _, n in rows)
    top, high, left = 6.0, 23.0, 8 + 19 * _LETTER
    parts = []
    for i, (value, n) in enumerate(rows):
        y = top + i * high
        parts.append(svg.label(svg.Label(left - 8, y + 16, str(value) or "(empty)", 19, "small end")))
        aside = i >= len(one["top"])
        width = max(145.0 * n / most, 0.8)
        parts.append(
            svg.tag(
                "rect", x=left, y=y + 4, width=width, height=high - 8, css="other-bar" if aside else "heat"
            )
        )
        parts.append(svg.tag("text", words.percent(n / n_events), x=left + width + 6, y=y + 16, css="small"))
    caption = f"{words.plural(one['n_distinct'], 'value')}."
    return svg.picture(
        parts,
        360.0,
        top + len(rows) * high + 6,
        f"Values of {words.visible(one['column'])}",
        caption,
        "figure-panel",
    )
