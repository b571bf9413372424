"""How many lone rings are found: `graphdet power` as a user runs it, one JSON line per log.

    python -m benchmarks.rings.run_power DATA [--logs globo …] [--seed 0]

Every ring is judged as the only one of its log. Those beyond chance are those whose margin is above zero.
"""

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.recording import command, record
from benchmarks.rings.logs import LOGS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--logs", nargs="*", default=list(LOGS), choices=LOGS)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.logs:
        log = LOGS[name]
        with tempfile.TemporaryDirectory() as folder:
            words = [str(arguments.data / log.file), "--config", log.config, "--out", folder]
            seconds, mib = command("power", *words, "--seed", str(arguments.seed))
            said = json.loads((Path(folder) / "power.json").read_text(encoding="utf-8"))
        record(
            "power",
            log=name,
            seed=arguments.seed,
            copies=said["copies"],
            by_popularity=said["by_popularity"],
            headline=said["headline"],
            found=said["found"],
            seconds=round(seconds, 1),
            peak_mib_so_far=round(mib),
        )


if __name__ == "__main__":
    main()
