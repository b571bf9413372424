"""What run_rings.py recorded, and figures of a method summed over several planted logs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.recording import RESULTS
from benchmarks.rings.scoring import f1
from graphdet.simulation.campaigns import LEVELS


def recorded(commits: Sequence[str]) -> list[dict[str, Any]]:
    """The lines that run_rings.py wrote at these commits. One that was written twice counts once, the last."""
    rows = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["name"] == "rings" and row["commit"] in commits:
            rows[row["log"], row["seed"], row["method"]] = row
    return list(rows.values())


@dataclass(frozen=True)
class Sums:
    """What a method did on all of some planted logs together.

    flagged, right: rings; found, planted: campaigns, by level; beyond: campaigns with a margin that any method could
    see, found and planted; innocents: groups, accused and planted; user_auprc: the mean over the logs.
    """

    flagged: int
    right: int
    found: dict[str, int]
    planted: dict[str, int]
    beyond: tuple[int, int]
    innocents: tuple[int, int]
    user_auprc: float

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> "Sums":
        """Sum lines of one method, as run_rings.py writes them."""
        levels = [name for name in LEVELS if any(name in row for row in rows)]

        def over(level: str, key: str) -> int:
            return sum(row[level][key] for row in rows if level in row)

        def all_levels(key: str) -> int:
            return sum(over(level, key) for level in levels)

        return cls(
            sum(row["flagged"] for row in rows),
            sum(row["right"] for row in rows),
            {level: over(level, "found") for level in levels},
            {level: over(level, "planted") for level in levels},
            (all_levels("detectable_found"), all_levels("detectable")),
            (sum(row["innocents_accused"] for row in rows), sum(row["innocents"] for row in rows)),
            float(np.mean([row["user_auprc"] for row in rows])),
        )

    @property
    def n_found(self) -> int:
        """Campaigns found, of all levels."""
        return sum(self.found.values())

    @property
    def n_planted(self) -> int:
        """Campaigns planted, of all levels."""
        return sum(self.planted.values())

    @property
    def precision(self) -> float:
        """Share of flagged rings that are campaigns; 0 where none is flagged."""
        return self.right / self.flagged if self.flagged else 0.0

    @property
    def recall(self) -> float:
        """Share of campaigns that are found."""
        return self.n_found / self.n_planted

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return f1(self.right, self.flagged, self.n_found, self.n_planted)
