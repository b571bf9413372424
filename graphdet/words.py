"""Numbers, times and names as people read them; nothing here escapes HTML, the templates do that."""

import math
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Joiners are invisible but hold emoji and some scripts together.
_KEPT = {"\u200c", "\u200d"}
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str) -> str:
    r"""Show control and direction characters as escapes, so that no name can hide or reorder text.

    >>> visible("a\x00b\u202ec\n")
    'a\\x00b\\u202ec\\n'
    >>> visible("plain 🛒 שלום")
    'plain 🛒 שלום'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if unicodedata.category(c) in _HIDDEN and c not in _KEPT
        else c
        for c in text
    )


def shorten(text: str, width: int) -> str:
    """Cut a visible text to `width` characters, keeping both ends.

    >>> shorten("user-000000000000001234", 12)
    'user-0…01234'
    """
    shown = visible(text)
    if len(shown) <= width:
        return shown
    tail = (width - 1) // 2
    return f"{shown[: width - 1 - tail]}…{shown[len(shown) - tail :]}"


def thousands(n: float) -> str:
    """Write a whole number with thin separators.

    >>> thousands(2988181)
    '2,988,181'
    """
    return f"{round(n):,}"


def figure(value: float | None) -> str:
    """Write a measured number with as many digits as mean something.

    >>> figure(0.91666), figure(12.0), figure(1234567.8), figure(3.2e-9), figure(None), figure(float("nan"))
    ('0.92', '12', '1,234,568', '3.2e-09', '–', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if value == round(value) or size >= 1000:
        return thousands(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 else f"{value:.2g}"


def score_in_words(value: float | None) -> str:
    """Write a score in [0, 1] with three digits, never rounded up to certainty.

    >>> score_in_words(0.99997), score_in_words(0.5), score_in_words(1e-9), score_in_words(None)
    ('> 0.999', '0.500', '< 0.001', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if 0.999 < value < 1:
        return "> 0.999"
    if 0 < value < 0.001:
        return "< 0.001"
    return f"{value:.3f}"


def chance(value: float | None, among: float | None = None) -> str:
    """Write a p- or q-value, at most what so many accounts, `among`, can show.

    >>> chance(0.0312), chance(4.2e-7), chance(0.0)
    ('0.031', '4.2e-07', '< 1e-300')
    >>> chance(6.8e-15, 20_388), chance(0.0312, 20_388)
    ('< 1 in 20,388', '0.031')
    """
    if value is None or math.isnan(value):
        return "–"
    if among and value * among < 1:
        return f"< 1 in {thousands(among)}"
    if value <= 0:
        return "< 1e-300"
    return f"{value:.2g}"


def percent(share: float | None) -> str:
    """Write a share as a percentage.

    >>> percent(0.5), percent(0.001), percent(1.0), percent(0.9996)
    ('50 %', '0.1 %', '100 %', '99.9 %')
    """
    if share is None or math.isnan(share):
        return "–"
    hundred = share * 100
    if 0 < hundred < 10:
        return f"{max(hundred, 0.1):.1f} %".replace(".0 %", " %")
    if 99 < hundred < 100:
        return "99.9 %" if hundred > 99.5 else "99 %"
    return f"{hundred:.0f} %"


def utc_moment(at_ms: float) -> datetime:
    """Turn milliseconds since 1970 into a UTC time; out of range times are clipped to the years 1 to 9999."""
    limit = 253_402_300_799_000
    return _EPOCH + timedelta(milliseconds=int(min(max(at_ms, -62_135_596_800_000), limit)))


def clock(at_ms: float) -> str:
    """Write a time for people, to the second, in UTC.

    >>> clock(1_506_826_800_123)
    '2017-10-01 03:00:00'
    """
    return utc_moment(at_ms).strftime("%Y-%m-%d %H:%M:%S")


@lru_cache(maxsize=1 << 16)  # every format of a ring has the same times
def iso(at_ms: float) -> str:
    """Write a time for machines, to the millisecond, in UTC.

    >>> iso(1_506_826_800_123)
    '2017-10-01T03:00:00.123Z'
    """
    return utc_moment(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(text: str) -> int:
    """Read an ISO 8601 time (UTC where it names no zone) as milliseconds since 1970.

    >>> milliseconds("2017-10-01T03:00:00.123Z")
    1506826800123
    """
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return round((at - _EPOCH) / timedelta(milliseconds=1))


def plural(n: float, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> plural(1, "account"), plural(1200, "account"), plural(2, "category", "categories")
    ('1 account', '1,200 accounts', '2 categories')
    """
    return f"{thousands(n)} {one if n == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Write a time span with one unit, or two where the second matters.

    >>> duration(0.4), duration(42), duration(5400), duration(200_000)
    ('0.4 s', '42 s', '1 h 30 min', '2 d 8 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    for unit, size, lower, lower_size in (
        ("min", 60, "", 60),
        ("h", 3600, "min", 60),
        ("d", 86400, "h", 3600),
    ):
        if seconds < size * {"min": 60, "h": 48, "d": math.inf}[unit]:
            whole, rest = divmod(seconds, size)
            small = round(rest / lower_size) if lower else 0
            if lower and small * lower_size >= size:
                whole, small = whole + 1, 0
            return f"{whole:.0f} {unit}" + (f" {small} {lower}" if lower and small and whole < 10 else "")
    return f"{seconds:.0f} s"
