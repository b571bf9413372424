"""How far long work is, and how many seconds and how much memory it took."""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import duckdb


@dataclass
class Clock:
    """Collects what each stage cost.

    stages: name → {"seconds": wall time, "peak_mib": the process's peak memory so far, in MiB}.
    """

    stages: dict[str, dict[str, float]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; a stage that fails is not recorded."""
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.stages[name] = {"seconds": round(seconds, 3), "peak_mib": round(peak_mib(), 1)}


def peak_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024) if sys.platform == "darwin" else peak / 1024


class Progress(Protocol):
    """Where long work says how far it is; the command line draws bars on stderr."""

    def start(self, stage: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps (None: unknown)."""

    def advance(self, steps: int = 1) -> None:
        """Move the current stage on."""

    def done(self) -> None:
        """End the current stage."""


class Silent:
    """Progress that says nothing."""

    def start(self, stage: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, steps: int = 1) -> None:
        """Ignore."""

    def done(self) -> None:
        """Ignore."""


class StepsShown:
    """Progress that says before each stage in which step of how many it is; a step is a stage of the clock.

    left: says how long the rest takes, of the seconds of the stages that are done and of the one that runs; None until
    somebody knows, or where it says so.
    """

    def __init__(self, inner: Progress, clock: Clock, total: int) -> None:
        self._inner, self._clock, self._total = inner, clock, total
        self._steps, self._began = 0, time.monotonic()
        self.left: Callable[[Mapping[str, float], float], str | None] | None = None

    def start(self, stage: str, total: int | None = None) -> None:
        """Begin a stage."""
        done, now = self._clock.stages, time.monotonic()
        if len(done) != self._steps:
            self._steps, self._began = len(done), now
        seconds = {name: cost["seconds"] for name, cost in done.items()}
        left = self.left(seconds, now - self._began) if self.left else None
        step = f"step {len(done) + 1} of {self._total}"
        self._inner.start(f"{step}{f', {left}' if left else ''}: {stage}", total)

    def advance(self, steps: int = 1) -> None:
        """Move the current stage on."""
        self._inner.advance(steps)

    def done(self) -> None:
        """End the current stage."""
        self._inner.done()


def without_bar(bench: "duckdb.DuckDBPyConnection") -> None:
    """Keep DuckDB from drawing progress bars of its own.

    In Jupyter without ipywidgets it draws none, and refuses to be told so.

    >>> import duckdb
    >>> with duckdb.connect() as bench:
    ...     without_bar(bench)
    ...     bench.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    (False,)
    """
    found = bench.execute("SELECT current_setting('enable_progress_bar')").fetchone()
    if found is not None and found[0]:
        bench.execute("SET enable_progress_bar = false")
