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
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from graphdet.audit import iso_utc, utc_now
from graphdet.casework.disclosure import KEY_MARK, check_ingest_key
from graphdet.casework.forgetting import withheld_of
from graphdet.casework.memory import Remembered
from graphdet.config import Config, config_digest
from graphdet.detect.rings import judge_and_remember
from graphdet.errors import ConfigError, UsageError
from graphdet.evaluation.flag_rule import DEFAULT_FDR, FlagRule
from graphdet.graph.encode import encode
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge
from graphdet.live.alerts import Moment, Told, alert_table, broken_promise, ring_alerts, suspect_alerts
from graphdet.live.feeds import append_bytes
from graphdet.live.promise import Promise, e_values
from graphdet.logs.parts import Arrival, CleanRows, LogPart, clean_parts, open_tables
from graphdet.ports import CaseworkStore, LiveStore, Source, Store
from graphdet.progress import Progress, Silent
from graphdet.rings.find import Judged, judge_rings, ring_candidates
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.units import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from graphdet.learn.models import Models

STATE, TOLD, DELIVERED = "live.state", "live.told", "live.delivered"  # keys of meta
REJECTS = "rejects.csv"


@dataclass(frozen=True)
class LiveSettings:
    """How a log is watched.

    window_ms: how far back a look goes. most_rows: open rows that are kept at most, the newest. lateness_ms: how much
    older than the newest event one may be that still counts. fdr: the share of alerts that may be false. model_dir: a
    trained model, which scores users too; None: the shipped judge alone.
    """

    window_ms: int = 30 * DAY_MS
    most_rows: int = 200_000
    lateness_ms: int = HOUR_MS
    fdr: float = DEFAULT_FDR
    seed: int = 0
    model_dir: Path | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            UsageError: one is out of range.
        """
        FlagRule(self.fdr)
        if self.window_ms <= 0 or self.most_rows < 1:
            raise UsageError("a window must be longer than 0 and hold at least one event")
        if not 0 <= self.lateness_ms <= self.window_ms:
            raise UsageError("--lateness must be at least 0 and no longer than --window")


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
    """What a look found: alerts as they stand in the outbox, rows and groups looked at, seconds."""

    alerts: tuple[dict[str, Any], ...]
    n_rows: int
    n_flagged: int
    waiting: int
    seconds: float
    notes: tuple[str, ...] = ()


class Live:
    """A log that grows, its store and its alerts; see the module."""

    def __init__(
        self, store: LiveStore, config: Config, out: Path, settings: LiveSettings, state: LiveState
    ) -> None:
        self.store, self.config, self.out, self.settings, self.state = store, config, out, settings, state
        self._told = Told(**json.loads(store.meta(TOLD) or "{}"))
        self.withheld = withheld_of(store)
        self._judge: RingJudge | None = None
        self._models: Models | None = None

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
            state.rejects[1] = append_bytes(Path(rejects), 0, b"file,line,reason,row\n")
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
        started, state = time.perf_counter(), replace(self.state)
        since = self._since()
        rows = None if since is None else self.store.open_rows(since)
        if rows is None or since is None or state.newest_ms is None:
            return LookResult((), 0, 0, 0, 0.0)
        with self.store.bench.borrow() as bench:
            window = OpenWindow(self.store, open_tables(bench, rows, self.config))
            n_rows = int(window.log.events.select(n=nw.len()).collect().item())
            judged, known, scores = self._find(cast(CaseworkStore, window), progress or Silent())
        promise = Promise(**(state.promise or {"level": self.settings.fdr}))
        promise.level = self.settings.fdr
        promise.look(state.newest_ms, self.settings.window_ms, judged.n_tested)
        told = Told(**json.loads(json.dumps(asdict(self._told))))
        moment = Moment(state.stream, iso_utc(utc_now()))
        strength = e_values(judged, known.findings)
        alerts, state.waiting = ring_alerts(known.findings, strength, told, promise, moment)
        if scores is not None:
            alerts += suspect_alerts(scores, told, promise, moment)
        alerts += broken_promise(known.standing, told, self.settings.fdr, moment)
        state.promise, state.since_look, state.looks = asdict(promise), 0, state.looks + 1
        with self.store.transaction("writing rings to"):
            self.store.write_rings(known.rings, _changed(known.history, self.store.rings()))
            if scores is not None:
                self.store.write_scores(scores)
            if alerts:
                self.store.add_alerts(alert_table(alerts))
            self.store.set_meta(TOLD, json.dumps(asdict(told)))
            self.store.set_meta(STATE, json.dumps(asdict(state)))
            self.store.close_rows(min(since, state.newest_ms - self.settings.lateness_ms))
        self.state, self._told = state, told
        flagged = sum(finding.flagged for finding in known.findings)
        seconds = time.perf_counter() - started
        return LookResult(tuple(alerts), n_rows, flagged, state.waiting, seconds, tuple(known.lines()))

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
        if len(times) <= most:
            return since
        newest = pc.sort_indices(times, sort_keys=[("", "descending")]).slice(0, most + 1)
        return int(times.take(newest)[most].as_py()) + 1

    def _find(self, window: CaseworkStore, progress: Progress) -> tuple[Judged, Remembered, pa.Table | None]:
        """The rings of the window as `graphdet rings` finds them; with a model the scores of users too."""
        settings = self.settings
        graph = encode(window.interactions(), window.entities())
        pairs, candidates = ring_candidates(graph, window.bench, settings.seed, progress)
        if settings.model_dir is None:
            self._judge = self._judge or shipped_judge()
            return *judge_and_remember(window, graph, candidates, self._judge, settings.fdr), None
        from graphdet.detect.score import (
            ScoringSettings,
            score_graph,
        )  # torch, which the shipped judge does without
        from graphdet.learn.models import load_models

        self._models = self._models or load_models(settings.model_dir)
        judged = judge_rings(candidates, self._models.judge.logits, settings.fdr)
        how = ScoringSettings(FlagRule(settings.fdr), settings.device)
        scores, known = score_graph(window, graph, pairs, candidates, self._models, how, progress)
        return judged, known, scores

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


class OpenWindow:
    """The open rows as a store: the graph is theirs, and findings, decisions and history are the store's.

    log: the tables of the rows, on the store's workbench.
    """

    def __init__(self, store: LiveStore, log: LogTables) -> None:
        self._store, self.log = store, log
        self._interactions = store.bench.keep("graphdet_open_interactions", log.interactions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def interactions(self, since_ms: int | None = None, until_ms: int | None = None) -> Frame:
        """Interactions with since_ms <= at_ms < until_ms."""
        found = self._interactions
        found = found if since_ms is None else found.filter(nw.col("at_ms") >= since_ms)
        return found if until_ms is None else found.filter(nw.col("at_ms") < until_ms)

    def acts(self) -> Frame:
        """All acts: user_id, item_id, at_ms."""
        return self.log.events.select("user_id", "item_id", "at_ms")

    def events(self) -> Frame:
        """The events of the open rows, as of one source."""
        return self.log.events.with_columns(source_ix=nw.lit(0))

    def entities(self) -> Frame:
        """Links of users to shared entities within the open rows."""
        return self.log.entities

    def items(self) -> Frame:
        """Items of the open rows."""
        return self.log.items

    def sessions(self) -> Frame:
        """Sessions of the open rows."""
        return self.log.sessions


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
