"""A time axis that leaves out long silences: one scale throughout, and a mark where time was cut."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg

SILENCE = 0.08  # share of the time drawn from which a silence is cut out of it
MOST_PIECES = 14
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
        told = svg.tag("title", f"{silent} without an act on a target left out")
        return svg.tag("rect", told, x=x, y=top, width=width, height=bottom - top, css="cut")


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
    for k in np.argsort(-gaps, kind="stable")[: MOST_PIECES - 1].tolist():
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
    return words.moment(at_ms).strftime(style)
