"""evaluate: hold score files against labels; writes evaluation.html and evaluation.json."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphdet.errors import UsageError
from graphdet.evaluation.compare import Costs, Resampling, ScoredRows, measure_scores
from graphdet.files import make_folder, write_json
from graphdet.lab.scored_labels import (
    distinct_names,
    file_fact,
    flags_of,
    reliability_warnings,
    scored_labels,
    threshold_of,
    training_warnings,
)
from graphdet.learn.measurements import MeasuredFile, one_score, slices, whole
from graphdet.logs.score_files import read_label_rows, read_score_file
from graphdet.progress import Progress, Silent
from graphdet.reports.evaluation_page import write_evaluation_page

MOST_FILES = 4
KS = (50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Wanted:
    """What is asked for; see `graphdet evaluate --help`."""

    by: str | None = None
    group: str | None = None
    costs: Costs = field(default_factory=Costs)
    ks: tuple[int, ...] = KS
    threshold: float | None = None
    threshold_labels: Path | None = None
    trained_on: Path | None = None
    n_draws: int = 1000
    seed: int = 0


def evaluate(
    paths: Sequence[Path],
    labels: Path,
    out: Path,
    wanted: Wanted | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure one to four score files on the same labelled ids.

    Ids that a file lacks, or gives no score, are left out of all; what was left out, and why, is in `warnings`. Returns
    the document of evaluation.json (reports/schemas/evaluation-1.schema.json).

    Raises:
        UsageError: nobody can tell what counts as flagged, an option is out of range, too many files.
        InputError: a file cannot be used; no id in common; one class only.
    """
    wanted, progress = wanted or Wanted(), progress or Silent()
    _check(paths, wanted)
    progress.start("read scores and labels")
    extra = [name for name in (wanted.group, wanted.by) if name is not None]
    files = [read_score_file(path, extra) for path in paths]
    given = read_label_rows(labels, files[0].key, extra)
    warnings = [line for path in paths for line in training_warnings(path, labels)]
    used = {"were trained on": wanted.trained_on, "set the threshold": wanted.threshold_labels}
    rows, left_out = scored_labels(files, given, used, wanted.group, wanted.by)
    warnings += left_out
    thresholds = [
        threshold_of(file, score, wanted.threshold, wanted.threshold_labels, wanted.costs)
        for file, score in zip(files, rows.score, strict=True)
    ]
    progress.done()
    make_folder(out)
    scored = [
        ScoredRows(rows.score[place], flags_of(rows, place, threshold))
        for place, threshold in enumerate(thresholds)
    ]
    warnings += reliability_warnings(rows, scored, files)
    progress.start("draw groups anew", wanted.n_draws)
    measured = measure_scores(
        scored, rows.y, rows.group, wanted.ks, wanted.costs,
        Resampling(wanted.n_draws, wanted.seed, progress.advance),
    )  # fmt: skip
    progress.done()
    names = distinct_names(paths)
    parts = [
        one_score(MeasuredFile(name, file_fact(path), *each), rows, wanted.costs, wanted.ks)
        for name, path, *each in zip(names, paths, files, scored, measured, thresholds, strict=True)
    ]
    if wanted.by is not None:
        for part, one in zip(parts, scored, strict=True):
            part["by"] = slices(rows, one, wanted.by)
    drawn = any(one.draws["auroc"].size for one in measured)
    about = {"labels": file_fact(labels) | {"key": given.key}, **_settings(wanted, given.key, drawn)}
    document = whole(about, rows, parts, measured, warnings)
    write_json(out / "evaluation.json", document)
    write_evaluation_page(out / "evaluation.html", document)
    return document


def _settings(wanted: Wanted, key: str, drawn: bool) -> dict[str, Any]:
    """What was asked for, as the document says it; drawn: whether there were groups enough for intervals."""
    return {
        "group": wanted.group or key,
        "by": wanted.by,
        "seed": wanted.seed,
        "n_draws": wanted.n_draws if drawn else 0,
        "cost_missed": wanted.costs.missed,
        "cost_false": wanted.costs.false,
    }


def _check(paths: Sequence[Path], wanted: Wanted) -> None:
    if not 1 <= len(paths) <= MOST_FILES:
        raise UsageError(f"give one to {MOST_FILES} score files, not {len(paths)}")
    for name, value in (("--cost-fn", wanted.costs.missed), ("--cost-fp", wanted.costs.false)):
        if not (value >= 0 and math.isfinite(value)):
            raise UsageError(f"{name} must be a number from 0 on, not {value:g}")
    if wanted.costs.missed == wanted.costs.false == 0:
        raise UsageError("--cost-fn and --cost-fp are both 0; one mistake must cost something")
    if wanted.threshold is not None and not math.isfinite(wanted.threshold):
        raise UsageError("--threshold must be a finite number")
    if wanted.threshold is not None and wanted.threshold_labels is not None:
        raise UsageError("give --threshold or --threshold-labels, not both")
    if any(k < 1 for k in wanted.ks):
        raise UsageError(f"--k must be whole numbers from 1 on, not {min(wanted.ks)}")
    if wanted.n_draws < 0:
        raise UsageError(f"--draws must be 0 or more, not {wanted.n_draws}")
