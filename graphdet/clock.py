"""Seconds and peak memory per verb, for run.json."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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
