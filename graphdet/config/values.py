"""What one value of a config may be: the checks of each key, and how a message calls what is allowed.

Whatever passes here can be used: a number is finite and of a size that milliseconds since 1970 can bear, a text has
no NUL and is no novel, a zone and an encoding are known to what reads with them.
"""

import math
import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

ValueCheck = Callable[[Any], bool]
Rule = tuple[ValueCheck, str]  # what a value must hold, and how that is called in a message

_MOST_CHARS = 1_000  # of a text
MOST_ENTRIES = 500  # of a table or list: each becomes a part of one query
_MOST_COLUMNS = 20_000  # of [read] names
_MOST_SECONDS = 1e9  # 31 years
_WHOLE = 2**53  # from here on neighbours are the same number
_MOST_DELIMITER = 4  # bytes
_SHOWN = 60  # characters of a wrong value in a message
# Sources of random bytes, or no zone of their own: the zone of whichever machine reads.
_NO_ZONES = {"localtime", "Factory"}
_NOT_OF_LINES = {"idna", "punycode", "undefined"}  # encodings of names, not of files
_DIRECTIVE = re.compile("%(-?[dHIjmMSy]|[aAbBcfgGhnpTuUVwWxXYzZ%])")


def is_text(value: Any) -> bool:
    """Whether a value is a text that names something: not blank, no NUL, valid Unicode, not too long."""
    return (
        isinstance(value, str)
        and value.strip() != ""
        and len(value) <= _MOST_CHARS
        and "\0" not in value
        and not any("\ud800" <= c <= "\udfff" for c in value)
    )


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; whole ones up to where each is told from its neighbours."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _WHOLE if isinstance(value, int) else math.isfinite(value)


def is_texts(value: Any, most: int = MOST_ENTRIES) -> bool:
    """Whether a value is a list of texts, one at least."""
    return isinstance(value, list) and 0 < len(value) <= most and all(map(is_text, value))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000


def _is_seconds(value: Any) -> bool:
    return is_number(value) and 0 < value <= _MOST_SECONDS


def _is_text_map(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= MOST_ENTRIES
        and all(is_text(k) and is_text(v) for k, v in value.items())
    )


def _is_delimiter(value: Any) -> bool:
    return (
        isinstance(value, str)
        and is_printed(value, "\t ")
        and 1 <= len(value.encode("utf-8", "replace")) <= _MOST_DELIMITER
    )


def _is_quote(value: Any) -> bool:
    if value == "":
        return True
    single = isinstance(value, str) and len(value) == 1 and value.isascii()
    return single and value.isprintable() and not value.isalnum() and value not in " ,;"


def is_printed(text: str, also: str = "") -> bool:
    """Whether every character of a text is seen on paper, or one of `also`."""
    return all(c.isprintable() or c in also for c in text)


def _is_encoding(value: Any) -> bool:
    """Whether it is an encoding of texts: rot13, hex, base64 and zlib, which Python knows too, are none."""
    if not is_text(value) or value.lower() in _NOT_OF_LINES:
        return False
    try:
        b"-".decode(value)
    except UnicodeDecodeError:
        return True  # half a character of UTF-16, for example
    except (LookupError, ValueError):
        return False
    return True


def is_filter(value: Any) -> bool:
    """Whether it is a value, a list of values or a span of numbers."""
    if isinstance(value, dict):
        right = bool(value) and set(value) <= {"min", "max"} and all(map(is_number, value.values()))
        return right and value.get("min", -math.inf) <= value.get("max", math.inf)
    each = value if isinstance(value, list) else [value]
    return 0 < len(each) <= MOST_ENTRIES and all(
        v == "" or is_text(v) or isinstance(v, bool) or is_number(v) for v in each
    )


def iso_ms(text: str) -> int:
    """Milliseconds since 1970-01-01 UTC of an ISO date or time; without an offset it is UTC.

    Raises:
        ValueError: it is not an ISO date or time.

    >>> iso_ms("1970-01-02")
    86400000
    """
    at = datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return round(at.timestamp() * 1000)


