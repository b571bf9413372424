"""Is `graphdet rings` linear in events? A log beside itself, once and more often, with other ids: one JSON line each.

    python benchmarks/rings/run_scale.py LOG.parquet --config globo [--times 1 3 10]

`--times 10` is the log ten times over, each copy with users, items and sessions of its own, so that nothing changes but
the size. Rings are found with the judge that comes with the package, in a store that `graphdet ingest` filled.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))

from graphdet.config import load_config
from recording import command, record


def beside_itself(log: Path, config: str, times: int, folder: Path) -> tuple[Path, int]:
    """Write a log `times` over, with other ids each time; its path and number of rows."""
    columns = load_config(config).columns
    ids = [name for name in (columns.user_id, columns.item_id, columns.session_id) if name]
    other = ", ".join(f"copy || '-' || {name} AS {name}" for name in ids)
    out = folder / f"{times}.parquet"
    with duckdb.connect() as bench:
        bench.execute("SET preserve_insertion_order = false")
        bench.execute(
            f"COPY (SELECT * REPLACE ({other}) FROM (SELECT copy, l.* FROM '{log}' l, range({times}) r(copy))) "
            f"TO '{out}'"
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
    arguments = parser.parse_args()
    for times in sorted(arguments.times):  # the peak is of the largest child so far
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            log, n = beside_itself(arguments.log, arguments.config, times, folder)
            store = f"duckdb:///{folder}/s.duckdb"
            ingest_s, ingest_mib = command("ingest", str(log), "--config", arguments.config, "--store", store)
            log.unlink()
            rings_s, peak_mib = command("rings", "--store", store)
            record(
                "rings_scale",
                times=times,
                events=n,
                ingest_s=round(ingest_s, 1),
                ingest_mib=round(ingest_mib),
                rings_s=round(rings_s, 1),
                rings_s_per_million=round(rings_s / n * 1e6, 1),
                peak_mib=round(peak_mib),
            )


if __name__ == "__main__":
    main()
