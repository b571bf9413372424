"""Rings found in real logs with planted campaigns, by graphdet and its peers: one JSON line per log, seed and method.

    python -m benchmarks.rings.run_rings DATA [--logs globo online_retail …] [--seeds 1 2 …] [--methods graphdet …]

Each method sees the planted log as a stranger's. `--untouched` runs graphdet on the logs as they are. A table over all
lines of the run is printed at the end.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.recording import record
from benchmarks.rings.detectors import DETECTORS
from benchmarks.rings.logs import LOGS, read_log
from benchmarks.rings.planted import Truth, planted_log
from benchmarks.rings.scoring import Found, figures
from benchmarks.rings.sums import Sums
from graphdet.errors import NotEnoughData
from graphdet.simulation.campaigns import LEVELS
from graphdet.tables import GraphArrays

OURS = ("graphdet", "graphdet, untrained")  # that also look at the untouched logs
SLOW, MANY_USERS = "PyGOD GAE", 10_000  # a peer that takes minutes in logs of more users than that


def measured(method: str, graph: GraphArrays, seed: int) -> tuple[Found, float, float, str]:
    """What a method found, its seconds, the peak MiB of its process, and why it said nothing, if so."""
    warnings.simplefilter("ignore")
    started, note = time.perf_counter(), ""
    try:
        found = DETECTORS[method](graph, seed)
    except NotEnoughData as error:
        found, note = Found([], 0, np.zeros(graph.n_users)), f"insufficient data: {error}"
    seconds = time.perf_counter() - started
    return found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, note


def alone(method: str, graph: GraphArrays, seed: int) -> tuple[Found, float, float, str]:
    """The same in a process of its own, so that memory is the method's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, method, graph, seed).result()


def one(name: str, graph: GraphArrays, truth: Truth, seed: int | None, method: str) -> dict[str, object]:
    """Run a method on a log and record what it did."""
    found, seconds, peak, note = alone(method, graph, seed or 0)
    values: dict[str, object] = {"log": name, "seed": seed, "method": method, "n_users": graph.n_users}
    if truth.levels:
        values |= figures(found, truth) | {"base_rate": float((truth.campaign_of_user >= 0).mean())}
    else:
        values |= {"flagged": found.n_flagged}
        if found.user_flagged is not None:
            values |= {"users_flagged": int(found.user_flagged.sum())}
    values |= {"seconds": round(seconds, 1), "peak_mib": round(peak)} | ({"note": note} if note else {})
    record("rings", **values)
    return values


def table(rows: list[dict[str, object]]) -> None:
    """Print sums over the planted logs, a line per method, and what was flagged on the untouched ones."""
    by_method: dict[str, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        if row["seed"] is not None:
            by_method[str(row["method"])].append(row)
    print(f"\n{'method':20}{'precision':>10}{'recall':>8}{'F1':>6}{'AUPRC':>7}", end="")
    print(
        "".join(f"{name:>8}" for name in LEVELS)
        + f"{'beyond +50':>12}{'innocents':>11}{'seconds':>9}{'MiB':>7}"
    )
    for method, its in by_method.items():
        sums = Sums.of(its)
        print(f"{method:20}{sums.precision:10.2f}{sums.recall:8.2f}{sums.f1:6.2f}", end="")
        print(f"{sums.user_auprc:7.2f}", end="")
        print("".join(f"{f'{sums.found[name]}/{n}':>8}" for name, n in sums.planted.items()), end="")
        beyond, innocents = (f"{some}/{of_all}" for some, of_all in (sums.beyond, sums.innocents))
        print(f"{beyond:>12}{innocents:>11}", end="")
        print(f"{sum(r['seconds'] for r in its):9.0f}{max(r['peak_mib'] for r in its):7}")
    for row in rows:
        if row["seed"] is None:
            rate = row["flagged"] / row["n_users"] * 100_000
            print(
                f"untouched {row['log']}, {row['method']}: {row['flagged']} flagged, {rate:.1f} per 100,000 users"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="*", default=list(LOGS), choices=list(LOGS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    parser.add_argument("--methods", nargs="*", default=list(DETECTORS), choices=list(DETECTORS))
    parser.add_argument("--untouched", action="store_true")
    parser.add_argument(
        "--quick", action="store_true", help=f"{SLOW} only in logs of up to {MANY_USERS:,} users"
    )
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.logs:
            graph = read_log(name, arguments.data, Path(folder))
            if arguments.untouched:
                nobody = Truth(*[np.full(graph.n_users, -1, np.int32)] * 2, [], [], [])
                rows += [
                    one(name, graph, nobody, None, method) for method in OURS if method in arguments.methods
                ]
            for seed in arguments.seeds:
                planted, truth = planted_log(graph, LOGS[name].per_level, seed)
                slow = arguments.quick and planted.n_users > MANY_USERS
                methods = [method for method in arguments.methods if not (slow and method == SLOW)]
                rows += [one(name, planted, truth, seed, method) for method in methods]
    table(rows)


if __name__ == "__main__":
    main()
