"""What the saved queries of both stores share: titles, parameters and their defaults."""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

from graphdet.errors import UsageError

DEFAULT_LIMIT = 100
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")


def title_of(text: str) -> str:
    """Read the title of a saved query: its first line, a comment in SQL or Cypher.

    >>> title_of("// Top suspects\\nMATCH …"), title_of("-- Top suspects\\nSELECT …")
    ('Top suspects', 'Top suspects')
    """
    return text.lstrip().partition("\n")[0].lstrip("-/ ").strip()


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


def fill_parameters(name: str, text: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give every `$parameter` of a query its value: `limit` defaults to 100, the others are required texts.

    Raises:
        UsageError: a parameter is missing, unknown, or `limit` is not a whole number from 0 on.

    >>> fill_parameters("co-actors", "… $user_id LIMIT $limit", {"user_id": "u1"})
    {'limit': 100, 'user_id': 'u1'}
    """
    wanted = sorted(set(_PARAMETER.findall(text)))
    unknown = sorted(set(given) - set(wanted))
    if unknown:
        raise UsageError(
            f"query {name} has no parameter {', '.join(unknown)} (it has {', '.join(wanted) or 'none'})"
        )
    missing = [key for key in wanted if key not in given and key != "limit"]
    if missing:
        raise UsageError(f"query {name} needs {', '.join(missing)}; give it as {missing[0]}=VALUE")
    filled: dict[str, Any] = {}
    for key in wanted:
        filled[key] = _limit(name, given.get(key, DEFAULT_LIMIT)) if key == "limit" else str(given[key])
    return filled


def _limit(name: str, value: object) -> int:
    try:
        limit = int(str(value))
    except ValueError:
        limit = -1
    if limit < 0:
        raise UsageError(f"query {name}: limit must be a whole number from 0 on, not {value!r}")
    return limit
