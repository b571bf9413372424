"""evaluate: hold score files against labels; writes evaluation.html and evaluation.json."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.errors import InputError, UsageError
from graphdet.evaluation.compare import LEAST_EACH, Costs, Resampling, ScoredRows, measure_scores
from graphdet.evaluation.cuts import Order, cheapest
from graphdet.files import make_folder, write_json
from graphdet.learn.measurements import MeasuredFile, ScoredLabels, Threshold, one_score, slices, whole
from graphdet.logs.labels import LABEL
from graphdet.logs.score_files import (
    FLAGGED,
    SCORE,
    LabelColumns,
    ScoreFile,
    read_label_rows,
    read_score_file,
)
from graphdet.progress import Progress, Silent
from graphdet.reports.evaluation_page import write_evaluation_page
from graphdet.words import percent, plural, visible

MOST_FILES = 4
KS = (50, 100, 200, 500, 1000)
EVEN_ODDS = 0.5


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
        UsageError: a threshold is needed and none can be told, an option is out of range, too many files.
        InputError: a file cannot be used; no id in common; one class only.
    """
    wanted, progress = wanted or Wanted(), progress or Silent()
    _check(paths, wanted)
    progress.start("read scores and labels")
    extra = [name for name in (wanted.group, wanted.by) if name is not None]
    files = [read_score_file(path, extra) for path in paths]
    given = read_label_rows(labels, files[0].key, extra)
    warnings = [line for path in paths for line in _of_training(path, labels)]
    rows, said = _joined(files, given, wanted)
    warnings += said
    thresholds = [_threshold(file, rows, place, wanted) for place, file in enumerate(files)]
    progress.done()
    make_folder(out)
    scored = [
        ScoredRows(rows.score[place], _flags(rows, place, threshold))
        for place, threshold in enumerate(thresholds)
    ]
    warnings += _doubts(rows, scored, files)
    progress.start("draw groups anew", wanted.n_draws)
    measured = measure_scores(
        scored, rows.y, rows.group, wanted.ks, wanted.costs,
        Resampling(wanted.n_draws, wanted.seed, progress.advance),
    )  # fmt: skip
    progress.done()
    names = _names(paths)
    parts = [
        one_score(MeasuredFile(name, _digested(path), *each), rows, wanted.costs, wanted.ks)
        for name, path, *each in zip(names, paths, files, scored, measured, thresholds, strict=True)
    ]
    if wanted.by is not None:
        for part, one in zip(parts, scored, strict=True):
            part["by"] = slices(rows, one, wanted.by)
    about = {
        "labels": _digested(labels) | {"key": given.key},
        "group": wanted.group or given.key,
        "by": wanted.by,
        "seed": wanted.seed,
        "n_draws": wanted.n_draws if any(m.draws["auroc"].size for m in measured) else 0,
        "cost_missed": wanted.costs.missed,
        "cost_false": wanted.costs.false,
    }
    document = whole(about, rows, parts, measured, warnings)
    write_json(out / "evaluation.json", document)
    write_evaluation_page(out / "evaluation.html", document)
    return document


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


