"""Drawings of how numbers are spread: histograms over a logarithmic scale, tails, scatter."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.eda import labels
from graphdet.reports.eda.labels import Scale, Tick, across, linear_ticks, upward

SPREAD_WIDTH = 360.0
_LEFT, _RIGHT, _TOP = 46.0, 350.0, 26.0
_BINS_A_DECADE = 5
_MOST_BARS = 50
_CUT_OFF = 4.0  # times the highest other bar
_ASIDE = 26.0  # width of the bars of zero and of negative values


def histogram(one: Mapping[str, Any]) -> Markup:
    """Draw the sizes of a distribution of the document, zero and negative values apart; nothing for a single value."""
    bins = [(int(b), int(n)) for b, n in one["log_bins"]]
    aside = [(text, n) for text, n in (("< 0", one["n_negative"]), ("0", one["n_zero"])) if n]
    if len(bins) + len(aside) < 2:
        return Markup("")
    bottom, total = 176.0, max(int(one["n"]), 1)
    bars, every = _merged(bins)
    left = _LEFT + _ASIDE * len(aside) + (8 if aside else 0)
    first, last = (bars[0][0], bars[-1][0] + every) if bars else (0, 1)
    scale = Scale(10.0 ** (first / _BINS_A_DECADE), 10.0 ** (last / _BINS_A_DECADE), left, _RIGHT, log=True)
    most = max(n for _, n in bars or aside) / total
    beside = max([n for _, n in aside] or [0]) / total
    # Were it drawn to scale, a zero that nearly all have would leave the rest flat: it is cut off, and says its share.
    most = most if beside > _CUT_OFF * most else max(most, beside)
    tall = Scale(0, most * 1.05, bottom, _TOP)
    title, unit, things = labels.size_words(one["name"])
    ticks = [(share, f"{100 * share:g} %") for share in linear_ticks(0, most * 1.05, 4)]
    parts = upward(tall, ticks, _LEFT, _RIGHT, f"share of {things}")
    path = ""
    for start, n in bars:
        a = scale(10.0 ** (start / _BINS_A_DECADE))
        b = scale(10.0 ** ((start + every) / _BINS_A_DECADE))
        path += f"M{a + 0.6:.1f} {bottom:.1f}V{tall(n / total):.1f}H{b - 0.6:.1f}V{bottom:.1f}z"
    parts.append(svg.tag("path", d=path, css="heat"))
    for place, (text, n) in enumerate(aside):
        x = _LEFT + place * _ASIDE
        hover = svg.tag("title", f"{text}: {words.thousands(n)} {things}")
        high = bottom - tall(n / total)
        parts.append(
            svg.tag("rect", hover, x=x + 2, y=bottom - high, width=_ASIDE - 5, height=high, css="other-bar")
        )
        if n / total > most * 1.05:
            parts.append(
                svg.tag("text", words.percent(n / total), x=x + 2, y=_TOP - 2, css="small strong halo")
            )
        parts.append(svg.tag("text", text, x=x + _ASIDE / 2, y=bottom + 17, css="axis middle"))
    is_time = one["name"].endswith("_seconds")
    marks = labels.time_ticks(scale.low, scale.high) if is_time else scale.ticks(6)
    parts += across(scale, marks, bottom, f"{unit} (log scale)")
    parts += _median(one, scale, bottom)
    median = labels.sized(one["name"], one["quantiles"]["0.5"])
    caption = f"{words.plural(total, 'value')}, half of them at most {median}."
    return svg.picture(parts, SPREAD_WIDTH, 218, title, caption, "figure-panel")


def _median(one: Mapping[str, Any], scale: Scale, bottom: float) -> list[Markup]:
    middle = float(one["quantiles"]["0.5"])
    if not scale.low <= middle <= scale.high:
        return []
    x = scale(middle)
    text = f"median {labels.sized(one['name'], middle)}"
    near = x > (_LEFT + _RIGHT) / 2
    return [
        svg.tag("path", d=f"M{x:.1f} {_TOP - 8:.1f}V{bottom:.1f}", css="threshold"),
        svg.tag(
            "text",
            text,
            x=x - 5 if near else x + 5,
            y=_TOP - 2,
            css="small end halo" if near else "small halo",
        ),
    ]


def _merged(bins: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Put bins together so that no more than _MOST_BARS are drawn: (start of a bar, things) and bins a bar."""
    if not bins:
        return [], 1
    every = max(1, math.ceil((bins[-1][0] - bins[0][0] + 1) / _MOST_BARS))
    sums: dict[int, int] = {}
    for b, n in bins:
        start = b // every * every
        sums[start] = sums.get(start, 0) + n
    return sorted(sums.items()), every


