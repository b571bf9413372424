"""Reasons with codes, strengths and numbers, where the rings bring them; else the one sentence that each has."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_KNOWN = ("code", "strength", "text", "numbers")
REASONS_KEY, COUNTER, CHANGE, MEMBERS = "reasons", "counter_evidence", "would_change", "member_reasons"
GNN_KEY = "gnn"


@dataclass(frozen=True)
class Reason:
    """One reason for or against, in words; `strength` and `numbers` as whoever found it measured them.

    `more` is what else came with it, such as the device that members share and with whom.
    """

    code: str
    text: str
    strength: float | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Write the reason as JSON."""
        known = {
            "code": self.code,
            "strength": self.strength,
            "text": self.text,
            "numbers": dict(self.numbers),
        }
        return known | {key: value for key, value in self.more.items() if key not in known}


@dataclass(frozen=True)
class Explanation:
    """What a ring says of itself: for, against, what would change the verdict, and reasons per member.

    `would_change` has a `text`, and the numbers behind it; `gnn` see read_gnn.
    """

    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    would_change: Mapping[str, Any] | None
    members: Mapping[str, tuple[Reason, ...]]
    gnn: Mapping[str, Any] | None = None


def read_explanation(ring: Mapping[str, Any], sentence: str) -> Explanation:
    """Read a ring's own reasons out of its evidence; reasons that are absent come from `sentence`.

    The evidence (JSON text) may hold `reasons` and `counter_evidence`, lists of {code, strength, text, numbers};
    `member_reasons`, user_id → such a list; and `would_change`, an object with a `text`.
    """
    evidence = _parsed(ring.get("evidence"))
    evidence = evidence if isinstance(evidence, Mapping) else {}
    of_members, change = evidence.get(MEMBERS), evidence.get(CHANGE)
    parts = [part.strip().rstrip(".") for part in sentence.split("; ") if part.strip()]
    plain = tuple(Reason("sentence", f"{part[:1].upper()}{part[1:]}.") for part in parts)
    return Explanation(
        reasons=read_reasons(evidence.get(REASONS_KEY)) or plain,
        against=read_reasons(evidence.get(COUNTER)),
        would_change=change if isinstance(change, Mapping) and isinstance(change.get("text"), str) else None,
        members={str(user): read_reasons(rows) for user, rows in of_members.items()}
        if isinstance(of_members, Mapping)
        else {},
        gnn=read_gnn(evidence.get(GNN_KEY)),
    )


def read_gnn(value: Any) -> Mapping[str, Any] | None:
    """Read what the network says of the members together; None where it is not all there.

    Keys: n_members, logit, baseline, sums (effects by kind) and features, a list of {text, effect, …}.
    """
    if not isinstance(value, Mapping):
        return None
    numbers = [value.get("logit"), value.get("baseline"), value.get("n_members")]
    sums, features = value.get("sums"), value.get("features")
    if not isinstance(sums, Mapping) or not isinstance(features, Sequence):
        return None
    numbers += [
        *sums.values(),
        *(row.get("effect") if isinstance(row, Mapping) else None for row in features),
    ]
    if not all(isinstance(number, int | float) for number in numbers):
        return None
    return value if all(isinstance(row.get("text"), str) for row in features) else None


def read_reasons(value: Any) -> tuple[Reason, ...]:
    """Read a list of reasons; whatever has no text is left out.

    >>> read_reasons([{"code": "rare", "strength": 3, "text": "Rare items.", "numbers": {"n": 9}}, 7])[0].code
    'rare'
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        return ()
    found = []
    for row in value:
        if isinstance(row, Mapping) and row.get("text"):
            strength, numbers = row.get("strength"), row.get("numbers")
            found.append(
                Reason(
                    code=str(row.get("code") or ""),
                    text=str(row["text"]),
                    strength=float(strength) if isinstance(strength, int | float) else None,
                    numbers=dict(numbers) if isinstance(numbers, Mapping) else {},
                    more={str(key): value for key, value in row.items() if key not in _KNOWN},
                )
            )
    return tuple(found)


def _parsed(value: Any) -> Any:
    """Parse JSON text; anything else as it is, and None for text that is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
