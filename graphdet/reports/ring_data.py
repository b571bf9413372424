"""Everything a ring page shows, as data: what the pages draw and what the files hold. `gather` collects it.

How closely a ring acts in step: gaps between members, and whether sessions follow one order.

What a language model said of a ring, sentence by sentence, with the facts that each cites.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from graphdet.reports.context import Surroundings
from graphdet.reports.evidence import ExplainedNumber
from graphdet.rings.finding import WEAK, MemberRole, Reason, role_in
from graphdet.rings.membership import SURE_MEMBER
from graphdet.rings.own_time import middle_of
from graphdet.schema import RingKind
from graphdet.tables import usual_unit_ms


@dataclass(frozen=True)
class Sentence:
    """A sentence that was kept, its ids put back, and the facts it cites."""

    text: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Narrative:
    """What a language model wrote: what was kept, how many sentences were dropped, and the facts that are cited."""

    model: str
    endpoint: str
    sentences: tuple[Sentence, ...]
    n_dropped: int
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Decided:
    """What analysts decided on a ring by the time of the report.

    state: open, guilty, innocent, unsure or snoozed. lines: who said so, when and why, a sentence each. members: what
    was decided on single members, in words, by user id.
    """

    state: str = "open"
    lines: tuple[str, ...] = ()
    members: Mapping[str, str] = field(default_factory=dict)


MOST_ELSEWHERE = 20  # acts on other items of a weak member that are kept to be looked at
MOST_PAIRED = 60  # targets whose order is compared; pairs grow with the square


@dataclass(frozen=True)
class InStep:
    """Measures of synchrony; None where too little is there to measure.

    median_gap_s: from a member's first act on a target to the nearest first act of another member on the same target,
    in seconds. order_share: of two sessions that both hold two targets, how often they take them in the same order
    (½ is chance), over n_order_pairs comparisons.
    """

    median_gap_s: float | None
    order_share: float | None
    n_order_pairs: int


def in_step(acts: "Sequence[Act]", sittings: "Sequence[RingSession]") -> InStep:
    """Measure a ring's acts (by time) and its sessions."""
    share, pairs = _order_share(sittings)
    return InStep(_median_gap_s(acts), share, pairs)


def _median_gap_s(acts: "Sequence[Act]") -> float | None:
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for act in acts:
        first[act.item_id].setdefault(act.user_id, act.at_ms)
    gaps = []
    for times in first.values():
        if len(times) >= 2:
            step = np.diff(np.sort(np.fromiter(times.values(), np.int64)))
            gaps.append(np.minimum(np.append(step, step[-1]), np.insert(step, 0, step[0])))
    return float(np.median(np.concatenate(gaps))) / 1000 if gaps else None


def target_order(sitting: "RingSession") -> tuple[str, ...]:
    """The targets of a session in the order of their first acts."""
    return tuple(dict.fromkeys(item for _, item, _ in sitting.steps if item is not None))


def _order_share(sittings: "Sequence[RingSession]") -> tuple[float | None, int]:
    """Share of pairs of sessions that take two targets in the same order, and how many such pairs there are."""
    count: Counter[str] = Counter()
    orders = [target_order(sitting) for sitting in sittings]
    for order in orders:
        count.update(order)
    place = {item: row for row, (item, _) in enumerate(count.most_common(MOST_PAIRED))}
    before = np.zeros((len(place), len(place)), np.int64)
    for order in orders:
        rows = np.array([place[item] for item in order if item in place], np.int64)
        for k in range(len(rows) - 1):
            before[rows[k], rows[k + 1 :]] += 1
    after = before.T
    upper = np.triu_indices(len(place), 1)
    one, other = before[upper], after[upper]
    same = float((one * (one - 1) / 2 + other * (other - 1) / 2).sum())
    n = float(((one + other) * (one + other - 1) / 2).sum())
    return (same / n if n else None), int(n)


@dataclass(frozen=True)
class Act:
    """A member's act on a target: n events of one action in one session, the first at `at_ms`."""

    user_id: str
    session_id: str
    item_id: str
    action: str
    at_ms: int
    n: int


@dataclass(frozen=True)
class RingSession:
    """A member's session that holds an act on a target: all its acts in the order of time.

    steps: (at_ms, item_id, action); item_id is None for an item that is no target.
    """

    user_id: str
    session_id: str
    steps: tuple[tuple[int, str | None, str], ...]