def _joined(
    files: Sequence[ScoreFile], given: LabelColumns, wanted: Wanted
) -> tuple[ScoredLabels, list[str]]:
    """Labelled ids that every file scores, and what was left out."""
    key, warnings = given.key, []
    for file in files:
        if file.key != key:
            raise InputError(
                f"{file.path}: scores are of {file.key}, but those of {files[0].path} are of {key}"
            )
    table, n_labels = given.table, given.table.num_rows
    for path, why in ((wanted.trained_on, "were trained on"), (wanted.threshold_labels, "set the threshold")):
        if path is None:
            continue
        known = pc.is_in(table[key], value_set=read_label_rows(path, key).table[key].combine_chunks())
        n = int(pc.sum(known).as_py() or 0)
        table = table.filter(pc.invert(known))
        if n:
            warnings.append(
                f"{given.path}: {plural(n, 'label')} of ids that {why} ({path}) are left out: no test"
            )
    for file in files:
        table, said = _only_scored(table, key, file, given.path)
        warnings += said
    y = table[LABEL].to_numpy().astype(np.int8)
    if not len(y):
        names = ", ".join(repr(name) for name in given.table[key].slice(0, 3).to_pylist())
        raise InputError(
            f"{given.path}: none of its {n_labels} labels is left to check the scores with; it has {names}. Check that "
            f"{key} is written as in {files[0].path}, and that not all of them were trained on"
        )
    if y.min() == y.max():
        have, lack = ("fraud (1)", "clean (0)") if y[0] == 1 else ("clean (0)", "fraud (1)")
        raise InputError(
            f"{given.path}: all {len(y)} labels that have a score are {have}; nothing can be told apart. "
            f"Add some that are {lack}"
        )
    scores, flags = [], []
    for file in files:
        at = pc.index_in(table[key], value_set=file.table[key].combine_chunks()).to_numpy()
        scores.append(file.table[SCORE].to_numpy()[at].astype(np.float64))
        found = file.table[FLAGGED].combine_chunks()
        flags.append(pc.fill_null(found, False).to_numpy(zero_copy_only=False)[at].astype(bool))
    group = _column(wanted.group, table, files, key)
    by = _column(wanted.by, table, files, key)
    # A thing without a group stands for itself.
    own = pc.binary_join_element_wise("id ", table[key].combine_chunks(), "")
    named = own if group is None else pc.coalesce(pc.binary_join_element_wise("of ", group, ""), own)
    codes = named.dictionary_encode().indices.to_numpy().astype(np.int64)
    return ScoredLabels(
        table[key].combine_chunks(), y, codes, by, scores, flags, len(given.table) - len(y)
    ), warnings


def _only_scored(table: pa.Table, key: str, file: ScoreFile, labels: str) -> tuple[pa.Table, list[str]]:
    known = pc.is_in(table[key], value_set=file.table[key].combine_chunks())
    unknown = table.filter(pc.invert(known))
    warnings = []
    if unknown.num_rows:
        names = ", ".join(repr(visible(name)) for name in unknown[key].slice(0, 3).to_pylist())
        warnings.append(
            f"{labels}: {unknown.num_rows} of {table.num_rows} labels name a {key} that {file.path} does not have "
            f"and are left out: {names}"
        )
    table = table.filter(known)
    scored = file.table.filter(file.table[SCORE].is_valid())
    has = pc.is_in(table[key], value_set=scored[key].combine_chunks())
    without = table.filter(pc.invert(has))
    if without.num_rows:
        n_fraud = int(pc.sum(without[LABEL]).as_py() or 0)
        warnings.append(
            f"{file.path}: {plural(without.num_rows, 'labelled row')} ({plural(n_fraud, 'fraud')}) without a finite "
            "score are left out; figures hold for what was scored"
        )
    return table.filter(has), warnings


def _column(name: str | None, table: pa.Table, files: Sequence[ScoreFile], key: str) -> pa.Array | None:
    """A column by name, of the labels or else of the first file that has it."""
    if name is None:
        return None
    if name in table.column_names:
        return table[name].combine_chunks()
    for file in files:
        if name in file.table.column_names:
            at = pc.index_in(table[key], value_set=file.table[key].combine_chunks())
            return file.table[name].combine_chunks().take(at.combine_chunks()).cast(pa.string())
    raise InputError(
        f"there is no column {name!r} in the labels or in {', '.join(file.path for file in files)}"
    )


