"""Rows of real worlds put together: the last of each world and method, totals, and what was aimed at."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "real_worlds"
OURS = "graphdet"
PART = "part: "
ORACLE = "oracle: "  # no method: it has seen the truth
Row = dict[str, Any]
FEW = 20  # flagged accounts below which their share of right ones is not held against a world
MANY_GUILTY = 100  # truth below which an AUROC says little


class Rows:
    """The last row of every world and method, in the order in which the worlds were first measured."""

    def __init__(self, path: Path) -> None:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        of = [row for row in lines if row["name"] == NAME]
        self.of: dict[tuple[str, str], Row] = {(row["world"], row["method"]): row for row in of}
        self.worlds = tuple(dict.fromkeys(row["world"] for row in of if (row["world"], OURS) in self.of))

    def ours(self, world: str) -> Row:
        """What graphdet did there."""
        return self.of[world, OURS]

    def best(self, world: str, parts: bool, key: str = "auprc") -> tuple[str, float] | None:
        """The peer, or the part of graphdet, that is best there by a figure."""
        found = [
            (method, row[key])
            for (its, method), row in self.of.items()
            if its == world
            and method != OURS
            and method.startswith(PART) == parts
            and not method.startswith(ORACLE)
            and row.get(key) is not None
        ]
        return max(found, key=lambda each: each[1], default=None)

    def labelled(self) -> list[Row]:
        """graphdet's rows of worlds with labels in which it ran to the end."""
        return [row for row in map(self.ours, self.worlds) if row.get("right") is not None]


@dataclass(frozen=True)
class Aim:
    """What was aimed at, what was reached, and whether that is enough."""

    said: str
    reached: bool
    found: str

    def __str__(self) -> str:
        return f"{'reached' if self.reached else 'MISSED '} | {self.said} | {self.found}"


def share(row: Row) -> float:
    """The share of right ones among flagged accounts; nobody flagged: none is wrong."""
    return row["right"] / row["flagged"] if row["flagged"] else 1.0


def told(row: Row) -> str:
    """Flagged and right in words."""
    return f"{row['right']} of {row['flagged']} flagged right" + (
        f" ({share(row):.3f})" if row["flagged"] else ""
    )


def aims(rows: Rows) -> Iterator[Aim]:
    """Every aim whose worlds were measured."""
    yield from _together(rows)
    for world, rule in OF_WORLD.items():
        if world not in rows.worlds:
            continue
        row = rows.ours(world)
        if row["code"]:
            yield Aim(world, False, f"exit {row['code']}: {row['said'][-200:]}")
        else:
            yield from rule(rows, row)


def _together(rows: Rows) -> Iterator[Aim]:
    labelled = rows.labelled()
    if not labelled:
        return
    right, flagged = (sum(row[key] for row in labelled) for key in ("right", "flagged"))
    yield Aim(
        "flagged accounts of all labelled worlds: .9 right",
        right >= 0.9 * flagged,
        f"{right} of {flagged} ({right / max(flagged, 1):.3f})",
    )
    wrong = [row for row in labelled if row["flagged"] >= FEW and share(row) < 0.8]
    yield Aim(
        f"each world with {FEW} flagged: .8 right",
        not wrong,
        "; ".join(f"{row['world']} {told(row)}" for row in wrong) or "all",
    )
    for parts, who in ((False, "the best peer"), (True, "the best own part")):
        behind = [
            f"{row['world']} {row['auprc']:.3f} < {best[1]:.3f} {best[0].removeprefix(PART)}"
            for row in labelled
            if (best := rows.best(row["world"], parts)) and row["auprc"] < best[1]
        ]
        n = sum(rows.best(row["world"], parts) is not None for row in labelled)
        yield Aim(
            f"every world: AUPRC of {who} or more",
            not behind,
            f"{n - len(behind)} of {n}; {'; '.join(behind)}",
        )
    low = [row for row in labelled if row["guilty"] >= MANY_GUILTY and row["auroc"] < 0.5]
    found = "; ".join(f"{row['world']} {row['auroc']:.3f}" for row in low) or "all"
    yield Aim(f"AUROC never below .5 with {MANY_GUILTY} guilty", not low, found)
    mean = sum(row["auprc"] for row in labelled) / len(labelled)
    yield Aim("mean AUPRC over worlds (no aim)", True, f"{mean:.4f} over {len(labelled)}")


def _globo(rows: Rows, row: Row) -> Iterator[Aim]:
    yield Aim("foreign Globo: ring F1 .9", row["ring_f1"] >= 0.9, f"{row['ring_f1']:.3f}")
    levels = ", ".join(
        f"{level} {n} ({row['levels_listed'][level][0]} listed) of {of}"
        for level, (n, of) in row["levels"].items()
    )
    every = all(row["levels"][level][0] == row["levels"][level][1] for level in ("L1", "L2", "L3"))
    yield Aim("foreign Globo: L1 to L3 all", every, levels)
    found = f"{row['ring_precision']:.3f} of {row['flagged_rings']} rings; {told(row)}"
    yield Aim("foreign Globo: ring precision .95", row["ring_precision"] >= 0.95, found)


def _vk(rows: Rows, row: Row) -> Iterator[Aim]:
    half, of = row["half_flagged"], row["true_rings"]
    yield Aim("VK: 4 of 4 batches half flagged", half == of, f"{half} of {of}; {told(row)}")
    accused, people = row["innocents_accused"], row["in_communities"]
    yield Aim("VK: at most 1 % of the communities", accused <= 0.01 * people, f"{accused} of {people}")


def _hop(rows: Rows, row: Row) -> Iterator[Aim]:
    half = row["half_flagged"]
    found = f"{half} ({row['half_listed']} in a listed group) of {row['true_rings']}"
    yield Aim("Hop: 20 groups half flagged", half >= 20, found)
    yield Aim("Hop: .9 right", share(row) >= 0.9, told(row))


def _japan(rows: Rows, row: Row) -> Iterator[Aim]:
    yield Aim("Japan's tenders: nobody, or .7 right", share(row) >= 0.7, told(row))


def _stars(rows: Rows, row: Row) -> Iterator[Aim]:
    half, of = row["half_flagged"], row["true_rings"]
    yield Aim("fake stars: .95 right", share(row) >= 0.95, told(row))
    yield Aim("fake stars: both rings", half == of, f"{half} of {of}")


def _payments(rows: Rows, row: Row) -> Iterator[Aim]:
    world = row["world"]
    twice, forest = (rows.of.get((world, method)) for method in ("pays twice", "isolation forest"))
    if twice and forest:
        best = max(twice["f1"], forest["best_f1"])
        found = (
            f"{row['f1']:.3f} ({told(row)}); pays twice {twice['f1']:.3f}, "
            f"isolation forest cut where it is best {forest['best_f1']:.3f}"
        )
        yield Aim(f"{world}: F1 above both", row["f1"] > best, found)


def _yelp(rows: Rows, row: Row) -> Iterator[Aim]:
    yield Aim("YelpChi: AUROC .65", row["auroc"] >= 0.65, f"{row['auroc']:.3f}")
    yield Aim("YelpChi: .75 of the flagged spam", row["flagged"] > 0 and share(row) >= 0.75, told(row))


OF_WORLD = {
    "foreign_globo": _globo,
    "vk": _vk,
    "hop": _hop,
    "cartel_japan": _japan,
    "ghost_stars": _stars,
    "aml_gentex_1k": _payments,
    "aml_sim_v2": _payments,
    "yelpchi": _yelp,
}
