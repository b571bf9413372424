"""Neo4j against DuckDB and against Neo4j's own tools on a large click log: JSON lines in benchmarks/results.jsonl.

    python -m benchmarks.run_neo4j LOG --config globo [--run]

The first load through `graphdet ingest` against the bare import tool on the same CSV files, in turns; reading the whole
graph; and, with --run, `graphdet run` on either store and whether the findings are the same. Servers are our own, in
scratch folders.
"""

import argparse
import filecmp
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

from benchmarks.recording import command, record, stages
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.store.neo4j import server
from graphdet.store.neo4j.home import Home
from graphdet.store.neo4j.importing import run_tool

SAME = ("suspects.csv", "rings.csv", "ring_members.csv", "ring_items.csv")


class Clock(Silent):
    """Remembers the seconds of every step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._what, self._since = "", 0.0

    def start(self, what: str, total: int | None = None) -> None:
        self._what, self._since = what, time.perf_counter()

    def done(self) -> None:
        self.seconds[self._what] = time.perf_counter() - self._since


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(home: Path) -> server.ServerInfo:
    return server.start(home, http_port=free_port(), bolt_port=free_port(), docker=False)


def bare_import(home: Path, files: Path, arguments: list[str]) -> float:
    """Seconds of the import tool alone, into a home whose server is down."""
    started = time.perf_counter()
    run_tool(Home(home), arguments, files, Silent())
    return time.perf_counter() - started


def load(log: str, config: str, folder: Path) -> server.ServerInfo:
    """The first load and the bare tool, in turns; the server of the last load is left running."""
    from graphdet.config import load_config
    from graphdet.verbs.import_files import import_files
    from graphdet.verbs.ingest import ingest

    settings = load_config(config)
    files = folder / "files"
    _, arguments = import_files([log], settings, files)
    rows = []
    for turn in range(3):
        bare = folder / f"bare{turn}"
        start(bare)
        server.stop(bare)
        bare_s = bare_import(bare, files, arguments)
        shutil.rmtree(bare)
        os.environ["GRAPHDET_NEO4J_HOME"] = str(folder / f"home{turn}")
        info = start(folder / f"home{turn}")
        clock = Clock()
        store = open_store(info.url)
        started = time.perf_counter()
        ingest(store, [log], settings, progress=clock)
        all_s = time.perf_counter() - started
        store.close()
        # Without reading, cleaning and writing the CSV files: server down, the tool, server up, constraints.
        before = ("read", "clean", "write the import files")
        rows.append((bare_s, all_s - sum(clock.seconds.get(name, 0.0) for name in before), all_s))
        if turn < 2:
            server.stop(folder / f"home{turn}")
            shutil.rmtree(folder / f"home{turn}")
    middle = sorted(rows, key=lambda row: row[1] / row[0])[1]
    record(
        "neo4j_bulk_load_over_bare_import_tool",
        ratio=round(middle[1] / middle[0], 2),
        whole_ingest_ratio=round(middle[2] / middle[0], 2),
        bare_tool_s=round(middle[0], 1),
        load_s=round(middle[1], 1),
        whole_ingest_s=round(middle[2], 1),
        all=[[round(value, 1) for value in row] for row in rows],
    )
    return info


def extraction(info: server.ServerInfo) -> None:
    """Relationships per second from the server into arrays that the rest works on; best and all of three."""
    rates = []
    for _ in range(3):
        store = open_store(info.url)
        started = time.perf_counter()
        interactions = store.interactions()
        seconds = time.perf_counter() - started
        n = interactions.collect("pyarrow").shape[0]
        rates.append(n / seconds)
        store.close()
    record(
        "neo4j_extraction",
        relationships_per_s=round(sorted(rates)[1]),
        all=[round(rate) for rate in rates],
        n_relationships=n,
    )


def compare_runs(log: str, config: str, folder: Path, info: server.ServerInfo) -> None:
    """`graphdet run` on either store: the same findings? The server's home is in GRAPHDET_NEO4J_HOME."""
    outs = {}
    for name, url in (("duckdb", f"duckdb:///{folder}/graph.duckdb"), ("neo4j", info.url)):
        out = outs[name] = folder / name
        seconds, _ = command("run", log, "--config", config, "--store", url, "--out", str(out))
        record(f"run_in_{name}", seconds=round(seconds, 1), stages=stages(out))
    same = {name: filecmp.cmp(outs["duckdb"] / name, outs["neo4j"] / name, shallow=False) for name in SAME}
    record("same_findings_in_both_stores", **same)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log")
    parser.add_argument("--config", default="globo")
    parser.add_argument("--run", action="store_true", help="also run the whole pipeline on either store")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        info = load(arguments.log, arguments.config, folder)
        try:
            extraction(info)
            if arguments.run:
                compare_runs(arguments.log, arguments.config, folder, info)
        finally:
            server.stop(info.home)


if __name__ == "__main__":
    main()
