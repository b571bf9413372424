"""How time and memory grow with a log, and what cutting it into shards changes: a JSON line each, in results.jsonl.

    python -m benchmarks.run_scale sizes LOG FOLDER --config globo [--times 1 3 10 33]
    python -m benchmarks.run_scale shards LOG --config globo [--acts 1500000 1000000]

`sizes` repeats a log of whole-number ids and times, one copy after the other with ids of its own, and measures `ingest`
and `rings` (the judge that ships) on 1, 3, 10 … copies, each in a process of its own. FOLDER needs 100 MB a copy of
Globo. `shards` finds the rings of one log whole and in shards of so many acts, and says ring by ring what differs; LOG
is best one with planted campaigns (`graphdet simulate`).
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.recording import BIN, record
from graphdet.config import load_config
from graphdet.config.settings import Config

APART = 10_000_000  # between the ids of two copies
SPAN_QUANTILE = (
    0.97  # of a log's times that a copy takes up before the next begins: Globo has a thin end of weeks
)


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, of which the processor (all threads), and its own peak of memory in GiB."""

    seconds: float
    cpu_s: float
    gib: float

    def named(self, what: str) -> dict[str, float]:
        """The figures of a row."""
        figures = {"s": self.seconds, "cpu_s": self.cpu_s, "gib": self.gib}
        return {f"{what}_{name}": round(value, 2) for name, value in figures.items()}


def measured(*words: str) -> tuple[Cost, str]:
    """Run graphdet; what it took and what it printed."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([str(BIN), *words], stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"graphdet {' '.join(words)}: exit code {child.returncode}")
        out.seek(0)
        seconds = time.perf_counter() - started
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20), out.read()


def copies(log: str, config: Config, n: int, folder: Path) -> list[Path]:
    """The log n times, a file each: every copy has users, items, sessions and a time of its own."""
    columns = config.columns
    ids = [name for name in (columns.user_id, columns.item_id, columns.session_id) if name is not None]
    at = columns.timestamp
    assert at is not None
    with duckdb.connect() as bench:
        first, last = bench.execute(
            f'SELECT min("{at}"), quantile_cont("{at}", {SPAN_QUANTILE})::BIGINT FROM \'{log}\''
        ).fetchall()[0]
        files = []
        for k in range(n):
            files.append(folder / f"copy{k:02}.parquet")
            if files[-1].exists():
                continue
            moved = [f'"{name}" + {k * APART} AS "{name}"' for name in ids]
            moved.append(f'"{at}" + {k * (last - first)} AS "{at}"')
            bench.execute(f"COPY (SELECT {', '.join(moved)} FROM '{log}') TO '{files[-1]}'")
    return files


def sizes(arguments: argparse.Namespace) -> None:
    """Ingest and rings on ever more copies."""
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    config = load_config(arguments.config)
    per_event: float | None = None
    for n in arguments.times:
        files = copies(arguments.log, config, n, folder)
        store = folder / f"scale{n}.duckdb"
        store.unlink(missing_ok=True)
        where = f"duckdb:///{store.resolve()}"
        read, _ = measured("ingest", *map(str, files), "--config", arguments.config, "--store", where)
        rings, text = measured("rings", "--store", where, "--json", "--brief")
        with duckdb.connect(str(store), read_only=True) as bench:
            n_events = bench.execute("SELECT count(*) FROM event_log").fetchall()[0][0]
        found = json.loads(text)
        each = (read.seconds + rings.seconds) / n_events
        per_event = per_event or each
        record(
            "scale",
            copies=n,
            n_events=n_events,
            **read.named("ingest"),
            **rings.named("rings"),
            n_rings=found["n_rings"],
            n_flagged=found["n_flagged"],
            times_per_event=round(each / per_event, 2),
        )
        store.unlink()


def shards(arguments: argparse.Namespace) -> None:
    """Rings of the whole log against those of its shards, ring by ring."""
    with tempfile.TemporaryDirectory() as name:
        where = f"duckdb:///{name}/graph.duckdb"
        measured("ingest", arguments.log, "--config", arguments.config, "--store", where)
        whole, cost = _flagged(where)
        for acts in arguments.acts:
            cut_up, cost_cut_up = _flagged(where, "--shard-acts", str(acts))
            pairs = [_nearest(one, cut_up) for one in whole]
            record(
                "shards_against_whole",
                log=Path(arguments.log).name,
                shard_acts=acts,
                whole=len(whole),
                in_shards=len(cut_up),
                alike=[round(jaccard, 3) for jaccard, _ in pairs],
                sizes_whole=[len(users) for users, _ in whole],
                items_whole=[len(items) for _, items in whole],
                items_shared=[shared for _, shared in pairs],
                only_in_shards=sum(_nearest(one, whole)[0] == 0 for one in cut_up),
                **cost.named("whole"),
                **cost_cut_up.named("in_shards"),
            )


Ring = tuple[frozenset[str], frozenset[str]]


def _flagged(where: str, *more: str) -> tuple[list[Ring], Cost]:
    """Members and items of the flagged rings of a store, the strongest first, and what `graphdet rings` took."""
    cost, _ = measured("rings", "--store", where, *more)
    rows = {}
    with duckdb.connect(where.removeprefix("duckdb:///"), read_only=True) as bench:
        ids = bench.execute("SELECT ring_id FROM rings WHERE flagged ORDER BY score DESC, ring_id").fetchall()
        for (ring_id,) in ids:
            rows[ring_id] = tuple(
                frozenset(
                    one
                    for (one,) in bench.execute(
                        f"SELECT {key} FROM {table} WHERE ring_id = ?", [ring_id]
                    ).fetchall()
                )
                for key, table in (("user_id", "ring_members"), ("item_id", "ring_items"))
            )
    return [(users, items) for users, items in rows.values()], cost


def _nearest(ring: Ring, others: list[Ring]) -> tuple[float, int]:
    """The Jaccard index of the members of the most alike of other rings, and how many items it has in common."""
    users, items = ring
    best = [(len(users & them) / len(users | them), len(items & its)) for them, its in others]
    return max(best, default=(0.0, 0))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(required=True)
    grow = parts.add_parser("sizes")
    grow.add_argument("log")
    grow.add_argument("folder", type=Path)
    grow.add_argument("--times", type=int, nargs="*", default=[1, 3, 10, 33])
    grow.set_defaults(run=sizes)
    apart = parts.add_parser("shards")
    apart.add_argument("log")
    apart.add_argument("--acts", type=int, nargs="*", default=[1_500_000, 1_000_000])
    apart.set_defaults(run=shards)
    for one in (grow, apart):
        one.add_argument("--config", default="globo")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
