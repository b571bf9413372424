"""Score files (suspects.csv, KIND_scores.csv or another program's) and the labels that they are held against."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.config import Read
from graphdet.errors import InputError
from graphdet.logs.delimited import read_delimited
from graphdet.logs.files import find_files
from graphdet.logs.labels import LABEL, LABEL_VALUES
from graphdet.logs.raw import ROW, numbered_lines, shown
from graphdet.sheets import original_column

LINE = "line"
SCORE, FLAGGED = "score", "flagged"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class ScoreFile:
    """Scores of things of one kind.

    `table`: key (string, each once), score (double, null for none), flagged (bool, null for none), and those of the
    extra columns that were asked for which the file has (string). has_flags: whether the file has the column flagged.
    """

    key: str
    table: pa.Table
    has_flags: bool
    path: str


@dataclass(frozen=True)
class LabelColumns:
    """Labels: key (string, each once), label (int8), and those of the extra columns that the file has (string)."""

    key: str
    table: pa.Table
    path: str


def read_score_file(path: str | Path, extra: Sequence[str] = ()) -> ScoreFile:
    """Read a CSV or TSV with one of user_id, item_id, session_id, event_id, a score, and perhaps flagged.

    An empty score, NaN or an infinity is none.

    Raises:
        InputError: the file cannot be used, a score is no number, an id is missing or has two scores; says where.
    """

    def wanted(names: Sequence[str]) -> list[str]:
        if SCORE not in names:
            raise InputError(f"{path}: there is no column score; the columns are {shown(names)}")
        return [_key(path, names), SCORE, *(n for n in (FLAGGED, *extra) if n in names)]

    table = _read(path, wanted)
    key, has_flags = table.column_names[0], FLAGGED in table.column_names
    _check(
        path, table, SCORE, lambda text: _number(text) is not None or text.lower() in _NONE, "is no number"
    )
    if has_flags:
        _check(path, table, FLAGGED, lambda text: text.lower() in _FLAGS, "is neither true nor false")
    score = [_number(text) for text in table[SCORE].to_pylist()]
    flagged = (
        [None if text is None else _FLAGS[text.lower()] for text in table[FLAGGED].to_pylist()]
        if has_flags
        else [None] * len(score)
    )
    columns = {key: table[key], SCORE: pa.array(score, pa.float64()), FLAGGED: pa.array(flagged, pa.bool_())}
    kept = pa.table(columns | {name: table[name] for name in extra if name in table.column_names})
    return ScoreFile(key, _each_once(path, kept, table[LINE], SCORE, "has two scores"), has_flags, str(path))


def read_label_rows(path: str | Path, key: str, extra: Sequence[str] = ()) -> LabelColumns:
    """Read labels of `key` with extra columns: as logs.labels.read_labels, but other ids may stand beside.

    Raises:
        InputError: the file cannot be used, a label is neither 1, 0 nor empty, an id is missing, or an id is labelled
            both 1 and 0; says where.
    """

    def wanted(names: Sequence[str]) -> list[str]:
        for name in (LABEL, key):
            if name not in names:
                raise InputError(
                    f"{path}: there is no column {name}; to check scores of {key}, labels need the columns {key} and "
                    f"label. The columns are {shown(names)}"
                )
        return [key, LABEL, *(n for n in extra if n in names)]

    table = _read(path, wanted)
    _check(path, table, LABEL, lambda text: text in LABEL_VALUES, "is neither 1, 0 nor empty")
    given = table.filter(table[LABEL].is_valid())
    if not given.num_rows:
        raise InputError(f"{path}: every label is empty; mark some rows 1 (fraud) and some 0 (clean)")
    label = pa.array([LABEL_VALUES[text] for text in given[LABEL].to_pylist()], pa.int8())
    kept = pa.table(
        {key: given[key], LABEL: label} | {name: given[name] for name in extra if name in given.column_names}
    )
    return LabelColumns(
        key, _each_once(path, kept, given[LINE], LABEL, "is labelled both 1 and 0"), str(path)
    )


_NONE = ("nan", "inf", "-inf", "infinity", "-infinity", "null", "none", "na")


def _number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text) if text is not None else float("nan")
    except ValueError:
        return None
    return value if value - value == 0 else None


def _key(path: str | Path, names: Sequence[str]) -> str:
    found = [name for name in schema.LABEL_KEYS if name in names]
    if not found:
        raise InputError(
            f"{path}: there is no column of ids; scores need one of {', '.join(schema.LABEL_KEYS)}. "
            f"The columns are {shown(names)}"
        )
    return next((name for name in names if name in found), found[0])


def _read(path: str | Path, wanted: Callable[[Sequence[str]], list[str]]) -> pa.Table:
    """The columns that `wanted` chooses, the id first, as trimmed strings (empty is null), and each row's line.

    Ids of a file that is safe in a spreadsheet are as they were before (see graphdet.sheets).
    """
    file = find_files([path])[0]
    if file.format not in ("csv", "tsv"):
        raise InputError(f"{path}: give a .csv or .tsv file, as graphdet writes its scores")
    with duckdb.connect() as bench, tempfile.TemporaryDirectory(prefix="graphdet-") as scratch:
        raw = read_delimited(bench, file, Read(), {}, Path(scratch))
        names = list(dict.fromkeys(wanted(list(raw.columns))))
        for name in names:
            if name not in raw.columns:
                raise InputError(f"{path}: there is no column {name!r}; the columns are {shown(raw.columns)}")
        lines = numbered_lines(bench, raw, path)
        chosen = ", ".join(
            f"nullif(trim({raw.columns[name]}, e' \\t\\r\\n'), '') AS c{place}"
            for place, name in enumerate(names)
        )
        table = bench.execute(
            f"SELECT {chosen}, l.line FROM {raw.source} t JOIN ({lines}) l ON l.row = t.{ROW} ORDER BY l.line"
        ).to_arrow_table()
    table = table.set_column(0, "c0", original_column(table["c0"])).rename_columns([*names, LINE])
    absent = table.filter(table[names[0]].is_null())
    if absent.num_rows:
        raise InputError(f"{path} line {absent[LINE][0].as_py()}: the {names[0]} is missing")
    if not table.num_rows:
        raise InputError(f"{path}: there is no row beside the header")
    return table


def _check(path: str | Path, table: pa.Table, name: str, good: Callable[[str], bool], wrong: str) -> None:
    """Refuse the first text of a column that is not good."""
    for text in pc.unique(table[name]).to_pylist():
        if text is not None and not good(text):
            line = table.filter(pc.equal(table[name], text))[LINE][0].as_py()
            raise InputError(f"{path} line {line}: the {name} {text!r} {wrong}")


def _each_once(path: str | Path, table: pa.Table, line: pa.ChunkedArray, value: str, wrong: str) -> pa.Table:
    """Keep the first row of each id; refuse one whose rows have different values."""
    key = table.column_names[0]
    ids = table[key].combine_chunks().dictionary_encode().indices.to_numpy()
    first = np.unique(ids, return_index=True)[1]
    if len(first) == len(ids):
        return table
    values = table[value].to_numpy().astype(np.float64)
    own = values[first[ids]]
    torn = np.flatnonzero((values != own) & ~(np.isnan(values) & np.isnan(own)))
    if len(torn):
        at, before = int(torn[0]), int(first[ids[torn[0]]])
        raise InputError(
            f"{path} lines {line[before].as_py()} and {line[at].as_py()}: {key} {table[key][at].as_py()!r} {wrong}; "
            "decide for one"
        )
    return table.take(pa.array(np.sort(first)))
