"""What the saved queries of both stores share: titles, their order, parameters and defaults.

A saved query begins with comments: its title, which starts with its place in an investigation, then a line for each
parameter as Neo4j Browser takes it, with its default. Ids have no default: the one shown is only an example.

    // 06 Accounts near the ring that are not members
    // :param ring_id => 'R0001'
    // :param min_items => 2
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from graphdet.errors import UsageError

DEFAULT_LIMIT = 100
LARGEST = 2**63 - 1
ParameterValue = str | int | float
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")
_DECLARED = re.compile(r"^(?://|--) :param (\w+) => (.+?)\s*$", re.MULTILINE)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


def title_of(text: str) -> str:
    """Read the title of a saved query: its first line, a comment in SQL or Cypher.

    >>> title_of("// Top suspects\\nMATCH …"), title_of("-- Top suspects\\nSELECT …")
    ('Top suspects', 'Top suspects')
    """
    return text.lstrip().partition("\n")[0].lstrip("-/ ").strip()


def in_order(titles: Mapping[str, str]) -> dict[str, str]:
    """Sort queries as an investigation goes: by the number in their titles, then by name.

    >>> list(in_order({"a": "02 Then", "b": "01 First", "c": "No number"}))
    ['b', 'a', 'c']
    """

    def place(name: str) -> tuple[bool, str, str]:
        number = titles[name].partition(" ")[0]
        return (not number.isdecimal(), number if number.isdecimal() else "", name)

    return {name: titles[name] for name in sorted(titles, key=place)}


def check_name(name: str, names: Collection[str]) -> None:
    """Check that there is a saved query of that name.

    Raises:
        UsageError: there is none; says the nearest right name, or all.
    """
    if name in names:
        return
    near = difflib.get_close_matches(name, sorted(names), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names))}"
    raise UsageError(f"there is no query {name!r}; {hint}")


def declared(text: str) -> dict[str, ParameterValue]:
    """Read the parameters that a query's comments declare, with their defaults or examples.

    >>> declared("// Near\\n// :param ring_id => 'R0001'\\n// :param min_items => 2\\n// :param share => 0.5")
    {'ring_id': 'R0001', 'min_items': 2, 'share': 0.5}
    """
    return {name: _literal(written) for name, written in _DECLARED.findall(text)}


def needed(name: str) -> bool:
    """Whether a parameter must be given: ids must."""
    return name.endswith("_id")


def _literal(written: str) -> ParameterValue:
    if written.startswith("'"):
        return written.strip("'")
    return float(written) if "." in written else int(written)


def fill_parameters(name: str, text: str, given: Mapping[str, Any]) -> dict[str, ParameterValue]:
    """Give every `$parameter` of a query its value, as the type of its default; `limit` defaults to 100.

    A parameter that the comments do not declare, or whose name ends in _id, is a text and must be given.

    Raises:
        UsageError: a parameter is missing, unknown, or not a number or a time where one is wanted.

    >>> fill_parameters("near", "// :param least => 2\\n… $user_id $least LIMIT $limit", {"user_id": "u1"})
    {'least': 2, 'limit': 100, 'user_id': 'u1'}
    """
    wanted = sorted(set(_PARAMETER.findall(text)))
    unknown = sorted(set(given) - set(wanted))
    if unknown:
        raise UsageError(
            f"query {name} has no parameter {', '.join(unknown)} (it has {', '.join(wanted) or 'none'})"
        )
    defaults: dict[str, ParameterValue] = {"limit": DEFAULT_LIMIT, **declared(text)}
    missing = [key for key in wanted if key not in given and (needed(key) or key not in defaults)]
    if missing:
        raise UsageError(f"query {name} needs {', '.join(missing)}; give it as --param {missing[0]}=VALUE")
    return {
        key: _value(name, key, given.get(key, defaults.get(key)), defaults.get(key, "")) for key in wanted
    }


def _value(name: str, key: str, given: object, like: ParameterValue) -> ParameterValue:
    """What was given for a parameter, as the type of its default.

    Raises:
        UsageError: it is not of that type, or out of range.
    """
    text = str(given)
    if isinstance(like, int):
        return _whole(name, key, text)
    if isinstance(like, float):
        return _number(name, key, text)
    return _time(name, key, text) if _TIME.match(like) else text


def _whole(name: str, key: str, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= LARGEST:
        raise UsageError(f"query {name}: {key} must be a whole number from 0 on, not {text!r}")
    return number


def _number(name: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 1e12:
        raise UsageError(f"query {name}: {key} must be a number, not {text!r}")
    return number


def _time(name: str, key: str, text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"query {name}: {key} must be a time such as 2026-01-31 or 2026-01-31T12:00:00Z, not {text!r}"
        ) from None
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
