"""Processes, each with its seconds and its memory, and graphdet's folder of findings as what it says."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.worlds.scoring import Members, Said
from benchmarks.worlds.truth import World

NO_PARTS = ("user_id", "score", "p_value", "q_value", "flagged", "ring_id", "reason", "kind", "role")
MEMBERSHIPS = {"burst": "burst membership"}  # by the kind of group; of all other kinds together it is RINGS
RINGS = "ring membership"


@dataclass(frozen=True)
class Cost:
    """How a process ended, its seconds and GiB at the peak, and the last line it wrote where it failed."""

    code: int
    seconds: float
    gib: float
    said: str = ""


def measured(words: list[str], folder: Path) -> Cost:
    """Run a Python module in a process of its own."""
    told = folder / "told.txt"
    started = time.perf_counter()
    with told.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", *words], stdout=file, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    lines = told.read_text(encoding="utf-8", errors="replace").split("\n")
    said = "" if process.returncode == 0 else " ".join(line.strip() for line in lines[-6:] if line.strip())
    return Cost(process.returncode, seconds, usage.ru_maxrss / 1024**2, said)


def run_graphdet(world: World, out: Path, seed: int, train: str = "auto") -> Cost:
    """`graphdet run LOG --config … --out DIR`, as a user runs it into a new folder: no labels, nothing tuned."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    words = ["graphdet", "run", str(world.log), "--config", world.config, "--out", str(out)]
    return measured([*words, "--seed", str(seed), "--train", train], out)


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_findings(out: Path) -> dict[str, Said]:
    """What `graphdet run` wrote, as method "graphdet", and each of its parts as "part: NAME".

    Leads are listed groups that are not flagged. A part has only scores.
    """
    users = rows_of(out / "suspects.csv")
    rings = rows_of(out / "rings.csv")
    leads = rows_of(out / "leads.csv")
    members: dict[str, set[str]] = defaultdict(set)
    kind = {row["ring_id"]: row.get("kind", "") for row in rings}
    membership: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows_of(out / "ring_members.csv"):
        members[row["ring_id"]].add(row["user_id"])
        of = membership[MEMBERSHIPS.get(kind.get(row["ring_id"], ""), RINGS)]
        of[row["user_id"]] = max(float(row["score"] or 0), of.get(row["user_id"], 0.0))
    group: dict[str, Members] = {name: frozenset(its) for name, its in members.items()}
    flagged = [row for row in rings if row["flagged"] == "true"]
    order = dict.fromkeys(row["ring_id"] for row in [*flagged, *rings, *leads])
    said = {
        "graphdet": Said(
            {row["user_id"]: float(row["score"]) for row in users},
            frozenset(row["user_id"] for row in users if row["flagged"] == "true"),
            tuple(group[ring_id] for ring_id in order if ring_id in group),
            tuple(group[row["ring_id"]] for row in flagged),
            dict(Counter(row["kind"] for row in flagged if row.get("kind"))),
            tuple((row["held_back_by"], group[row["ring_id"]]) for row in leads if row["ring_id"] in group),
        )
    }
    for name in (name for name in (users[0] if users else {}) if name not in NO_PARTS):
        said[f"part: {name}"] = Said({row["user_id"]: float(row[name]) for row in users if row[name]})
    for name, by_user in membership.items():
        said[f"part: {name}"] = Said({row["user_id"]: by_user.get(row["user_id"], 0.0) for row in users})
    return said


def warnings_of(out: Path) -> list[str]:
    """What `graphdet run` warns of."""
    path = out / "run.json"
    found: list[str] = json.loads(path.read_text(encoding="utf-8"))["warnings"] if path.exists() else []
    return found
