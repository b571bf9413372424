"""Pictures of the social spam case: a PR curve and a calibration curve, as SVG without any library."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_SIZE, _MARGIN = 360, 44
_COLOURS = ("#1f5fa8", "#c2571a", "#3c8d40", "#7a4fa3")
Curve = tuple[Float, Float]
_ACTIVE = frozenset("&<>|`[]*_!\\@:~#")


def precision_recall(score: Float, y: NDArray[np.int8]) -> Curve:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(y[order])
    last = np.append(np.diff(score[order]) != 0, True)  # ties fall together
    return (hits / y.sum())[last], (hits / (np.arange(len(y)) + 1))[last]


def calibration(probability: Float, y: NDArray[np.int8], n_bins: int = 10) -> Curve:
    """Mean probability and share of spam in bins of equal size."""
    parts = np.array_split(np.argsort(probability, kind="stable"), n_bins)
    return np.array([probability[p].mean() for p in parts]), np.array([y[p].mean() for p in parts])


def draw(
    path: Path, curves: Mapping[str, Curve], x_name: str, y_name: str, low: float, *, diagonal: bool = False
) -> None:
    """Write curves as one SVG; both axes run from `low` to 1."""
    inner = _SIZE - 2 * _MARGIN

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            round(_MARGIN + (x - low) / (1 - low) * inner, 1),
            round(_SIZE - _MARGIN - (y - low) / (1 - low) * inner, 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{_SIZE}" height="{_SIZE}" fill="white"/>',
    ]
    for tick in np.linspace(low, 1, 6).round(3).tolist():
        (x, bottom), (left, y) = at(tick, low), at(low, tick)
        top, right = at(low, 1)[1], at(1, low)[0]
        parts += [
            f'<path d="M{x} {bottom}V{top}M{left} {y}H{right}" stroke="#ddd" fill="none"/>',
            f'<text x="{x}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{left - 5}" y="{y + 4}" text-anchor="end">{tick:g}</text>',
        ]
    if diagonal:
        (x0, y0), (x1, y1) = at(low, low), at(1, 1)
        parts.append(f'<path d="M{x0} {y0}L{x1} {y1}" stroke="#999" stroke-dasharray="4 3" fill="none"/>')
    for n, (name, (x, y)) in enumerate(curves.items()):
        colour = _COLOURS[n % len(_COLOURS)]
        kept = [(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True) if a >= low and b >= low]
        line = "L".join("{} {}".format(*at(a, b)) for a, b in kept)
        parts.append(f'<path d="M{line}" stroke="{colour}" stroke-width="1.6" fill="none"/>')
        parts.append(
            f'<text x="{_MARGIN + 8}" y="{_SIZE - _MARGIN - 10 - 14 * n}" fill="{colour}">{name}</text>'
        )
    parts += [
        f'<text x="{_SIZE / 2}" y="{_SIZE - 10}" text-anchor="middle">{x_name}</text>',
        f'<text x="12" y="{_SIZE / 2}" text-anchor="middle" transform="rotate(-90 12 {_SIZE / 2})">{y_name}</text>',
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def shown(text: str, most: int = 70) -> str:
    """A hostile text as a cell of a Markdown table: code, nothing in it can act or end the cell."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 4 * most])
    plain = " ".join(plain.split())[:most]
    return "".join(f"&#{ord(c)};" if c in _ACTIVE else c for c in plain)
