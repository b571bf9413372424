"""The table of rings in the README, of the lines that run_rings.py wrote at some commits into results.jsonl.

python -m benchmarks.rings.markdown COMMIT [COMMIT …]
"""

import argparse
from collections.abc import Iterator
from typing import Any

from benchmarks.rings.sums import Sums, recorded

# Trivago's and Taobao's logs are of one size and kind.
GROUPS = {
    ("trivago", "taobao"): "Trivago and Taobao",
    ("yelpchi",): "Yelp's hotels",
    ("online_retail",): "online retail",
    ("globo",): "Globo",
}
SAID = {
    "graphdet": "trained on the log",
    "graphdet, untrained": "the judge that comes with graphdet",
    "co-action": "co-action communities",
}
NO_RINGS = ("Isolation Forest", "ECOD", "k-means", "PyGOD GAE")  # these only score users
HEAD = (
    "log, planted",
    "method",
    "ring precision",
    "recall",
    "F1",
    "user AUPRC",
    "L1 · L2 · L3 · L4 · L5",
    "margin above 50 nats",
    "innocents accused",
)


def short(value: float) -> str:
    """Two digits without the leading zero, as in 1.00, .93 and 0.

    >>> short(1.0), short(0.934), short(0.0)
    ('1.00', '.93', '0')
    """
    return f"{value:.2f}".removeprefix("0") if value else "0"


def lines(rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The cells of each line."""
    for logs, name in GROUPS.items():
        here = [row for row in rows if row["log"] in logs and row["seed"] is not None]
        methods = list(dict.fromkeys(row["method"] for row in here))
        rows_of = {method: [row for row in here if row["method"] == method] for method in methods}
        of = {method: Sums.of(its) for method, its in rows_of.items()}
        most = max((len(its) for its in rows_of.values()), default=0)
        said = {
            method: SAID.get(method, method) + (f" ({len(its)} logs)" if len(its) < most else "")
            for method, its in rows_of.items()
        }
        for place, method in enumerate(each for each in methods if each not in NO_RINGS):
            its = of[method]
            log = f"{name}, {its.n_planted}" if place == 0 else ""
            found = " · ".join(map(str, its.found.values()))
            beyond = f"{its.beyond[0]} of {its.beyond[1]}" if its.beyond[1] else "there are none"
            yield [
                log,
                said[method],
                f"{short(its.precision)} ({its.right} of {its.flagged})" if its.flagged else "accuses nobody",
                short(its.recall),
                short(its.f1),
                short(its.user_auprc),
                found,
                beyond,
                f"{its.innocents[0]} of {its.innocents[1]}",
            ]
        users = [method for method in methods if method in NO_RINGS]
        if users:
            scores = " · ".join(short(of[method].user_auprc) for method in users)
            yield ["", " · ".join(said[method] for method in users), "", "", "", scores, "", "", ""]


def main() -> None:
    """Print the table, how many accounts were flagged, and what was flagged on the untouched logs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commits", nargs="+", help="of the lines, as results.jsonl has them")
    rows = recorded(parser.parse_args().commits)
    for cells in [list(HEAD), ["---"] * len(HEAD), *lines(rows)]:
        print(f"| {' | '.join(cells)} |")
    for logs, name in GROUPS.items():
        here = [row for row in rows if row["log"] in logs and "users_right" in row]
        if not here:
            continue
        right, flagged, planted = (
            sum(row[f"users_{key}"] for row in here) for key in ("right", "flagged", "planted")
        )
        print(f"accounts in {name}: {right} right of {flagged} flagged, of {planted} planted")
    for row in rows:
        if row["seed"] is None:
            users = f" and {row['users_flagged']} accounts" if "users_flagged" in row else ""
            print(f"untouched {row['log']}, {row['method']}: {row['flagged']} rings{users} flagged")


if __name__ == "__main__":
    main()
