"""watch: follow a log that grows, keep its rings current, and tell people."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from graphdet.config import Config, Retention
from graphdet.errors import UsageError
from graphdet.files import make_folder
from graphdet.live.alerts import SEVERITIES
from graphdet.live.delivery import Delivery, DryRun, QuietHours, Rules
from graphdet.live.feeds import Feed, open_feed
from graphdet.live.inbox import Inbox, Turns, add_calls
from graphdet.live.looking import Found, LiveSettings, Looker, search
from graphdet.live.sinks import sink_of
from graphdet.live.watching import Live, LookResult, WindowAsked
from graphdet.ports import Store
from graphdet.units import DAY_S
from graphdet.verbs.forget import retention, retention_lines
from graphdet.words import plural

SLEEP_S = 0.1  # between two looks at a source that has nothing new
SETTLE_S = 30.0  # how long the end waits for deliveries
DEAD_LETTERS = "dead_letters.jsonl"


@dataclass(frozen=True)
class WatchRequest:
    """How to watch.

    live: windows, lateness and level. look_rows, look_s: a look is due after so many new rows, or so many seconds with
    any; between two looks as long a time passes as the last one took. once: take what is there and stop. until_idle_s:
    stop after so many seconds without a new line; None: never. alerts: targets, see live.sinks. dry_run: say what would
    be sent and send nothing.

    Raises:
        UsageError: a number is out of range.
    """

    live: LiveSettings = field(default_factory=LiveSettings)
    look_rows: int = 10_000
    look_s: float = 1.0
    once: bool = False
    until_idle_s: float | None = None
    alerts: tuple[str, ...] = ()
    quiet: str | None = None
    least: str = "low"
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.look_rows < 1 or self.look_s <= 0:
            raise UsageError("--look-rows and --look-every must be above 0")
        if self.until_idle_s is not None and self.until_idle_s < 0:
            raise UsageError("--until-idle must not be below 0")
        if self.least not in SEVERITIES:
            raise UsageError(f"--least {self.least}: give {', '.join(SEVERITIES)}")


def watch(
    source: str,
    config: Config,
    store: Store,
    out: Path,
    request: WatchRequest | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Follow a source until it ends, or for ever; killed anywhere and started again it goes on as if never killed.

    say: told what people should know, a line at a time. Returns the counts of the stream as they stand in the store,
    the number of looks and alerts.

    Raises:
        GraphdetError and its children; what was committed stays, and starting again is safe.
    """
    watcher = Watcher.open(source, config, store, out, request, say)
    watcher.run()
    state, live = watcher.live.state, watcher.live
    names = ("n_rows", "n_events", "n_rejects", "n_duplicates", "n_filtered", "n_late", "newest_ms", "looks")
    found = live.findings().rings
    return {name: getattr(state, name) for name in names} | {
        "n_flagged": int(sum(found["flagged"].to_pylist())), "n_waiting": state.waiting,
        "n_alerts": live.alerts().num_rows,
    }  # fmt: skip


