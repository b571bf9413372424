"""What numbers and features are called on the page, and the scales of its drawings.

Scales are linear or logarithmic, with round ticks.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from graphdet import words
from graphdet.reports import svg

_FEATURES = {
    "n_events": "events",
    "n_items": "distinct items",
    "n_users": "distinct users",
    "n_sessions": "sessions",
    "items_per_session": "events per session",
    "repeat_share": "share of repeats",
    "span_h": "hours from first to last",
    "n_active_days": "active days",
    "edges_per_active_hour": "events per active hour",
    "gap_log_mean": "mean gap between events",
    "gap_log_std": "spread of gaps",
    "gap_log_min": "shortest gap",
    "hour_concentration": "same time of day",
    "item_rarity_mean": "rarity of its items",
    "item_rarity_std": "spread of item rarity",
    "rare_item_share": "share of rare items",
    "item_age_log_mean": "age of items when acted on",
    "busiest_hour_share": "share in busiest hour",
    "item_lift_mean": "rush on its items",
    "main_action_share": "share of main action",
    "action_entropy": "variety of actions",
    "n_entities": "shared entities",
    "entity_users_log_max": "users on one entity",
    "hours_alive_share": "share of hours with events",
    "user_activity_log_mean": "activity of its users",
    "user_activity_log_std": "spread of users' activity",
    "hour_of_day": "hour of the day",
    "text_length": "length of text",
    "night_share": "share at night",
    "hour": "hour of the day",
    "user_events": "user's events before",
    "user_items": "user's items before",
    "user_gap_s": "time since user's last event",
    "user_age_s": "time since user's first event",
    "user_amount_ratio": "amount to user's usual",
    "user_week_ratio": "user's week to usual",
    "item_events": "item's events before",
    "item_users": "item's users before",
    "item_gap_s": "time since item's last event",
    "item_age_s": "time since item's first event",
    "item_amount_ratio": "amount to item's usual",
    "item_week_ratio": "item's week to usual",
    "pair_events": "same user and item before",
    "pair_gap_s": "time since the pair's last",
    "session_events": "session's events before",
    "same_action": "user's same action before",
    "same_text": "same text before",
    "user_entities": "user's entities so far",
    "new_entities": "entities new to user",
    "entity_users": "others on its entity",
    "amount_mean": "mean amount",
    "amount_max": "largest amount",
    **{
        f"{who}_events_{span}": f"{who}'s events, last {words_of}"
        for who in ("user", "item")
        for span, words_of in (("1h", "hour"), ("1d", "day"), ("7d", "7 days"))
    },
}
_SIZES = {
    "events_per_user": ("Events per user", "events", "users"),
    "items_per_user": ("Distinct items per user", "items", "users"),
    "events_per_item": ("Events per item", "events", "items"),
    "events_per_session": ("Events per session", "events", "sessions"),
    "session_seconds": ("Length of a session", "time", "sessions"),
    "gap_seconds": ("Gap between a user's events", "time", "gaps"),
    "amount": ("Amount", "amount", "events"),
    "quantity": ("Quantity", "quantity", "events"),
    "text_length": ("Length of the text", "characters", "events"),
}
METHODS = {"z": "z-score", "iqr": "IQR", "ecod": "ECOD"}
_DAY = 86400
_TIMES = ((1e-3, "1 ms"), (1, "1 s"), (60, "1 min"), (3600, "1 h"), (_DAY, "1 d"), (30 * _DAY, "30 d"))


def feature(name: str, width: int = 28) -> str:
    """Name a feature for people; an unknown one by its own name, as it may be a column of the log."""
    return words.shorten(_FEATURES.get(name, name.replace("_", " ")), width)


def size_words(name: str) -> tuple[str, str, str]:
    """Title, unit and things counted of a distribution."""
    return _SIZES[name]


def compact(value: float) -> str:
    """Write a number of an axis.

    >>> [compact(v) for v in (0.001, 0.5, 1, 1000, 250000, 3e6, 1e12, 1e-7)]
    ['0.001', '0.5', '1', '1,000', '250,000', '3 M', '10¹²', '10⁻⁷']
    """
    size = abs(value)
    if value == 0 or 1e-3 <= size < 1e6:
        return f"{value:,.3f}".rstrip("0").rstrip(".") if size < 1000 else f"{value:,.0f}"
    if 1e6 <= size < 1e9:
        return f"{value / 1e6:,.3g} M".replace("e+02", "00")
    power = math.floor(math.log10(size) + 1e-9)
    lead = value / 10.0**power
    digits = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}" if abs(lead - 1) < 1e-9 else f"{lead:.2g}·10{digits}"


def time_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round times between two, in seconds, with their names."""
    return [(at, name) for at, name in _TIMES if low <= at <= high]


