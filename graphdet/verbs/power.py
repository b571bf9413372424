"""power: which rings would be found in a log, and which would go unseen, by planting some."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graphdet import words
from graphdet.config import Config
from graphdet.errors import UsageError
from graphdet.evaluation.flag_rule import DEFAULT_FDR
from graphdet.files import make_folder, write_json
from graphdet.graph.encode import read_graph
from graphdet.lab.adversary import Means, best_answers
from graphdet.lab.power import N_TARGETS, Curve, cells_of, grid, losses, measure_power
from graphdet.lab.power_words import (
    adversary_words,
    power_headline,
    power_method,
    smallest_found,
    unseen_rings,
    write_power_csv,
)
from graphdet.progress import Progress, Silent
from graphdet.reports.adversary_page import write_adversary_page
from graphdet.reports.power_page import write_power_page
from graphdet.store import opened_store
from graphdet.verbs.ingest import ingest

LARGE_LOG_USERS = 100_000  # users, from which a copy holds as many campaigns as three of a small log
COPIES_LARGE, COPIES_SMALL = 3, 12


@dataclass(frozen=True)
class PowerRequest:
    """How the power is measured.

    store_url: where the graph is kept; None: in the output folder. fdr: at which rings are flagged. copies: of the log
    to plant campaigns into; None for 3 of a log of 100,000 users or more, and 12 of a smaller one.

    Raises:
        UsageError: copies is below 1.
    """

    store_url: str | None = None
    fdr: float = DEFAULT_FDR
    copies: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.copies is not None and self.copies < 1:
            raise UsageError(f"--copies must be at least 1, not {self.copies}")


def adversary(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    request: PowerRequest | None = None,
    means: Means | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Search for what an attacker could do in a log unseen: writes adversary.html, .csv and .json to `out`.

    request: its fdr counts, its copies do not. Returns what adversary.json holds.

    Raises:
        NotEnoughData: the log is too small, or has no times.
        GraphdetError and its other children, as `ingest` does.
    """
    request, progress = request or PowerRequest(), progress or Silent()
    means = replace(means or Means(), fdr=request.fdr)
    make_folder(out)
    with opened_store(request.store_url or f"duckdb:///{(out / 'graph.duckdb').resolve()}") as store:
        ingest(store, paths, config, rejects=out / "rejects.csv", progress=progress)
        graph = read_graph(store, progress)
        found = best_answers(graph, store.bench, means, request.seed, progress)
    sentences = adversary_words(found, means, graph, request.seed)
    document = {"seed": request.seed, "means": asdict(means), **sentences, **asdict(found)}
    write_json(out / "adversary.json", document)
    answers = document["answers"]
    write_power_csv(
        out / "adversary.csv",
        [{**{k: v for k, v in one.items() if k != "knobs"}, **one["knobs"]} for one in answers],
    )
    columns = ("acts", "as drawn", "the best", "after one training", "acts kept", "after", "candidates")
    rows = [
        (
            words.thousands(round(one.acts)),
            *(words.percent(n / max(of, 1)) for n, of in (
                (one.random_found, one.random_trials), (one.found, one.trials), (one.found_after, one.trials),
            )),
            words.thousands(round(one.acts_kept)), words.thousands(round(one.acts_kept_after)),
            f"{one.candidates} of {one.trials}",
        )
        for one in found.answers
    ]  # fmt: skip
    counts = [
        ("Tactics", words.thousands(found.tactics)),
        ("Campaigns", words.thousands(found.trials)),
        ("Copies", words.thousands(found.copies)),
    ]
    write_adversary_page(
        out / "adversary.html", answers, sentences | {"columns": columns, "rows": rows, "counts": counts}
    )
    return document


def power(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    request: PowerRequest | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Say which rings would be found in a log: writes power.html, power.csv and power.json to `out`.

    Returns what power.json holds: facts, sentences, cells and trials.

    Raises:
        NotEnoughData: the log is too small to say anything.
        GraphdetError and its other children, as `ingest` does.
    """
    request, progress = request or PowerRequest(), progress or Silent()
    fdr, seed = request.fdr, request.seed
    make_folder(out)
    with opened_store(request.store_url or f"duckdb:///{(out / 'graph.duckdb').resolve()}") as store:
        ingest(store, paths, config, rejects=out / "rejects.csv", progress=progress)
        graph = read_graph(store, progress)
        copies = request.copies or (COPIES_LARGE if graph.n_users >= LARGE_LOG_USERS else COPIES_SMALL)
        trials = measure_power(graph, store.bench, fdr=fdr, copies=copies, seed=seed, progress=progress)
    fields = grid(graph)
    mid = [trial for trial in trials if trial.popularity == "mid"]
    curve = Curve(mid)
    cells = [asdict(cell) for cell in cells_of(mid, fields, curve)]
    lost = losses(trials)
    sentences = {
        "headline": power_headline(mid, fdr),
        "found": smallest_found(curve, fields),
        "unseen": unseen_rings(cells, lost),
    }
    how = power_method(graph, len(trials), copies, seed)
    document = {
        "seed": seed, "fdr": fdr, "copies": copies, "n_users": graph.n_users, "n_items": graph.n_items,
        "n_edges": graph.n_edges, **sentences, "how": how, "by_popularity": [asdict(each) for each in lost],
        "cells": cells, "trials": [asdict(trial) for trial in trials],
    }  # fmt: skip
    write_json(out / "power.json", document)
    write_power_csv(out / "power.csv", cells)
    counts = [
        ("Trials", words.thousands(len(trials))),
        ("Beyond chance", words.thousands(sum(trial.margin > 0 for trial in trials))),
        ("Candidates", words.thousands(sum(trial.candidate for trial in trials))),
        ("Found", words.thousands(sum(trial.found for trial in trials))),
    ]
    write_power_page(
        out / "power.html",
        cells,
        sentences | {"how": how, "counts": counts, "n_targets": N_TARGETS, "fdr": words.percent(fdr)},
    )
    return document
