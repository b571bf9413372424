"""The first hour as a stranger has it, told with seconds: `python -m benchmarks.first_hour [LOG]`.

From a fresh clone and an empty environment to the page of a ring, with a log whose columns nobody has told: LOG, a CSV
as `graphdet simulate` writes it, or a made shop, rewritten with German headers, semicolons, German dates and decimal
commas. Every step is a process of its own, as a person would start it; `--record` keeps the figures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.recording import record

ROOT = Path(__file__).resolve().parent.parent
MADE = (
    "--kind",
    "shop",
    "--users",
    "3000",
    "--items",
    "600",
    "--days",
    "14",
    "--plan",
    "L1",
    "--campaigns",
    "2",
)


def foreign_log(log: Path, path: Path) -> int:
    """Rewrite a simulated log as a German shop's export; returns how many lines it has."""
    with duckdb.connect() as bench:
        have = {row[0] for row in bench.execute(f"DESCRIBE SELECT * FROM '{log}'").fetchall()}
        price = "replace(printf('%.2f', amount), '.', ',')" if "amount" in have else "'1,00'"
        found = bench.execute(
            f"""COPY (
                SELECT user_id AS Kundennummer, item_id AS Artikelnummer, {price} AS Preis,
                    strftime(make_timestamp(timestamp::BIGINT * 1000), '%d.%m.%Y %H:%M:%S') AS Bestellzeitpunkt
                FROM '{log}' ORDER BY timestamp
            ) TO '{path}' (HEADER, DELIMITER ';')"""
        ).fetchone()
    assert found is not None
    return int(found[0])


class Steps:
    """Steps that are done and timed, one line each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}

    def do(self, name: str, *command: str | Path) -> str:
        """Do a step; returns what it said."""
        started = time.perf_counter()
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        self.seconds[name] = round(time.perf_counter() - started, 1)
        print(f"{self.seconds[name]:6.1f} s  {name}", flush=True)
        return done.stdout


def main() -> None:
    """Go the way once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", nargs="?", type=Path, help="a CSV of graphdet simulate")
    parser.add_argument("--record", action="store_true", help="append the figures to results.jsonl")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="graphdet-first-hour-") as scratch:
        folder = Path(scratch)
        log = asked.log
        if log is None:
            log = folder / "made.csv"
            command = (sys.executable, "-m", "graphdet", "simulate", "--out", log, *MADE, "--seed", "11")
            subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True)
        n_lines = foreign_log(log, folder / "bestellungen.csv")
        steps, binaries = Steps(folder), folder / "env" / "bin"
        steps.do("git clone", "git", "clone", "--quiet", ROOT, "graphdet")
        steps.do("python -m venv env", sys.executable, "-m", "venv", "env")
        steps.do("pip install ./graphdet", binaries / "pip", "install", "--quiet", "./graphdet")
        graphdet = binaries / "graphdet"
        steps.do("graphdet init", graphdet, "init", "bestellungen.csv", "--out", "shop.toml", "--yes")
        said = steps.do(
            "graphdet run", graphdet, "run", "bestellungen.csv", "--config", "shop.toml", "--out", "findings"
        )
        pages = sorted((folder / "findings" / "rings").glob("R*.html"))
        print("\n".join(said.splitlines()[-1:]))
        about = json.loads((folder / "findings" / "run.json").read_text(encoding="utf-8"))
        whole = round(sum(steps.seconds.values()), 1)
        print(f"{whole:6.1f} s  in all, {n_lines:,} lines, {len(pages)} ring pages")
        if asked.record:
            events = about["counts"]["interactions"]
            record("first_hour", seconds=whole, steps=steps.seconds, ties=events, ring_pages=len(pages))


if __name__ == "__main__":
    main()