def amount_of_time(seconds: float) -> str:
    """Write a time as people say it; months and years too.

    >>> amount_of_time(30.0), amount_of_time(86400 * 800)
    ('30 s', '2.2 years')
    """
    if seconds >= 86400 * 730:
        return f"{seconds / 86400 / 365.25:.1f} years"
    return words.duration(seconds)


def sized(name: str, value: float) -> str:
    """Write a value of a distribution in its unit."""
    return amount_of_time(value) if name.endswith("_seconds") else short(value)


def short(value: float) -> str:
    """Write a measured number short: `figure`, but large ones by powers of ten.

    >>> short(1234.5), short(2.5e7), short(1e200)
    ('1,234', '25 M', '10²⁰⁰')
    """
    return words.figure(value) if abs(value) < 1e6 else compact(float(f"{value:.2g}"))


def signed(value: float) -> str:
    """Write a correlation.

    >>> signed(-0.973), signed(0.5), signed(1.0)
    ('−.97', '.50', '1.00')
    """
    text = f"{abs(value):.2f}"
    return ("−" if value < 0 and text != "0.00" else "") + (
        text if text == "1.00" else text.removeprefix("0")
    )


def offset_ms(at_ms: float, zone: str) -> int:
    """How far a zone is ahead of UTC at a moment, in milliseconds."""
    ahead = words.utc_moment(at_ms).astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
    return round(ahead / timedelta(milliseconds=1))


def period(at_ms: float, width_s: int, zone: str) -> str:
    """Name a period by its start, in a zone."""
    style = "%d %b %Y" if width_s >= 28 * 86400 else "%d %b" if width_s >= 86400 else "%d %b %H:%M"
    return words.utc_moment(at_ms + offset_ms(at_ms, zone)).strftime(style)


Tick = tuple[float, str]


@dataclass(frozen=True)
class Scale:
    """Values from low to high drawn from start to end; a logarithmic scale takes what is above 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value is drawn, clipped to the scale."""
        low, high = self.low, self.high
        value = min(max(value, low), high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        part = (value - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[Tick]:
        """Round values on the scale, with their texts."""
        values = (
            _log_ticks(self.low, self.high, most) if self.log else linear_ticks(self.low, self.high, most)
        )
        return [(value, compact(value)) for value in values]


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values from low to high, at most so many.

    >>> linear_ticks(0, 0.31, 4)
    [0.0, 0.1, 0.2, 0.3]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(most - 1, 1)
    scale = 10.0 ** math.floor(math.log10(rough))
    steps = [step * scale for step in (1, 2, 5, 10, 20)]
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(n * step, 12) for n in range(first, last + 1)]
    return [low]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        every = max(1, math.ceil((last - first + 1) / most))
        return [10.0**power for power in range(first, last + 1, every)]
    steps = [step * 10.0**power for power in range(first - 1, last + 1) for step in (1, 2, 5)]
    found = [value for value in steps if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    return found[:: max(1, math.ceil(len(found) / most))]


def across(scale: Scale, ticks: list[Tick], y: float, name: str, top: float | None = None) -> list[Markup]:
    """Draw an axis below, with ticks, texts that do not touch, its name, and grid lines up to `top`."""
    parts = [svg.tag("path", d=f"M{scale.start:.1f} {y:.1f}H{scale.end:.1f}", css="axis-line")]
    taken = -1e9
    for value, text in ticks:
        x = scale(value)
        if top is not None:
            parts.append(svg.tag("path", d=f"M{x:.1f} {top:.1f}V{y:.1f}", css="grid"))
        parts.append(svg.tag("path", d=f"M{x:.1f} {y:.1f}v4", css="axis-line"))
        half = 3.2 * len(text) + 4
        if min(x, scale.end + 8 - half) - half < taken:
            continue
        at_end = x + half > scale.end + 12  # would run out of the picture
        parts.append(
            svg.tag(
                "text",
                text,
                x=scale.end + 8 if at_end else x,
                y=y + 17,
                css="axis end" if at_end else "axis middle",
            )
        )
        taken = x + half
    parts.append(svg.tag("text", name, x=scale.end, y=y + 34, css="axis end"))
    return parts


def upward(scale: Scale, ticks: list[Tick], left: float, right: float, name: str) -> list[Markup]:
    """Draw grid lines with texts on the left, and the axis's name above."""
    parts = []
    for value, text in ticks:
        y = scale(value)
        parts.append(svg.tag("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", css="grid"))
        parts.append(svg.tag("text", text, x=left - 6, y=y + 4, css="axis end"))
    parts.append(svg.tag("text", name, x=4, y=12, css="axis"))
    return parts
