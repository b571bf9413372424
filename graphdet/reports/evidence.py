"""What each number of a ring's evidence means, and what speaks against the ring, in plain words."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from graphdet import words
from graphdet.rings.evidence_table import EVIDENCE_TABLE, EvidenceNumber


@dataclass(frozen=True)
class Finding:
    """One number of the evidence: its name in the data and for people, its value, and what it means."""

    name: str
    title: str
    value: float | None
    shown: str
    meaning: str


def read_evidence(text: str | None) -> dict[str, float]:
    """Read the evidence column: a JSON object of numbers; anything else in it is left out.

    >>> read_evidence('{"lift": 12.5, "note": "x"}'), read_evidence(None)
    ({'lift': 12.5}, {})
    """
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def evidence_findings(evidence: Mapping[str, float]) -> list[Finding]:
    """Explain the numbers: those of EVIDENCE_TABLE first, in its order, then any others by name."""
    known = [number for number in EVIDENCE_TABLE if number.name in evidence]
    others = sorted(evidence.keys() - {number.name for number in known})
    known += [EvidenceNumber(name, name.replace("_", " ").capitalize(), "figure", "") for name in others]
    return [_finding(number, evidence[number.name]) for number in known]


def _finding(number: EvidenceNumber, value: float) -> Finding:
    write = {"count": words.thousands, "percent": words.percent, "figure": words.figure}[number.shown_as]
    finite = math.isfinite(value)
    shown = write(value) if finite else words.figure(value)
    return Finding(number.name, number.title, value if finite else None, shown, number.meaning)


def meaning_of_p(p_value: float | None) -> str:
    """Put a ring's p-value into words.

    >>> meaning_of_p(0.0004)
    'Among the natural groups of this log about 1 in 2,500 would look at least this much like a ring.'
    """
    if p_value is None or math.isnan(p_value):
        return "No p-value could be computed for this ring."
    if p_value <= 1e-9:
        return "Fewer than 1 in a thousand million natural groups would look this much like a ring."
    if p_value > 0.2:
        return f"Natural groups look like this often: {words.percent(p_value)} of those in this log do."
    n = words.thousands(1 / p_value)
    return f"Among the natural groups of this log about 1 in {n} would look at least this much like a ring."


def meaning_of_q(q_value: float | None) -> str:
    """Put a ring's q-value into words.

    >>> meaning_of_q(0.05)
    'Of the rings at this level or stronger, about 5 in 100 are expected to be false alarms.'
    """
    if q_value is None or math.isnan(q_value):
        return "No q-value could be computed for this ring."
    start = "Of the rings at this level or stronger,"
    if q_value < 0.0001:
        return f"{start} fewer than 1 in 10,000 are expected to be false alarms."
    if q_value < 0.01:
        return f"{start} about {q_value * 10_000:.0f} in 10,000 are expected to be false alarms."
    return f"{start} about {q_value * 100:.0f} in 100 are expected to be false alarms."


_MEASURED_BY = {number.name: number.measured_by for number in EVIDENCE_TABLE if number.measured_by}


def counter_evidence(
    evidence: Mapping[str, float], ring: Mapping[str, Any], weak_members: int, measured: Collection[str] = ()
) -> list[str]:
    """Say what speaks against the ring, or what we cannot know, but for the codes that are `measured` already.

    `weak_members` have a user score below one half.

    The limits are where a reader should stop and think; they decide nothing.
    """
    against = []

    def number(name: str, default: float) -> float:
        value = default if _MEASURED_BY.get(name) in measured else evidence.get(name, default)
        return value if math.isfinite(value) else default

    if number("halo_lift", 1) > 3:
        against.append(
            f"Outsiders share two of the targets {words.figure(evidence['halo_lift'])} times as often "
            f"as chance: the "
            "targets may simply belong together, for instance one author, brand or news story."
        )
    if number("elsewhere_lift", 1) > 3:
        against.append(
            f"Members meet on other items too, {words.figure(evidence['elsewhere_lift'])} times as "
            f"often as chance: "
            "they may be people of one taste, school or region, or the ring has more targets than "
            "are named here."
        )
    if number("exclusivity", 1) < 0.3:
        outside = 1 - evidence["exclusivity"]
        against.append(
            f"{words.percent(outside)} of the targets' audience at the time is outside the ring: these items "
            f"draw others too."
        )
    if number("focus", 1) < 0.3:
        against.append(
            f"Only {words.percent(evidence['focus'])} of the members' activity is on the targets: "
            f"most of what they do "
            "looks ordinary. That is so for camouflaged and hijacked accounts, and for innocent ones."
        )
    if number("spread", 0) > 0.8:
        against.append("Members are no closer together in time than the rest of the targets' audience.")
    if number("sharpness", 1) < 0.5:
        against.append(
            "Many accounts just outside the ring act much like its members; its edge is not sharp."
        )
    if number("recurrence", 0) > 0.3:
        against.append(
            f"Other accounts do the same at another time: {words.percent(evidence['recurrence'])} of all who do so "
            "then or in the ring's own time. It may be a habit of these items' audience, or an earlier wave of the "
            "same campaign with other accounts."
        )
    if number("overdispersion", 0) > 2:
        against.append(
            "Some members act on many of the targets and others on few, as in an audience with a core and a fringe; "
            "steered accounts mostly get about as many each."
        )
    return against + _doubts_of_size(ring, weak_members, "small" in measured)


def _doubts_of_size(ring: Mapping[str, Any], weak_members: int, said_small: bool) -> list[str]:
    """Doubts that do not come from the evidence: a small ring, a weak level, weak members."""
    against = []
    n_users, q_value = int(ring["n_users"]), ring.get("q_value")
    if n_users < 6 and not said_small:
        against.append(
            f"The ring is small ({words.plural(n_users, 'member')}); friends or a family may look the same."
        )
    if q_value is not None and not math.isnan(q_value) and q_value > 0.02:
        against.append(
            f"Its q-value is {words.chance(q_value)}: rings like it make up most of the false alarms "
            f"that the level allows."
        )
    if weak_members:
        against.append(
            f"{words.plural(weak_members, 'member')} of {n_users} {'has' if weak_members == 1 else 'have'} a user "
            f"score below 0.5: a weak part in the ring, and little that speaks against them alone. Check them before "
            f"acting on them."
        )
    return against
