"""Promised and kept: the share of false rings at each nominal false discovery rate, as a table and a picture.

    python -m benchmarks.rings.calibration COMMIT [COMMIT …]

Of the lines that run_rings.py wrote at these commits into benchmarks/results.jsonl: all planted logs together, rings
flagged at the rate and how many of them are no planted campaign, with a 95 % interval (Clopper & Pearson 1934). The
picture is docs/pictures/rings-calibration.svg.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from scipy.stats import binomtest

from benchmarks.pictures import page
from benchmarks.rings.sums import recorded
from graphdet.reports import svg

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "rings-calibration.svg"
COLOURS = {"graphdet": "#0b5fa5", "graphdet, untrained": "#d1495b"}
SAID = {"graphdet": "trained on the log", "graphdet, untrained": "the judge that comes with it"}
LEFT, TOP, SIZE, MOST = 60, 46, 320, 0.5

Counts = dict[str, dict[float, tuple[int, int]]]  # method → nominal rate → (flagged, false)


def counted(commits: list[str]) -> tuple[Counts, int]:
    """Sums over the planted logs, and how many those are."""
    rows = [row for row in recorded(commits) if "calibration" in row]
    found: Counts = {method: defaultdict(lambda: (0, 0)) for method in COLOURS}
    for row in rows:
        for rate, (flagged, right) in row["calibration"].items():
            all_flagged, all_false = found[row["method"]][float(rate)]
            found[row["method"]][float(rate)] = all_flagged + flagged, all_false + flagged - right
    return found, len({(row["log"], row["seed"]) for row in rows})


def table(found: Counts) -> None:
    """Print a line per judge and rate."""
    print(f"{'judge':30}{'promised':>9}{'false':>7}{'flagged':>9}{'share':>8}   95 % interval")
    for method, its in found.items():
        for rate, (flagged, false) in its.items():
            if flagged:
                between = binomtest(false, flagged).proportion_ci()
                print(f"{SAID[method]:30}{rate:9.0%}{false:7}{flagged:9}{false / flagged:8.1%}", end="")
                print(f"   {between.low:.1%} – {between.high:.1%}")


def picture(found: Counts, n_logs: int) -> str:
    """Kept over promised, each with its interval; on and below the diagonal the promise holds."""

    def x(rate: float) -> float:
        return LEFT + SIZE * min(rate, MOST) / MOST

    def y(share: float) -> float:
        return TOP + SIZE * (1 - min(share, MOST) / MOST)

    parts = [
        svg.tag("rect", x=LEFT, y=TOP, width=SIZE, height=SIZE, fill="none", stroke="#999"),
        svg.tag("line", x1=x(0), y1=y(0), x2=x(MOST), y2=y(MOST), stroke="#777", stroke_dasharray="4 3"),
        svg.tag("text", "promised (--fdr)", x=x(MOST / 2), y=TOP + SIZE + 36, text_anchor="middle"),
        svg.tag("text", "false among the flagged", x=LEFT, y=TOP - 8),
    ]
    for k in range(6):
        share = MOST * k / 5
        parts += [
            svg.tag("text", f"{share:.0%}", x=x(share), y=TOP + SIZE + 18, text_anchor="middle"),
            svg.tag("text", f"{share:.0%}", x=LEFT - 6, y=y(share) + 4, text_anchor="end"),
        ]
    for place, (method, its) in enumerate(found.items()):
        colour, shift = COLOURS[method], 4 * place - 2
        for rate, (flagged, false) in its.items():
            if not flagged:
                continue
            between = binomtest(false, flagged).proportion_ci()
            at = x(rate) + shift
            parts += [
                svg.tag(
                    "line", x1=at, x2=at, y1=y(between.low), y2=y(between.high), stroke=colour, stroke_width=2
                ),
                svg.tag("circle", cx=at, cy=y(false / flagged), r=4.5, fill=colour),
            ]
        line = TOP + 16 + 22 * place
        parts += [
            svg.tag("circle", cx=LEFT + SIZE + 24, cy=line - 4, r=4.5, fill=colour),
            svg.tag("text", SAID[method], x=LEFT + SIZE + 36, y=line),
        ]
    return page(parts, LEFT + SIZE + 230, TOP + SIZE + 50, f"Promised and kept, {n_logs} planted logs")


def main() -> None:
    """Print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commits", nargs="+", help="of the lines, as results.jsonl has them")
    found, n_logs = counted(parser.parse_args().commits)
    table(found)
    PICTURE.write_text(picture(found, n_logs) + "\n", encoding="utf-8")
    print(f"\n{n_logs} planted logs; {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
