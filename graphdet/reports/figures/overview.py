"""The drawings of the overview: how scores are spread, and rings by size and certainty."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg

OVERVIEW_WIDTH = 1000.0
_BINS = 50
_LEFT, _RIGHT = 70.0, 985.0
_SURE = 4.2  # logits at which certainty ends in the map: 0.985
_UNSURE = -2.2  # and at which it begins: 0.1


def draw_scores(scores: NDArray[np.float64], threshold: float | None) -> Markup:
    """Draw how many users have which score, float64[n_users] in [0, 1], on a logarithmic scale of numbers.

    threshold: the lowest score that is flagged.
    """
    known = scores[np.isfinite(scores)]
    if not len(known):
        return Markup("")
    top, bottom = 30.0, 210.0
    counts = np.histogram(known, np.linspace(0, 1, _BINS + 1))[0]
    tall = (bottom - top) / np.log10(max(float(counts.max()), 1.0) * 1.3 + 1)
    wide = (_RIGHT - _LEFT) / _BINS
    parts = []
    for power in range(int(np.log10(max(float(counts.max()), 1.0))) + 1):
        y = bottom - np.log10(10**power + 1) * tall
        parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="grid"))
        parts.append(svg.tag("text", words.thousands(10**power), x=_LEFT - 8, y=y + 4, css="axis end"))
    shapes = {"null": "", "pushed": ""}
    for place, n in enumerate(counts.tolist()):
        if not n:
            continue
        x, high = _LEFT + place * wide, np.log10(n + 1) * tall
        middle = (place + 0.5) / _BINS
        css = "pushed" if threshold is not None and middle >= threshold else "null"
        shapes[css] += f"M{x + 0.6:.1f} {bottom:.1f}v{-high:.1f}h{wide - 1.2:.1f}V{bottom:.1f}z"
    parts += [svg.tag("path", d=path, css=css) for css, path in shapes.items() if path]
    for share in np.linspace(0, 1, 11).tolist():
        x = _LEFT + share * (_RIGHT - _LEFT)
        parts.append(svg.tag("text", f"{share:.1f}", x=x, y=bottom + 17, css="axis middle"))
    parts.append(svg.tag("text", "users", x=_LEFT - 8, y=16, css="axis end"))
    parts.append(svg.tag("text", "score", x=_RIGHT, y=bottom + 34, css="axis end"))
    if threshold is not None:
        x = _LEFT + threshold * (_RIGHT - _LEFT)
        parts.append(svg.tag("path", d=f"M{x:.1f} 14V{bottom:.1f}", css="threshold"))
        text = f"lowest score flagged: {words.score_in_words(threshold)}"
        parts.append(svg.tag("text", text, x=x - 8, y=22, css="label end") if threshold > 0.3
                     else svg.tag("text", text, x=x + 8, y=22, css="label"))  # fmt: skip
    median = words.score_in_words(float(np.median(known)))
    caption = f"{words.plural(len(known), 'user')}; half have a score below {median}."
    return svg.picture(parts, OVERVIEW_WIDTH, 250, "Distribution of user scores", caption, "figure-scores")


def draw_ring_map(rings: Sequence[Mapping[str, Any]], files: Mapping[str, str], among: int) -> Markup:
    """Draw rings by size and certainty: rows of schema.RING_COLUMNS; files: ring_id → its page; among: accounts of the
    log.

    Across, members on a logarithmic scale; up, the score on a logit scale, so that sure and surer can be told
    apart; a dot's area is the number of targets.
    """
    if not rings:
        return Markup("")
    top, bottom = 20.0, 300.0
    sizes = [max(int(ring["n_users"]), 1) for ring in rings]
    low, high = np.log10(min(sizes)) - 0.12, np.log10(max(sizes)) + 0.12
    most = max(max(int(ring["n_items"]), 1) for ring in rings)
    parts = _map_axes(low, high, top, bottom)
    order = sorted(rings, key=lambda ring: (bool(ring["flagged"]), -int(ring["n_items"]), ring["ring_id"]))
    for ring in order:
        x = _LEFT + (np.log10(max(int(ring["n_users"]), 1)) - low) / (high - low) * (_RIGHT - _LEFT)
        y = _certainty(float(ring["score"] or 0), top, bottom)
        caption = (
            f"Ring {words.visible(ring['ring_id'])}: score {words.score_in_words(ring['score'])}, "
            f"q {words.chance(ring['q_value'], among)}, "
            f"{words.plural(ring['n_users'], 'member')}, {words.plural(ring['n_items'], 'target')}"
        )
        size = 4.0 + 8.0 * float(np.sqrt(int(ring["n_items"]) / most))
        css = "dot" if ring["flagged"] else "dot unflagged"
        dot = svg.tag("circle", svg.tag("title", caption), cx=float(x), cy=y, r=size, css=css)
        page = files.get(ring["ring_id"])
        parts.append(dot if page is None else svg.tag("a", dot, href=f"rings/{page}.html"))
    caption = f"{words.plural(len(rings), 'ring')}; the table below holds the same numbers."
    return svg.picture(parts, OVERVIEW_WIDTH, 344, "Rings by size and certainty", caption, "figure-ring-map")


def _certainty(score: float, top: float, bottom: float) -> float:
    """Where a score lies: logit scale from 0.1 to 0.985, beyond that at the ends."""
    clipped = min(max(score, 1e-9), 1 - 1e-9)
    logit = float(np.clip(np.log(clipped / (1 - clipped)), _UNSURE, _SURE))
    return bottom - 14 - (logit - _UNSURE) / (_SURE - _UNSURE) * (bottom - top - 28)


def _map_axes(low: float, high: float, top: float, bottom: float) -> list[Markup]:
    parts = []
    for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.985):
        y = _certainty(share, top, bottom)
        text = f"{share:g}" if 0.1 < share < 0.985 else f"≤ {share:g}" if share == 0.1 else f"≥ {share:g}"
        parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="grid"))
        parts.append(svg.tag("text", text, x=_LEFT - 8, y=y + 4, css="axis end"))
    for size in (step * 10**power for power in range(7) for step in (1, 2, 3, 5)):
        if low <= np.log10(size) <= high:
            x = _LEFT + (np.log10(size) - low) / (high - low) * (_RIGHT - _LEFT)
            parts.append(svg.tag("path", d=f"M{x:.1f} {bottom:.1f}v5", css="axis-line"))
            parts.append(svg.tag("text", words.thousands(size), x=float(x), y=bottom + 19, css="axis middle"))
    parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {bottom:.1f}H{_RIGHT:.0f}", css="axis-line"))
    parts.append(svg.tag("text", "score", x=_LEFT - 8, y=12, css="axis end"))
    parts.append(svg.tag("text", "members (logarithmic)", x=_RIGHT, y=bottom + 36, css="axis end"))
    return parts
