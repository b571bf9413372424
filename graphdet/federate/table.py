"""The server's side: parties come, speak in rounds, and leave; what they say is checked before it counts."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet.errors import GraphdetError
from graphdet.federate.matching import Offer, overlaps
from graphdet.federate.networks import Arrays
from graphdet.federate.rounds import Council, PartyRecord
from graphdet.federate.wire import Parcel

LEAST_PARTIES = 2
GIVE_UP_AFTER = 10  # times the patience: so long a party may read its log, and the server waits for anybody
_SEPARATOR = "/"


def packed(arrays: Mapping[str, Arrays]) -> Arrays:
    """The arrays of both networks under one name each."""
    return {f"{kind}{_SEPARATOR}{name}": value for kind, its in arrays.items() for name, value in its.items()}


def unpacked(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Arrays]:
    """What `packed` packed."""
    found: dict[str, Arrays] = {}
    for name, value in arrays.items():
        kind, _, inner = name.partition(_SEPARATOR)
        found.setdefault(kind, {})[inner] = value
    return found


@dataclass
class _Meeting:
    """What all parties say in one round, until everybody did; result: what each is told."""

    said: dict[str, Any] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)
    result: Mapping[str, Parcel] | None = None


class Table:
    """Where the parties meet.

    n_parties: that have to come before anything is learned. patience_s: who says nothing for so long while others wait
    is gone; the others go on while at least LEAST_PARTIES are left. own: what the server itself says in every round,
    the gradients of the lessons that come with graphdet. told: called with each line for people.
    """

    def __init__(
        self,
        councils: Mapping[str, Council],
        n_parties: int,
        n_rounds: int,
        patience_s: float,
        own: Callable[[Mapping[str, Arrays]], Mapping[str, Arrays]],
        told: Callable[[str], None],
    ) -> None:
        self.councils, self.n_rounds, self.patience_s, self.own, self.told = (
            councils,
            n_rounds,
            patience_s,
            own,
            told,
        )
        self.n_parties = n_parties
        self.parties: list[str] = []
        self.gone: set[str] = set()
        self.left: set[str] = set()
        self.round = 0  # the one that is spoken in now
        self.changed = threading.Condition()
        self.heard = time.monotonic()  # when anybody last said anything
        self.meetings: dict[str, _Meeting] = {}

    def join(self, certified: str | None, message: Parcel) -> Parcel:
        """Take a party in, and tell it the terms."""
        name = self._who(certified, message)
        expected = {kind: self._n_inputs(kind) for kind in self.councils}
        if message.header.get("inputs") != expected:
            raise GraphdetError(
                f"{name} brings other inputs than {expected}; use one version of graphdet everywhere"
            )
        with self.changed:
            if name in self.parties:
                raise GraphdetError(
                    f"there is a party called {name} already; every party needs a name of its own"
                )
            if len(self.parties) >= self.n_parties:
                raise GraphdetError(f"the {self.n_parties} parties that were agreed on are here already")
            self.parties.append(name)
            self.told(f"{name} is here, {len(self.parties)} of {self.n_parties}")
        terms = {"rounds": self.n_rounds, "parties": self.n_parties, "patience_s": self.patience_s}
        return Parcel(terms, {})

    def speak(self, certified: str | None, message: Parcel) -> Parcel:
        """Take a party's gradients, or in round 0 nothing; answers with the weights when all have spoken."""
        name, number = self._speaker(certified, message), message.header.get("round")
        gradients = unpacked(message.arrays)
        if number != self.round or self.round > self.n_rounds:
            raise GraphdetError(
                f"{name} speaks of round {number}, when it is round {self.round} of {self.n_rounds}"
            )
        if number:
            self._check(name, gradients)

        def together(said: Mapping[str, Any]) -> Mapping[str, Parcel]:
            self.round += 1
            if number:
                before = {kind: council.weights() for kind, council in self.councils.items()}
                own = self.own(before)
                for kind, council in self.councils.items():
                    of_kind = {party: its[kind] for party, its in said.items()}
                    council.step(of_kind, own.get(kind))
            answer = Parcel(
                {"round": number},
                packed({kind: council.weights() for kind, council in self.councils.items()}),
            )
            return dict.fromkeys(said, answer)

        return self._meet(f"round {number}", name, gradients, together, reading=not number)

    def match(self, certified: str | None, message: Parcel) -> Parcel:
        """Take a party's keyed hashes; answers with what overlaps when all have given theirs."""
        name = self._speaker(certified, message)
        if self.round <= self.n_rounds:
            raise GraphdetError(f"{name} wants to match before all has been learned")
        offers = [Offer.from_json(each) for each in message.header.get("offers", [])]

        def together(said: Mapping[str, Any]) -> Mapping[str, Parcel]:
            found = overlaps(said)
            return {party: Parcel({"overlaps": found[party]}, {}) for party in said}

        return self._meet("matching", name, offers, together, reading=True)

    def leave(self, certified: str | None, message: Parcel) -> Parcel:
        """Let a party go."""
        name = self._who(certified, message)
        with self.changed:
            self.left.add(name)
            self.changed.notify_all()
        return Parcel({}, {})

    def wait(self) -> None:
        """Return when all parties have left or are gone.

        Raises:
            GraphdetError: all were here, and then nobody said anything for twice as long as a party may read its log.
        """
        with self.changed:
            while not (len(self.parties) == self.n_parties and set(self.parties) <= self.left | self.gone):
                self.changed.wait(1.0)
                silent = time.monotonic() - self.heard
                if len(self.parties) == self.n_parties and silent > 2 * GIVE_UP_AFTER * self.patience_s:
                    raise GraphdetError(f"no party has said anything for {silent:.0f} s; start again")

    def _who(self, certified: str | None, message: Parcel) -> str:
        name = str(message.header.get("name", ""))
        self.heard = time.monotonic()
        if certified is not None and certified != name:
            raise GraphdetError(f"the certificate is of {certified}, but the party calls itself {name}")
        if not (name and len(name) <= 64 and name.isprintable()):
            raise GraphdetError("a party needs a name of 1 to 64 printable characters")
        return name

    def _speaker(self, certified: str | None, message: Parcel) -> str:
        """Who is speaking, if it is a party that is not taken for gone."""
        name = self._who(certified, message)
        if name not in self.parties or name in self.gone:
            raise GraphdetError(
                f"{name} has not joined, or was silent for too long and is taken for gone; start again"
            )
        return name

    def _n_inputs(self, kind: str) -> int:
        first = next(value for value in self.councils[kind].net.parameters() if value.dim() == 2)
        return int(first.shape[1])

    def _check(self, name: str, gradients: Mapping[str, Arrays]) -> None:
        """Refuse what is not a gradient of these networks."""
        for kind, council in self.councils.items():
            for weight, value in council.weights().items():
                given = gradients.get(kind, {}).get(weight)
                if given is None or given.shape != value.shape or given.dtype != value.dtype:
                    raise GraphdetError(f"{name} sends no gradient of {kind} {weight} of the right shape")
                if not np.isfinite(given).all():
                    raise GraphdetError(f"{name} sends a gradient of {kind} {weight} that is not finite")

    def _meet(
        self,
        what: str,
        name: str,
        said: Any,
        together: Callable[[Mapping[str, Any]], Mapping[str, Parcel]],
        *,
        reading: bool,
    ) -> Parcel:
        """Wait until every party has said its part, then give everyone the answer; reading: its log, before that."""
        with self.changed:
            meeting = self.meetings.setdefault(what, _Meeting())
            if name in meeting.said:
                raise GraphdetError(f"{name} has spoken in {what} already")
            meeting.said[name] = said
            self.changed.notify_all()
            while meeting.result is None:
                if self._complete(what, meeting, reading):
                    meeting.result = together(dict(meeting.said))
                    self.changed.notify_all()
                else:
                    self.changed.wait(1.0)
            return meeting.result[name]

    def _complete(self, what: str, meeting: _Meeting, reading: bool) -> bool:
        """Whether all parties that are not gone have spoken; who keeps the others waiting too long is gone."""
        if len(self.parties) < self.n_parties:
            meeting.since = time.monotonic()  # nobody is late before all have come
            return False
        missing = set(self.parties) - self.gone - self.left - set(meeting.said)
        patience_s = self.patience_s * (GIVE_UP_AFTER if reading else 1)
        if missing and time.monotonic() - meeting.since > patience_s:
            self.gone |= missing
            self.told(f"{', '.join(sorted(missing))} silent for {patience_s:g} s in {what}: going on without")
            missing = set()
        if not missing and len(meeting.said) < LEAST_PARTIES and what != "matching":
            raise GraphdetError(
                "one party alone is left, and what it says would be told to nobody but itself; ended"
            )
        return not missing


def standings(table: Table) -> list[str]:
    """What to say of each party when all is done, for people."""
    lines = []
    for party in table.parties:
        of = {kind: council.standing.get(party, PartyRecord()) for kind, council in table.councils.items()}
        words = [
            f"{kind} {its.rounds} rounds, too hard in {its.shortened}, against the others in {its.against}"
            for kind, its in of.items()
        ]
        lines.append(f"{party}: {'; '.join(words)}")
        if any(its.is_suspect for its in of.values()):
            lines.append(
                f"Warning: {party} pulled too hard or against the others in half of the rounds: ask it why"
            )
    return lines
