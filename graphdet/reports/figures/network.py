"""The graph of a ring: members on the left, their targets in the middle, everybody else on the right, greyed.

Up to MEMBERS_DRAWN members stand alone; more are gathered into groups with much the same targets, so that a
ring of thousands is still a few boxes and no hairball.
"""

from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.context import Surroundings
from graphdet.reports.figures.layout import Presence, colour, groups, two_columns
from graphdet.reports.ring_data import RingData

MEMBERS_DRAWN, GROUPS_DRAWN, NETWORK_ITEMS_DRAWN = 24, 12, 30
OUTSIDERS_DRAWN = 5
NETWORK_WIDTH = 1000.0
_LEFT, _ITEM_LEFT, _ITEM_RIGHT, _RIGHT = 226.0, 372.0, 652.0, 786.0
_MIDDLE = (_ITEM_LEFT + _ITEM_RIGHT) / 2
_TOP = 30.0


@dataclass(frozen=True)
class _Box:
    """A box of the left or the right column, and what share of it (or how many) touched each target."""

    label: str
    note: str
    caption: str
    touched: dict[int, float]
    css: str
    ids: tuple[str, ...] = field(default=())


def draw_network(ring: RingData) -> Markup:
    """Draw the graph of a ring as inline SVG."""
    presence = Presence.of(ring)
    drawn = len(ring.items) if len(ring.items) <= NETWORK_ITEMS_DRAWN else NETWORK_ITEMS_DRAWN - 1
    left = _members(ring, presence)
    right = [] if ring.context is None else _others(ring, ring.context)
    n_rows = drawn + (drawn < len(ring.items))
    pairs = np.array(
        sorted({(row, min(item, drawn)) for row, box in enumerate(left) for item in box.touched}), np.int64
    ).reshape(-1, 2)
    order_left, order_items = two_columns(len(left), n_rows, pairs[:, 0], pairs[:, 1])
    most = max(len(left), n_rows, len(right), 1)
    height = most * (27.0 if most <= 16 else 22.0) + _TOP + 6
    left_y = _spread(order_left.tolist(), height)
    item_y = _spread(order_items.tolist(), height)
    right_y = _spread(list(range(len(right))), height)
    parts = [
        svg.tag("text", words.plural(ring.n_users, "member"), x=_LEFT, y=16, css="head end"),
        svg.tag("text", words.plural(ring.n_items, "target"), x=_MIDDLE, y=16, css="head middle"),
    ]  # fmt: skip
    when = ", same time" if ring.timed else ""
    if right:
        parts.append(svg.tag("text", f"not in the ring{when}", x=_RIGHT, y=16, css="head soft"))
    elif ring.context is not None:
        parts.append(svg.tag("text", f"nobody else{when}", x=_RIGHT, y=16, css="head soft"))
    scale = max([1.0, *(n for box in right for n in box.touched.values())])
    for row, box in enumerate(right):
        parts.append(_outside(box, right_y[row], item_y, drawn, scale))
    # Many lines are drawn paler, so that they stay lines.
    faint = float(np.clip(14.0 / max(len(pairs), 1) ** 0.7, 0.2, 0.8))
    for row in order_left.tolist():
        parts.append(_inside(left[row], left_y[row], item_y, drawn, faint))
    for row in order_items.tolist():
        parts.append(_item(ring, row, drawn, item_y[row]))
    described = (
        f"{words.plural(len(left), 'box', 'boxes')} of members on the left, {words.thousands(n_rows)} of targets in "
        f"the middle, {words.thousands(len(right))} of other accounts on the right. The tables hold the same data."
    )
    title = f"Graph of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, NETWORK_WIDTH, height, title, described, "figure-network")


def _spread(order: list[int], height: float) -> dict[int, float]:
    """Spread rows evenly over the height, in the order given."""
    step = (height - _TOP - 6) / max(len(order), 1)
    return {row: _TOP + step * (place + 0.5) for place, row in enumerate(order)}


def _members(ring: RingData, presence: Presence) -> list[_Box]:
    if len(ring.members) <= MEMBERS_DRAWN:
        return [
            _Box(
                label=member.user_id,
                note=f"{member.n_targets} of {ring.n_items}",
                caption=f"{words.visible(member.user_id)}: {member.n_targets} of {ring.n_items} targets",
                touched={int(item): 1.0 for item in np.flatnonzero(presence.touched[row])},
                css="member low" if member.is_weak else "member",
                ids=(member.user_id,),
            )
            for row, member in enumerate(ring.members)
        ]
    boxes = []
    for rows in groups(presence, GROUPS_DRAWN):
        share = presence.touched[rows].mean(axis=0)
        some = ", ".join(words.shorten(ring.members[row].user_id, 30) for row in rows[:5].tolist())
        typical = float(presence.touched[rows].sum(axis=1).mean())
        alone = len(rows) == 1
        boxes.append(
            _Box(
                label=ring.members[int(rows[0])].user_id if alone else words.plural(len(rows), "account"),
                note=f"{words.figure(typical)} of {ring.n_items}",
                caption=f"{words.plural(len(rows), 'account')} with much the same targets: {some}"
                + (" …" if len(rows) > 5 else ""),
                touched={int(item): float(share[item]) for item in np.flatnonzero(share > 0)},
                css="member",
            )
        )
    return boxes