@dataclass(frozen=True)
class Member:
    """A member: its score within the ring, its own score as a user, and what it did."""

    user_id: str
    score: float | None
    user_score: float | None
    p_value: float | None
    flagged: bool | None
    reason: str | None
    n_targets: int
    n_acts: int
    n_other_acts: int
    n_sessions: int
    first_ms: int | None
    last_ms: int | None
    reasons: tuple[Reason, ...] = ()

    @property
    def role(self) -> MemberRole | None:
        """What part it has in the ring; None where an older version did not say."""
        return role_in(self.reasons)

    @property
    def part(self) -> str:
        """The same in one word for people: core, fringe or weak."""
        return "weak" if self.is_weak else self.role or "member"

    @property
    def is_weak(self) -> bool:
        """Whether the ring does not vouch for it; by its score where nobody said what part it has."""
        if self.role is not None:
            return self.role in WEAK
        return self.score is not None and self.score < SURE_MEMBER


@dataclass(frozen=True)
class Item:
    """A target: how many members act on it, how many times more than expected, and when."""

    item_id: str
    name: str | None
    n_users: int
    lift: float | None
    n_acts: int
    first_ms: int | None
    last_ms: int | None

    @property
    def title(self) -> str:
        """The name where there is one, else the id."""
        return self.name or self.item_id


@dataclass(frozen=True)
class SharedEntity:
    """A device, address or other such thing that two members or more used."""

    kind: str
    entity_id: str
    user_ids: tuple[str, ...]


@dataclass(frozen=True)
class RingData:
    """One ring with its evidence, members, targets and acts.

    `others_ms` are the times of what the members do elsewhere. `around` finds the surroundings when they are first
    asked for, and is None where they are not read; `gnn` is None where the ring was found without the network,
    `narrative` where nobody was asked for one. `held_back` says why a ring is not flagged
    (RingFinding.held_back). `elsewhere` are acts of its weak members on other items, by time, at most MOST_ELSEWHERE
    of each.
    """

    ring_id: str
    kind: RingKind
    n_users: int
    n_items: int
    score: float
    p_value: float | None
    q_value: float | None
    flagged: bool
    first_seen: str
    last_seen: str
    reason: str
    numbers: tuple[ExplainedNumber, ...]
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    would_change: Mapping[str, Any] | None
    members: list[Member]
    items: list[Item]
    acts: list[Act]
    others_ms: list[int]
    sittings: list[RingSession]
    shared: list[SharedEntity]
    around: Callable[[], Surroundings | None] | None = None
    gnn: Mapping[str, Any] | None = None
    narrative: Narrative | None = None
    held_back: tuple[Reason, ...] = ()
    decided: Decided = Decided()
    elsewhere: tuple[Act, ...] = ()

    @property
    def weak(self) -> list[Member]:
        """The members that the ring does not vouch for."""
        return [member for member in self.members if member.is_weak]

    @property
    def actions(self) -> list[str]:
        """The actions on the targets, the most frequent first."""
        count: dict[str, int] = defaultdict(int)
        for act in self.acts:
            count[act.action] += act.n
        return sorted(count, key=lambda action: (-count[action], action))

    @property
    def timed(self) -> bool:
        """Whether the log says when things happened; the acts of one that does not are all at the moment 0."""
        return bool(self.first_seen)

    @cached_property
    def unit_ms(self) -> int:
        """The coarsest usual unit of the times of its acts, in ms: DAY_MS in a log of days."""
        return usual_unit_ms(np.array([act.at_ms for act in self.acts], np.int64))

    @cached_property
    def window_ms(self) -> tuple[int, int]:
        """When the ring was at work: the middle nine tenths of its first acts, in ms; (0, 0) where there are none."""
        first = np.array(list(self.first_acts.values()), np.int64)
        return middle_of(first) if len(first) else (0, 0)

    @cached_property
    def first_acts(self) -> dict[tuple[str, str], int]:
        """When each member first acted on each target it acted on: (user_id, item_id) → ms, by time."""
        first: dict[tuple[str, str], int] = {}
        for act in self.acts:
            first.setdefault((act.user_id, act.item_id), act.at_ms)
        return first

    @property
    def expected_pairs(self) -> float | None:
        """How many account–item pairs would be expected, by what others do on the targets; None: not recorded."""
        told = next(
            (why.numbers.get("expected") for why in self.reasons if why.code == "shared_targets"), None
        )
        return float(told) if isinstance(told, int | float) else None

    @cached_property
    def context(self) -> Surroundings | None:
        """The surroundings; None where they were not read."""
        return None if self.around is None else self.around()

    @property
    def n_log_users(self) -> int | None:
        """How many accounts the log has; None where the surroundings were not read."""
        return None if self.context is None else self.context.n_log_users

    @cached_property
    def step(self) -> InStep:
        """How closely it acts in step."""
        return in_step(self.acts, self.sittings) if self.timed else InStep(None, None, 0)

    @property
    def evidence(self) -> dict[str, float]:
        """The finite numbers of the evidence by name."""
        return {row.name: row.value for row in self.numbers if row.value is not None}
