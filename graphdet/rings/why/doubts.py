"""Doubts about a ring in words: limits of its evidence at which a reader should stop and think.

They decide nothing. What can be measured against the ring in nats is worked out where the log is at hand, in
counter.py; a doubt that was measured there is left out here. The limits that both use are defined in this module.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from graphdet import words
from graphdet.rings.evidence_table import EVIDENCE_TABLE, LEAST_SHARPNESS

SMALL_RING = 6  # members, below which friends or a family may look the same
OPEN_TARGETS = 0.3  # share of the targets' audience inside the ring, below which they draw everybody
OF_TIME = ("spread", "recurrence")  # evidence that says nothing in a log without times
WEAK_DOUBT = "weak_members"  # a doubt about some members, not about the ring
SMALL_CODE = "small"  # the measured counter-evidence that a ring is small
_LARGE_LIFT = 3.0  # of what outsiders share, and of what members share elsewhere
_LITTLE_FOCUS = 0.3
_WIDE_SPREAD = 0.8
_FREQUENT_RECURRENCE = 0.3
_UNEVEN = 2.0
_DOUBTFUL_Q = 0.02

_MEASURED_BY = {number.name: number.measured_by for number in EVIDENCE_TABLE if number.measured_by}


@dataclass(frozen=True)
class EvidenceLimit:
    """A limit of one evidence number, and the sentence about a ring beyond it, which `say` makes of the number."""

    name: str
    side: Literal["above", "below"]
    limit: float
    say: Callable[[float], str]

    def is_crossed(self, value: float) -> bool:
        """Whether a number lies beyond the limit; one that is not finite does not."""
        if not math.isfinite(value):
            return False
        return value > self.limit if self.side == "above" else value < self.limit


EVIDENCE_LIMITS = (
    EvidenceLimit(
        "halo_lift",
        "above",
        _LARGE_LIFT,
        lambda value: (
            f"Outsiders share two of the targets {words.figure(value)} times as often as chance: the targets may "
            f"simply belong together, for instance one author, brand or news story."
        ),
    ),
    EvidenceLimit(
        "elsewhere_lift",
        "above",
        _LARGE_LIFT,
        lambda value: (
            f"Members meet on other items too, {words.figure(value)} times as often as chance: they may be people of "
            f"one taste, school or region, or the ring has more targets than are named here."
        ),
    ),
    EvidenceLimit(
        "exclusivity",
        "below",
        OPEN_TARGETS,
        lambda value: (
            f"{words.percent(1 - value)} of the targets' audience is outside the ring: these items draw others too."
        ),
    ),
    EvidenceLimit(
        "focus",
        "below",
        _LITTLE_FOCUS,
        lambda value: (
            f"Only {words.percent(value)} of the members' activity is on the targets: most of what they do looks "
            f"ordinary. That is so for camouflaged and hijacked accounts, and for innocent ones."
        ),
    ),
    EvidenceLimit(
        "spread",
        "above",
        _WIDE_SPREAD,
        lambda _: "Members are no closer together in time than the rest of the targets' audience.",
    ),
    EvidenceLimit(
        "sharpness",
        "below",
        LEAST_SHARPNESS,
        lambda _: "Many accounts just outside the ring act much like its members; its edge is not sharp.",
    ),
    EvidenceLimit(
        "recurrence",
        "above",
        _FREQUENT_RECURRENCE,
        lambda value: (
            f"Other accounts do the same at another time: {words.percent(value)} of all who do so then or in the "
            f"ring's own time. It may be a habit of these items' audience, or an earlier wave of the same campaign "
            f"with other accounts."
        ),
    ),
    EvidenceLimit(
        "overdispersion",
        "above",
        _UNEVEN,
        lambda _: (
            "Some members act on many of the targets and others on few, as in an audience with a core and a fringe; "
            "steered accounts mostly get about as many each."
        ),
    ),
)


def doubts_in_words(
    numbers: Mapping[str, float],
    n_users: int,
    q_value: float | None,
    measured: Collection[str] = (),
    *,
    timed: bool = True,
) -> list[str]:
    """Say what speaks against a ring, or what cannot be known of it, a sentence each.

    numbers: the evidence by name; a number that is missing raises no doubt. measured: codes of the ring's
    measured counter-evidence, which is not repeated. timed: whether the log has times; without them nothing is said of
    time.
    """
    doubts = [
        limit.say(numbers[limit.name])
        for limit in EVIDENCE_LIMITS
        if limit.name in numbers
        and (timed or limit.name not in OF_TIME)
        and _MEASURED_BY.get(limit.name) not in measured
        and limit.is_crossed(numbers[limit.name])
    ]
    if n_users < SMALL_RING and SMALL_CODE not in measured:
        doubts.append(
            f"The ring is small ({words.plural(n_users, 'member')}); friends or a family may look the same."
        )
    if q_value is not None and not math.isnan(q_value) and q_value > _DOUBTFUL_Q:
        doubts.append(
            f"Its q-value is {words.chance(q_value)}: rings like it make up most of the false alarms "
            f"that the level allows."
        )
    return doubts


def weak_members_in_words(n_weak: int, n_users: int) -> str:
    """Say that some members are weak, and what that means.

    >>> weak_members_in_words(1, 45)[:28]
    '1 member of 45 is weak: on f'
    """
    return (
        f"{words.plural(n_weak, 'member')} of {n_users} {'is' if n_weak == 1 else 'are'} weak: on few of the targets "
        f"and more often elsewhere, or so little beyond chance that it shows nothing. The ring does not vouch for "
        f"{'it' if n_weak == 1 else 'them'}."
    )
