"""A ring in time: its growth, and its lockstep, on an axis that leaves out long silences.

The axis has one scale throughout, and a mark where time was cut. Growth draws members, acts and the rest of the
audience, each as the share reached over time. In the lockstep timeline rows are members, columns are time, colour and
shape are the target; acts in step stand in one line.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.layout import COLOURS, Presence, colour, similar_order
from graphdet.reports.ring_data import Act, RingData

SILENCE = 0.08  # share of the time drawn from which a silence is cut out of it
MOST_SEGMENTS = 14
CUT = 14.0  # width of a cut
_STEPS_S = (1, 2, 5, 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_DAYS = (1, 2, 7, 14, 28, 91, 182, 364, 728)
_LABEL_WIDTH = 92.0  # room that a label takes


@dataclass(frozen=True)
class Piece:
    """A span of time, in ms, drawn from x0 to x1."""

    first: float
    last: float
    x0: float
    x1: float


class TimeAxis:
    """A time axis for acts at the given times (ms), drawn from left to right."""

    def __init__(self, times: Sequence[int], left: float, right: float, *, cut: bool = True) -> None:
        self.left, self.right = left, right
        self.pieces = _pieces(np.unique(np.asarray(times, np.int64)), left, right, cut)
        self._first = [piece.first for piece in self.pieces]

    def x(self, at_ms: float) -> float:
        """Where a time is drawn; times in a silence lie at the end of the piece before it."""
        place = max(bisect_right(self._first, at_ms) - 1, 0)
        piece = self.pieces[place]
        inside = min(max(at_ms, piece.first), piece.last)
        return piece.x0 + (piece.x1 - piece.x0) * (inside - piece.first) / (piece.last - piece.first)

    @property
    def is_cut(self) -> bool:
        """Whether a silence was left out."""
        return len(self.pieces) > 1

    @property
    def ms_a_unit(self) -> float:
        """How many ms one unit of width is, the same in all pieces."""
        piece = self.pieces[0]
        return (piece.last - piece.first) / (piece.x1 - piece.x0)

    def draw(self, top: float, bottom: float) -> list[Markup]:
        """Draw grid lines with labels below, and the cuts."""
        parts: list[Markup] = []
        step = _step(self.ms_a_unit * _LABEL_WIDTH / 1000)
        taken = self.left - _LABEL_WIDTH
        for piece in self.pieces:
            for at_ms in _round_times(piece, step):
                x = self.x(at_ms)
                parts.append(svg.tag("path", d=f"M{x:.1f} {top:.1f}V{bottom:.1f}", css="grid"))
                if x - taken >= _LABEL_WIDTH * 0.95:
                    parts.append(self._text(x, bottom + 15, _label(at_ms, step)))
                    taken = x
            if not _round_times(piece, step) and (piece.x0 + piece.x1) / 2 - taken >= _LABEL_WIDTH * 0.95:
                middle = (piece.x0 + piece.x1) / 2
                text = _label((piece.first + piece.last) / 2, step)
                parts.append(self._text(middle, bottom + 15, text))
                taken = middle
        for one, other in zip(self.pieces, self.pieces[1:], strict=False):
            parts.append(self._cut(one, other, top, bottom))
        return parts

    def _text(self, x: float, y: float, text: str) -> Markup:
        """Write a label below its tick, or beside it where it would run out of the picture."""
        if x > self.right - _LABEL_WIDTH / 2:
            return svg.tag("text", text, x=self.right + 4, y=y, css="axis end")
        return svg.tag("text", text, x=x, y=y, css="axis middle")

    def _cut(self, one: Piece, other: Piece, top: float, bottom: float) -> Markup:
        silent = words.duration((other.first - one.last) / 1000)
        x, width = one.x1 + 3, other.x0 - one.x1 - 6
        caption = svg.tag("title", f"{silent} without an act on a target left out")
        return svg.tag("rect", caption, x=x, y=top, width=width, height=bottom - top, css="cut")


def _pieces(times: NDArray[np.int64], left: float, right: float, cut: bool) -> list[Piece]:
    """Cut the span at its longest silences, and lay the pieces side by side on one scale."""
    if not len(times):
        times = np.zeros(1, np.int64)
    ends = _silences(np.diff(times).astype(np.float64), float(times[-1] - times[0])) if cut else []
    bounds = []
    start = 0
    for end in [*ends, len(times) - 1]:
        bounds.append((float(times[start]), float(times[end])))
        start = end + 1
    total = sum(last - first for first, last in bounds)
    # Air around the acts; where all of a piece is one moment, it still has some width.
    air = max(total * 0.015, 500.0)
    bounds = [(first - air, last + air) for first, last in bounds]
    scale = (right - left - CUT * (len(bounds) - 1)) / sum(last - first for first, last in bounds)
    pieces, x = [], left
    for first, last in bounds:
        width = (last - first) * scale
        pieces.append(Piece(first, last, x, x + width))
        x += width + CUT
    return pieces


def _silences(gaps: NDArray[np.float64], left: float) -> list[int]:
    """Which gaps are cut, in their order in time: the longest in turn, while one is much of the time that is left."""
    found: list[int] = []
    for k in np.argsort(-gaps, kind="stable")[: MOST_SEGMENTS - 1].tolist():
        if gaps[k] <= max(SILENCE * left, 5_000):
            break
        found.append(k)
        left -= float(gaps[k])
    return sorted(found)


def _step(least_s: float) -> float:
    steps = [*_STEPS_S, *(86400 * days for days in _DAYS)]
    return float(next((step for step in steps if step >= least_s), steps[-1] * np.ceil(least_s / steps[-1])))


def _round_times(piece: Piece, step: float) -> list[float]:
    low, high = int(np.ceil(piece.first / 1000 / step)), int(np.floor(piece.last / 1000 / step))
    return [n * step * 1000.0 for n in range(low, high + 1)]


def _label(at_ms: float, step: float) -> str:
    style = "%d %b %H:%M:%S" if step < 60 else "%d %b %H:%M" if step < 86400 else "%d %b %Y"
    return words.utc_moment(at_ms).strftime(style)


TIME_WIDTH, GROWTH_HEIGHT = 1000.0, 262.0
_TOP, _BOTTOM = 30.0, 226.0
_WHOLE, _CLOSE = (48.0, 410.0), (470.0, 800.0)  # left and right of the two panels
_LEGEND = 826.0
_POINTS = 240


@dataclass(frozen=True)
class _Curve:
    """One curve: the times that count, ascending, its class, and two lines for the legend."""

    times: NDArray[np.int64]
    css: str
    name: str
    note: str


def draw_growth(ring: RingData) -> Markup:
    """Draw the growth as inline SVG, over the whole time and within the ring's window."""
    joined = np.sort(np.array([m.first_ms for m in ring.members if m.first_ms is not None], np.int64))
    if not len(joined):
        return Markup("")
    acts = np.array([act.at_ms for act in ring.acts], np.int64)
    audience = np.array(ring.context.audience_ms if ring.context is not None else (), np.int64)
    n_out = ring.context.n_audience if ring.context is not None else 0
    curves = [
        _Curve(joined, "curve members", words.plural(len(joined), "member"), "joined"),
        _Curve(acts, "curve acts", words.plural(len(acts), "act"), "of members on targets"),
        _Curve(audience, "curve grey", f"{words.plural(n_out, 'act')} of others", "on targets, first each"),
    ]
    curves = [curve for curve in curves if len(curve.times)]
    everything = np.concatenate([curve.times for curve in curves])
    whole = TimeAxis([int(everything.min()), int(everything.max())], *_WHOLE, cut=False)
    close = TimeAxis(ring.window_ms, *_CLOSE, cut=False)
    parts = [
        *_panel("over the whole time", whole, curves, ring.window_ms),
        *_panel("within the ring's window", close, curves, None),
    ]
    for place, curve in enumerate(curves):
        y = _TOP + 24 + place * 46
        parts.append(svg.tag("path", d=f"M{_LEGEND:.0f} {y - 4:.1f}h24", css=curve.css))
        parts.append(svg.tag("text", curve.name, x=_LEGEND + 32, y=y, css="label"))
        parts.append(svg.tag("text", curve.note, x=_LEGEND + 32, y=y + 15, css="axis"))
    described = (
        f"Half of the members had joined by {words.clock(int(joined[(len(joined) - 1) // 2]))}, "
        f"all by {words.clock(int(joined[-1]))} UTC."
    )
    title = f"Growth of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, TIME_WIDTH, GROWTH_HEIGHT, title, described, "figure-growth")


