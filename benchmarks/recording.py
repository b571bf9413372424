"""What every benchmark shares: a JSON line per figure, and graphdet run as a user runs it."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results.jsonl"
BIN = Path(sys.executable).parent / "graphdet"


def record(name: str, **values: object) -> None:
    """Print a figure and append it to results.jsonl, with commit, machine and load."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    row = {
        "name": name,
        **values,
        "commit": commit,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(row), flush=True)
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def told(keep: bool, name: str, **values: object) -> None:
    """Record a figure where it is to be kept; else print it alone."""
    if keep:
        record(name, **values)
    else:
        print(json.dumps({"name": name, **values}), flush=True)


def command(*words: str) -> tuple[float, float]:
    """Run graphdet; seconds, and peak MiB of the largest child so far."""
    started = time.perf_counter()
    subprocess.run(
        [str(BIN), *words],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def stages(out: Path) -> dict[str, float]:
    """Seconds per stage of a run."""
    document = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return {name: stage["seconds"] for name, stage in document["stages"].items()}
