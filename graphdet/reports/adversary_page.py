"""The page of `graphdet power --adversary`: acts gained against the chance to be found, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from graphdet import words
from graphdet.files import write_text
from graphdet.reports import html, svg

_LEFT, _TOP, _WIDE, _HIGH = 56.0, 40.0, 560.0, 240.0
# What is drawn: name, keys of found, trials, low and high, class of its colour, shift to the right.
_LINES = (
    ("tactics as drawn", "random_found", "random_trials", "random_low", "random_high", "cx", -9.0),
    ("the best tactic", "found", "trials", "low", "high", "c0", 0.0),
    ("the best, after one training", "found_after", "trials", "low_after", "high_after", "c1", 9.0),
)


def write_adversary_page(path: Path, answers: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> Path:
    """Write the page.

    answers: one for each yield, as in adversary.json. facts: what the template shows, see adversary.html.j2.

    Raises:
        GraphdetError: the file cannot be written.
    """
    return write_text(path, html.render("adversary.html.j2", curve=gain_curve(answers), **facts))


def gain_curve(answers: Sequence[Mapping[str, Any]]) -> Markup:
    """Draw the chance to be found by the acts gained, evenly spaced by yield, with 95 % intervals."""
    step = _WIDE / max(len(answers), 1)
    middle = [_LEFT + (n + 0.5) * step for n in range(len(answers))]
    parts = [
        svg.tag("line", x1=_LEFT, y1=_y(share), x2=_LEFT + _WIDE, y2=_y(share), css="grid")
        + svg.tag("text", words.percent(share), x=_LEFT - 8, y=_y(share) + 4, css="axis end")
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    parts += [
        svg.tag("text", words.thousands(round(answer["acts"])), x=x, y=_TOP + _HIGH + 18, css="axis middle")
        for answer, x in zip(answers, middle, strict=True)
    ]
    parts.append(
        svg.tag("text", "acts on targets", x=_LEFT + _WIDE / 2, y=_TOP + _HIGH + 36, css="axis middle")
    )
    for kind, (name, found, trials, low, high, colour, shift) in enumerate(_LINES):
        x = _LEFT + 8 + kind * 180
        parts.append(svg.mark(kind, x, 16, 4.5, name, colour))
        parts.append(svg.tag("text", name, x=x + 10, y=20, css="axis"))
        for answer, at in zip(answers, middle, strict=True):
            parts.append(_point(answer, at + shift, kind, (name, found, trials, low, high), colour))
    return svg.picture(
        parts,
        _LEFT + _WIDE + 10,
        _TOP + _HIGH + 44,
        "Acts gained and the chance to be found",
        "For each yield the chance that a campaign is found: of tactics drawn at random, of the best, and of the best "
        "once the judge has learned it.",
        "power-figure",
    )


def _point(
    answer: Mapping[str, Any], x: float, kind: int, keys: tuple[str, str, str, str, str], colour: str
) -> Markup:
    name, found, trials, low, high = keys
    n = answer[trials]
    if not n:
        return Markup("")
    share = answer[found] / n
    caption = (
        f"{name}, {answer['acts']:,.0f} acts: {answer[found]} of {n} found (95 %: {words.percent(answer[low])} to "
        f"{words.percent(answer[high])})"
    )
    line = svg.tag("line", x1=x, y1=_y(answer[low]), x2=x, y2=_y(answer[high]), css="axis-line")
    return svg.group([line, svg.mark(kind, x, _y(share), 4.5, caption, colour)])


def _y(share: float) -> float:
    return _TOP + (1 - share) * _HIGH
