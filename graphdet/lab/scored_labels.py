"""Score files held together with labels: the rows that are measured, what counts as flagged, and what to warn of."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphdet.arrays import Float
from graphdet.errors import InputError, UsageError
from graphdet.evaluation.compare import LEAST_EACH, Costs, ScoredRows
from graphdet.evaluation.cuts import Order, cheapest
from graphdet.learn.measurements import ScoredLabels, Threshold
from graphdet.logs.labels import LABEL
from graphdet.logs.score_files import FLAGGED, SCORE, LabelColumns, ScoreFile, read_label_rows
from graphdet.words import percent, plural, visible

EVEN_ODDS = 0.5


def scored_labels(
    files: Sequence[ScoreFile],
    given: LabelColumns,
    used: Mapping[str, Path | None],
    group: str | None,
    by: str | None,
) -> tuple[ScoredLabels, list[str]]:
    """The labelled ids that every file scores, and warnings on what was left out.

    Args:
        files: of scores.
        given: the labels.
        used: other files of labels, whose ids are no test, by what was done with them ("were trained on").
        group: the column of the groups that rows come in; None: each row is a group of its own.
        by: the column that figures are split by.

    Raises:
        InputError: the files are of different ids, no id is left, all labels are equal, or a column is missing.
    """
    key, warnings = given.key, []
    _check_same_key(files, key)
    table = given.table
    for why, path in used.items():
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
        table, left_out = _only_scored(table, key, file, given.path)
        warnings += left_out
    y = table[LABEL].to_numpy().astype(np.int8)
    _check_both_kinds(y, given, files[0].path)
    scores, flags = [], []
    for file in files:
        at = pc.index_in(table[key], value_set=file.table[key].combine_chunks()).to_numpy()
        scores.append(file.table[SCORE].to_numpy()[at].astype(np.float64))
        found = file.table[FLAGGED].combine_chunks()
        flags.append(pc.fill_null(found, False).to_numpy(zero_copy_only=False)[at].astype(bool))
    groups = _column(group, table, files, key)
    # A thing without a group stands for itself.
    own = pc.binary_join_element_wise("id ", table[key].combine_chunks(), "")
    named = own if groups is None else pc.coalesce(pc.binary_join_element_wise("of ", groups, ""), own)
    codes = named.dictionary_encode().indices.to_numpy().astype(np.int64)
    return ScoredLabels(
        table[key].combine_chunks(),
        y,
        codes,
        _column(by, table, files, key),
        scores,
        flags,
        len(given.table) - len(y),
    ), warnings


def _check_same_key(files: Sequence[ScoreFile], key: str) -> None:
    """Check that all files score the same kind of thing."""
    for file in files:
        if file.key != key:
            raise InputError(
                f"{file.path}: scores are of {file.key}, but those of {files[0].path} are of {key}"
            )


def _check_both_kinds(y: NDArray[np.int8], given: LabelColumns, path: str) -> None:
    """Check that labels are left, of both kinds; path: of the scores, for messages."""
    if not len(y):
        names = ", ".join(repr(name) for name in given.table[given.key].slice(0, 3).to_pylist())
        raise InputError(
            f"{given.path}: none of its {given.table.num_rows} labels is left to check the scores with; it has "
            f"{names}. Check that {given.key} is written as in {path}, and that not all of them were trained on"
        )
    if y.min() == y.max():
        have, lack = ("fraud (1)", "clean (0)") if y[0] == 1 else ("clean (0)", "fraud (1)")
        raise InputError(
            f"{given.path}: all {len(y)} labels that have a score are {have}; nothing can be told apart. "
            f"Add some that are {lack}"
        )


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


def threshold_of(
    file: ScoreFile, score: Float, value: float | None, labels: Path | None, costs: Costs
) -> Threshold:
    """What counts as flagged: as asked, as other labels make it cheapest, as the file says, or from .5 on.

    score: float64[n], of the labelled ids. value: what is asked for. labels: the file of other labels.

    Raises:
        UsageError: nobody can tell what counts as flagged.
        InputError: the other labels cannot be used, or the file scores only one kind of them.
    """
    if value is not None:
        return Threshold("given", value)
    if labels is not None:
        other = read_label_rows(labels, file.key).table
        at = pc.fill_null(
            pc.index_in(other[file.key], value_set=file.table[file.key].combine_chunks()), -1
        ).to_numpy()
        others = np.append(file.table[SCORE].to_numpy(), np.nan)[at].astype(np.float64)
        y, known = other[LABEL].to_numpy(), np.isfinite(others)
        if len(np.unique(y[known])) < 2:
            raise InputError(
                f"{labels}: a threshold needs labels of both kinds among what {file.path} scores"
            )
        least, _ = cheapest(Order.of(others[known], y[known]).cuts(), costs.missed, costs.false)
        return Threshold("cheapest on other labels", least)
    if file.has_flags:
        return Threshold("flagged", None)
    if score.min() < 0 or score.max() > 1:
        raise UsageError(
            f"{file.path}: scores lie outside 0 … 1 and there is no column flagged, so nobody knows what counts as "
            "flagged; give --threshold X or --threshold-labels FILE"
        )
    return Threshold("half", EVEN_ODDS)


def flags_of(rows: ScoredLabels, place: int, threshold: Threshold) -> NDArray[np.bool_]:
    """Which labelled rows count as flagged by the file at a place: bool[n]."""
    if threshold.value is None:
        return rows.flagged[place]
    return np.asarray(rows.score[place] >= threshold.value)


def training_warnings(scores: Path, labels: Path) -> list[str]:
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


def reliability_warnings(
    rows: ScoredLabels, scored: Sequence[ScoredRows], files: Sequence[ScoreFile]
) -> list[str]:
    """Warnings on what the figures cannot tell: too few groups, ties, and scores that are no probabilities."""
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


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Names that tell the files apart: the file's, with folders where they are needed."""
    for depth in range(1, 12):
        names = ["/".join(path.resolve().parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{place + 1}: {path.name}" for place, path in enumerate(paths)]


def file_fact(path: Path) -> dict[str, str]:
    """A file by name and digest."""
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