def tail(one: Mapping[str, Any]) -> Markup:
    """Draw the share of things with at least so many events, both scales logarithmic, with the fitted power law."""
    if one["most"] < 2:
        return Markup("")
    bottom = 236.0
    points = one["ccdf"]
    few = min(k for k, _ in points)
    x = Scale(few, max(one["most"] * 1.15, few * 10), _LEFT + 8, _RIGHT, log=True)
    least = min(share for _, share in points)
    y = Scale(least / 1.6, 1.0, bottom, _TOP, log=True)
    ticks = [(v, labels.compact(v * 100) + " %") for v, _ in y.ticks(6)]
    parts = upward(y, ticks, _LEFT + 8, _RIGHT, f"share of {one['of']}s with as many or more (log scale)")
    parts += across(x, x.ticks(6), bottom, f"events of one {one['of']} (log scale)")
    dots = "".join(f"M{x(k):.1f} {y(share):.1f}h.01" for k, share in points)
    parts.append(svg.tag("path", d=dots, css="dots"))
    law = one["power_law"]
    if law is not None:
        line = [(k, share) for k, share in law["line"] if share >= y.low]
        parts.append(
            svg.tag("path", d="M" + "L".join(f"{x(k):.1f} {y(share):.1f}" for k, share in line), css="fit")
        )
        parts.append(
            svg.tag("text", f"α = {law['alpha']:.2f}", x=_LEFT + 18, y=bottom - 28, css="strong halo")
        )
        note = f"from {words.plural(law['x_min'], 'event')} on"
        parts.append(svg.tag("text", note, x=_LEFT + 18, y=bottom - 13, css="small halo"))
    caption = f"{words.plural(one['n'], one['of'])}, the busiest with {words.plural(one['most'], 'event')}."
    return svg.picture(parts, SPREAD_WIDTH, 278, f"Tail of events per {one['of']}", caption, "figure-panel")


def _with_zero(values: NDArray[np.float64], start: float, end: float) -> tuple[Scale, list[Tick]]:
    """A logarithmic scale for values from 0 on; zeros, which have no place on it, lie at its beginning and say so."""
    above = values[values > 0]
    low = float(above.min()) if len(above) else 1.0
    zeros = bool((values <= 0).any())
    room = (max(float(values.max()), low * 10) / low) ** 0.12 if zeros else 1.15
    scale = Scale(low / room, max(float(values.max()) * 1.15, low * 10), start, end, log=True)
    ticks = [(value, text) for value, text in scale.ticks(6) if value >= low * 0.99 or not zeros]
    return scale, [(scale.low, "0"), *ticks] if zeros else ticks


def draw_scatter(one: Mapping[str, Any]) -> Markup:
    """Draw two features against each other: a sample as dots, far-out ones as rings, labelled fraud as diamonds."""
    bottom = 256.0
    dots = np.array(one["dots"], float)
    far = np.array([row[:2] for row in one["far"]], float).reshape(-1, 2)
    both = np.vstack([dots, far])
    x, x_ticks = _with_zero(both[:, 0], _LEFT + 8, _RIGHT)
    y, y_ticks = _with_zero(both[:, 1], bottom, _TOP)
    parts = upward(y, y_ticks, _LEFT + 8, _RIGHT, f"{labels.feature(one['y'])} (log scale)")
    parts += across(x, x_ticks, bottom, f"{labels.feature(one['x'])} (log scale)")
    rng = np.random.default_rng(0)
    shake = rng.uniform(-2.0, 2.0, dots.shape)
    fraud = set(one["fraud"])
    plain = "".join(
        f"M{x(a) + s:.1f} {y(b) + t:.1f}h.01"
        for place, ((a, b), (s, t)) in enumerate(zip(dots.tolist(), shake.tolist(), strict=True))
        if place not in fraud
    )
    parts.append(svg.tag("path", d=plain, css="dots many"))
    for place in sorted(fraud):
        a, b = dots[place]
        px, py = x(a) + shake[place, 0], y(b) + shake[place, 1]
        parts.append(svg.tag("path", d=f"M{px:.1f} {py - 3.5:.1f}l3.5 3.5-3.5 3.5-3.5-3.5z", css="fraud"))
    for a, b, name in one["far"]:
        hover = svg.tag("title", f"{one['of']} {words.shorten(str(name), 60)}")
        parts.append(svg.tag("circle", hover, cx=x(a), cy=y(b), r=5.0, css="ring"))
    title = f"{labels.feature(one['y'])} by {labels.feature(one['x'])} of {one['of']}s"
    caption = f"{words.plural(len(dots), 'dot')} of {words.plural(one['n'], one['of'])}."
    return svg.picture(parts, SPREAD_WIDTH, 298, title, caption, "figure-panel")
