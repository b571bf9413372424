"""The grid of a ring and its edge: one row per member, one column per target, then the nearest accounts outside.

A ring that was steered is a dense block that ends at once; a crowd of one taste fades out below the line.
"""

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.figures.layout import Presence, colour, similar_order
from graphdet.reports.ring_data import RingData

MATRIX_ITEMS_DRAWN = 60
MATRIX_ROWS_NAMED = 60  # up to so many members have a row with a name
MATRIX_BANDS = 150  # more members than this share rows
MATRIX_WIDTH = 1000.0
_LEFT, _TOP, _RIGHT = 190.0, 40.0, 880.0
_LEVELS = (0.25, 0.5, 0.75, 1.0)  # how full a band is, in steps


def draw_matrix(ring: RingData) -> Markup:
    """Draw the grid as inline SVG."""
    presence = Presence.of(ring)
    order = similar_order(presence)
    n_items = min(len(ring.items), MATRIX_ITEMS_DRAWN)
    n_rows, step = _rows(len(order))
    wide = min(72.0, (_RIGHT - _LEFT) / max(n_items, 1))
    bottom = _TOP + n_rows * step
    parts = [_column(item, _LEFT + (item + 0.5) * wide, wide) for item in range(n_items)]
    full = presence.touched[order][:, :n_items]
    parts += _filled(_shares(full, n_rows), wide, step)
    if len(order) <= MATRIX_ROWS_NAMED:
        parts += _names(ring, order, presence, step)
    else:
        parts += _counts(presence.touched.sum(axis=1), order, n_rows, step, len(ring.items))
        for k, text in enumerate(
            (words.plural(len(order), "member") + ",", "those with the", "same targets together")
        ):
            parts.append(svg.tag("text", text, x=_LEFT - 12, y=_TOP + 14 + 15 * k, css="axis end"))
    height = bottom + 8
    if ring.context is not None:
        more, height = _outside(ring, wide, bottom, n_items)
        parts += more
    share = full.mean() if full.size else 0.0
    described = (
        f"{words.percent(float(share))} of the {words.thousands(full.size)} cells of members and targets are filled. "
        f"Below the line, the accounts outside that come nearest."
    )
    title = f"Grid of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, MATRIX_WIDTH, height, title, described, "figure-matrix")


def _rows(n: int) -> tuple[int, float]:
    """How many rows are drawn for n members, and how high each is."""
    if n <= 24:
        return n, 18.0
    if n <= MATRIX_ROWS_NAMED:
        return n, 13.0
    return (n, min(8.0, 600.0 / n)) if n <= MATRIX_BANDS else (MATRIX_BANDS, 4.0)


def _shares(full: NDArray[np.bool_], n_rows: int) -> NDArray[np.float64]:
    """How full each drawn row is, float64[n_rows, n_items]."""
    if n_rows == len(full):
        return full.astype(np.float64)
    band = np.arange(len(full)) * n_rows // len(full)
    total = np.zeros((n_rows, full.shape[1]))
    np.add.at(total, band, full)
    return total / np.bincount(band, minlength=n_rows)[:, None]


def _filled(shares: NDArray[np.float64], wide: float, step: float) -> list[Markup]:
    """Draw the filled cells, one path for each column and level, runs of rows joined."""
    parts = []
    level = np.ceil(shares * len(_LEVELS)).astype(int)
    air = 1.0 if step >= 8 else 0.0
    for item in range(shares.shape[1]):
        x = _LEFT + item * wide + 0.75
        for k, opacity in enumerate(_LEVELS, start=1):
            rows = np.flatnonzero(level[:, item] == k)
            if not len(rows):
                continue
            starts = np.flatnonzero(np.diff(rows, prepend=-9) != 1) if not air else np.arange(len(rows))
            ends = np.append(starts[1:], len(rows))
            path = "".join(
                f"M{x:.1f} {_TOP + rows[a] * step:.1f}h{wide - 1.5:.1f}v{(b - a) * step - air:.1f}h{1.5 - wide:.1f}z"
                for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
            )
            parts.append(
                svg.tag("path", d=path, css=colour(item), fill_opacity=None if opacity == 1 else opacity)
            )
    return parts


