"""The table of real worlds in the README, of the last lines that run_worlds.py recorded, and a line per aim.

python -m benchmarks.worlds.table [--rows FILE]
"""

import argparse
from pathlib import Path

from benchmarks import recording
from benchmarks.rings.markdown import short
from benchmarks.worlds.summary import PART, Row, Rows, aims
from benchmarks.worlds.truth import BURST, RING

HEAD = (
    "world (users, guilty)",
    "AUPRC / AUROC",
    "best own part",
    "best peer",
    "flagged, right",
    "pure of flagged groups (listed)",
    "true rings half flagged (listed)",
    "s, GiB",
)


def both(row: Row) -> str:
    """The two figures of how users are ranked."""
    return f"{short(row['auprc'])} / {short(row['auroc'])}" if "auprc" in row else ""


def cells(rows: Rows, world: str) -> list[str]:
    """The cells of a world's line."""
    row = rows.ours(world)
    if row["code"]:
        return [f"{world} ({row['users']:,})", f"exit {row['code']}", *[""] * (len(HEAD) - 2)]
    users = f"{row['users']:,}" + (f", {row['guilty']:,}" if "guilty" in row else "")
    named = [rows.best(world, parts) for parts in (True, False)]
    best = [f"{both(rows.of[world, each[0]])} {each[0].removeprefix(PART)}" if each else "" for each in named]
    flagged = f"{row['flagged']}" + (f", {row['right']}" if row["right"] is not None else "")
    if "in_communities" in row:
        flagged += f" ({row['innocents_accused']} of {row['in_communities']} in communities)"
    if "tight_3" in row:
        tight = [f"{row[f'tight_{n}_flagged']} of {row[f'tight_{n}']} (≥ {n})" for n in (3, 5)]
        flagged += f"; of the tightly tied {' and '.join(tight)}"
    groups, rings = "", ""
    if "true_rings" in row:
        groups = (
            f"{row['pure_flagged']} of {row['flagged_rings']} ({row['pure_listed']} of {row['listed_rings']})"
        )
    if "true_rings" in row and row["unit"] in (RING, BURST):  # else nobody knows the parts
        rings = f"{row['half_flagged']} ({row['half_listed']}) of {row['true_rings']}"
    return [
        f"{world} ({users})",
        both(row),
        *best,
        flagged,
        groups,
        rings,
        f"{row['seconds']:.0f}, {row['gib']:.1f}",
    ]


def main() -> None:
    """Print the table, then the aims."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=recording.RESULTS, help="file of the lines")
    rows = Rows(parser.parse_args().rows)
    for line in [list(HEAD), ["---"] * len(HEAD), *(cells(rows, world) for world in rows.worlds)]:
        print(f"| {' | '.join(line)} |")
    of = [rows.ours(world) for world in rows.worlds]
    print(f"\ncommits {', '.join(sorted({row['commit'] for row in of}))}; {of[0]['machine']}\n" if of else "")
    for aim in aims(rows):
        print(aim)


if __name__ == "__main__":
    main()
