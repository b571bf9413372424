"""Make the lessons and the judge of rings that come with the package.

    python scripts/ship_ring_judge.py DATA

From generated logs and online retail, planted with campaigns and hard innocents: any other log is unseen.
"""

import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from graphdet.config import load_config
from graphdet.graph.encode import encode
from graphdet.judge.examples import Lessons
from graphdet.judge.shipped import LESSONS, SHIPPED_FOLDER, shipped_lessons
from graphdet.judge.training import train_ring_judge
from graphdet.learn.ring_lessons import lessons_of, planted_copy
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION
from graphdet.simulation.organic import organic
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest
from graphdet.workbench import Workbench

GENERATED = (  # users, items, days, kind: from crowded to sparse, from days to a year
    (20_000, 2_000, 30, "news"),
    (60_000, 10_000, 14, "news"),
    (6_000, 6_000, 3, "news"),
    (20_000, 5_000, 60, "shop"),
    (60_000, 20_000, 10, "shop"),
    (4_000, 3_000, 360, "shop"),
)
SEEDS_GENERATED = (1, 2, 3)
SEEDS_RETAIL = (101, 102, 103, 104, 105, 106)
MOST_NATURAL = 150  # of one planted log, so that none drowns the others


def online_retail(data: Path) -> GraphArrays:
    """Read the one real log."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"duckdb:///{folder}/log.duckdb")
        try:
            orders = data / "online_retail/orders.parquet"
            ingest(store, [orders], load_config("online_retail"), rejects=Path(folder) / "rejects.csv")
            return encode(store.interactions(), store.entities())
        finally:
            store.close()


def lessons(graph: GraphArrays, seed: int) -> Lessons:
    """Plant, find candidates, thin."""
    with Workbench.in_memory() as bench:
        planted, _, candidates = planted_copy(graph, bench, seed, Silent())
    found = lessons_of(planted, candidates)
    print(
        f"{graph.n_users} users, seed {seed}: {found.n_found} of {len(planted.campaigns)} found", flush=True
    )
    return found.thinned(MOST_NATURAL, np.random.default_rng(seed))


def generated(which: tuple[int, int, int, str], seed: int) -> Lessons:
    """Lessons of one generated log."""
    return lessons(organic(*which[:3], seed, which[3]), seed)


def main(data: Path) -> None:
    """Write both into the package."""
    retail = online_retail(data)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(generated, which, seed) for which in GENERATED for seed in SEEDS_GENERATED]
        jobs += [pool.submit(lessons, retail, seed) for seed in SEEDS_RETAIL]
        joined = Lessons.joined([job.result() for job in jobs])
    joined.save(SHIPPED_FOLDER / LESSONS)
    # On what is shipped, rounded to float32, so that anybody can train the same judge from it.
    train_ring_judge(shipped_lessons(), JUDGE_DIRECTION).save(SHIPPED_FOLDER)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