def _panel(
    title: str, axis: TimeAxis, curves: Sequence[_Curve], window: tuple[int, int] | None
) -> list[Markup]:
    """Draw one panel; `window` is marked where it is a part of it."""
    left, right = axis.left, axis.right
    parts = [svg.tag("text", title, x=left, y=16, css="head")]
    if window is not None:
        first, last = axis.x(window[0]), axis.x(window[1])
        parts.append(
            svg.tag("rect", x=first - 2, y=_TOP, width=last - first + 4, height=_BOTTOM - _TOP, css="window")
        )
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = _height(share)
        parts.append(svg.tag("path", d=f"M{left:.0f} {y:.1f}H{right:.0f}", css="grid"))
        if window is not None:
            parts.append(svg.tag("text", words.percent(share), x=left - 8, y=y + 4, css="axis end"))
    parts += axis.draw(_TOP, _BOTTOM)
    first_ms, last_ms = axis.pieces[0].first, axis.pieces[-1].last
    for curve in reversed(curves):
        parts.append(svg.tag("path", d=_steps(curve.times, axis, first_ms, last_ms), css=curve.css))
    return parts


def _height(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _steps(times: NDArray[np.int64], axis: TimeAxis, first_ms: float, last_ms: float) -> str:
    """A rising step line through the times within the panel, thinned to what can be seen."""
    low, high = int(np.searchsorted(times, first_ms)), int(np.searchsorted(times, last_ms, side="right"))
    path = f"M{axis.left:.0f} {_height(low / len(times)):.1f}"
    if high > low:
        kept = np.unique(np.linspace(low, high - 1, min(high - low, _POINTS)).round().astype(int))
        for place in kept.tolist():
            path += f"H{axis.x(float(times[place])):.1f}V{_height((place + 1) / len(times)):.1f}"
    return path + f"H{axis.right:.0f}"


LOCKSTEP_ROWS_NAMED = 60
LOCKSTEP_BANDS = 150
SLOTS = 260  # columns of time where acts are gathered
WIDTH_LOCKSTEP = 1000.0
_LEFT, _RIGHT = 150.0, 990.0
_STRIP = 58.0
_LIFE_BINS = 140


def draw_lockstep(ring: RingData) -> Markup:
    """Draw the strip of all the members' acts and the timeline of those on the targets, as inline SVG."""
    if not ring.acts:
        return Markup("")
    order = _order(ring)
    row_of = {ring.members[row].user_id: place for place, row in enumerate(order)}
    n_rows = len(order) if len(order) <= LOCKSTEP_BANDS else LOCKSTEP_BANDS
    step = (
        18.0 if n_rows <= 24 else 12.5 if n_rows <= LOCKSTEP_ROWS_NAMED else max(4.0, min(8.0, 600 / n_rows))
    )
    top = _STRIP + 64
    bottom = top + n_rows * step
    axis = TimeAxis([act.at_ms for act in ring.acts], _LEFT, _RIGHT)
    parts = [*_strip(ring), *axis.draw(top - 6, bottom + 4)]
    parts.append(svg.tag("text", "members, acts on targets", x=0, y=top - 14, css="head"))
    if n_rows <= LOCKSTEP_ROWS_NAMED:
        for place, row in enumerate(order):
            y = top + (place + 0.5) * step
            parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="row"))
            parts.append(
                svg.label(svg.Label(_LEFT - 10, y + 4, ring.members[row].user_id, 18, "label end small"))
            )
        parts += _marks(ring, row_of, axis, top, step)
    else:
        caption = (words.plural(len(order), "member") + ",", "the earliest on top")
        for k, text in enumerate(caption):
            parts.append(svg.tag("text", text, x=_LEFT - 10, y=top + 14 + 15 * k, css="axis end"))
        parts += _gathered(ring, row_of, axis, top, step, n_rows)
    described = (
        f"{words.plural(len(ring.acts), 'act')} of {words.plural(len(order), 'member')} on the targets, from "
        f"{words.clock(ring.acts[0].at_ms)} to {words.clock(ring.acts[-1].at_ms)} UTC."
    )
    title = f"Timeline of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, WIDTH_LOCKSTEP, bottom + 26, title, described, "figure-lockstep")


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
    caption = (
        f"{words.visible(act.user_id)}, {words.visible(act.action)}{times}: target {item + 1}, "
        f"{words.shorten(ring.items[item].title, 60)}, {words.clock(act.at_ms)} UTC"
    )
    if item >= COLOURS:
        return svg.mark(0, x, y, size * 0.6, caption, colour(item))
    return svg.mark(item, x, y, size, caption, colour(item))


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
