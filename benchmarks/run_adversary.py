"""What an attacker could do unseen in a real log, and what one training wins back: a line a yield in results.jsonl.

    python -m benchmarks.run_adversary ../shared/data online_retail [--accounts 40] [--tries 24] [--minutes 20]

By `graphdet power --adversary`, in the log as it is, seed 0. The figures are shares of campaigns found with their 95 %
intervals; they depend on the seed alone, unless the time limit ends the search.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.recording import record
from benchmarks.rings.logs import LOGS
from graphdet.config import load_config
from graphdet.lab.adversary import Means
from graphdet.verbs.power import PowerRequest, adversary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("log", choices=sorted(LOGS))
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--tries", type=int, default=24)
    parser.add_argument("--report", type=int, default=24)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    log = LOGS[given.log]
    limit_s = None if given.minutes is None else 60 * given.minutes
    means = Means(given.accounts, tries=given.tries, report=given.report, limit_s=limit_s)
    with tempfile.TemporaryDirectory() as folder:
        document = adversary(
            [given.data / log.file],
            load_config(log.config),
            Path(folder),
            PowerRequest(seed=given.seed),
            means,
        )
    shared = {name: document[name] for name in ("seed", "tactics", "trials", "copies", "stopped")}
    shared |= {name: document[name] for name in ("rings_before", "rings_after")}
    for answer in document["answers"]:
        search = {**shared, "accounts": given.accounts, "tried": shared["trials"]}
        record("adversary", log=given.log, **{**search, **answer})


if __name__ == "__main__":
    main()