@dataclass
class Watcher:
    """The loop: read, add, look, send.

    looker: finds rings in a process of its own meanwhile; with `once` there is none, and nothing is read meanwhile.
    inbox: calls of `graphdet serve`, whose rows are taken too; None where nobody calls. Whoever else uses the store
    meanwhile does so in `turns`. looked: called in turn after every look. stop: ends the loop after what it is doing.
    """

    live: Live
    feed: Feed | None
    source: str | None
    delivery: Delivery
    request: WatchRequest
    say: Callable[[str], None]
    inbox: Inbox | None = None
    looked: Callable[[], None] = lambda: None
    turns: Turns = field(default_factory=Turns)
    stop: Event = field(default_factory=Event)
    looked_at: float = field(default_factory=time.monotonic)
    look_took: float = 0.0
    looker: Looker | None = None
    asked: WindowAsked | None = None  # the look that is under way
    told_rejects: tuple[int, int] = (0, 0)  # rejects and late ones that were told
    n_looks: int = 0  # since the start, and their seconds
    looks_s: float = 0.0
    retention_at: float = 0.0  # on the clock of `looked_at`: when the next retention is due

    @classmethod
    def open(
        cls,
        source: str | None,
        config: Config,
        store: Store,
        out: Path,
        request: WatchRequest | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> "Watcher":
        """Go on where an earlier one stopped; `run` closes what is opened here. Without a source nothing is followed.

        Raises:
            GraphdetError and its children: the source, a target of alerts or the store cannot be used.
        """
        request = request or WatchRequest()
        make_folder(out)
        live = Live.open(store, config, out, request.live)
        quiet = QuietHours.parse(request.quiet) if request.quiet else None
        sinks = [sink_of(target) for target in request.alerts]
        feed = None if source is None else open_feed(source, config, live.position(source))
        last = live.alerts()["seq"].to_pylist()[-1:] or [0]
        delivery = Delivery.to(
            [DryRun(sink) for sink in sinks] if request.dry_run else sinks,
            Rules(request.least, quiet, out / DEAD_LETTERS), live.delivered(), last[0],
        )  # fmt: skip
        looker = None if request.once else Looker(config, request.live)
        return cls(live, feed, source, delivery, request, say, looker=looker)

    def run(self) -> None:
        """Until the end of the source, or what the request calls the end, or `stop`."""
        try:
            self._follow()
        finally:
            self.delivery.stop()
            if self.looker is not None:
                self.looker.close()
            if self.feed is not None:
                self.feed.close()

    def _follow(self) -> None:
        with self.turns:
            self.told_rejects = (self.live.state.n_rejects, self.live.state.n_late)
            self._send()
        heard = time.monotonic()
        while not self.stop.is_set():
            if self._take():
                heard = time.monotonic()
            elif self._over() or self._idle_since(heard):
                break
            elif self.inbox is not None:
                self.inbox.wait(SLEEP_S)
            else:
                time.sleep(SLEEP_S)
            with self.turns:
                self._look_on()
                self._report()
        while not self.stop.is_set() and (
            self.asked or self.live.state.since_look or not self.live.state.looks
        ):
            with self.turns:
                if not self._look_on(now=True):
                    break
        if not self.delivery.settle(0.0 if self.stop.is_set() else SETTLE_S):
            self.say("Some alerts are not delivered yet; they are sent when watching goes on.")
        with self.turns:
            self._report()

    def _take(self) -> bool:
        """Add what has come; whether anything has."""
        parts = [] if self.feed is None else self.feed.read(final=self.request.once)
        calls = [] if self.inbox is None else self.inbox.take()
        with self.turns:
            if calls:  # first, as somebody waits for the answer
                add_calls(self.live, calls)
            if parts and self.feed is not None and self.source is not None:
                self.live.add(parts, {self.source: self.feed.position()})
        return bool(parts or calls)

    def _over(self) -> bool:
        """Whether nothing can come any more."""
        return self.inbox is None and (self.request.once or self.feed is None or self.feed.ended)

    def _due(self) -> bool:
        """Whether it is time to look; after a look as long a time passes as it took."""
        new, since = self.live.state.since_look, time.monotonic() - self.looked_at
        asked = new >= self.request.look_rows or (new > 0 and since >= self.request.look_s)
        return asked and since >= self.look_took

    def _idle_since(self, heard: float) -> bool:
        most = self.request.until_idle_s
        return most is not None and time.monotonic() - heard >= most

    def _keep_retention(self) -> None:
        """Once a day remove what the config's [retention] says is past its time."""
        live = self.live
        if live.config.retention == Retention() or time.monotonic() < self.retention_at:
            return
        self.retention_at = time.monotonic() + DAY_S
        done = retention(live.store, live.config.retention, "graphdet watch", compact=False)
        for line in retention_lines(done):
            self.say(line[:1].upper() + line[1:])
        live.refresh()

    def _look_on(self, now: bool = False) -> bool:
        """Take the look that is under way where it has ended, and begin one where it is time; whether there was any.

        now: it is time, and the end is waited for.
        """
        if self.asked is None:
            if not (now or self._due()):
                return False
            self.looked_at = time.monotonic()
            self._keep_retention()
            self.asked = self.live.ask()
            if self.asked is None:
                return False
            if self.looker is not None:
                self.looker.begin(self.asked.rows, self.asked.casework)
        if self.looker is None:
            found: Found | None = search(
                self.asked.rows, self.asked.casework, self.live.config, self.live.settings
            )
        else:
            found = self.looker.take(None if now else 0.0)
        if found is not None:
            self._tell(self.live.tell(self.asked, found))
            self.asked = None
        return True

    def _tell(self, found: LookResult) -> None:
        self.looked_at, self.look_took = time.monotonic(), found.seconds
        self.say(_words(found) + self._put_aside())
        self.n_looks, self.looks_s = self.n_looks + 1, self.looks_s + self.look_took
        self._send()
        self.looked()

    def _send(self) -> None:
        if self.delivery.couriers:
            self.delivery.send(self.live.alerts(self.delivery.behind).to_pylist())

    def _put_aside(self) -> str:
        """Words on the rows that were put aside since the last look."""
        state = self.live.state
        n_rejects, n_late = state.n_rejects - self.told_rejects[0], state.n_late - self.told_rejects[1]
        self.told_rejects = (state.n_rejects, state.n_late)
        late = f", {n_late:,} of them too late (see --lateness)" if n_late else ""
        return f"; {plural(n_rejects, 'row')} put aside{late}, see rejects.csv" if n_rejects else ""

    def _report(self) -> None:
        """Keep what was delivered, and say what people should know."""
        done = self.delivery.done()
        if done and not self.request.dry_run and done != self.live.delivered():
            self.live.note_delivered(done)
        notes = [] if self.feed is None else self.feed.notes
        for note in [*notes, *self.delivery.notes()]:
            self.say(note)
        notes.clear()


def _words(found: LookResult) -> str:
    waiting = f", {found.waiting} wait for more evidence" if found.waiting else ""
    return (
        f"{found.n_rows:,} events in the window, {found.n_flagged} flagged, {len(found.alerts)} alerts{waiting} "
        f"({found.seconds:.1f} s)"
    )
