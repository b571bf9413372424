"""A look at the open rows: what is found among them, here or in a process of its own.

`search` is a pure function of the rows, of what the store knows of earlier rings, and of what analysts decided; it
works on a bench in memory and writes nothing. `Looker` calls it in a process of its own with lower priority, so that
events are stored and questions answered while a look is under way, and what a look needs of memory is not theirs.
"""

import multiprocessing
import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import narwhals as nw
import pyarrow as pa

from graphdet.audit import AuditLog
from graphdet.casework.memory import Remembered
from graphdet.config import Config
from graphdet.detect.rings import judge_and_remember
from graphdet.errors import GraphdetError, UsageError
from graphdet.evaluation.flag_rule import DEFAULT_FDR, FlagRule
from graphdet.graph.encode import encode
from graphdet.judge.model import RingJudge
from graphdet.judge.shipped import shipped_judge
from graphdet.live.drift import Likeness, shape_of
from graphdet.live.promise import e_values
from graphdet.logs.parts import open_tables
from graphdet.ports import CaseworkStore, LooseVerdict
from graphdet.progress import Progress, Silent
from graphdet.rings.find import Judged, judge_rings, ring_candidates
from graphdet.tables import Frame, LogTables, RingTables
from graphdet.units import DAY_MS, HOUR_MS
from graphdet.workbench import Workbench

if TYPE_CHECKING:
    from graphdet.learn.models import Models

LESS_URGENT = 2  # how much nicer the process of looks is than that of events and answers


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


@dataclass(frozen=True)
class Casework:
    """What a look knows of the store, in memory: rings of the look before, the history of rings, decisions."""

    before: RingTables
    history: pa.Table
    decided: AuditLog

    @classmethod
    def of(cls, store: CaseworkStore) -> "Casework":
        """As it stands in a store."""
        return cls(store.rings(), store.ring_history(), store.audit())

    def rings(self) -> RingTables:
        """The rings of the look before."""
        return self.before

    def ring_history(self) -> pa.Table:
        """What rings were at every look (schema.RING_HISTORY_COLUMNS)."""
        return self.history

    def audit(self) -> AuditLog:
        """The audit log."""
        return self.decided

    def loose_verdicts(self) -> list[LooseVerdict]:
        """None: only Neo4j Browser writes past the log."""
        return []


class OpenWindow:
    """Open rows as a store: the graph is theirs, earlier rings and decisions are the casework's.

    log: the tables of the rows, on the bench.
    """

    def __init__(self, bench: Workbench, casework: Casework, log: LogTables) -> None:
        self.bench, self.log, self._casework = bench, log, casework
        self._interactions = bench.keep("graphdet_open_interactions", log.interactions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._casework, name)

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


@dataclass(frozen=True)
class Found:
    """What a look found.

    n_tested: how many groups stand out. e_values: of each of the findings. scores: of users, with a model.
    shape: what the rows are like.
    """

    n_tested: int
    e_values: tuple[float, ...]
    known: Remembered
    scores: pa.Table | None
    shape: Likeness


def search(
    rows: pa.Table,
    casework: Casework,
    config: Config,
    settings: LiveSettings,
    progress: Progress | None = None,
) -> Found:
    """Find rings among open rows as `graphdet rings` does in a log that holds just these; with a model, score users."""
    with Workbench.in_memory() as bench, bench.borrow() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = ''")
        log = open_tables(connection, bench.keep("open_rows", bench.from_arrow(rows)), config)
        window = cast(CaseworkStore, OpenWindow(bench, casework, log))
        judged, known, scores = _judged(window, settings, progress or Silent())
    shape = shape_of(rows, judged.score, scores)
    return Found(judged.n_tested, e_values(judged, known.findings), known, scores, shape)


def _judged(
    window: CaseworkStore, settings: LiveSettings, progress: Progress
) -> tuple[Judged, Remembered, pa.Table | None]:
    graph = encode(window.interactions(), window.entities())
    pairs, candidates = ring_candidates(graph, window.bench, settings.seed, progress)
    if settings.model_dir is None:
        return *judge_and_remember(window, graph, candidates, _shipped(), settings.fdr), None
    from graphdet.detect.score import (
        ScoringSettings,
        score_graph,
    )  # torch, which the shipped judge does without

    models = _models(settings.model_dir)
    judged = judge_rings(candidates, models.judge.logits, settings.fdr)
    how = ScoringSettings(FlagRule(settings.fdr), settings.device)
    scores, known = score_graph(window, graph, pairs, candidates, models, how, progress)
    return judged, known, scores


@cache
def _shipped() -> RingJudge:
    return shipped_judge()


@cache
def _models(folder: Path) -> "Models":
    from graphdet.learn.models import load_models

    return load_models(folder)


class Looker:
    """Looks in a process of its own, one at a time; it ends with this one, however this one ends."""

    def __init__(self, config: Config, settings: LiveSettings) -> None:
        self._about = (config, settings)
        self._link: Connection | None = None
        self._process: Any = None
        self._asking = ThreadPoolExecutor(1, "graphdet look")
        self._answer: Future[Found] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a look was begun whose result nobody took."""
        return self._answer is not None

    def begin(self, rows: pa.Table, casework: Casework) -> None:
        """Begin a look; only one that is not busy may."""
        self._answer = self._asking.submit(self._ask, rows, casework)

    def take(self, timeout_s: float | None = 0.0) -> Found | None:
        """What the look found, or None where it is still under way after so many seconds; None: as long as it takes.

        Raises:
            GraphdetError: the look failed, or its process was ended twice.
        """
        if self._answer is None:
            return None
        try:
            found = self._answer.result(timeout_s)
        except TimeoutError:
            return None
        except BaseException:
            self._answer = None
            raise
        self._answer = None
        return found

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        if self._process is not None:
            self._process.kill()
        self._asking.shutdown(wait=True, cancel_futures=True)
        if self._process is not None:  # which may be another one now
            self._process.kill()
            self._process.join()
        if self._link is not None:
            self._link.close()

    def _ask(self, rows: pa.Table, casework: Casework) -> Found:
        for _ in range(2):  # one that was ended is started once more
            try:
                link = self._started()
                link.send((rows, casework))
                answer = link.recv()
            except (EOFError, OSError):
                self._link = None
                if self._closed:
                    break
                continue
            if isinstance(answer, BaseException):
                raise answer
            return cast(Found, answer)
        raise GraphdetError(
            "the process that looks for rings was ended twice, perhaps for want of memory; give a smaller "
            "--most-events, and start again: nothing is lost"
        )

    def _started(self) -> Connection:
        if self._link is None:
            context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
            self._link, theirs = context.Pipe()
            self._process = context.Process(target=_work, args=(theirs, *self._about), daemon=True)
            self._process.start()
            theirs.close()
        return self._link


def _work(link: Connection, config: Config, settings: LiveSettings) -> None:
    """Answer until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the watcher
    os.nice(LESS_URGENT)
    while True:
        try:
            rows, casework = link.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Found | BaseException = search(rows, casework, config, settings)
        except GraphdetError as error:
            answer = error
        except Exception as error:
            answer = RuntimeError(f"a look failed: {error!r}")
        with suppress(OSError):
            link.send(answer)
