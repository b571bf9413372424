"""power, from log files to an answer: a page, a table and what to print."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graphdet import words
from graphdet.config import Config
from graphdet.errors import UsageError
from graphdet.files import make_folder, write_json, write_text
from graphdet.graph.encode import read_graph
from graphdet.lab import power as summary
from graphdet.lab.power import CAMOUFLAGE, N_TARGETS, PowerTrial, grid, measure_power
from graphdet.learn.insufficient import size_of
from graphdet.progress import Progress, Silent
from graphdet.reports.power_page import write_power_page
from graphdet.store import open_store
from graphdet.tables import GraphArrays
from graphdet.verbs.ingest import ingest

LARGE_LOG_USERS = 100_000  # users, from which a copy holds as many campaigns as three of a small log
COPIES_LARGE, COPIES_SMALL = 3, 12


def power(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    *,
    store_url: str | None = None,
    fdr: float = 0.05,
    copies: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Say which rings would be found in a log: writes power.html, power.csv and power.json to `out`.

    copies: of the log to plant campaigns into; by default 3 of a log of 100,000 users or more, 12 of a smaller one.

    Returns what power.json holds: facts, sentences, cells and trials.

    Raises:
        UsageError: copies is below 1.
        NotEnoughData: the log is too small to say anything.
        GraphdetError and its other children, as `ingest` does.
    """
    if copies is not None and copies < 1:
        raise UsageError(f"--copies must be at least 1, not {copies}")
    progress = progress or Silent()
    make_folder(out)
    store = open_store(store_url or f"duckdb:///{(out / 'graph.duckdb').resolve()}")
    try:
        ingest(store, paths, config, rejects=out / "rejects.csv", progress=progress)
        graph = read_graph(store, progress)
        copies = copies or (COPIES_LARGE if graph.n_users >= LARGE_LOG_USERS else COPIES_SMALL)
        trials = measure_power(graph, store.bench, fdr=fdr, copies=copies, seed=seed, progress=progress)
    finally:
        store.close()
    fields = grid(graph)
    mid = [trial for trial in trials if trial.popularity == "mid"]
    curve = summary.Curve(mid)
    cells = [asdict(cell) for cell in summary.cells_of(mid, fields, curve)]
    lost = summary.losses(trials)
    said = {
        "headline": _headline(mid, fdr),
        "found": _found(curve, fields),
        "unseen": _unseen(cells, lost),
    }
    how = _how(graph, len(trials), copies, seed)
    document = {
        "seed": seed, "fdr": fdr, "copies": copies, "n_users": graph.n_users, "n_items": graph.n_items,
        "n_edges": graph.n_edges, **said, "how": how, "by_popularity": [asdict(each) for each in lost],
        "cells": cells, "trials": [asdict(trial) for trial in trials],
    }  # fmt: skip
    write_json(out / "power.json", document)
    _write_csv(out / "power.csv", cells)
    counts = [
        ("Trials", words.thousands(len(trials))),
        ("Beyond chance", words.thousands(sum(trial.margin > 0 for trial in trials))),
        ("Candidates", words.thousands(sum(trial.candidate for trial in trials))),
        ("Found", words.thousands(sum(trial.found for trial in trials))),
    ]
    write_power_page(
        out / "power.html",
        cells,
        said | {"how": how, "counts": counts, "n_targets": N_TARGETS, "fdr": words.percent(fdr)},
    )
    return document


def _how(graph: GraphArrays, n_trials: int, copies: int, seed: int) -> list[str]:
    return [
        f"{words.plural(n_trials, 'campaign')} of {N_TARGETS} targets, each account with {CAMOUFLAGE:g} other act per "
        f"act on a target, planted into {words.plural(copies, 'copy', 'copies')} of the log ({size_of(graph)}), seed "
        f"{seed}.",
        "The judge was trained on other plants in the same log, as `graphdet train` does. Each campaign was judged as "
        "the only one among the log's own candidates; its ring counts from a Jaccard index of .5.",
        "Beyond chance: what naming the planted block saves in the description of the log, in nats, against a model of "
        "activity, popularity and time. At 0 and below no method could tell it from coincidence.",
        "Real rings may do what these campaigns do not: the chances hold for groups like these.",
    ]


def _headline(trials: Sequence[PowerTrial], fdr: float) -> str:
    beyond = [trial for trial in trials if trial.margin > 0]
    found = sum(trial.found for trial in beyond)
    return (
        f"Of {words.plural(len(beyond), 'planted ring')} that stand out from chance on ordinary items, "
        f"{words.thousands(found)} {'was' if found == 1 else 'were'} flagged at an expected false share of "
        f"{words.percent(fdr)}."
    )


def _found(curve: summary.Curve, fields: Sequence[tuple[int, float, float]]) -> list[str]:
    """The smallest ring by window and density, and the slowest."""
    most = max(cell[0] for cell in fields)
    densities = sorted({cell[1] for cell in fields}, reverse=True)
    windows = sorted({cell[2] for cell in fields})
    lines = []
    for window in windows:
        parts = []
        for density in densities:
            least = summary.smallest(curve, density, window, most)
            size = f"{least} accounts" if least is not None else f"none up to {most} accounts"
            parts.append(f"{size} at density {words.percent(density)}")
        lines.append(f"Smallest within {words.duration(window)}, found 8 times of 10: {'; '.join(parts)}.")
    middle = sorted({cell[0] for cell in fields})[len({cell[0] for cell in fields}) // 2]
    slow = summary.slowest(curve, middle, 0.6, windows)
    lines.append(
        f"Slowest of {middle} accounts at density 60 %: "
        + (f"{words.duration(slow)}, the longest window tried." if slow == max(windows)
           else f"{words.duration(slow)}." if slow is not None else "none of the windows tried.")
    )  # fmt: skip
    return lines


def _unseen(cells: Sequence[dict[str, Any]], lost: Sequence[summary.Lost]) -> list[str]:
    blind = [cell for cell in cells if cell["chance"] < summary.UNSEEN]
    within = [cell for cell in cells if cell["margin"] <= 0]
    lines = [
        f"{len(blind)} of {len(cells)} fields have a chance below {words.percent(summary.UNSEEN)}"
        + (f", all with at most {max(cell['accounts'] for cell in blind)} accounts." if blind else "."),
        f"In {len(within)} of {len(cells)} fields most rings lie within chance: no method could find them in this log.",
    ]
    for each in lost:
        name = {"mid": "ordinary", "popular": "popular (the top 7 %)"}.get(each.popularity, each.popularity)
        lines.append(
            f"On {name} items: {each.planted} planted, {each.beyond_chance} of them beyond chance, {each.candidates} "
            f"came out as candidates, {each.found} were flagged."
        )
    lines.append("Accounts that hit a single item, each once, form no block and are not found as rings.")
    return lines


def _write_csv(path: Path, cells: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(cells[0])
    for cell in cells:
        writer.writerow([_shown(value) for value in cell.values()])
    write_text(path, text.getvalue())


def _shown(value: float | int) -> str:
    return str(value) if isinstance(value, int) else "" if value != value else f"{value:.6g}"
