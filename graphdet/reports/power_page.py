"""The page of `graphdet power`: one heat map per window, accounts across and density down."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html, svg

_LEFT, _TOP, _WIDE, _HIGH = 92.0, 34.0, 92.0, 46.0
PowerCells = Sequence[
    Mapping[str, Any]
]  # of accounts, density, window_s, n_trials, n_found, low, high, chance, margin


def write_power_page(path: Path, cells: PowerCells, facts: Mapping[str, Any]) -> Path:
    """Write the page.

    cells: every one of a full grid, any order. facts: what the template shows, see templates/power.html.j2.

    Raises:
        GraphdetError: the file cannot be written.
    """
    windows = sorted({float(cell["window_s"]) for cell in cells})
    maps = [
        {"title": f"Within {words.duration(window)}", "picture": heat_map(cells, window)}
        for window in windows
    ]
    return write_text(path, html.render("power.html.j2", maps=maps, **facts))


def heat_map(cells: PowerCells, window_s: float) -> Markup:
    """Draw the chance to be found, by accounts and density, of rings within one window."""
    its = [cell for cell in cells if cell["window_s"] == window_s]
    accounts = sorted({int(cell["accounts"]) for cell in its})
    densities = sorted({float(cell["density"]) for cell in its}, reverse=True)
    parts = [
        svg.tag("text", words.thousands(n), x=_LEFT + (k + 0.5) * _WIDE, y=_TOP - 8, css="axis middle")
        for k, n in enumerate(accounts)
    ]
    parts.append(svg.tag("text", "accounts", x=_LEFT - 12, y=_TOP - 8, css="axis end"))
    parts += [
        svg.tag("text", words.percent(d), x=_LEFT - 12, y=_TOP + (k + 0.5) * _HIGH + 4, css="axis end")
        for k, d in enumerate(densities)
    ]
    for cell in its:
        column, row = accounts.index(int(cell["accounts"])), densities.index(float(cell["density"]))
        parts.append(_cell(cell, _LEFT + column * _WIDE, _TOP + row * _HIGH))
    within = words.duration(window_s)
    return svg.picture(
        parts,
        _LEFT + len(accounts) * _WIDE + 8,
        _TOP + len(densities) * _HIGH + 6,
        f"Chance that a ring within {within} is found",
        f"Rings of {accounts[0]} to {accounts[-1]} accounts, each touching {words.percent(densities[-1])} to "
        f"{words.percent(densities[0])} of the targets, within {within}: the chance of each to be flagged.",
        "power-figure",
    )


def _cell(cell: Mapping[str, Any], x: float, y: float) -> Markup:
    chance, margin = float(cell["chance"]), float(cell["margin"])
    by_chance = margin <= 0  # not so where it is NaN
    caption = (
        f"{words.thousands(cell['accounts'])} accounts, {words.percent(cell['density'])} of the targets, within "
        f"{words.duration(cell['window_s'])}: {cell['n_found']} of {cell['n_trials']} found "
        f"(95 %: {words.percent(cell['low'])} to {words.percent(cell['high'])}); "
        + ("nothing planted here" if margin != margin else f"{margin:,.0f} nats beyond chance")
    )
    box = svg.tag(
        "rect",
        svg.tag("title", caption),
        x=x + 1.5,
        y=y + 1.5,
        width=_WIDE - 3,
        height=_HIGH - 3,
        rx=3.0,
        css="chance low" if by_chance else "chance",
        fill_opacity=f"{0.06 + 0.64 * chance:.3f}",
    )
    share = svg.tag("text", words.percent(round(chance, 2)), x=x + _WIDE / 2, y=y + 20, css="middle strong")
    count = f"{cell['n_found']} of {cell['n_trials']}" if cell["n_trials"] else "not tried"
    below = svg.tag("text", count, x=x + _WIDE / 2, y=y + 35, css="axis middle")
    return svg.group([box, share, below])
