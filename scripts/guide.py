"""Writes docs/guide.md: `python -m scripts.guide`, which `make guide` runs. It needs Java 17, Maven and half a minute.

The case is played through against a real Neo4j of its own, on free ports, and what the commands print is put in. The
first line holds a digest of what the page is made from; tests/docs fails when that has changed since.
"""

import csv
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from graphdet.shipped_files import shipped_folder
from graphdet.words import plural

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide.md"
QUERIES = (
    "top-suspects",
    "ring",
    "ring-timeline",
    "others-on-items",
    "paths-between",
    "near-ring",
    "verdicts",
)
WIDTH = 132  # characters of a printed line that are shown
SIMULATE = (
    *("simulate", "--out", "log.csv", "--kind", "shop", "--users", "3000", "--items", "600", "--days", "14"),
    *("--plan", "L1", "--campaigns", "2", "--knob", "shared_device_share=0.8", "--seed", "11"),
)
RUN = ("run", "log.csv", "--config", "shop.toml", "--out", "out", "--train", "never")
ENTITIES = '[entities]\ndevice = "device_id"\nip = "ip"\n'
TEMPLATE = Path(__file__).with_name("guide.md.in")


def digest() -> str:
    """What the page is made from: this program, its template and the queries."""
    parts = [
        Path(__file__),
        TEMPLATE,
        *(shipped_folder("cypher") / "browser" / f"{q}.cypher" for q in QUERIES),
    ]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in parts)).hexdigest()[:16]


def main() -> None:
    """Play the case and write the page."""
    with tempfile.TemporaryDirectory(prefix="graphdet-guide-") as folder:
        case = Case(Path(folder))
        try:
            text = TEMPLATE.read_text(encoding="utf-8").format_map(case.play())
        finally:
            case.graphdet("neo4j", "remove", "--data", "--yes")
    GUIDE.write_text(
        f"<!-- Made by scripts/guide.py from {digest()}; edit guide.md.in there. -->\n{text}", "utf-8"
    )


class Case:
    """A shop with two campaigns, in a folder and a server of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.http, self.bolt = folder, _free_port(), _free_port()
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("GRAPHDET_", "NEO4J_"))
        }
        self.environment = ours | {
            "PYTHONPATH": str(ROOT),
            "GRAPHDET_NEO4J_HOME": str(folder / "neo4j"),
            "GRAPHDET_STORE": f"neo4j://localhost:{self.bolt}",
            "GRAPHDET_ANALYST": "me",
        }

    def graphdet(self, *words: str) -> str:
        """Run a command and give what it prints, with the ports that a reader has."""
        done = subprocess.run(
            [sys.executable, "-m", "graphdet", *words],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"graphdet {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout.replace(str(self.http), "7474").replace(str(self.bolt), "7687")

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a table in the folder."""
        with (self.folder / name).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def asked(self, query: str, *more: str) -> str:
        """A saved query as a reader asks it, and what it prints; of each row the first line."""
        head, *lines = self.graphdet("query", query, *more).splitlines()
        kept = [head, *(line for line in lines if not line.startswith(" ") or line.split()[0].isdigit())]
        command = " ".join(["graphdet query", query, *more])
        return "\n".join(f"    {_cut(line)}" for line in (command, *kept))

    def play(self) -> Mapping[str, str]:
        """Do all that the page tells, and give what it says by the names in the template."""
        simulated = shipped_folder("configs") / "simulated.toml"
        (self.folder / "shop.toml").write_text(simulated.read_text("utf-8") + "\n" + ENTITIES, "utf-8")
        self.graphdet(*SIMULATE)
        self.graphdet(
            "neo4j", "start", "--http-port", str(self.http), "--bolt-port", str(self.bolt), "--no-docker"
        )
        last = self.graphdet(*RUN).splitlines()[-1]
        rings = [row for row in self.rows("out/rings.csv") if row["flagged"] == "true"]
        ring = max(rings, key=lambda row: int(row["n_users"]))["ring_id"]
        timeline = self.asked("ring-timeline", f"ring_id={ring}", "limit=8")
        seen = list(dict.fromkeys(line.split()[0] for line in timeline.splitlines()[2:]))
        members, others = f"ring_id={ring}", self.asked("others-on-items", f"ring_id={ring}")
        told = {
            "simulate": _command(SIMULATE), "run": _command(RUN) + " \\\n        --store neo4j://localhost:7687",
            "entities": "\n".join(f"    {line}" for line in ENTITIES.splitlines()),
            "last": f"    {last}", "ring": ring, "sizes": _sizes(rings),
            "suspects": self.asked("top-suspects", "limit=4"),
            "what": self.asked("ring", members, "limit=12"),
            "timeline": timeline, "others": others, "n_others": str(len(others.splitlines()) - 2),
            "paths": self.asked("paths-between", f"user_id={seen[0]}", f"other_id={seen[1]}", "limit=8"),
            "near": self.asked("near-ring", members, "limit=5"),
            "truth": self.truth(rings),
        }  # fmt: skip
        self.graphdet("verdict", ring, "--guilty", "--reason", "shared-operator", "--note", "one hand")
        return told | {"verdicts": self.asked("verdicts")}

    def truth(self, rings: Sequence[Mapping[str, str]]) -> str:
        """How the rings compare with what was planted, in sentences."""
        planted: dict[str, set[str]] = {}
        for row in self.rows("truth.csv"):
            planted.setdefault(row["campaign_id"], set()).add(row["user_id"])
        members = self.rows("out/ring_members.csv")
        said = []
        for ring in rings:
            mine = {row["user_id"] for row in members if row["ring_id"] == ring["ring_id"]}
            theirs = max(planted.values(), key=lambda some: len(some & mine))
            same = (
                "exactly those of one campaign" if mine == theirs else f"{len(mine & theirs)} of them planted"
            )
            said.append(f"the {plural(len(mine), 'member')} of {ring['ring_id']} are {same}")
        return "; ".join(said)


def _sizes(rings: Sequence[Mapping[str, str]]) -> str:
    return " and ".join(f"{row['ring_id']} of {plural(int(row['n_users']), 'account')}" for row in rings)


def _command(words: Sequence[str]) -> str:
    """A command over as many lines as it needs."""
    lines, room = ["    graphdet"], WIDTH - 32
    for word in words:
        if len(lines[-1]) + len(word) > room:
            lines[-1] += " \\"
            lines.append("       ")
        lines[-1] += f" {word}"
    return "\n".join(lines)


def _cut(line: str) -> str:
    line = line.rstrip()
    return line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
