"""What each number of a ring's evidence, its p-value and its q-value mean, in plain words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from graphdet import words
from graphdet.items.bursts import BURST_NUMBERS
from graphdet.rings.evidence_table import EVIDENCE_TABLE, EvidenceNumber
from graphdet.rings.pairs import PAIR_NUMBERS


@dataclass(frozen=True)
class ExplainedNumber:
    """One number of the evidence: its name in the data and for people, its value, and what it means."""

    name: str
    title: str
    value: float | None
    shown: str
    meaning: str


def explained_numbers(evidence: Mapping[str, float]) -> list[ExplainedNumber]:
    """Explain the numbers: those of known tables first, in their order, then any others by name."""
    known = [number for number in (*EVIDENCE_TABLE, *BURST_NUMBERS, *PAIR_NUMBERS) if number.name in evidence]
    others = sorted(evidence.keys() - {number.name for number in known})
    known += [EvidenceNumber(name, name.replace("_", " ").capitalize(), "figure", "") for name in others]
    return [_explained(number, evidence[number.name]) for number in known]


def _explained(number: EvidenceNumber, value: float) -> ExplainedNumber:
    write = {"count": words.thousands, "percent": words.percent, "figure": words.figure}[number.shown_as]
    finite = math.isfinite(value)
    shown = write(value) if finite else words.figure(value)
    return ExplainedNumber(number.name, number.title, value if finite else None, shown, number.meaning)


def meaning_of_p(p_value: float | None, among: int | None = None) -> str:
    """Put a ring's p-value into words, at most what a log of so many accounts, `among`, can show.

    >>> meaning_of_p(0.0004)
    'Among the natural groups of this log about 1 in 2,500 would look at least this much like a ring.'
    >>> meaning_of_p(1e-9, 4821)
    'Fewer than 1 in 4,821 natural groups would look so; more the 4,821 accounts cannot show.'
    """
    if p_value is None or math.isnan(p_value):
        return "No p-value could be computed for this ring."
    if among and p_value * among < 1:
        n = words.thousands(among)
        return f"Fewer than 1 in {n} natural groups would look so; more the {n} accounts cannot show."
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
