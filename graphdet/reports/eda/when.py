"""Drawings of when things happen: along time, by weekday and hour, by day of the calendar."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg
from graphdet.reports.eda import labels
from graphdet.reports.eda.labels import Scale, linear_ticks
from graphdet.reports.figures.in_time import TimeAxis

WHEN_WIDTH = 1000.0
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LEFT, _RIGHT = 74.0, 985.0
_UNITS = {1: "second", 60: "minute", 3600: "hour", 86400: "day", 7 * 86400: "week", 364 * 86400: "52 weeks"}
LEAST_CALENDAR_DAYS = 57  # of time, below which the line shows the days as well
_MOST_YEARS = 12


def unit(width_s: int) -> str:
    """Name a width of time.

    >>> unit(3600), unit(21600), unit(28 * 86400)
    ('hour', '6 hours', '28 days')
    """
    if width_s in _UNITS:
        return _UNITS[width_s]
    size, name = next(
        (s, n) for s, n in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")) if width_s % s == 0
    )
    return f"{width_s // size} {name}s"


def time_line(time: Mapping[str, Any]) -> Markup:
    """Draw events along time as bars; nothing for a log of one moment."""
    line = time["line"]
    events = line["events"]
    if len(events) < 2:
        return Markup("")
    top, bottom = 26.0, 190.0
    width = line["width_s"] * 1000
    start = line["origin_ms"] + labels.offset_ms(line["origin_ms"], time["zone"])
    end = start + width * len(events)
    axis = TimeAxis([start, end], _LEFT, _RIGHT, cut=False)
    tall = Scale(0, max(events) * 1.05, bottom, top)
    parts = axis.draw(top, bottom)
    for value in linear_ticks(0, max(events) * 1.05, 5):
        y = tall(value)
        parts.append(svg.tag("path", d=f"M{_LEFT:.0f} {y:.1f}H{_RIGHT:.0f}", css="grid"))
        parts.append(svg.tag("text", labels.compact(value), x=_LEFT - 8, y=y + 4, css="axis end"))
    for place, (n, users) in enumerate(zip(events, line["users"], strict=True)):
        if not n:
            continue
        a, b = axis.x(start + place * width), axis.x(start + (place + 1) * width)
        at = (
            words.utc_moment(start + place * width)
            .strftime("%Y-%m-%d %H:%M:%S")
            .removesuffix(":00")
            .removesuffix(" 00:00")
        )
        hover = svg.tag("title", f"{at}: {words.plural(n, 'event')} of {words.plural(users, 'user')}")
        high = max(bottom - tall(n), 0.6)
        parts.append(
            svg.tag("rect", hover, x=a, y=bottom - high, width=max(b - a - 0.8, 0.8), height=high, css="heat")
        )
    name = f"events per {unit(line['width_s'])}"
    parts.append(svg.tag("text", name, x=4, y=13, css="axis"))
    parts.append(svg.tag("text", f"time, {time['zone']}", x=_RIGHT, y=bottom + 33, css="axis end"))
    caption = f"The busiest {unit(line['width_s'])} has {words.plural(max(events), 'event')}."
    return svg.picture(parts, WHEN_WIDTH, 230, "Events along time", caption, "figure-line")


def week(time: Mapping[str, Any]) -> Markup:
    """Draw events by weekday and hour of the day, with the sums at the edges."""
    table = np.array(time["by_weekday_and_hour"], float)
    most = max(table.max(), 1)
    left, top, wide, high = 92.0, 76.0, 33.0, 24.0
    parts = []
    hours, days = table.sum(axis=0), table.sum(axis=1)
    for hour in range(24):
        x = left + hour * wide
        tall = 44 * hours[hour] / max(hours.max(), 1)
        hover = svg.tag("title", f"{hour:02d}:00 – {hour + 1:02d}:00: {words.plural(hours[hour], 'event')}")
        parts.append(
            svg.tag("rect", hover, x=x + 2, y=top - 8 - tall, width=wide - 4, height=tall, css="other-bar")
        )
        if hour % 3 == 0:
            parts.append(svg.tag("text", f"{hour:02d}:00", x=x, y=top + 7 * high + 18, css="axis middle"))
    right = left + 24 * wide
    parts.append(svg.tag("text", "24:00", x=right, y=top + 7 * high + 18, css="axis middle"))
    for day, name in enumerate(WEEKDAYS):
        y = top + day * high
        parts.append(svg.tag("text", name, x=left - 8, y=y + high / 2 + 4, css="axis end"))
        long = 88 * days[day] / max(days.max(), 1)
        hover = svg.tag("title", f"{name}: {words.plural(days[day], 'event')}")
        parts.append(
            svg.tag("rect", hover, x=right + 8, y=y + 3, width=long, height=high - 6, css="other-bar")
        )
        for hour in range(24):
            n = table[day, hour]
            hover = svg.tag("title", f"{name} {hour:02d}:00: {words.plural(n, 'event')}")
            css = "heat cell" if n else "empty-cell"
            shade = f"{0.06 + 0.94 * n / most:.3f}" if n else None
            parts.append(
                svg.tag("rect", hover, x=left + hour * wide + 1, y=y + 1, width=wide - 2, height=high - 2, css=css,
                        fill_opacity=shade)
            )  # fmt: skip
    parts.append(svg.tag("text", "sum by hour", x=left - 8, y=top - 12, css="axis end"))
    parts.append(svg.tag("text", "sum by day", x=right + 8, y=top - 12, css="axis"))
    parts.append(
        svg.tag("text", f"hour of the day, {time['zone']}", x=right, y=top + 7 * high + 36, css="axis end")
    )
    parts += _key(left, top + 7 * high + 27, most)
    day, hour = divmod(int(table.argmax()), 24)
    caption = f"Most events on {WEEKDAYS[day]} from {hour:02d}:00, {words.plural(most, 'event')}."
    return svg.picture(parts, WHEN_WIDTH, 290, "Events by weekday and hour", caption, "figure-week")


def _key(x: float, y: float, most: float) -> list[Markup]:
    """The legend of a heat map: none to most."""
    parts = [svg.tag("text", "0", x=x, y=y + 10, css="axis")]
    for step in range(6):
        shade = f"{0.06 + 0.94 * step / 5:.2f}"
        parts.append(
            svg.tag("rect", x=x + 12 + step * 18, y=y, width=17, height=11, css="heat", fill_opacity=shade)
        )
    parts.append(svg.tag("text", f"{words.plural(most, 'event')}", x=x + 126, y=y + 10, css="axis"))
    return parts


def calendar(by_day: Sequence[Sequence[Any]]) -> Markup:
    """Draw the events of each day of a long log, a block of weeks a year; nothing where the log is short."""
    days = {date.fromisoformat(day): int(n) for day, n in by_day}
    if not days:
        return Markup("")
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    if (last - first).days < LEAST_CALENDAR_DAYS or len(years) > _MOST_YEARS:
        return Markup("")
    # By rank rather than size: one rush would leave all other days pale.
    sizes = np.sort(np.array(list(days.values())))
    cell, left, top = 16.6, 74.0, 22.0
    parts: list[Markup] = []
    shades: dict[int, str] = {}
    for block, year in enumerate(years):
        y0 = top + block * (7 * cell + 24)
        parts.append(svg.tag("text", str(year), x=4, y=y0 + 4 * cell, css="strong"))
        for row in (0, 2, 4, 6):
            parts.append(
                svg.tag("text", WEEKDAYS[row][:2], x=left - 6, y=y0 + (row + 0.75) * cell, css="tiny end")
            )
        start = date(year, 1, 1)
        for k in range(366):
            day = start + timedelta(days=k)
            if day.year != year or not first <= day <= last:
                continue
            column = (k + start.weekday()) // 7
            x, y = left + column * cell, y0 + day.weekday() * cell
            if day.day == 1 or (day == first and day.day < 20):
                parts.append(svg.tag("text", day.strftime("%b"), x=x, y=y0 - 5, css="tiny"))
            n = days.get(day, 0)
            level = (
                0
                if not n
                else 1 + min(4, int(5 * np.searchsorted(sizes, n, side="right") / (len(sizes) + 1)))
            )
            box = f"M{x:.1f} {y:.1f}h{cell - 2:.1f}v{cell - 2:.1f}h-{cell - 2:.1f}z"
            shades[level] = shades.get(level, "") + box
    for level, path in sorted(shades.items()):
        css, shade = ("heat", f"{0.08 + 0.23 * (level - 1):.2f}") if level else ("empty-cell", None)
        parts.append(svg.tag("path", d=path, css=css, fill_opacity=shade))
    silent = (last - first).days + 1 - len(days)
    caption = f"{words.plural(len(days), 'day')} with events and {silent} without, from {first} to {last}."
    return svg.picture(
        parts, WHEN_WIDTH, top + len(years) * (7 * cell + 24), "Events by day", caption, "figure-calendar"
    )
