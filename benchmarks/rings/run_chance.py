"""Are groups flagged in logs of pure chance? With the judge that is shipped, before and after the test by shuffling.

    python -m benchmarks.rings.run_chance [--seeds 12] [--record]

Every act is of an account and at a time drawn evenly, on an item drawn by popularity (rank to the power of −tilt).
Prints one JSON line per shape of log: how many of its logs have a flagged group.
"""

import argparse

import numpy as np
import pyarrow as pa

from benchmarks.recording import told
from graphdet.features.pairs import find_pairs
from graphdet.judge.shipped import shipped_judge
from graphdet.progress import Silent
from graphdet.rings.chance import beyond_chance
from graphdet.rings.find import find_candidates, judge_rings
from graphdet.tables import GraphArrays
from graphdet.units import DAY_MS
from graphdet.workbench import Workbench

FDR = 0.05
SHAPES = (  # acts, accounts, items, days, tilt
    (300, 50, 30, 1.0, 0.0),
    (1_000, 150, 60, 2.0, 0.0),
    (1_000, 150, 60, 5.0, 0.7),
    (3_000, 300, 100, 2.0, 0.7),
    (5_000, 1_000, 100, 3.0, 1.0),
    (20_000, 2_000, 500, 2.0, 0.7),
    (2_000, 500, 30, 0.2, 0.5),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--record", action="store_true")
    asked = parser.parse_args()
    for shape in SHAPES:
        flagged = np.sum([_flagged(chance_log(*shape, seed)) for seed in range(asked.seeds)], axis=0)
        names = ("acts", "accounts", "items", "days", "tilt")
        figures = dict(zip(names, shape, strict=True)) | {
            "logs": asked.seeds,
            "flagged_by_judge_alone": int(flagged[0]),
            "flagged": int(flagged[1]),
        }
        told(asked.record, "rings_by_chance", **figures)


def chance_log(acts: int, accounts: int, items: int, days: float, tilt: float, seed: int) -> GraphArrays:
    """A log in which nothing but chance brings accounts and items together."""
    rng = np.random.default_rng(seed)
    popularity = np.arange(1, items + 1) ** -tilt
    user = rng.integers(0, accounts, acts)
    item = rng.choice(items, acts, p=popularity / popularity.sum())
    at_ms = 1_700_000_000_000 + rng.integers(0, int(days * DAY_MS), acts)
    order = np.lexsort((item, at_ms, user))
    return GraphArrays(
        pa.array([f"u{k:05}" for k in range(accounts)]),
        pa.array([f"i{k:05}" for k in range(items)]),
        pa.array([f"s{k:05}" for k in range(acts)]),
        ("view",),
        user[order].astype(np.int32),
        item[order].astype(np.int32),
        np.arange(acts, dtype=np.int32),
        np.zeros(acts, np.int16),
        at_ms[order],
        np.ones(acts, np.int64),
    )


def _flagged(graph: GraphArrays) -> tuple[bool, bool]:
    """Whether the judge alone flags a group, and whether one is still flagged when chance was looked at."""
    judge = shipped_judge().logits
    with Workbench.in_memory() as bench:
        alone = judge_rings(find_candidates(graph, find_pairs(graph, bench, Silent()), 0), judge, FDR)
        kept = beyond_chance(alone, graph, bench, judge, FDR)
    return bool(alone.flagged.any()), bool(kept.flagged.any())


if __name__ == "__main__":
    main()
