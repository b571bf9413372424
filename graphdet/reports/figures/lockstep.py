"""The lockstep timeline of a ring: rows are members, columns are time, colour and shape are the target.

Acts in step stand in one line. Long silences are cut out, so the scale is fine enough to see it.
"""

from collections import defaultdict

import numpy as np
from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.order import COLOURS, Presence, colour, similar_order
from graphdet.reports.figures.time_axis import TimeAxis
from graphdet.reports.measures import Act
from graphdet.reports.ring_data import RingData

ROWS_NAMED = 60
BANDS = 150
SLOTS = 260  # columns of time where acts are gathered
WIDTH = 1000.0
_LEFT, _RIGHT = 150.0, 990.0
_STRIP = 58.0
_LIFE_BINS = 140


def draw_lockstep(ring: RingData) -> Markup:
    """Draw the strip of all the members' acts and the timeline of those on the targets, as inline SVG."""
    if not ring.acts:
        return Markup("")
    order = _order(ring)
    row_of = {ring.members[row].user_id: place for place, row in enumerate(order)}
    n_rows = len(order) if len(order) <= BANDS else BANDS
    step = 18.0 if n_rows <= 24 else 12.5 if n_rows <= ROWS_NAMED else max(4.0, min(8.0, 600 / n_rows))
    top = _STRIP + 64
    bottom = top + n_rows * step
    axis = TimeAxis([act.at_ms for act in ring.acts], _LEFT, _RIGHT)
    parts = [*_strip(ring), *axis.draw(top - 6, bottom + 4)]
    parts.append(svg.tag("text", "members, acts on targets", x=0, y=top - 14, css="head"))
    if n_rows <= ROWS_NAMED:
        for place, row in enumerate(order):
            y = top + (place + 0.5) * step
            parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="row"))
            parts.append(
                svg.label(svg.Label(_LEFT - 10, y + 4, ring.members[row].user_id, 18, "label end small"))
            )
        parts += _marks(ring, row_of, axis, top, step)
    else:
        told = (words.plural(len(order), "member") + ",", "the earliest on top")
        for k, text in enumerate(told):
            parts.append(svg.tag("text", text, x=_LEFT - 10, y=top + 14 + 15 * k, css="axis end"))
        parts += _gathered(ring, row_of, axis, top, step, n_rows)
    described = (
        f"{words.plural(len(ring.acts), 'act')} of {words.plural(len(order), 'member')} on the targets, from "
        f"{words.clock(ring.acts[0].at_ms)} to {words.clock(ring.acts[-1].at_ms)} UTC."
    )
    title = f"Timeline of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, WIDTH, bottom + 26, title, described, "figure-lockstep")


def _order(ring: RingData) -> list[int]:
    """Members by their first act on a target; of those at much the same time, the similar ones together."""
    similar = similar_order(Presence.of(ring))
    rank = np.empty(len(similar), np.int64)
    rank[similar] = np.arange(len(similar))
    first = np.array([m.first_ms if m.first_ms is not None else 2**62 for m in ring.members], np.int64)
    span = max(ring.acts[-1].at_ms - ring.acts[0].at_ms, 1)
    slot = (first - ring.acts[0].at_ms) * 200 // span
    order: list[int] = np.lexsort((rank, first, slot)).tolist()
    return order


def _marks(ring: RingData, row_of: dict[str, int], axis: TimeAxis, top: float, step: float) -> list[Markup]:
    """One mark per act, with its story on hover."""
    item_of = {item.item_id: place for place, item in enumerate(ring.items)}
    size = 4.2 if step >= 16 else 3.4
    parts = []
    for act in ring.acts:
        item = item_of[act.item_id]
        y = top + (row_of[act.user_id] + 0.5) * step
        parts.append(_mark(act, ring, item, axis.x(act.at_ms), y, size))
    return parts


def _mark(act: Act, ring: RingData, item: int, x: float, y: float, size: float) -> Markup:
    times = f" × {act.n}" if act.n > 1 else ""
    told = (
        f"{words.visible(act.user_id)}, {words.visible(act.action)}{times}: target {item + 1}, "
        f"{words.shorten(ring.items[item].title, 60)}, {words.clock(act.at_ms)} UTC"
    )
    if item >= COLOURS:
        return svg.mark(0, x, y, size * 0.6, told, colour(item))
    return svg.mark(item, x, y, size, told, colour(item))


def _gathered(
    ring: RingData, row_of: dict[str, int], axis: TimeAxis, top: float, step: float, n_rows: int
) -> list[Markup]:
    """Gather acts into cells of some members and a slot of time; colour is the target with most acts there."""
    item_of = {item.item_id: place for place, item in enumerate(ring.items)}
    width = (_RIGHT - _LEFT) / SLOTS
    count: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for act in ring.acts:
        row = row_of[act.user_id] * n_rows // len(row_of)
        slot = min(int((axis.x(act.at_ms) - _LEFT) / width), SLOTS - 1)
        count[row, slot][colour(item_of[act.item_id])] += 1
    most = max(sum(cell.values()) for cell in count.values())
    paths: dict[tuple[str, int], list[str]] = defaultdict(list)
    high = step - (0.6 if step >= 6 else 0.0)
    for (row, slot), cell in sorted(count.items()):
        css = min(cell, key=lambda name: (-cell[name], name))
        level = 3 if most == 1 else int(np.ceil(3 * np.log1p(sum(cell.values())) / np.log1p(most)))
        x, y = _LEFT + slot * width, top + row * step
        paths[css, level].append(f"M{x:.1f} {y:.1f}h{width:.1f}v{high:.1f}h-{width:.1f}z")
    return [
        svg.tag("path", d="".join(cells), css=css, fill_opacity=0.25 + 0.25 * level)
        for (css, level), cells in sorted(paths.items())
    ]


def _strip(ring: RingData) -> list[Markup]:
    """Draw how many acts fall into each part of the members' life, on targets and elsewhere."""
    times = [act.at_ms for act in ring.acts] + ring.others_ms[:1] + ring.others_ms[-1:]
    axis = TimeAxis([min(times), max(times)], _LEFT, _RIGHT, cut=False)
    piece = axis.pieces[0]
    edges = np.linspace(piece.first, piece.last, _LIFE_BINS + 1)
    pushed = np.histogram([act.at_ms for act in ring.acts], edges)[0]
    other = np.histogram(ring.others_ms, edges)[0]
    tallest = max(int((pushed + other).max()), 1)
    base, room, width = _STRIP, _STRIP - 14, (_RIGHT - _LEFT) / _LIFE_BINS
    low, high = "", ""
    for place in np.flatnonzero(pushed + other).tolist():
        x = _LEFT + place * width
        a = room * pushed[place] / tallest
        b = room * other[place] / tallest
        low += f"M{x:.1f} {base:.1f}v{-a:.1f}h{width - 0.8:.1f}v{a:.1f}z" if a else ""
        high += f"M{x:.1f} {base - a:.1f}v{-b:.1f}h{width - 0.8:.1f}v{b:.1f}z" if b else ""
    first, last = (axis.x(at_ms) for at_ms in ring.window_ms)
    return [
        svg.tag("rect", x=first - 2, y=4.0, width=last - first + 4, height=base - 4, css="window"),
        svg.tag("path", d=high, css="elsewhere"),
        svg.tag("path", d=low, css="pushed"),
        svg.tag("text", "all acts of", x=_LEFT - 10, y=base - 22, css="axis end"),
        svg.tag("text", "the members", x=_LEFT - 10, y=base - 8, css="axis end"),
        *axis.draw(base, base + 4),
    ]