def _others(ring: RingData, context: Surroundings) -> list[_Box]:
    """Accounts outside: the nearest ones alone, the others by how many targets they touched."""
    column = {item.item_id: place for place, item in enumerate(ring.items)}
    boxes, alone = [], context.outsiders[:OUTSIDERS_DRAWN]
    for outsider in alone:
        n = len(outsider.item_ids)
        boxes.append(
            _Box(
                label=outsider.user_id,
                note=f"{n} of {ring.n_items}",
                caption=f"{words.visible(outsider.user_id)}, not a member: {words.plural(n, 'target')}",
                touched={column[item]: 1.0 for item in outsider.item_ids if item in column},
                css="other",
                ids=(outsider.user_id,),
            )
        )
    taken = [len(outsider.item_ids) for outsider in alone]
    for band in sorted(context.bands, reverse=True):
        n = context.bands[band] - taken.count(band)
        if n <= 0 or len(boxes) >= OUTSIDERS_DRAWN + 6:
            continue
        each = words.plural(band, "target")
        more = " more" if taken.count(band) else ""
        boxes.append(
            _Box(
                label=f"{words.thousands(n)}{more} {'account' if n == 1 else 'accounts'}",
                note=f"{band} of {ring.n_items}",
                caption=f"{words.plural(n, 'account')} outside the ring with {each} each",
                touched={column[item]: float(k) for item, k in context.band_items[band].items() if item in column},
                css="other",
            )
        )  # fmt: skip
    return boxes


def _folded(touched: dict[int, float], drawn: int) -> dict[int, float]:
    """Gather the targets that share the last box: the largest of their values."""
    found: dict[int, float] = {}
    for item, value in touched.items():
        found[min(item, drawn)] = max(found.get(min(item, drawn), 0.0), value)
    return found


def _bend(x0: float, y0: float, x1: float, y1: float) -> str:
    middle = (x0 + x1) / 2
    return f"M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1:.0f} {y1:.1f}"


def _inside(box: _Box, y: float, item_y: dict[int, float], drawn: int, faint: float) -> Markup:
    """Draw a box of members with its lines, one group, so that hovering finds them; faint: opacity of a full line."""
    lines = [
        svg.tag(
            "path",
            d=_bend(_LEFT + 4, y, _ITEM_LEFT, item_y[item]),
            css="line",
            stroke_width=0.7 + 1.3 * share,
            stroke_opacity=faint * (0.3 + 0.7 * share),
        )
        for item, share in sorted(_folded(box.touched, drawn).items())
    ]
    return svg.group([*lines, *_box(box, 0.0, _LEFT + 4, y)], css=f"m {box.css}")


def _outside(box: _Box, y: float, item_y: dict[int, float], drawn: int, scale: float) -> Markup:
    """Draw a box of others with its lines; thicker for more accounts, on a logarithmic scale."""
    lines = [
        svg.tag(
            "path",
            d=_bend(_ITEM_RIGHT, item_y[item], _RIGHT - 4, y),
            css="line grey",
            stroke_width=0.8 + 4.0 * float(np.log(n) / np.log(scale) if scale > 1 else 0),
        )
        for item, n in sorted(_folded(box.touched, drawn).items())
    ]
    return svg.group([*lines, *_box(box, _RIGHT - 4, NETWORK_WIDTH, y)], css=f"m {box.css}")


def _box(box: _Box, x0: float, x1: float, y: float) -> list[Markup]:
    frame = svg.tag(
        "rect", svg.tag("title", box.caption), x=x0, y=y - 9, width=x1 - x0, height=18.0, rx=4.0, css="box"
    )
    return [
        frame,
        svg.label(svg.Label(x0 + 8, y + 4, box.label, 21, "label")),
        svg.tag("text", box.note, x=x1 - 8, y=y + 4, css="axis end"),
    ]


def _item(ring: RingData, row: int, drawn: int, y: float) -> Markup:
    """Draw a target: its number and colour, its name, and how many act on it inside and outside."""
    width = _ITEM_RIGHT - _ITEM_LEFT
    if row == drawn:
        rest = words.plural(len(ring.items) - drawn, "more target")
        frame = svg.tag("rect", x=_ITEM_LEFT, y=y - 9, width=width, height=18.0, rx=4.0, css="box item")
        return svg.group(
            [frame, svg.tag("text", rest, x=_ITEM_LEFT + 30, y=y + 4, css="label soft")], css="t"
        )
    item = ring.items[row]
    counts = f"{words.thousands(item.n_users)} in"
    caption = f"Target {row + 1}, {words.visible(item.title)}: {words.plural(item.n_users, 'member')}"
    if ring.context is not None and item.item_id in ring.context.outside_by_item:
        n = ring.context.outside_by_item[item.item_id][0]
        counts += f" · {words.thousands(n)} out"
        caption += f" and {words.plural(n, 'other account')} in the ring's time"
    frame = svg.tag(
        "rect",
        svg.tag("title", caption),
        x=_ITEM_LEFT,
        y=y - 9,
        width=width,
        height=18.0,
        rx=4.0,
        css="box item",
    )
    return svg.group(
        [
            frame,
            svg.tag("rect", x=_ITEM_LEFT, y=y - 9, width=24.0, height=18.0, rx=4.0, css=colour(row)),
            svg.tag("text", str(row + 1), x=_ITEM_LEFT + 12, y=y + 4, css=f"chip middle on-{colour(row)}"),
            svg.label(svg.Label(_ITEM_LEFT + 30, y + 4, item.title, 20, "label")),
            svg.tag("text", counts, x=_ITEM_RIGHT - 8, y=y + 4, css="axis end"),
        ],
        css="t",
    )
