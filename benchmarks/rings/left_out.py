"""What the programs share that leave parts out: arguments, planted logs, and a line per log, seed and part."""

import argparse
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.recording import record
from benchmarks.rings.logs import LOGS, read_log
from benchmarks.rings.planted import Truth, planted_log
from graphdet.tables import GraphArrays

Row = dict[str, float | str]
# Of a planted log, its truth and the seed: each part left out, and the figures without it.
OfLog = Callable[[GraphArrays, Truth, int], Iterable[tuple[str, dict[str, float]]]]


def rows_without(description: str | None, benchmark: str, of_log: OfLog) -> list[Row]:
    """Read the command line, plant into each log with each seed, and record what `of_log` says of it."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--logs", nargs="*", default=["trivago", "taobao", "online_retail"], choices=list(LOGS)
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.logs:
            graph = read_log(name, arguments.data, Path(folder))
            for seed in arguments.seeds:
                planted, truth = planted_log(graph, LOGS[name].per_level, seed)
                for part, figures in of_log(planted, truth, seed):
                    row: Row = {"log": name, "seed": seed, "without": part} | figures
                    record(benchmark, **row)
                    rows.append(row)
    return rows
