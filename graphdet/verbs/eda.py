"""eda: look at a log before anything is learned from it; one page, one JSON document and four tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphdet import __version__
from graphdet.config import Config
from graphdet.eda import counts, features
from graphdet.eda.labels import labelled
from graphdet.eda.reading import Desk, Looked, cleaning, describe_columns, no_rows, read_for_eda, workbench
from graphdet.errors import InputError
from graphdet.files import make_folder, write_json
from graphdet.learn.labelled import aligned
from graphdet.logs.labels import Labels, read_labels
from graphdet.progress import Clock, Progress, Silent, peak_mib
from graphdet.reports.eda.page import write_eda_page, write_eda_sheets
from graphdet.reports.eda.story import eda_findings

EDA_FORMAT, VERSION = "graphdet.eda", 1


def eda(
    paths: Sequence[str | Path],
    config: Config,
    out: Path,
    *,
    labels: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Look at a log: writes eda.html, eda.json, rejects.csv and tables as safe CSV to `out`, keeps no store.

    The same input, config and seed give the same page and tables; eda.json also holds seconds and memory, under "run".

    Returns what eda.json holds: see reports/schemas/eda-1.schema.json.

    Raises:
        InputError: a file cannot be used; or it can, but no row of it is usable: then the page says why.
        GraphdetError and its other children, as `read_log` and `read_labels` do.
    """
    progress = progress or Silent()
    given = read_labels(labels) if labels is not None else None
    make_folder(out)
    clock = Clock()
    rejects = out / "rejects.csv"
    with workbench() as bench:
        looked = Looked(bench)
        try:
            with clock.stage("read"):
                desk = read_for_eda(bench, paths, config, rejects, looked, progress)
        except InputError as error:
            if not no_rows(error, looked):
                raise
            document = _about(config, seed, looked, None)
            document |= {"cleaning": cleaning(None, looked, config, rejects), "findings": [str(error)]}
            _write(out, document, clock)
            raise InputError(
                f"{error}. {out / 'eda.html'} says what the files hold and why no row is used"
            ) from error
        document = _about(config, seed, looked, desk)
        document["cleaning"] = cleaning(desk.log, looked, config, rejects)
        document |= _looks(desk, config, given, seed, clock, progress)
    document["findings"] = eda_findings(document)
    _write(out, document, clock)
    return document


def _about(config: Config, seed: int, looked: Looked, desk: Desk | None) -> dict[str, Any]:
    digests = {path: sha for path, sha, _ in desk.log.files} if desk is not None else {}
    return {
        "format": EDA_FORMAT,
        "version": VERSION,
        "graphdet": __version__,
        "config": config.name,
        "zone": config.time.zone,
        "seed": seed,
        "inputs": [{"file": path, "sha256": digests.get(path), "n_rows": n} for path, n, _ in looked.files],
        "warnings": list(desk.log.warnings) if desk is not None else [],
        "columns": describe_columns(looked, config),
    }


def _looks(
    desk: Desk, config: Config, given: Labels | None, seed: int, clock: Clock, progress: Progress
) -> dict[str, Any]:
    """Every part of the document that needs clean events."""
    found: dict[str, Any] = {}
    zone = config.time.zone
    progress.start("count")
    with clock.stage("count"):
        found["counts"] = counts.totals(desk)
        found["time"] = counts.times(desk, zone, found["counts"])
        found["distributions"] = counts.distributions(desk)
        found["tails"] = counts.tails(desk)
        found["values"] = counts.values(desk)
        found["repeats"] = counts.repetition(desk)
    progress.done()
    progress.start("behaviour features")
    with clock.stage("behaviour features"):
        users, items = features.sheets(desk)
    progress.done()
    progress.start("compare")
    with clock.stage("compare"):
        label = {one.of: _labels_of(one, given) for one in (users, items)}
        found |= _compare(users, items, label, seed)
        write_rows = found.pop("outlier_rows")
    progress.done()
    progress.start("drift")
    with clock.stage("drift"):
        found["drift"] = features.feature_drift(desk, found["counts"], zone)
    progress.done()
    found["labels"] = None
    if given is not None:
        progress.start("learn from labels")
        with clock.stage("labels"):
            found["labels"], _ = labelled(desk, given, users, items, seed)
        progress.done()
    return found | {"outlier_rows": write_rows}


def _labels_of(sheet: features.FeatureSheet, given: Labels | None) -> NDArray[np.int8] | None:
    return aligned(sheet.ids, given) if given is not None and given.key == f"{sheet.of}_id" else None


def _compare(
    users: features.FeatureSheet,
    items: features.FeatureSheet,
    label: dict[str, NDArray[np.int8] | None],
    seed: int,
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {"correlation": [], "outliers": [], "scatter": [], "outlier_rows": []}
    pairs = {"user": (("n_events", "n_items"), ("n_events", "span_h")), "item": (("n_events", "n_users"),)}
    for sheet in (users, items):
        found["correlation"].append(features.rank_correlations(sheet, rng))
        far = features.outliers(sheet)
        found["outliers"].append(far.found)
        found["outlier_rows"] += [far.table] if far.table is not None else []
        for across, up in pairs[sheet.of]:
            one = features.scatter_sample(sheet, across, up, far, label[sheet.of], rng)
            found["scatter"] += [one] if one is not None else []
    return found


def _write(out: Path, document: dict[str, Any], clock: Clock) -> None:
    rows = document.pop("outlier_rows", [])
    write_eda_sheets(out, document, rows)
    write_eda_page(out / "eda.html", document)
    document["run"] = {"stages": clock.stages, "peak_mib": round(peak_mib(), 1)}
    write_json(out / "eda.json", document)
