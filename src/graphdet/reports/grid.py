"""The grid of a ring: one row per member, one column per target, a mark where the one acted on the other."""

from collections import Counter

import numpy as np
from markupsafe import Markup

from graphdet.reports import svg, words
from graphdet.reports.drawing import cells, choose
from graphdet.reports.layout import two_columns
from graphdet.reports.ring_data import Act, Item, Member, RingData

_WIDTH = 1000.0
_LEFT, _TOP = 180.0, 118.0
_ROOM = 760.0  # for the columns, so that slanted labels of the last ones still fit


def draw_grid(ring: RingData) -> Markup:
    """Draw the grid as inline SVG; the shape and colour of a mark say the member's main action on the item.

    Dense rings are easier to read here than as lines: gaps show as white cells, subgroups as blocks.
    """
    members, items = choose(ring)
    found = cells(ring, members, items)
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    order_members, order_items = two_columns(len(members), len(items), pairs[:, 0], pairs[:, 1])
    step_x = min(34.0, _ROOM / max(len(items), 1))
    step_y = 20.0 if len(members) <= 24 else 12.5
    x = {int(row): _LEFT + step_x * (place + 0.5) for place, row in enumerate(order_items)}
    y = {int(row): _TOP + step_y * (place + 0.5) for place, row in enumerate(order_members)}
    right, bottom = _LEFT + step_x * len(items), _TOP + step_y * len(members)
    parts = [_column(items[row], x[row], bottom) for row in order_items.tolist()]
    for row in order_members.tolist():
        parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y[row]:.1f}H{right:.1f}", css="row"))
        parts.append(svg.label(svg.Label(_LEFT - 10, y[row] + 4, members[row].user_id, 22, "label end")))
    kinds = {action: kind for kind, action in enumerate(ring.actions)}
    for (user, item), acts in sorted(found.items()):
        parts.append(_cell(acts, kinds, members[user], items[item], x[item], y[user]))
    described = (
        f"{words.plural(len(found), 'cell')} of {words.thousands(len(members) * len(items))} are filled."
    )
    title = f"Grid of ring {words.visible(ring.ring_id)}"
    return svg.picture(parts, _WIDTH, bottom + 10, title, described, "grid-figure")


def _column(item: Item, x: float, bottom: float) -> Markup:
    """Draw the line of a target with its slanted label."""
    text = svg.tag("title", words.visible(item.title)) + words.shorten(item.title, 24)
    place = f"translate({x + 3:.1f} {_TOP - 8:.0f}) rotate(-45)"
    return svg.tag("path", d=f"M{x:.1f} {_TOP:.0f}V{bottom:.1f}", css="row") + svg.tag(
        "text", text, transform=place, css="label"
    )


def _cell(acts: list[Act], kinds: dict[str, int], member: Member, item: Item, x: float, y: float) -> Markup:
    """Draw one filled cell with the member's main action."""
    count: Counter[str] = Counter()
    for act in acts:
        count[act.action] += act.n
    action, _ = min(count.items(), key=lambda pair: (-pair[1], kinds[pair[0]]))
    done = ", ".join(f"{words.visible(name)} × {n}" for name, n in sorted(count.items()))
    told = f"{words.visible(member.user_id)}, {words.visible(item.title)}: {done}"
    return svg.mark(kinds[action], x, y, 4.2, told)