def _is_date(value: Any) -> bool:
    """Whether it is an ISO date or time that, told in UTC, still is in the calendar."""
    try:
        datetime.fromtimestamp(iso_ms(value) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return False
    return True


def is_zone(value: str) -> bool:
    """Whether it is a time zone by the name it has everywhere."""
    return value in _zones()


@cache
def _zones() -> frozenset[str]:
    """All zones; posix/…, right/… and posixrules are files of some machines and none of them."""
    return frozenset(zoneinfo.available_timezones() - _NO_ZONES)


def zones() -> list[str]:
    """Names of all time zones."""
    return sorted(_zones())


def is_time_format(value: str) -> bool:
    """Whether it is a strptime format: every % begins a directive, and it has one.

    >>> is_time_format("%d/%m/%Y %H:%M"), is_time_format("%Q"), is_time_format("100%")
    (True, False, False)
    """
    rest = _DIRECTIVE.sub("", value)
    return rest != value and "%" not in rest and is_printed(value, "\t ")


def legible(value: Any) -> str:
    """Write a wrong value into a message: one line, and not more of it than helps.

    >>> legible("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return f"a number of more than {_SHOWN} digits"
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits within
        return f"a {'table' if isinstance(value, dict) else 'list'} that nobody can read"
    text = " ".join(text.split("\n"))
    half = (_SHOWN - 3) // 2
    return text if len(text) <= _SHOWN else f"{text[:half]}…{text[-half - 1 :]}"


A_TEXT: Rule = (is_text, f"a text of at most {_MOST_CHARS:,} characters, not blank and without NUL")
AN_ITEM: Rule = (lambda v: is_text(v) or is_texts(v), "a text or a list of texts, none of them blank")
WORD_LIST: Rule = (is_texts, f"a list of texts, none of them blank, {MOST_ENTRIES} at most")
COLUMN_LIST: Rule = (
    lambda v: is_texts(v, _MOST_COLUMNS),
    f"a list of texts, none of them blank, {_MOST_COLUMNS:,} at most",
)
A_FLAG: Rule = (lambda v: isinstance(v, bool), "true or false")
A_NUMBER: Rule = (is_number, "a finite number")
A_SPAN: Rule = (_is_seconds, f"a number of seconds above 0, {_MOST_SECONDS:,.0f} (31 years) at most")
SOME_DAYS: Rule = (lambda v: is_number(v) and 0 < v <= 36_500, "a number of days above 0, 36,500 at most")
A_WIDTH: Rule = (_is_count, "a whole number of columns above 0, 100,000 at most")
A_USER_COUNT: Rule = (_is_count, "a whole number of accounts above 0, 100,000 at most")
A_DATE: Rule = (_is_date, 'an ISO date such as "2020-01-31", in quotes, of the years 1 to 9999')
A_SHARE: Rule = (lambda v: is_number(v) and 0 <= v <= 1, "a share from 0 to 1")
WORD_MAP: Rule = (
    _is_text_map,
    f"a table of texts, none of them blank, {MOST_ENTRIES} at most",
)
A_DELIMITER: Rule = (
    _is_delimiter,
    'one character that can be seen, a blank or "\\t", or up to four such as "::"',
)
A_LINE_COUNT: Rule = (
    lambda v: (v == 0 and not isinstance(v, bool)) or _is_count(v),
    "a whole number of lines, 100,000 at most",
)
A_DECIMAL: Rule = (lambda v: v in (".", ","), '"." or ","')
NO_VALUES: Rule = (lambda v: v == [] or is_texts(v), f"{WORD_LIST[1]}, or [] for none")
A_LINE_SIZE: Rule = (lambda v: is_number(v) and 0 < v <= 1024, "a number of MB above 0, 1,024 at most")
AN_UNFOLDING: Rule = (lambda v: is_number(v) and 1 <= v <= 1e6, "a number from 1 to 1,000,000")
A_QUOTE: Rule = (
    _is_quote,
    'one sign such as " or \' (no letter, digit, blank, comma or semicolon), or "" for none',
)
AN_ENCODING: Rule = (
    _is_encoding,
    "the name of an encoding of texts, such as utf-8, cp1252, latin-1 or utf-16",
)
A_FILTER: Rule = (
    is_filter,
    f"a value, a list of values ({MOST_ENTRIES} at most), or {{ min = …, max = … }}; numbers are finite, whole "
    "ones below 2^53 (larger ones as texts), and min is not above max",
)
