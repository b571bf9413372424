"""The figures of reporting on a large click log: one JSON line each, appended to benchmarks/results.jsonl.

    python -m benchmarks.run_reports LOG [--rings 500] [--largest 2000] [--keep DIR]

Rings of known members are planted into the log of clicks and written into a store as if they had been found, so
that reporting alone is timed: a report of the largest ring, of all rings, and the size of every page. The evidence
is measured from the log; the scores are made up.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.recording import record

GRAPHDET = "import sys; from graphdet.cli.main import main; sys.argv[0] = 'graphdet'; main()"
COLUMNS = ("user_id", "item_id", "session_id", "timestamp", "action")


def graphdet(*words: str) -> tuple[float, float]:
    """Run graphdet as a user does; seconds by the clock, and of CPU, which a busy machine changes less."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", GRAPHDET, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, cpu_s


def read_clicks(log: Path) -> pa.Table:
    """The clicks of Globo's log with the columns of a simulated one."""
    table = pq.read_table(log, columns=["user_id", "click_article_id", "session_id", "click_timestamp"])
    text = [pc.cast(table[name], pa.string()) for name in ("user_id", "click_article_id", "session_id")]
    return pa.table(
        [*text, table["click_timestamp"], pa.array(["click"] * table.num_rows)], names=list(COLUMNS)
    )


def sizes(n_rings: int, largest: int, rng: np.random.Generator) -> list[int]:
    """Members of each ring: one of the largest, one of three, one of sixty, the rest between four and a hundred."""
    rest = np.round(np.exp(rng.uniform(np.log(4), np.log(100), max(n_rings - 3, 0)))).astype(int)
    return [largest, 60, 3, *rest.tolist()][:n_rings]


def plant(clicks: pa.Table, members: list[int], rng: np.random.Generator) -> tuple[pa.Table, list[dict]]:
    """Clicks of rings: each member takes most targets in one order within a sitting, and some clicks of others beside.

    Returns the clicks with those of rings, and per ring its users and items.
    """
    items = pc.value_counts(clicks["item_id"])
    popular = items.filter(pc.greater(items.field("counts"), 20)).field("values").to_pylist()
    at = clicks["timestamp"].to_numpy()
    first, last = int(at.min()), int(at.max())
    known = clicks["item_id"].to_pylist()
    columns: dict[str, list] = {name: [] for name in COLUMNS}
    rings = []
    for ring, size in enumerate(members):
        targets = [popular[k] for k in rng.choice(len(popular), int(rng.integers(4, 14)), replace=False)]
        start = int(rng.integers(first, last - 3 * 86_400_000))
        span = int(rng.choice([1800, 6 * 3600, 2 * 86400])) * 1000
        waves = start + rng.integers(0, span, int(rng.integers(1, 4)))
        for member in range(size):
            user = f"ring-{ring}-{member}"
            own = [item for item in targets if rng.random() < 0.85] or targets[:2]
            when = int(rng.choice(waves)) + int(rng.exponential(240_000))
            steps = when + np.cumsum(rng.gamma(4.0, 4_000, len(own))).astype(int)
            beside = rng.integers(0, len(known), int(rng.poisson(6)))
            columns["user_id"] += [user] * (len(own) + len(beside))
            columns["item_id"] += own + [known[k] for k in beside]
            columns["session_id"] += [f"{user}-s"] * len(own) + [f"{user}-{k}" for k in range(len(beside))]
            columns["timestamp"] += steps.tolist() + at[beside].tolist()
            columns["action"] += ["click"] * (len(own) + len(beside))
        rings.append({"users": [f"ring-{ring}-{k}" for k in range(size)], "items": targets})
    return pa.concat_tables([clicks, pa.table(columns, schema=clicks.schema)]), rings


