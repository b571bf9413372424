"""Make the lessons and the judge of rings that come with the package.

    python -m scripts.ship_ring_judge DATA [--without WORLD …] [--out FOLDER]

From generated logs and online retail, planted with campaigns and hard innocents, and from the real worlds of
DATA/worlds and DATA/foreign, whose rings are known. Any other log is unseen; `--without` leaves worlds out, to judge a
judge on a world that it was not taught. The lessons are evidence numbers of groups, no row of any log.
"""

import argparse
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.worlds.truth import UNION, World, foreign_globo, listed_world
from graphdet.config import load_config
from graphdet.graph.encode import encode
from graphdet.judge.examples import Lessons
from graphdet.judge.shipped import LESSONS, SHIPPED_FOLDER
from graphdet.judge.training import loss_shares, train_ring_judge
from graphdet.learn.ring_lessons import lessons_of, planted_copy
from graphdet.progress import Silent
from graphdet.rings.evidence_table import JUDGE_DIRECTION, as_a_log_without
from graphdet.rings.find import connected_blocks, ring_candidates
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
MOST_IN_A_WORLD = 600
WORLDS = ("hop", "vk", "cartel_japan", "ghost_stars")
FOREIGN = "foreign_globo"
GUILTY, INNOCENT, LEAST_KNOWN = 0.8, 0.2, 3  # shares of known members; and how many of them there have to be
# Of the planted campaigns together, what the rings of a world weigh: more where there are more, but less than in
# proportion, as groups of one world are alike.
RING_WEIGHT = 0.2
NATURAL_WEIGHT = 8.0  # of all worlds together
HIDDEN_WEIGHT = 0.3  # of the planted lessons again, as a log without times, and one of days, would show them


def read_log(log: Path, config: str) -> GraphArrays:
    """The graph of a log."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"duckdb:///{folder}/log.duckdb")
        try:
            ingest(store, [log], load_config(config), rejects=Path(folder) / "rejects.csv")
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


def world_lessons(world: World) -> Lessons:
    """Candidates of a real world that are mostly guilty as campaigns, those that hardly are as natural groups.

    Where the parts of a union of rings are not known, nobody can say which group is one, and the others alone teach.
    """
    graph = read_log(world.log, world.config)
    with Workbench.in_memory() as bench:
        _, candidates = ring_candidates(graph, bench, 0, Silent())
    ids = graph.user_ids.to_pylist()
    members = world.known & world.guilty
    known = np.array([name in world.known for name in ids], np.float32)
    guilty = np.array([name in members for name in ids], np.float32)
    n_known = np.asarray(candidates.blocks.users @ known)
    share = np.asarray(candidates.blocks.users @ guilty) / np.maximum(n_known, 1)
    ring = (n_known >= LEAST_KNOWN) & (share >= GUILTY) & (world.unit != UNION)
    natural = (n_known >= LEAST_KNOWN) & (share <= INNOCENT)
    group = np.where(ring, connected_blocks(candidates.blocks), -1)
    nobody = np.full(len(ring), -1)
    found = Lessons(candidates.inputs, group, np.where(ring, 1.0, 0.0), nobody, candidates.fold)
    found = found.of_rows(np.flatnonzero(ring | natural)).thinned(MOST_IN_A_WORLD, np.random.default_rng(0))
    n = found.n_found
    print(f"{world.name}: {n} groups of rings, {int(found.is_natural.sum())} natural groups", flush=True)
    shares = np.zeros(len(found.inputs))
    of_rings, others = found.is_ring, found.is_natural
    if n:
        size = np.bincount(found.campaign[of_rings])[found.campaign[of_rings]]
        shares[of_rings] = RING_WEIGHT * n**0.5 / (n * size)
    shares[others] = NATURAL_WEIGHT / (len(WORLDS) + 1) / max(int(others.sum()), 1)
    return Lessons(found.inputs, found.campaign, found.jaccard, found.innocent, found.fold, 1, shares)


def with_hidden(planted: Lessons) -> Lessons:
    """Planted lessons with their shares, and again as logs that show less would show them."""
    share = loss_shares(planted, None)
    parts = [(planted.inputs, share)]
    for what in ("times", "sittings"):
        parts.append((as_a_log_without(what, planted.inputs), HIDDEN_WEIGHT * share))
    columns = (planted.campaign, planted.jaccard, planted.innocent, planted.fold)
    return Lessons.joined([Lessons(inputs, *columns, planted.n_logs, weight) for inputs, weight in parts])


def main() -> None:
    """Write both into the package, or where it is said."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--without", nargs="*", default=[], choices=[*WORLDS, FOREIGN])
    parser.add_argument("--out", type=Path, default=SHIPPED_FOLDER)
    given = parser.parse_args()
    retail = read_log(given.data / "online_retail/orders.parquet", "online_retail")
    worlds = [listed_world(given.data, name) for name in WORLDS if name not in given.without]
    worlds += [foreign_globo(given.data)] if FOREIGN not in given.without else []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(generated, which, seed) for which in GENERATED for seed in SEEDS_GENERATED]
        jobs += [pool.submit(lessons, retail, seed) for seed in SEEDS_RETAIL]
        real = [pool.submit(world_lessons, world) for world in worlds]
        planted = Lessons.joined([job.result() for job in jobs])
        joined = Lessons.joined([with_hidden(planted), *(job.result() for job in real)])
    given.out.mkdir(parents=True, exist_ok=True)
    joined.save(given.out / LESSONS)
    # On what is shipped, rounded to float32, so that anybody can train the same judge from it.
    train_ring_judge(Lessons.load(given.out / LESSONS), JUDGE_DIRECTION).save(given.out)


if __name__ == "__main__":
    main()
