"""The figures of the main job on a large click log: one JSON line each, appended to benchmarks/results.jsonl.

    python -m benchmarks.run_globo LOG --config globo [--seeds 13 14] [--parts ingest shipped …]

Per seed: ten campaigns are planted into the log, `graphdet run` reads the planted log as a stranger's, and its flagged
rings and users are held against the truth. Also: `graphdet run` on the untouched log, with the judge that ships
(`--train never`) and with training, ingest against DuckDB's own COPY of the same file, and candidates-to-rings against
the bare SQL of the pair join.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from sklearn.metrics import average_precision_score

from benchmarks.recording import command, record, stages

SCORES = ("score", "gnn", "cluster_distance", "probability")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def judge(out: Path, truth: Path) -> dict[str, object]:
    """Rings and suspects of a run against what was planted."""
    campaigns: dict[str, set[str]] = {}
    for row in rows(truth):
        campaigns.setdefault(row["campaign_id"], set()).add(row["user_id"])
    members: dict[str, set[str]] = {}
    for row in rows(out / "ring_members.csv"):
        members.setdefault(row["ring_id"], set()).add(row["user_id"])
    flagged = [row["ring_id"] for row in rows(out / "rings.csv") if row["flagged"] == "true"]
    found, right = set(), 0
    for ring in flagged:
        best, jaccard = max(
            ((name, len(members[ring] & who) / len(members[ring] | who)) for name, who in campaigns.items()),
            key=lambda pair: pair[1],
        )
        if jaccard >= 0.5:
            found.add(best)
            right += 1
    suspects = [row for row in rows(out / "suspects.csv") if row["flagged"] == "true"]
    planted = set().union(*campaigns.values())
    return {
        "campaigns": len(campaigns),
        "campaigns_found": len(found),
        "rings_flagged": len(flagged),
        "ring_precision": round(right / len(flagged), 3) if flagged else None,
        "users_flagged": len(suspects),
        "users_flagged_planted": sum(row["user_id"] in planted for row in suspects),
        "users_planted": len(planted),
        "user_auprc": parts_alone(out, planted),
    }


def parts_alone(out: Path, planted: set[str]) -> dict[str, float]:
    """Average precision of the score over planted accounts, and of each part of it alone."""
    sure = {row["ring_id"]: float(row["score"]) for row in rows(out / "rings.csv")}
    ring: dict[str, float] = {}
    for row in rows(out / "ring_members.csv"):
        ring[row["user_id"]] = max(ring.get(row["user_id"], 0.0), sure[row["ring_id"]] * float(row["score"]))
    users = rows(out / "suspects.csv")
    is_planted = [row["user_id"] in planted for row in users]
    values = {name: [float(row[name]) for row in users] for name in SCORES}
    values["ring"] = [ring.get(row["user_id"], 0.0) for row in users]
    return {
        name: round(float(average_precision_score(is_planted, value)), 3) for name, value in values.items()
    }


def ingest_ratio(log: str, config: str, folder: Path) -> None:
    """Ingest against COPY TO parquet of the same file, in turns; the median of three ratios."""
    ratios = []
    for turn in range(3):
        target = folder / f"copy{turn}.parquet"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", f"import duckdb; duckdb.execute(\"COPY (FROM '{log}') TO '{target}'\")"],
            check=True,
        )
        copy_s = time.perf_counter() - started
        ingest_s, _ = command(
            "ingest", log, "--config", config, "--store", f"duckdb:///{folder}/i{turn}.duckdb"
        )
        ratios.append(ingest_s / copy_s)
    record("ingest_over_copy", ratio=round(sorted(ratios)[1], 2), all=[round(r, 2) for r in ratios])


def pair_join_ratio(store: Path) -> None:
    """Candidates to judged rings (without the judge's training) against the bare SQL of the pair joins.

    Two bounds: the join with the columns that ring finding needs of a pair (`bare_s`), and the same join with
    nothing but the count of common items (`count_only_s`). Both leave out the same crowds as graphdet does.
    """
    from graphdet.features.pairs import WINDOWS, find_pairs, first_acts, largest_crowd
    from graphdet.graph.encode import edges_frame, read_graph
    from graphdet.progress import Silent
    from graphdet.rings.find import find_candidates
    from graphdet.store import open_store
    from graphdet.workbench import Workbench

    opened = open_store(f"duckdb:///{store}", read_only=True)
    graph = read_graph(opened, Silent())
    needed = ", sum(x.rarity) AS weight, avg(y.at_ms - x.at_ms) / 1000 AS gap_s"
    spent = {"bare_s": 0.0, "count_only_s": 0.0}
    with duckdb.connect() as con:
        acts = first_acts(edges_frame(graph, Workbench(con)))
        crowds = [largest_crowd(acts, window) for window in WINDOWS]
        from narwhals import to_native

        to_native(acts).create("acts")
        for window, crowd in zip(WINDOWS, crowds, strict=True):
            span = int(window.span_s * 1000)
            for name, columns in (("bare_s", needed), ("count_only_s", "")):
                started = time.perf_counter()
                con.execute(
                    f"""WITH q AS (SELECT *, at_ms // {span} AS bucket,
                          count(*) OVER (PARTITION BY item_ix, at_ms // {span}) AS c,
                          ln({graph.n_users} / count(*) OVER (PARTITION BY item_ix)) AS rarity
                          FROM acts),
                        k AS (SELECT * FROM q WHERE c <= {crowd})
                    SELECT least(x.user_ix, y.user_ix) AS a, greatest(x.user_ix, y.user_ix) AS b,
                           count(*) AS n {columns}
                    FROM (SELECT *, bucket AS reach FROM k UNION ALL SELECT *, bucket + 1 FROM k) x
                    JOIN k y ON x.item_ix = y.item_ix AND x.reach = y.bucket
                    WHERE y.at_ms - x.at_ms BETWEEN 0 AND {span} AND x.user_ix <> y.user_ix
                      AND (y.at_ms > x.at_ms OR x.user_ix < y.user_ix)
                    GROUP BY ALL HAVING count(*) >= {window.min_items}"""
                ).to_arrow_table()
                spent[name] += time.perf_counter() - started
        started = time.perf_counter()
        windows = find_pairs(graph, Workbench(con), Silent())
        pairs_s = time.perf_counter() - started
        find_candidates(graph, windows, 0)
        all_s = time.perf_counter() - started
    opened.close()
    record(
        "candidates_to_rings_over_pair_join",
        ratio=round(all_s / spent["bare_s"], 2),
        ratio_to_count_only=round(all_s / spent["count_only_s"], 2),
        **{name: round(seconds, 1) for name, seconds in spent.items()},
        pairs_s=round(pairs_s, 1),
        all_s=round(all_s, 1),
    )


PARTS = ("help", "ingest", "shipped", "untouched", "pairs", "planted")


def run_untouched(name: str, log: str, config: str, out: Path, *more: str) -> None:
    """graphdet run on the log as it is: nothing should be flagged."""
    seconds, peak = command("run", log, "--config", config, "--out", str(out), *more)
    rings = [row for row in rows(out / "rings.csv") if row["flagged"] == "true"]
    users = [row for row in rows(out / "suspects.csv") if row["flagged"] == "true"]
    record(
        name,
        seconds=round(seconds, 1),
        peak_mib=round(peak),
        rings_flagged=len(rings),
        users_flagged=len(users),
        stages=stages(out),
    )


def run_planted(seed: int, store: str, planted: Path) -> None:
    """Ten campaigns planted into the log of a store, and found again or not."""
    plan = ("--plan", "benchmark", "--seed", str(seed))
    command("simulate", "--store", store, "--out", f"{planted}/log.parquet", *plan)
    seconds, _ = command("run", f"{planted}/log.parquet", "--config", "simulated", "--out", f"{planted}/run")
    record(
        "run_planted",
        seed=seed,
        seconds=round(seconds, 1),
        **judge(planted / "run", planted / "truth.csv"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log")
    parser.add_argument("--config", default="globo")
    parser.add_argument("--seeds", type=int, nargs="*", default=[13, 14])
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, metavar="PART")
    arguments = parser.parse_args()
    log, config, parts = arguments.log, arguments.config, arguments.parts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "help" in parts:
            help_s = min(command("--help")[0] for _ in range(5))
            record("help_seconds", seconds=round(help_s, 3))
        if "ingest" in parts:
            ingest_ratio(log, config, folder)
        if "shipped" in parts:
            run_untouched("run_untouched_shipped", log, config, folder / "shipped", "--train", "never")
        if "untouched" in parts:
            run_untouched("run_untouched", log, config, folder / "untouched")
        store = folder / "store.duckdb"
        if "pairs" in parts or "planted" in parts:
            command("ingest", log, "--config", config, "--store", f"duckdb:///{store}")
        if "pairs" in parts:
            pair_join_ratio(store)
        for seed in arguments.seeds if "planted" in parts else ():
            run_planted(seed, f"duckdb:///{store}", folder / f"planted{seed}")


if __name__ == "__main__":
    main()
