"""What a look at a log costs: one JSON line, appended to benchmarks/results.jsonl.

    python -m benchmarks.run_eda LOG --config globo [--labels FILE] [--times 1]

Wall seconds depend on what else the machine does; CPU seconds (user and system, of the whole process) hardly do.
"""

import argparse
import json
import resource
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.recording import command, record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log")
    parser.add_argument("--config", required=True)
    parser.add_argument("--labels")
    parser.add_argument("--times", type=int, default=1)
    asked = parser.parse_args()
    labels = ["--labels", asked.labels] if asked.labels else []
    walls, users, systems = [], [], []
    peak_mib = 0.0
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        for _ in range(asked.times):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall, peak_mib = command("eda", asked.log, "--config", asked.config, "--out", str(out), *labels)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            walls.append(wall)
            users.append(after.ru_utime - before.ru_utime)
            systems.append(after.ru_stime - before.ru_stime)
        document = json.loads((out / "eda.json").read_text(encoding="utf-8"))
        page_kib = (out / "eda.html").stat().st_size / 1024
    record(
        "eda",
        config=asked.config,
        labels=bool(asked.labels),
        events=document["counts"]["events"],
        wall_s=round(median(walls), 1),
        user_s=round(median(users), 1),
        system_s=round(median(systems), 1),
        peak_mib=round(peak_mib),
        page_kib=round(page_kib),
        stages={name: stage["seconds"] for name, stage in document["run"]["stages"].items()},
    )


if __name__ == "__main__":
    main()
