"""Pictures of the brushing case: strongest windows as timelines, without ids."""

from pathlib import Path

import numpy as np

from benchmarks.pictures import page
from graphdet.items.acts import ItemActs
from graphdet.items.scan import ItemFindings, accounts_of
from graphdet.reports import svg

LEFT, WIDTH, ROW = 250, 560, 34
PAD_SHARE = 0.5  # of a window, shown on either side
OWN, OTHERS = "#d1495b", "#9fb4c7"


def draw_windows(path: Path, acts: ItemActs, found: ItemFindings, rows: list[int], title: str) -> None:
    """One line per item: its acts around the strongest window, those of the accounts behind it on top."""
    parts = []
    for place, item in enumerate(rows):
        behind = accounts_of(acts, found, item)
        start = int(found.strongest.start_ms[item])
        length = int(found.scale_ms[item])
        low, high = start - PAD_SHARE * length, start + (1 + PAD_SHARE) * length
        mine = acts.item_ix == item
        at, user = acts.at_ms[mine], acts.user_ix[mine]
        near = (at >= low) & (at <= high)
        y = 46 + place * ROW

        def x(ms: float, low: float = low, high: float = high) -> float:
            return float(LEFT + WIDTH * (ms - low) / (high - low))

        said = f"q {found.q[item]:.2g}: {int(mine.sum())} acts in all, {len(behind.user)} behind"
        parts += [
            svg.tag("text", said, x=LEFT - 10, y=y + 4, text_anchor="end"),
            svg.tag(
                "rect", x=x(start), y=y - 11, width=x(start + length) - x(start), height=22, fill="#f4ecd8"
            ),
            svg.tag("line", x1=LEFT, x2=LEFT + WIDTH, y1=y, y2=y, stroke="#ccc"),
        ]
        own = np.isin(user, behind.user)
        for kind, colour, size in ((near & ~own, OTHERS, 4), (near & own, OWN, 5)):
            parts += [
                svg.tag("circle", cx=x(float(t)), cy=y, r=size, fill=colour, fill_opacity=0.75)
                for t in at[kind]
            ]
    foot = 46 + len(rows) * ROW
    words = "red: accounts behind the finding; grey: others; shaded: the window, with half its length on either side"
    parts.append(svg.tag("text", words, x=8, y=foot))
    path.write_text(page(parts, LEFT + WIDTH + 20, foot + 14, title) + "\n", encoding="utf-8")