def _threshold(file: ScoreFile, rows: ScoredLabels, place: int, wanted: Wanted) -> Threshold:
    """What is flagged: as asked, as other labels make it cheapest, as the file says, or from .5 on."""
    if wanted.threshold is not None:
        return Threshold("given", wanted.threshold)
    if wanted.threshold_labels is not None:
        other = read_label_rows(wanted.threshold_labels, file.key).table
        at = pc.fill_null(
            pc.index_in(other[file.key], value_set=file.table[file.key].combine_chunks()), -1
        ).to_numpy()
        score = np.append(file.table[SCORE].to_numpy(), np.nan)[at].astype(np.float64)
        y, known = other[LABEL].to_numpy(), np.isfinite(score)
        if len(np.unique(y[known])) < 2:
            raise InputError(
                f"{wanted.threshold_labels}: a threshold needs labels of both kinds among what {file.path} scores"
            )
        value, _ = cheapest(Order.of(score[known], y[known]).cuts(), wanted.costs.missed, wanted.costs.false)
        return Threshold("cheapest on other labels", value)
    if file.has_flags:
        return Threshold("flagged", None)
    if rows.score[place].min() < 0 or rows.score[place].max() > 1:
        raise UsageError(
            f"{file.path}: scores lie outside 0 … 1 and there is no column flagged, so nobody knows what counts as "
            "flagged; give --threshold X or --threshold-labels FILE"
        )
    return Threshold("half", EVEN_ODDS)


def _flags(rows: ScoredLabels, place: int, threshold: Threshold) -> NDArray[np.bool_]:
    if threshold.value is None:
        return rows.flagged[place]
    return np.asarray(rows.score[place] >= threshold.value)


def _of_training(scores: Path, labels: Path) -> list[str]:
    """Warnings from run.json beside the scores: labels that models were trained on are no test."""
    try:
        info = json.loads((scores.parent / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    model, learned = info.get("model"), info.get("labels")
    source = model.get("learned_from", "") if isinstance(model, dict) else ""
    name = learned.get("file") if isinstance(learned, dict) else None
    if name is None and "verdicts" not in source:
        return []
    same = " the file given here has the same name" if name == labels.name else ""
    if scores.name in ("item_scores.csv", "session_scores.csv", "event_scores.csv"):
        return [
            f"{scores}: its run learned from labels ({name}){';' + same if same else ''}. A labelled row was scored "
            "by a model that had not seen it or its user: a figure by cross-validation, and not one of later time"
        ]
    what = f"labels ({name})" if name is not None else "verdicts"
    return [
        f"{scores}: its models were trained on {what}{';' + same if same else ''}. Labels used in training are no "
        "test: give held-out labels, or name those of training with --trained-on to leave them out"
    ]


def _doubts(rows: ScoredLabels, scored: Sequence[ScoredRows], files: Sequence[ScoreFile]) -> list[str]:
    """What the figures cannot bear."""
    warnings = []
    for value, name in ((1, "frauds"), (0, "clean things")):
        n = len(np.unique(rows.group[rows.y == value]))
        if n < LEAST_EACH:
            warnings.append(
                f"labels name {name} of only {plural(n, 'group')}; below {LEAST_EACH} no interval is given, and every "
                "figure hangs on single cases"
            )
    for one, file in zip(scored, files, strict=True):
        values, counts = np.unique(one.score, return_counts=True)
        if len(values) == 1:
            warnings.append(
                f"{file.path}: all scores of labelled ids are equal ({values[0]:g}): they rank nothing"
            )
        elif counts.max() > len(one.score) / 2:
            warnings.append(
                f"{file.path}: {percent(float(counts.max() / len(one.score)))} of the labelled ids have the same score "
                f"({values[counts.argmax()]:g}); among them the order is left open (ties count half)"
            )
        if not one.is_probability:
            warnings.append(
                f"{file.path}: scores lie outside 0 … 1, so there is no calibration and no Brier score"
            )
    return warnings


def _names(paths: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: the file's, with folders where they are needed."""
    for depth in range(1, 12):
        names = ["/".join(path.resolve().parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{place + 1}: {path.name}" for place, path in enumerate(paths)]


def _digested(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
