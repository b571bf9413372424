"""graphdet and its peers in real worlds whose truth is known, zero-shot and with nothing tuned per world.

python -m benchmarks.worlds.run_worlds ../shared/data [--worlds vk hop] [--methods graphdet oracle] [--record [FILE]]

Every method runs in a process of its own. One JSON line per world and method; --record appends them to a file,
from which `python -m benchmarks.worlds.table` makes a table.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import duckdb

from benchmarks import recording
from benchmarks.worlds.measured import measured, read_findings, run_graphdet, warnings_of
from benchmarks.worlds.oracle import oracles
from benchmarks.worlds.peers import PAYS_TWICE, PEERS, TOGETHER_S, read_said, together
from benchmarks.worlds.scoring import Figures, figures
from benchmarks.worlds.summary import NAME, OURS
from benchmarks.worlds.truth import PAYMENTS, UNKNOWN, WORLDS, World, read_world

METHODS = (OURS, *PEERS)
WITH_TRUTH = "oracle"  # what could be reached with the truth in hand; only where it is asked for
TIGHT = (3, 5)  # objects that two accounts share at the same moments


def rounded(value: object) -> object:
    """Four digits are enough of any figure."""
    if isinstance(value, float):
        return round(value, 4)
    return {key: rounded(its) for key, its in value.items()} if isinstance(value, dict) else value


def tight_accounts(world: World) -> dict[int, frozenset[str]] | None:
    """Where nobody knows who is guilty: the accounts that share so many objects within a minute with another."""
    if world.unit != UNKNOWN:
        return None
    acts = duckdb.sql(
        "SELECT account_id AS user_ix, object_id AS item_ix, CAST(timestamp_share * 1000 AS BIGINT) AS at_ms "
        f"FROM '{world.log}'"
    ).to_arrow_table()
    pairs = together(acts, TOGETHER_S).to_pylist()
    return {n: frozenset(pair[end] for pair in pairs if pair["n"] >= n for end in "ab") for n in TIGHT}


def ours(world: World, folder: Path, seed: int, train: str) -> Iterator[tuple[str, Figures]]:
    """graphdet and its parts."""
    cost = run_graphdet(world, folder / "findings", seed, train)
    if cost.code:
        yield OURS, {"users": len(world.known), "unit": world.unit, **asdict(cost)}
        return
    tight = tight_accounts(world)
    for method, said in read_findings(folder / "findings").items():
        told = figures(said, world, tight)
        if method == OURS:
            told |= asdict(cost) | {"warnings": warnings_of(folder / "findings")}
        yield method, told


def peers(world: World, methods: list[str], folder: Path) -> Iterator[tuple[str, Figures]]:
    """The peers, on the log as graphdet cleans it; the seconds of that are not theirs."""
    store, out, tight = folder / "peers.duckdb", folder / "said.json", tight_accounts(world)
    url = f"duckdb:///{store.resolve()}"
    store.unlink(missing_ok=True)
    words = ["graphdet", "ingest", str(world.log), "--config", world.config, "--store", url]
    read = measured([*words, "--rejects", str(folder / "rejects.csv")], folder)
    for method in methods:
        if method == PAYS_TWICE and world.name not in PAYMENTS:
            continue
        cost = (
            read if read.code else measured(["benchmarks.worlds.peers", method, str(store), str(out)], folder)
        )
        told = {} if cost.code else figures(read_said(out), world, tight)
        yield method, {"users": len(world.known), "unit": world.unit, **told, **asdict(cost)}


def run(world: World, methods: list[str], folder: Path, seed: int, train: str) -> Iterator[dict[str, object]]:
    """The rows of a world; a method that fails has a row that says how."""
    if OURS in methods:
        for method, told in ours(world, folder, seed, train):
            how = {} if train == "auto" else {"train": train}
            yield {"world": world.name, "method": method, "seed": seed, **how, **told}
    if WITH_TRUTH in methods and world.unit != UNKNOWN:
        if not (folder / "findings" / "run.json").exists():  # of an earlier call with --keep
            run_graphdet(world, folder / "findings", seed, train)
        for method, said in oracles(world, folder / "findings", folder):
            yield {"world": world.name, "method": method, "seed": seed, **figures(said, world)}
    others = [method for method in methods if method in PEERS]
    if others:
        for method, told in peers(world, others, folder):
            yield {"world": world.name, "method": method, **told}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds worlds/, foreign/, yelpchi/ …")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--methods", nargs="+", choices=(*METHODS, WITH_TRUTH), default=list(METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", choices=("auto", "never", "always"), default="auto")
    parser.add_argument(
        "--record",
        type=Path,
        nargs="?",
        const=recording.RESULTS,
        help="append to benchmarks/results.jsonl or FILE",
    )
    parser.add_argument("--keep", type=Path, help="folder for what graphdet writes; a temporary one else")
    given = parser.parse_args()
    if given.record:
        recording.RESULTS = given.record
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.worlds:
            folder = (given.keep or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            for row in run(read_world(given.data, name), given.methods, folder, given.seed, given.train):
                row = {key: rounded(value) for key, value in row.items()}
                recording.told(bool(given.record), NAME, **row)


if __name__ == "__main__":
    main()