def _column(item: int, x: float, wide: float) -> Markup:
    """Number a column; where columns are narrow, only every fifth."""
    if wide < 17 and (item + 1) % 5 and item:
        return Markup("")
    return svg.tag("text", str(item + 1), x=x, y=_TOP - 8, css="axis middle")


def _names(ring: RingData, order: NDArray[np.int64], presence: Presence, step: float) -> list[Markup]:
    parts = []
    for place, row in enumerate(order.tolist()):
        y = _TOP + (place + 0.5) * step + 4
        parts.append(svg.label(svg.Label(_LEFT - 12, y, ring.members[row].user_id, 22, "label end small")))
        count = f"{int(presence.touched[row].sum())} of {len(ring.items)}"
        parts.append(svg.tag("text", count, x=MATRIX_WIDTH - 6, y=y, css="axis end"))
    return parts


def _counts(
    n_targets: NDArray[np.int64], order: NDArray[np.int64], n_rows: int, step: float, n_items: int
) -> list[Markup]:
    """Draw on the right how many targets the members of each band touch, as bars."""
    band = np.arange(len(order)) * n_rows // len(order)
    mean = np.bincount(band, n_targets[order], minlength=n_rows) / np.bincount(band, minlength=n_rows)
    room = MATRIX_WIDTH - _RIGHT - 16
    path = "".join(
        f"M{_RIGHT + 10:.1f} {_TOP + row * step:.1f}h{room * share / max(n_items, 1):.1f}v{step:.2f}"
        f"H{_RIGHT + 10:.1f}z"
        for row, share in enumerate(mean.tolist())
    )
    return [
        svg.tag("path", d=path, css="bar"),
        svg.tag("text", "targets touched", x=MATRIX_WIDTH - 6, y=_TOP - 8, css="axis end"),
    ]


def _outside(ring: RingData, wide: float, bottom: float, n_items: int) -> tuple[list[Markup], float]:
    """Draw the line that ends the ring and the nearest accounts outside it; also the new height."""
    context = ring.context
    assert context is not None
    step, top = 14.0, bottom + 30
    column = {item.item_id: place for place, item in enumerate(ring.items)}
    parts = [
        svg.tag("path", d=f"M0 {bottom + 9:.1f}H{MATRIX_WIDTH:.0f}", css="edge"),
        svg.tag(
            "text",
            f"outside the ring{', same time' if ring.timed else ''}",
            x=_LEFT,
            y=bottom + 23,
            css="axis",
        ),
    ]
    for place, outsider in enumerate(context.outsiders):
        y = top + place * step
        parts.append(svg.label(svg.Label(_LEFT - 12, y + 10, outsider.user_id, 22, "label end small soft")))
        path = "".join(
            f"M{_LEFT + column[item] * wide + 1.5:.1f} {y + 1:.1f}h{wide - 3:.1f}v{step - 3:.1f}h{3 - wide:.1f}z"
            for item in outsider.item_ids
            if column.get(item, n_items) < n_items
        )
        parts.append(svg.tag("path", d=path, css="hollow"))
        count = f"{len(outsider.item_ids)} of {len(ring.items)}"
        parts.append(svg.tag("text", count, x=MATRIX_WIDTH - 6, y=y + 10, css="axis end"))
    y = top + len(context.outsiders) * step
    listed = [len(outsider.item_ids) for outsider in context.outsiders]
    rest = [(band, n - listed.count(band)) for band, n in sorted(context.bands.items(), reverse=True)]
    caption = "; ".join(
        f"{words.thousands(n)} more with {words.plural(band, 'target')}" for band, n in rest if n > 0
    )
    if not context.bands:
        caption = "nobody else touched any of the targets"
    if caption:
        parts.append(svg.tag("text", caption, x=_LEFT, y=y + 12, css="axis"))
        y += 16
    return parts, y + 6
