"""The ranked reasons of a ring and of its members, as they lie in the evidence column of the rings table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Explained:
    """What explains a ring, as plain data. A reason is {code, strength, text, numbers}, the strongest first.

    member_reasons: user id → reasons; one that shares a device or such also has entity_id and with (user ids).
    would_change: {members, n_members, of_members, n_acts, of_acts, logit, logit_left, threshold, text}, or None.
    """

    reasons: tuple[Row, ...] = ()
    counter_evidence: tuple[Row, ...] = ()
    member_reasons: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    would_change: Row | None = None


def read_explained(text: str | None) -> Explained:
    """Read the explanations out of the evidence column; empty where an earlier version wrote it, or somebody else.

    >>> row = '{"lift": 2.0, "reasons": [{"code": "focus", "strength": 4.0, "text": "t", "numbers": {}}, 7]}'
    >>> read_explained(row).reasons
    ({'code': 'focus', 'strength': 4.0, 'text': 't', 'numbers': {}},)
    >>> read_explained("[]") == read_explained(None) == Explained()
    True
    """
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return Explained()
    if not isinstance(found, dict):
        return Explained()
    of_members, change = found.get("member_reasons"), found.get("would_change")
    return Explained(
        _reasons(found.get("reasons")),
        _reasons(found.get("counter_evidence")),
        {str(user): _reasons(rows) for user, rows in of_members.items()}
        if isinstance(of_members, dict)
        else {},
        change if isinstance(change, dict) and isinstance(change.get("text"), str) else None,
    )


def _reasons(rows: object) -> tuple[Row, ...]:
    """Keep what has the shape of a reason."""
    return tuple(
        row
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
        and isinstance(row.get("code"), str)
        and isinstance(row.get("text"), str)
        and isinstance(row.get("strength"), int | float)
        and isinstance(row.get("numbers"), dict)
    )
