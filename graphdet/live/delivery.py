"""Alerts on their way to people: each sink gets every alert of the outbox at least once, in order.

A sink has a thread of its own, so a slow or hanging receiver holds up neither the log nor other sinks. What cannot be
sent is tried again, after 1, 2, 4 … seconds; what is refused, or fails MOST_ATTEMPTS times, goes to the dead letters, a
file of JSON lines. How far a sink has come is kept in the store, so after a kill what was not confirmed is sent
again, under the same key.

Alerts of one ring that wait for the same sink are sent as one, the newest, with the keys of the others in `supersedes`.
In quiet hours only what is of high severity is sent; the rest waits until they end.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from datetime import time as Clock
from hashlib import sha256
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol

from graphdet.errors import UsageError
from graphdet.live.alerts import SEVERITIES

MOST_ATTEMPTS = 8
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
QUIET_LOOK_S = 1.0  # how often a sink looks whether quiet hours are over


class Refused(Exception):
    """A receiver will never take this alert; trying again is of no use."""


class Failed(Exception):
    """An alert could not be sent now."""


class Sink(Protocol):
    """Where alerts go."""

    name: str  # for people; holds no secret

    def send(self, alert: Mapping[str, Any]) -> None:
        """Send one alert.

        Raises:
            Refused, Failed: it was not taken.
        """


@dataclass(frozen=True)
class QuietHours:
    """Hours of the day, UTC, in which only alerts of high severity are sent; they may run over midnight."""

    start: Clock
    end: Clock

    @classmethod
    def parse(cls, text: str) -> "QuietHours":
        """Read HH:MM-HH:MM.

        Raises:
            UsageError: it is something else.

        >>> QuietHours.parse("22:00-07:00").at(datetime(2026, 1, 1, 23, 30, tzinfo=UTC))
        True
        """
        try:
            start, _, end = text.partition("-")
            return cls(Clock.fromisoformat(start.strip()), Clock.fromisoformat(end.strip()))
        except ValueError:
            raise UsageError(f"--quiet {text}: write two times of day in UTC, such as 22:00-07:00") from None

    def at(self, now: datetime) -> bool:
        """Whether it is quiet now."""
        clock = now.astimezone(UTC).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True)
class Rules:
    """Which alerts are sent and when. least: the lowest severity. quiet: None for no quiet hours."""

    least: str = SEVERITIES[0]
    quiet: QuietHours | None = None
    dead_letters: Path | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    first_wait_s: float = FIRST_WAIT_S

    def waits(self, alert: Mapping[str, Any]) -> bool:
        """Whether quiet hours hold an alert back."""
        return self.quiet is not None and alert["severity"] != "high" and self.quiet.at(self.now())

    def wants(self, alert: Mapping[str, Any]) -> bool:
        """Whether an alert is severe enough."""
        return SEVERITIES.index(alert["severity"]) >= SEVERITIES.index(self.least)


@dataclass
class _Letter:
    """An alert on its way: the numbers of the outbox that it stands for."""

    numbers: list[int]
    alert: dict[str, Any]


class Courier:
    """One sink with its thread.

    `done` is the number up to which everything was sent, refused or superseded.
    """

    def __init__(self, sink: Sink, rules: Rules, done: int) -> None:
        self.sink, self.rules, self.done, self.n_sent = sink, rules, done, 0
        self.notes: Queue[str] = Queue()
        self._inbox: Queue[tuple[int, dict[str, Any]]] = Queue()
        self._asked = done
        self._waiting: list[_Letter] = []
        self._open: set[int] = set()  # numbers that are not settled, of which quiet hours hold back `_held`
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"graphdet {sink.name}", daemon=True)
        self._thread.start()

    def take(self, alerts: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Hand over alerts of the outbox with their numbers; those it has already are left out."""
        for number, alert in alerts:
            if number > self._asked:
                with self._lock:
                    self._asked = number
                    self._open.add(number)
                self._inbox.put((number, alert))

    @property
    def idle(self) -> bool:
        """Whether everything that it took is settled, but for what quiet hours hold back."""
        with self._lock:
            return self._open <= self._held

    def stop(self) -> None:
        """End the thread after what it is sending."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    def _work(self) -> None:
        while not self._stop.is_set():
            letters = grouped([*self._waiting, *self._received()])
            self._waiting = [one for one in letters if self.rules.waits(one.alert)]
            for letter in letters:
                if letter in self._waiting or self._stop.is_set():
                    continue
                if self.rules.wants(letter.alert):
                    self._deliver(letter)
                self._settle(letter)
            with self._lock:
                self._held = {number for letter in self._waiting for number in letter.numbers}

    def _received(self) -> list[_Letter]:
        """What came in; waits a moment where nothing has."""
        found = []
        try:
            number, alert = self._inbox.get(timeout=QUIET_LOOK_S if self._waiting else 0.2)
            found.append(_Letter([number], alert))
            while True:
                number, alert = self._inbox.get_nowait()
                found.append(_Letter([number], alert))
        except Empty:
            return found

    def _settle(self, letter: _Letter) -> None:
        if self._stop.is_set():  # it may not have been sent
            return
        with self._lock:
            self._open -= set(letter.numbers)
            self.done = min(self._open) - 1 if self._open else self._asked

    def _deliver(self, letter: _Letter) -> None:
        wait = self.rules.first_wait_s
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                self.sink.send(letter.alert)
                self.n_sent += 1
                return
            except Refused as error:
                self._bury(letter, str(error))
                return
            except Failed as error:
                if attempt == MOST_ATTEMPTS:
                    self._bury(letter, f"{error} (tried {attempt} times)")
                    return
                self.notes.put(f"{self.sink.name}: {error}; trying again in {wait:.3g} s")
            if self._stop.wait(wait):
                return
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _bury(self, letter: _Letter, why: str) -> None:
        where = self.rules.dead_letters
        self.notes.put(
            f"{self.sink.name}: the alert {letter.alert['key']} could not be delivered: {why}"
            + (f"; it is in {where}" if where else "")
        )
        if where is not None:
            line = {"sink": self.sink.name, "why": why, "alert": letter.alert}
            try:
                with where.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            except OSError as error:
                self.notes.put(f"{where}: cannot be written ({error.strerror})")


def grouped(letters: Sequence[_Letter]) -> list[_Letter]:
    """Of alerts of the same ring the newest, for all of them."""
    by_ring: dict[str, _Letter] = {}
    out = []
    for letter in letters:
        ring = letter.alert.get("ring_id")
        earlier = by_ring.get(ring) if ring else None
        if earlier is None:
            out.append(letter)
            by_ring |= {ring: letter} if ring else {}
            continue
        superseded = [*earlier.alert.get("supersedes", []), earlier.alert["key"]]
        severest = max(earlier.alert["severity"], letter.alert["severity"], key=SEVERITIES.index)
        earlier.alert = {**letter.alert, "severity": severest, "supersedes": superseded}
        earlier.numbers += letter.numbers
    return out


@dataclass
class Delivery:
    """All sinks of a watcher. dry_run: say what would be sent, and send nothing."""

    couriers: dict[str, Courier] = field(default_factory=dict)

    @classmethod
    def to(cls, sinks: Sequence[Sink], rules: Rules, delivered: Mapping[str, int], newest: int) -> "Delivery":
        """Start the couriers; a sink that is new begins behind the alerts there are, `newest` the last of them."""
        couriers = {}
        for sink in sinks:
            name = sha256(sink.name.encode()).hexdigest()[:16]
            couriers[name] = Courier(sink, rules, delivered.get(name, newest))
        return cls(couriers)

    def send(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hand over rows of the outbox."""
        alerts = [(int(row["seq"]), json.loads(row["alert"])) for row in rows]
        for courier in self.couriers.values():
            courier.take(alerts)

    @property
    def n_sent(self) -> int:
        """How many alerts were taken, of all sinks."""
        return sum(courier.n_sent for courier in self.couriers.values())

    @property
    def behind(self) -> int:
        """The number from which on some sink lacks alerts, less one."""
        return min((courier.done for courier in self.couriers.values()), default=0)

    def done(self) -> dict[str, int]:
        """Up to which number each sink has the outbox."""
        return {name: courier.done for name, courier in self.couriers.items()}

    def notes(self) -> list[str]:
        """What people should know of deliveries since the last call."""
        found = []
        for courier in self.couriers.values():
            while not courier.notes.empty():
                found.append(courier.notes.get())
        return found

    def settle(self, most_s: float) -> bool:
        """Wait until all is sent that can be, at most so long; whether it is."""
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            if all(courier.idle for courier in self.couriers.values()):
                return True
            time.sleep(0.02)
        return all(courier.idle for courier in self.couriers.values())

    def stop(self) -> None:
        """End all threads."""
        for courier in self.couriers.values():
            courier.stop()


class DryRun:
    """Says what would be sent where, and sends nothing."""

    def __init__(self, sink: Sink) -> None:
        self.name = f"dry run of {sink.name}"

    def send(self, alert: Mapping[str, Any]) -> None:
        """Say it."""
        what = f"{alert['severity']} {alert['title']} ({alert['key']})"
        print(f"{self.name}: {what}", file=sys.stderr, flush=True)