def write_findings(store_url: str, planted: list[dict], n_flagged: int) -> None:
    """Write the planted rings into the store as found ones; evidence measured, scores made up from the size."""
    from graphdet.reports.context import LogActs
    from graphdet.store import open_store
    from graphdet.tables import RingTables

    store = open_store(store_url)
    acts = LogActs.of(store.acts().collect("pyarrow").to_native())
    rings, members, items, in_ring = [], [], [], {}
    for number, ring in enumerate(planted):
        ring_id = f"R{number + 1:04d}"
        users, targets = acts.rows_of_users(ring["users"]), acts.rows_of_items(ring["items"])
        mine, _ = acts.of_users(users)
        on = mine[np.isin(acts.item_ix[mine], targets)]
        first, last = int(acts.at_ms[on].min()), int(acts.at_ms[on].max())
        audience = acts.on_items(targets)
        during = audience[(acts.at_ms[audience] >= first) & (acts.at_ms[audience] <= last)]
        score = float(0.999 - 0.04 * (number / max(len(planted), 1)))
        cells = len(users) * len(targets)
        evidence = {
            "n_users": len(users), "n_items": len(targets), "n_acts": len(on), "density": len(on) / cells,
            "exclusivity": float(np.isin(acts.user_ix[during], users).mean()), "focus": len(on) / len(mine),
        }  # fmt: skip
        stamp = [np.datetime64(at, "ms").astype(str) + "Z" for at in (first, last)]
        reason = (
            f"{len(users)} accounts act on the same {len(targets)} items: {len(on)} acts of {cells} possible."
        )
        rings.append(
            (ring_id, "ring", len(users), len(targets), score, 1e-4, 1e-3 + number * 4e-5, number < n_flagged, *stamp,
             reason, json.dumps(evidence))
        )  # fmt: skip
        members += [(ring_id, user, score * 0.99) for user in ring["users"]]
        counts = np.bincount(np.searchsorted(np.sort(targets), acts.item_ix[on]), minlength=len(targets))
        names = acts.item_ids.take(pa.array(np.sort(targets))).to_pylist()
        items += [(ring_id, name, int(n), 50.0) for name, n in zip(names, counts, strict=True)]
        in_ring |= dict.fromkeys(ring["users"], (ring_id, score))
    ids = acts.user_ids.to_pylist()
    scored = [in_ring.get(user, (None, 0.01)) for user in ids]
    from graphdet.store.duckdb.tables import RING_ITEM_TYPES, RING_MEMBER_TYPES, RING_TYPES

    def table(rows: list[tuple], types: dict[str, str]) -> pa.Table:
        return pa.table({name: [row[k] for row in rows] for k, name in enumerate(types)})

    store.write_rings(
        RingTables(table(rings, RING_TYPES), table(members, RING_MEMBER_TYPES), table(items, RING_ITEM_TYPES))
    )
    value = pa.array([score for _, score in scored])
    p = pc.subtract(1.0, value)
    store.write_scores(
        pa.table({
            "user_id": ids, "score": value, "p_value": p, "q_value": p,
            "flagged": [ring is not None for ring, _ in scored],
            "ring_id": pa.array([ring for ring, _ in scored], pa.string()),
            "gnn": value, "cluster_distance": value, "probability": value,
            "reason": pa.array(["Acts with others." if ring else None for ring, _ in scored], pa.string()),
        })
    )  # fmt: skip
    store.close()


def make_store(log: Path, folder: Path, n_rings: int, largest: int, seed: int) -> str:
    """Plant, ingest and write findings; the store's URL."""
    rng = np.random.default_rng(seed)
    table, planted = plant(read_clicks(log), sizes(n_rings, largest, rng), rng)
    pq.write_table(table, folder / "log.parquet")
    url = f"duckdb:///{(folder / 'graph.duckdb').resolve()}"
    graphdet("ingest", str(folder / "log.parquet"), "--config", "simulated", "--store", url)
    write_findings(url, planted, n_rings)
    return url


def measure(url: str, folder: Path, n_rings: int) -> None:
    """Time the reports and weigh the pages."""
    one = [
        graphdet("report", "--store", url, "--ring", "R0001", "--out", str(folder / "one")) for _ in range(3)
    ]
    page = folder / "one" / "rings" / "R0001.html"
    record(
        "report_largest_ring",
        seconds=round(sorted(one)[1][0], 2),
        cpu_s=round(sorted(one)[1][1], 2),
        all=[round(s, 2) for s, _ in one],
        page_mib=round(page.stat().st_size / 2**20, 2),
    )
    seconds, cpu_s = graphdet("report", "--store", url, "--all", "--out", str(folder / "all"))
    pages = sorted((folder / "all" / "rings").glob("*.html"))
    record(
        "report_all_rings",
        rings=n_rings,
        seconds=round(seconds, 1),
        cpu_s=round(cpu_s, 1),
        pages=len(pages),
        largest_page_mib=round(max(page.stat().st_size for page in pages) / 2**20, 2),
        overview_mib=round((folder / "all" / "report.html").stat().st_size / 2**20, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--rings", type=int, default=500)
    parser.add_argument("--largest", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        url = f"duckdb:///{(folder / 'graph.duckdb').resolve()}"
        if not (folder / "graph.duckdb").exists():
            url = make_store(arguments.log, folder, arguments.rings, arguments.largest, arguments.seed)
        measure(url, folder, arguments.rings)


if __name__ == "__main__":
    main()
