"""Session scripts side by side: which targets a session takes, in which order, and the time between them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.layout import colour
from graphdet.reports.ring_data import RingData, RingSession, target_order

ROWS_DRAWN = 18
STEPS_DRAWN = 11
SCRIPTS_WIDTH = 1000.0
_LEFT, _TILE, _GAP = 210.0, 26.0, 42.0
_HIGH, _TOP = 25.0, 24.0


def draw_scripts(ring: RingData) -> Markup:
    """Draw the scripts of the sessions with two targets or more; equal ones share a row and say how many they are."""
    scripts: dict[tuple[str, ...], list[RingSession]] = defaultdict(list)
    for sitting in ring.sittings:
        order = target_order(sitting)
        if len(order) >= 2:
            scripts[order].append(sitting)
    if not scripts:
        return Markup("")
    place = {item.item_id: k for k, item in enumerate(ring.items)}
    rows = _chosen(scripts, place)
    total = sum(map(len, scripts.values()))
    height = _TOP + len(rows) * _HIGH + (18 if len(rows) < len(scripts) else 4)
    parts = [
        svg.tag("text", "sessions", x=_LEFT - 14, y=14, css="head end"),
        svg.tag("text", "first target, then the next, with the time between (median)", x=_LEFT, y=14, css="head soft"),
    ]  # fmt: skip
    for k, (order, sittings) in enumerate(rows):
        parts += _row(ring, order, sittings, place, _TOP + (k + 0.5) * _HIGH)
    if len(rows) < len(scripts):
        rest = total - sum(len(sittings) for _, sittings in rows)
        caption = f"and {words.plural(rest, 'session')} with {words.plural(len(scripts) - len(rows), 'other script')}"
        parts.append(svg.tag("text", caption, x=_LEFT, y=height - 5, css="axis"))
    described = f"{words.plural(total, 'session')} follow {words.plural(len(scripts), 'script')}."
    title = f"Session scripts of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, SCRIPTS_WIDTH, height, title, described, "figure-scripts")


def _chosen(
    scripts: dict[tuple[str, ...], list[RingSession]], place: dict[str, int]
) -> list[tuple[tuple[str, ...], list[RingSession]]]:
    """The scripts of most sessions, then the longest; drawn with those that begin alike together."""
    ranked = sorted(scripts.items(), key=lambda pair: (-len(pair[1]), -len(pair[0]), _places(pair[0], place)))
    chosen = ranked[:ROWS_DRAWN]
    return sorted(chosen, key=lambda pair: (_places(pair[0], place), -len(pair[1])))


def _places(order: Sequence[str], place: dict[str, int]) -> tuple[int, ...]:
    return tuple(place[item] for item in order)


def _gaps_s(sittings: Sequence[RingSession]) -> list[float]:
    """Median time between a target's first act and the next target's, over sessions of one script."""
    steps = []
    for sitting in sittings:
        first: dict[str, int] = {}
        for at_ms, item, _ in sitting.steps:
            if item is not None:
                first.setdefault(item, at_ms)
        steps.append(np.diff(np.fromiter(first.values(), np.int64)))
    median: list[float] = (np.median(np.array(steps), axis=0) / 1000).tolist()
    return median


def _row(
    ring: RingData, order: tuple[str, ...], sittings: list[RingSession], place: dict[str, int], y: float
) -> list[Markup]:
    n = len(sittings)
    if n == 1:
        caption = f"{words.visible(sittings[0].user_id)}, session {words.visible(sittings[0].session_id)}"
        name = svg.label(svg.Label(_LEFT - 14, y + 4, sittings[0].user_id, 24, "label end small"))
    else:
        users = len({sitting.user_id for sitting in sittings})
        caption = f"{words.plural(n, 'session')} of {words.plural(users, 'member')} with exactly this script"
        text = f"{words.plural(n, 'session')}, {words.plural(users, 'member')}"
        name = svg.tag(
            "text", svg.tag("title", caption) + text, x=_LEFT - 14, y=y + 4, css="label end strong"
        )
    parts = [name]
    gaps = _gaps_s(sittings)
    for k, item in enumerate(order[:STEPS_DRAWN]):
        x = _LEFT + k * (_TILE + _GAP)
        number = place[item]
        hover = svg.tag("title", f"Target {number + 1}, {words.visible(ring.items[number].title)}")
        parts.append(
            svg.tag("rect", hover, x=x, y=y - 9, width=_TILE, height=18.0, rx=4.0, css=colour(number))
        )
        parts.append(
            svg.tag("text", str(number + 1), x=x + _TILE / 2, y=y + 4, css=f"chip middle on-{colour(number)}")
        )
        if k < min(len(order), STEPS_DRAWN) - 1:
            gap = words.duration(gaps[k]).replace(" ", "\u2009")
            parts.append(svg.tag("text", gap, x=x + _TILE + _GAP / 2, y=y + 4, css="tiny middle"))
    if len(order) > STEPS_DRAWN:
        x = _LEFT + STEPS_DRAWN * (_TILE + _GAP) - _GAP + 6
        parts.append(svg.tag("text", f"+{len(order) - STEPS_DRAWN}", x=x, y=y + 4, css="axis"))
    return parts
