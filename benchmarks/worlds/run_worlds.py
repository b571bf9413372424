"""graphdet and its peers in real worlds whose truth is known, zero-shot and with nothing tuned per world.

python -m benchmarks.worlds.run_worlds ../shared/data [--worlds vk hop] [--methods graphdet] [--record [FILE]]

Every method runs in a process of its own. One JSON line per world and method; --record appends them to a file,
from which `python -m benchmarks.worlds.table` makes a table.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import recording
from benchmarks.worlds.measured import dated, read_findings, run_graphdet, warnings_of
from benchmarks.worlds.scoring import Figures, figures
from benchmarks.worlds.summary import NAME, OURS
from benchmarks.worlds.truth import WORLDS, World, read_world

METHODS = (OURS,)


def rounded(value: object) -> object:
    """Four digits are enough of any figure."""
    if isinstance(value, float):
        return round(value, 4)
    return {key: rounded(its) for key, its in value.items()} if isinstance(value, dict) else value


def ours(world: World, folder: Path, seed: int) -> Iterator[tuple[str, Figures]]:
    """graphdet and its parts; where it fails, how."""
    cost = run_graphdet(dated(world, folder), folder / "findings", seed)
    if cost.code:
        yield OURS, {"users": len(world.known), "unit": world.unit, **asdict(cost)}
        return
    for method, said in read_findings(folder / "findings").items():
        told = figures(said, world)
        if method == OURS:
            told |= asdict(cost) | {"warnings": warnings_of(folder / "findings")}
        yield method, told


def run(world: World, methods: list[str], folder: Path, seed: int) -> Iterator[dict[str, object]]:
    """The rows of a world."""
    if OURS in methods:
        for method, told in ours(world, folder, seed):
            yield {"world": world.name, "method": method, "seed": seed, **told}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder that holds worlds/, foreign/, yelpchi/ …")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seed", type=int, default=0)
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
            for row in run(read_world(given.data, name), given.methods, folder, given.seed):
                row = {key: rounded(value) for key, value in row.items()}
                if given.record:
                    recording.record(NAME, **row)
                else:
                    print(json.dumps({"name": NAME, **row}), flush=True)


if __name__ == "__main__":
    main()
