"""A store kept current while its log grows: the port that `watch` and services stand on.

    live = Live.open(store, config, out, LiveSettings())  # goes on where an earlier one left off
    live.add(parts, {"my source": position})  # cleaned, stored and remembered in one transaction
    live.look()               # finds rings; they, what is news and the state are written in one transaction
    live.findings()           # the rings of the last look (tables.RingTables)
    live.alerts(after=seq)    # the outbox (schema.ALERT_COLUMNS)
    live.state                # counts, the newest event, looks; plain numbers
    live.position("my source")  # where to go on reading

`parts` are logs.parts.LogPart: whole lines of CSV or JSON lines with the names of the config's columns; `json_part`
makes one of objects. A `position` is any JSON; it is kept in the transaction of its events, so after a kill at any
moment nothing is lost and nothing counted twice. One Live a store and one thread: DuckDB refuses a second process,
and callers with threads take turns. `watch` in verbs.watch is the loop around it; live.delivery sends the outbox.

What is promised. An event is in the store when `add` returns. The open rows are the cleaned rows of the last
`window_ms`, at most `most_rows` of them. A look reads the open rows alone, sorted by nothing: the graph, the rings
and every figure of them are a pure function of the set of rows, the same that `graphdet rings` computes of a log that
holds just these. So the findings do not depend on the order of arrival or on where batches were cut, and equal those
of the batch; but for the lasting ids, which remember earlier looks, and for decisions of analysts. Rows that come
more than `lateness_ms` behind the newest are put aside as too late, with the reason in rejects.csv.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.audit import iso_utc, utc_now
from graphdet.casework.disclosure import KEY_MARK, check_ingest_key
from graphdet.casework.forgetting import withheld_of
from graphdet.config import Config, config_digest
from graphdet.errors import ConfigError, UsageError
from graphdet.live.alerts import (
    Moment,
    Told,
    alert_table,
    broken_promise,
    drift_alerts,
    ring_alerts,
    suspect_alerts,
)
from graphdet.live.drift import Likeness, drifted
from graphdet.live.feeds import append_bytes
from graphdet.live.looking import Casework, Found, LiveSettings, search
from graphdet.live.promise import Promise
from graphdet.logs.parts import Arrival, CleanRows, LogPart, clean_parts, open_tables
from graphdet.logs.rejects import HEADER
from graphdet.ports import LiveStore, Source, Store
from graphdet.privacy import Withheld
from graphdet.progress import Progress
from graphdet.tables import Frame, RingTables

STATE, TOLD, DELIVERED, BASELINE = (
    "live.state",
    "live.told",
    "live.delivered",
    "live.baseline",
)  # keys of meta
REJECTS = "rejects.csv"


@dataclass
class LiveState:
    """What is known of the stream; all of it is kept in the store with the events.

    n_rows = n_events + n_rejects + n_duplicates + n_filtered, and n_late of the rejects came too late. newest_ms: the
    latest event, never after the time of day. looks, since_look: how often was looked, and rows since then. rejects:
    the path of rejects.csv and how many bytes of it stand. promise: see live.promise.
    """

    stream: str
    config: str
    positions: dict[str, Any] = field(default_factory=dict)
    n_rows: int = 0
    n_events: int = 0
    n_rejects: int = 0
    n_duplicates: int = 0
    n_filtered: int = 0
    n_late: int = 0
    newest_ms: int | None = None
    looks: int = 0
    since_look: int = 0
    waiting: int = 0  # flagged findings that the promise holds back
    rejects: list[Any] = field(default_factory=lambda: ["", 0])
    promise: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LookResult:
    """What a look found: alerts as they stand in the outbox, rows and groups looked at, seconds.

    strongest: the largest e-value of a flagged finding, 0 for none; n_tested: how many groups stood out.
    """

    alerts: tuple[dict[str, Any], ...]
    n_rows: int
    n_flagged: int
    waiting: int
    seconds: float
    notes: tuple[str, ...] = ()
    strongest: float = 0.0
    n_tested: int = 0


@dataclass(frozen=True)
class WindowAsked:
    """What a look is at: rows from since_ms on, the newest event then, how many rows were new, when it was begun.

    withheld: what the store did not take then.
    """

    rows: pa.Table
    casework: Casework
    since_ms: int
    newest_ms: int
    n_new: int
    began: float
    withheld: Withheld

    def full(self, settings: LiveSettings) -> bool:
        """Whether the window was shortened, as it held too many rows."""
        return self.since_ms > self.newest_ms - settings.window_ms + 1


class Live:
    """A log that grows, its store and its alerts; see the module."""

    def __init__(
        self, store: LiveStore, config: Config, out: Path, settings: LiveSettings, state: LiveState
    ) -> None:
        self.store, self.config, self.out, self.settings, self.state = store, config, out, settings, state
        self._told = Told(**json.loads(store.meta(TOLD) or "{}"))
        self.withheld = withheld_of(store)

    @classmethod
    def open(cls, store: Store, config: Config, out: Path, settings: LiveSettings | None = None) -> "Live":
        """Go on with the log of a store, or begin.

        Raises:
            UsageError: the store cannot change events and state in one transaction.
            ConfigError: the log has no times, or was begun with another config.
        """
        if not hasattr(store, "append_log"):
            raise UsageError(
                f"{store.url}: watching keeps events, positions and alerts in one transaction, which needs a DuckDB "
                "store: --store duckdb:PATH"
            )
        if config.columns.timestamp is None:
            raise ConfigError(f"config {config.name}: a log without [columns] timestamp cannot be watched")
        digest = config_digest(config)
        text = store.meta(STATE)
        if text is None:
            state = LiveState(sha256(f"live {digest}".encode()).hexdigest(), digest)
        else:
            state = LiveState(**json.loads(text))
        if state.config != digest:
            raise ConfigError(
                f"{store.url} is watched with another config; use that one, or a store of its own for this one"
            )
        mark = check_ingest_key(store, config, begun=text is not None or bool(store.sources()))
        if mark is not None:
            store.set_meta(KEY_MARK, mark)
        live = cls(cast(LiveStore, store), config, out, settings or LiveSettings(), state)
        rejects = str((out / REJECTS).resolve())
        if state.rejects[0] != rejects:
            state.rejects = [rejects, 0]
            state.rejects[1] = append_bytes(Path(rejects), 0, HEADER.encode())
        else:  # what was written after the last commit belongs to rows that will be read again
            append_bytes(Path(rejects), state.rejects[1], b"")
        return live

    # --- events -------------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Read anew what something else in this process changed in the store: what is withheld, rejects.csv."""
        self.withheld = withheld_of(self.store)
        text = self.store.meta(STATE)
        if text is not None:
            self.state.rejects = json.loads(text)["rejects"]

    def position(self, source: str) -> Any:
        """Where to go on reading a source; None for one that is new."""
        return self.state.positions.get(source)

    @property
    def least_ms(self) -> int | None:
        """The watermark: earlier rows are too late; None before the first event."""
        newest = self.state.newest_ms
        return None if newest is None else newest - self.settings.lateness_ms

    def add(
        self,
        parts: Sequence[LogPart],
        positions: Mapping[str, Any] | None = None,
        beside: Callable[[CleanRows], None] | None = None,
    ) -> CleanRows:
        """Clean some lines and add them, with where their sources stand, in one transaction.

        beside: writes to the store in the same transaction what goes with the rows.

        Raises:
            InputError: a part lacks a column that the config names; nothing was changed.
            StoreError: the store cannot be written; nothing was changed, adding again is safe.
        """
        state = replace(self.state, positions={**self.state.positions, **(positions or {})})
        now_ms = round(time.time() * 1000)
        with tempfile.TemporaryDirectory(prefix="graphdet-") as folder, self.store.bench.borrow() as bench:
            rejects = Path(folder) / REJECTS
            arrival = Arrival(self._recent_rows(), state.n_rows, self.least_ms, now_ms, self.withheld)
            found = clean_parts(bench, parts, self.config, arrival, Path(folder), rejects)
            for name in ("n_rows", "n_rejects", "n_duplicates", "n_filtered", "n_late"):
                setattr(state, name, getattr(state, name) + getattr(found, name))
            state.n_events += found.n_clean
            state.since_look += found.n_clean
            if found.last_ms is not None:
                state.newest_ms = max(state.newest_ms or 0, min(found.last_ms, now_ms))
            put_aside = rejects.read_bytes().partition(b"\n")[2]
            if put_aside:
                size = append_bytes(Path(state.rejects[0]), state.rejects[1], put_aside)
                state.rejects = [state.rejects[0], size]
            tables = None
            if found.first_ms is not None:
                tables = open_tables(bench, found.rows, self.config, self._recent_sessions(found.first_ms))
            with self.store.transaction("writing"):
                if tables is not None:
                    names = tuple(sorted(state.positions))
                    source = Source(state.stream, names, state.n_rows, state.n_rejects)
                    self.store.append_log(tables, source)
                    self.store.add_open_rows(found.rows)
                if beside is not None:
                    beside(found)
                self.store.set_meta(STATE, json.dumps(asdict(state)))
        self.state = state
        return found

    def _recent_rows(self) -> Frame | None:
        """Open rows that a row may repeat."""
        return None if self.least_ms is None else self.store.open_rows(self.least_ms)

    def _recent_sessions(self, first_ms: int) -> Frame | None:
        """Sessions that new rows may belong to: those with an event in the window, or within a gap of the rows."""
        if not self.state.n_events:
            return None
        since = first_ms - round(self.config.gap_s * 1000)
        if self.config.columns.session_id is not None and self.state.newest_ms is not None:
            since = min(since, self.state.newest_ms - self.settings.window_ms)
        acts = self.store.events().filter(nw.col("at_ms") >= since)
        return acts.group_by("session_id", "user_id").agg(
            started_ms=nw.col("at_ms").min(), ended_ms=nw.col("at_ms").max()
        )

    # --- looks --------------------------------------------------------------------------------------------
    def look(self, progress: Progress | None = None) -> LookResult:
        """Find rings among the open rows, and write them, what is news and what was told in one transaction.

        Raises:
            StoreError: the store cannot be written; nothing was changed, looking again is safe.
        """
        asked = self.ask()
        if asked is None:
            return LookResult((), 0, 0, 0, 0.0)
        return self.tell(asked, search(asked.rows, asked.casework, self.config, self.settings, progress))

    def ask(self) -> "WindowAsked | None":
        """What a look now would be at; None before the first event."""
        since, newest = self._since(), self.state.newest_ms
        rows = None if since is None else self.store.open_rows(since)
        if rows is None or since is None or newest is None:
            return None
        table: pa.Table = rows.collect("pyarrow").to_native()
        n_new, withheld = self.state.since_look, withheld_of(self.store)
        return WindowAsked(
            table, Casework.of(self.store), since, newest, n_new, time.perf_counter(), withheld
        )

    def tell(self, asked: "WindowAsked", found: Found) -> LookResult:
        """Write what a look found, what is news and what was told in one transaction; events may have come meanwhile.

        Nothing is written where somebody was forgotten meanwhile; another look is due then.

        Raises:
            StoreError: the store cannot be written; nothing was changed, looking again is safe.
        """
        if withheld_of(self.store) != asked.withheld:  # its rows hold somebody who was forgotten meanwhile
            self.state.since_look = max(self.state.since_look, 1)
            return LookResult(
                (), asked.rows.num_rows, 0, self.state.waiting, time.perf_counter() - asked.began
            )
        state, known = replace(self.state), found.known
        promise = Promise(**(state.promise or {"level": self.settings.fdr}))
        promise.level = self.settings.fdr
        promise.look(asked.newest_ms, self.settings.window_ms, found.n_tested)
        told = Told(**json.loads(json.dumps(asdict(self._told))))
        moment = Moment(state.stream, iso_utc(utc_now()))
        alerts, state.waiting = ring_alerts(known.findings, found.e_values, told, promise, moment)
        if found.scores is not None:
            alerts += suspect_alerts(found.scores, told, promise, moment)
        alerts += broken_promise(known.standing, told, self.settings.fdr, moment)
        baseline = None
        if asked.full(self.settings) or promise.epoch > 1:
            before = self.store.meta(BASELINE)
            moved = {} if before is None else drifted(Likeness(**json.loads(before)), found.shape)
            baseline = found.shape if before is None or moved else None
            alerts += drift_alerts(moved, moment)
        state.promise, state.looks = asdict(promise), state.looks + 1
        state.since_look -= asked.n_new
        if len(self.store.audit().entries) != len(asked.casework.decided.entries):
            state.since_look += 1  # what was decided during the look is applied by another one
        with self.store.transaction("writing rings to"):
            self.store.write_rings(known.rings, _changed(known.history, asked.casework.before))
            if found.scores is not None:
                self.store.write_scores(found.scores)
            if alerts:
                self.store.add_alerts(alert_table(alerts))
            if baseline is not None:
                self.store.set_meta(BASELINE, json.dumps(asdict(baseline)))
            self.store.set_meta(TOLD, json.dumps(asdict(told)))
            self.store.set_meta(STATE, json.dumps(asdict(state)))
            self.store.close_rows(min(asked.since_ms, asked.newest_ms - self.settings.lateness_ms))
        self.state, self._told = state, told
        flagged = [
            one for finding, one in zip(known.findings, found.e_values, strict=True) if finding.flagged
        ]
        return LookResult(
            tuple(alerts), asked.rows.num_rows, len(flagged), state.waiting, time.perf_counter() - asked.began,
            tuple(known.lines()), max(flagged, default=0.0), found.n_tested,
        )  # fmt: skip

    def _since(self) -> int | None:
        """The time from which rows are looked at: the window, or less where it holds more than `most_rows`."""
        if self.state.newest_ms is None:
            return None
        since = self.state.newest_ms - self.settings.window_ms + 1
        rows = self.store.open_rows(since)
        if rows is None:
            return None
        times = rows.select("at_ms").collect("pyarrow").to_native()["at_ms"]
        most = self.settings.most_rows
        if not len(times):  # all are past their time, or of accounts that are forgotten
            return None
        if len(times) <= most:
            return since
        newest = pc.sort_indices(times, sort_keys=[("", "descending")]).slice(0, most + 1)
        return int(times.take(newest)[most].as_py()) + 1

    # --- what was found -----------------------------------------------------------------------------------
    def findings(self) -> RingTables:
        """The rings of the last look."""
        return self.store.rings()

    def alerts(self, after: int = 0) -> pa.Table:
        """The outbox (schema.ALERT_COLUMNS) from a number on."""
        return self.store.alerts(after)

    def delivered(self) -> dict[str, int]:
        """Up to which number every sink has the outbox."""
        return dict(json.loads(self.store.meta(DELIVERED) or "{}"))

    def note_delivered(self, sinks: Mapping[str, int]) -> None:
        """Keep up to which number every sink has the outbox."""
        self.store.set_meta(DELIVERED, json.dumps({**self.delivered(), **sinks}))


def _changed(history: pa.Table | None, before: RingTables) -> pa.Table | None:
    """Rows of the history of rings that are new, or have other members or another flag than at the last look."""
    if history is None or not history.num_rows:
        return None
    was = dict(zip(before.rings["ring_id"].to_pylist(), before.rings["flagged"].to_pylist(), strict=True))
    rows = [
        place
        for place, row in enumerate(history.select(["ring_id", "n_joined", "n_left", "flagged"]).to_pylist())
        if row["n_joined"] or row["n_left"] or was.get(row["ring_id"]) != row["flagged"]
    ]
    return history.take(rows) if rows else None


def json_part(name: str, objects: Iterable[Mapping[str, Any]], first_line: int = 1) -> LogPart:
    """A part of objects with the names of the config's columns; `name` and line are what rejects call their place."""
    lines = "".join(json.dumps(one, ensure_ascii=False, default=str) + "\n" for one in objects)
    return LogPart(name, "jsonl", b"", lines.encode("utf-8", "surrogateescape"), first_line)
