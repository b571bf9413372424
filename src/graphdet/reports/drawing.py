"""The drawn graph of a ring: members on the left, the items they push on the right."""

import numpy as np
from markupsafe import Markup

from graphdet.reports import svg, words
from graphdet.reports.layout import two_columns
from graphdet.reports.ring_data import Act, Item, Member, RingData

MEMBERS_DRAWN = 80
ITEMS_DRAWN = 40
_WIDTH = 1000.0
_LEFT, _RIGHT = 230.0, 690.0


def choose(ring: RingData) -> tuple[list[Member], list[Item]]:
    """Choose who is drawn: all that fit, else those with most acts on the targets."""
    members, items = ring.members, ring.items
    if len(members) > MEMBERS_DRAWN:
        kept = {
            m.user_id
            for m in sorted(members, key=lambda m: (-m.n_targets, -m.score, m.user_id))[:MEMBERS_DRAWN]
        }
        members = [m for m in members if m.user_id in kept]
    if len(items) > ITEMS_DRAWN:
        kept = {
            i.item_id for i in sorted(items, key=lambda i: (-i.n_users, -i.lift, i.item_id))[:ITEMS_DRAWN]
        }
        items = [i for i in items if i.item_id in kept]
    return members, items


def cells(ring: RingData, members: list[Member], items: list[Item]) -> dict[tuple[int, int], list[Act]]:
    """Collect the acts of each (member row, item row) that is drawn."""
    member_row = {m.user_id: row for row, m in enumerate(members)}
    item_row = {i.item_id: row for row, i in enumerate(items)}
    found: dict[tuple[int, int], list[Act]] = {}
    for act in ring.acts:
        user, item = member_row.get(act.user_id), item_row.get(act.item_id)
        if user is not None and item is not None:
            found.setdefault((user, item), []).append(act)
    return found


def draw_graph(ring: RingData) -> Markup:
    """Draw members × items as inline SVG.

    Each line is one member's acts on one item, thicker for more; hovering over a member or an item shows its
    lines alone (plain CSS). Item rows carry the classes i0, i1, … that style.css knows.
    """
    members, items = choose(ring)
    edges = cells(ring, members, items)
    pairs = np.array(sorted(edges), np.int64).reshape(-1, 2)
    order_members, order_items = two_columns(len(members), len(items), pairs[:, 0], pairs[:, 1])
    row = 26.0 if max(len(members), len(items)) <= 24 else 15.0
    height = row * max(len(members), len(items), 1) + 46
    member_y = _spread(order_members, height)
    item_y = _spread(order_items, height)
    parts = [
        svg.tag("text", words.plural(ring.n_users, "member"), x=_LEFT - 12, y=16, css="axis end"),
        svg.tag("text", words.plural(ring.n_items, "item"), x=_RIGHT + 12, y=16, css="axis"),
    ]
    for place in order_members.tolist():
        parts.append(_member(members[place], place, edges, items, member_y[place], item_y))
    for place in order_items.tolist():
        parts.append(_item(items[place], place, item_y[place]))
    described = (
        f"{words.plural(len(members), 'member')} on the left, {words.plural(len(items), 'item')} on "
        f"the right; "
        f"{words.plural(len(edges), 'line')} between them. The tables below hold the same data."
    )
    return svg.picture(
        parts, _WIDTH, height, f"Graph of ring {words.visible(ring.ring_id)}", described, "graph"
    )


def _spread(order: np.ndarray, height: float) -> dict[int, float]:
    """Spread rows evenly over the height, in the order given."""
    step = (height - 46) / max(len(order), 1)
    return {int(row): 30 + step * (place + 0.5) for place, row in enumerate(order)}


def _member(
    member: Member,
    row: int,
    edges: dict[tuple[int, int], list[Act]],
    items: list[Item],
    y: float,
    item_y: dict[int, float],
) -> Markup:
    """Draw a member with its lines; one group, so that hovering finds them."""
    lines = []
    for (user, item), acts in sorted(edges.items()):
        if user != row:
            continue
        n = sum(act.n for act in acts)
        middle, target = (_LEFT + _RIGHT) / 2, item_y[item]
        bend = f"C{middle:.0f} {y:.1f} {middle:.0f} {target:.1f}"
        told = (
            f"{words.visible(member.user_id)} → {words.visible(items[item].title)}: {words.plural(n, 'act')}"
        )
        lines.append(
            svg.tag(
                "path",
                svg.tag("title", told),
                d=f"M{_LEFT:.0f} {y:.1f}{bend} {_RIGHT:.0f} {target:.1f}",
                css=f"line e{item}",
                stroke_width=min(0.9 + 0.5 * np.log2(n), 3.5),
            )
        )
    css = "node user" if member.user_score is None or member.user_score >= 0.5 else "node user low"
    node = svg.tag("circle", cx=_LEFT, cy=y, r=4.5, css=css)
    text = svg.label(svg.Label(_LEFT - 12, y + 4, member.user_id, 28, "label end"))
    return svg.group([*lines, node, text], css="m")


def _item(item: Item, row: int, y: float) -> Markup:
    """Draw an item."""
    node = svg.tag("path", d=f"M{_RIGHT - 5:.1f} {y - 5:.1f}h10v10h-10z", css="node item")
    text = svg.label(svg.Label(_RIGHT + 12, y + 4, item.title, 40, "label"))
    return svg.group([node, text], css=f"t i{row}")
