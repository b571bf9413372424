"""Which ring of an earlier run a ring is, though its members and items changed.

    overlap  = (Jaccard index + containment) / 2, of two sets; containment is the share of the smaller one
    affinity = ¾ overlap of members + ¼ overlap of items

Pairs of an earlier and a new ring with an affinity of SAME_RING or more and common members are joined greedily, the
highest first, so that a ring which did not change keeps its id whatever the others did. (An assignment with the highest
sum would trade it away.) A ring that met none of the earlier ones gets the next number that no ring ever had.

A new ring of which PART_OF_RING of the members came from an earlier ring that lives on as another is told as split from
it; an earlier ring that does not live on, of which PART_OF_RING of the members went into a new one, is told as merged
into that.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SAME_RING = 0.5
PART_OF_RING = 0.5
MEMBERS_WEIGHT = 0.75
_NUMBERED = re.compile(r"R(\d+)")


@dataclass(frozen=True)
class Shape:
    """A ring as it is known again: its members and its items."""

    members: frozenset[str]
    items: frozenset[str]


@dataclass(frozen=True)
class Identity:
    """Who a new ring is: its lasting id, the earlier ring (None: new), and what it has of others."""

    ring_id: str
    earlier: str | None
    split_from: tuple[str, ...]
    merged: tuple[str, ...]


def set_overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Mean of Jaccard index and containment, in [0, 1]; 0 where one is empty.

    >>> set_overlap(frozenset("abcd"), frozenset("abcdefgh")), set_overlap(frozenset("a"), frozenset())
    (0.75, 0.0)
    """
    common = len(one & other)
    if not common:
        return 0.0
    return (common / len(one | other) + common / min(len(one), len(other))) / 2


def affinity(one: Shape, other: Shape) -> float:
    """How much two rings are the same one, in [0, 1]; 1 when they are equal, 0 without common members."""
    members = set_overlap(one.members, other.members)
    if not members:
        return 0.0
    if one.items == other.items:  # also when both have none
        return MEMBERS_WEIGHT * members + 1 - MEMBERS_WEIGHT
    return MEMBERS_WEIGHT * members + (1 - MEMBERS_WEIGHT) * set_overlap(one.items, other.items)


def recognise(
    earlier: Mapping[str, Shape], found: Sequence[Shape], used: Iterable[str] = ()
) -> list[Identity]:
    """Give each ring found a lasting id.

    earlier: the rings known so far, each as it was last seen, by id. found: the rings of this run, the strongest first;
    with nothing known they become R0001, R0002 … in this order. used: further ids that were given out once.

    Returns one Identity per ring found, no id twice.
    """
    common = _common_members(earlier, found)
    pairs = [
        (affinity(earlier[old], found[new]), old, new) for new in range(len(found)) for old in common[new]
    ]
    # Of equal ones the older id and the stronger ring.
    pairs = sorted(
        (pair for pair in pairs if pair[0] >= SAME_RING),
        key=lambda pair: (-pair[0], number_of(pair[1]), pair[2]),
    )
    ring_of: dict[int, str] = {}
    taken: set[str] = set()
    for _, old, new in pairs:
        if new not in ring_of and old not in taken:
            ring_of[new] = old
            taken.add(old)
    highest = max((number_of(name)[0] for name in (*earlier, *used)), default=0)
    out = []
    for new in range(len(found)):
        known = ring_of.get(new)
        if known is None:
            highest += 1
        size = len(found[new].members)
        others = sorted((old for old in common[new] if old != known), key=number_of)
        came_from = [old for old in others if old in taken and common[new][old] >= PART_OF_RING * size]
        went_in = [
            old
            for old in others
            if old not in taken and common[new][old] >= PART_OF_RING * len(earlier[old].members)
        ]
        out.append(
            Identity(
                known or f"R{highest:04d}",
                known,
                tuple(came_from) if known is None else (),
                tuple(went_in),
            )
        )
    return out


def number_of(ring_id: str) -> tuple[int, str]:
    """The number in an id that we gave, for sorting and counting on; 0 for another.

    >>> number_of("R0012"), number_of("mine")
    ((12, 'R0012'), (0, 'mine'))
    """
    found = _NUMBERED.fullmatch(ring_id)
    return (int(found[1]) if found else 0, ring_id)


def _common_members(earlier: Mapping[str, Shape], found: Sequence[Shape]) -> list[dict[str, int]]:
    """For each ring found, how many members it shares with which earlier ring."""
    rings_of: dict[str, list[str]] = defaultdict(list)
    for name, shape in earlier.items():
        for member in shape.members:
            rings_of[member].append(name)
    counts: list[dict[str, int]] = []
    for shape in found:
        count: dict[str, int] = defaultdict(int)
        for member in shape.members:
            for name in rings_of.get(member, ()):
                count[name] += 1
        counts.append(dict(count))
    return counts
