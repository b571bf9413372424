"""Everything a ring page shows, as data: what the pages draw and what the files hold. `gather` collects it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphdet.reports.context import Context
from graphdet.reports.evidence import Finding
from graphdet.reports.measures import Act, InStep, Sitting, in_step
from graphdet.reports.narrative_data import Narrative
from graphdet.reports.reasons import Reason


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
    `narrative` where nobody was asked for one.
    """

    ring_id: str
    n_users: int
    n_items: int
    score: float
    p_value: float | None
    q_value: float | None
    flagged: bool
    first_seen: str
    last_seen: str
    reason: str
    findings: tuple[Finding, ...]
    reasons: tuple[Reason, ...]
    against: tuple[Reason, ...]
    would_change: Mapping[str, Any] | None
    members: list[Member]
    items: list[Item]
    acts: list[Act]
    others_ms: list[int]
    sittings: list[Sitting]
    shared: list[SharedEntity]
    around: Callable[[], Context | None] | None = None
    gnn: Mapping[str, Any] | None = None
    narrative: Narrative | None = None

    @property
    def actions(self) -> list[str]:
        """The actions on the targets, the most frequent first."""
        count: dict[str, int] = defaultdict(int)
        for act in self.acts:
            count[act.action] += act.n
        return sorted(count, key=lambda action: (-count[action], action))

    @cached_property
    def window_ms(self) -> tuple[int, int]:
        """When the ring was at work: from the first to the last of the first acts of members on targets, in ms.

        Acts that repeat one do not count. (0, 0) where there are none.
        """
        first: dict[tuple[str, str], int] = {}
        for act in self.acts:
            first.setdefault((act.user_id, act.item_id), act.at_ms)
        return (min(first.values()), max(first.values())) if first else (0, 0)

    @cached_property
    def context(self) -> Context | None:
        """The surroundings; None where they were not read."""
        return None if self.around is None else self.around()

    @cached_property
    def step(self) -> InStep:
        """How closely it acts in step."""
        return in_step(self.acts, self.sittings)

    @property
    def evidence(self) -> dict[str, float]:
        """The finite numbers of the evidence by name."""
        return {row.name: row.value for row in self.findings if row.value is not None}
