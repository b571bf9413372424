"""Is `graphdet rings` linear in events? A log several times over, each time with other ids: one JSON line each.

    python -m benchmarks.rings.run_scale LOG.parquet --config globo [--times 1 3 10] [--grow longer beside]

`longer` puts the copies one after the other, as a log does that goes on, `beside` all at the same time, as the markets
of a shop that have no users and items in common. Rings are found with the judge that comes with the package, in a store
that `graphdet ingest` filled.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import duckdb

from benchmarks.recording import command, record
from graphdet.config import load_config


def several_times(log: Path, config: str, times: int, grow: str, folder: Path) -> tuple[Path, int]:
    """Write a log `times` over, with other ids each time; its path and number of rows."""
    columns = load_config(config).columns
    when = columns.timestamp
    ids = [name for name in (columns.user_id, columns.item_id, columns.session_id) if name]
    other = [f"copy || '-' || {name} AS {name}" for name in ids]
    out = folder / f"{times}.parquet"
    with duckdb.connect() as bench:
        bench.execute("SET preserve_insertion_order = false")
        if grow == "longer":
            (span,) = bench.execute(f"SELECT max({when}) - min({when}) FROM '{log}'").fetchone() or (0,)
            other.append(f"{when} + copy * {int(span) + 1} AS {when}")  # a number, as in Globo
        bench.execute(
            f"COPY (SELECT * REPLACE ({', '.join(other)}) "
            f"FROM (SELECT copy, l.* FROM '{log}' l, range({times}) r(copy))) TO '{out}'"
        )
        (n,) = bench.execute(f"SELECT count(*) FROM '{out}'").fetchone() or (0,)
    return out, int(n)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("--config", default="globo")
    parser.add_argument("--times", type=int, nargs="*", default=[1, 3, 10])
    parser.add_argument("--grow", nargs="*", choices=["longer", "beside"], default=["longer"])
    arguments = parser.parse_args()
    for times, grow in itertools.product(
        sorted(arguments.times), arguments.grow
    ):  # the peak is of the largest so far
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            log, n = several_times(arguments.log, arguments.config, times, grow, folder)
            store = f"duckdb:///{folder}/s.duckdb"
            ingest_s, ingest_mib = command("ingest", str(log), "--config", arguments.config, "--store", store)
            log.unlink()
            rings_s, peak_mib = command("rings", "--store", store)
            record(
                "rings_scale",
                times=times,
                grow=grow,
                events=n,
                ingest_s=round(ingest_s, 1),
                ingest_mib=round(ingest_mib),
                rings_s=round(rings_s, 1),
                rings_s_per_million=round(rings_s / n * 1e6, 1),
                peak_mib=round(peak_mib),
            )


if __name__ == "__main__":
    main()
