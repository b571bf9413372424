"""Labels: which users, items, sessions or events are known to be fraud (1) or clean (0)."""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.config import Read
from graphdet.errors import InputError
from graphdet.logs.delimited import read_delimited
from graphdet.logs.files import LogFile, find_files, read_head
from graphdet.logs.raw import ROW, numbered_lines, shown
from graphdet.logs.values import as_id, trimmed
from graphdet.sheets import is_neutral

LABEL = "label"
LABEL_VALUES = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}  # 1.0 is what a table with gaps makes of 1


@dataclass(frozen=True)
class Labels:
    """Known labels of one kind of thing.

    `key` is one of schema.LABEL_KEYS; `table` has the columns key (string, sorted, each once) and label
    (int8, 1 fraud, 0 clean). `unknown` has the same columns: labels of ids that are not in the log, once
    check_labels was asked. `path` is the file as it was named, `sha256` the digest of its bytes (empty: of no file).
    """

    key: str
    table: pa.Table
    unknown: pa.Table
    path: str
    sha256: str = ""


def read_labels(path: str | Path) -> Labels:
    """Read labels from a CSV or TSV with the column label and one of user_id, item_id, session_id, event_id.

    Ids of a file that is safe in a spreadsheet, as `suggest` writes one, are read back exactly (see graphdet.sheets).
    The delimiter is the one at which the first line has the column label, whose name may be of any case. Ids are read
    by the rule for those of logs.

    1 is fraud, 0 is clean, an empty label means unknown and is left out. A label that stands twice counts
    once.

    Raises:
        InputError: the file cannot be used, a label is neither 1, 0 nor empty, an id is missing, or two
            labels of one id disagree; says where.
    """
    file = find_files([path])[0]
    if file.format not in ("csv", "tsv"):
        raise InputError(f"{path}: labels must be a .csv or .tsv file with the columns label and user_id")
    with duckdb.connect() as bench, tempfile.TemporaryDirectory(prefix="graphdet-") as scratch:
        raw = read_delimited(bench, file, Read(delimiter=_delimiter(file)), {}, Path(scratch))
        names = {name.casefold(): name for name in raw.columns}
        key = _key(str(path), list(names))
        lines = numbered_lines(bench, raw, path)
        words = ", ".join(f"'{value}'" for value in LABEL_VALUES)
        bench.execute(
            "CREATE TEMP TABLE labels AS SELECT l.line,"
            f" {as_id('id')} AS id, label FROM (SELECT *, {trimmed(raw.columns[names[key]])} AS id,"
            f" {trimmed(raw.columns[names[LABEL]])} AS label FROM {raw.source}) t JOIN ({lines}) l ON l.row = t.{ROW}"
        )
        marked = bench.execute("SELECT DISTINCT id FROM labels WHERE NOT regexp_matches(id, '^[A-Za-z0-9]')")
        if is_neutral(id for (id,) in marked.fetchall()):  # filled in where graphdet wrote it
            bench.execute("UPDATE labels SET id = substr(id, 2) WHERE starts_with(id, chr(39))")
        wrong = bench.execute(
            f"SELECT line, id, label FROM labels WHERE id IS NULL OR label NOT IN ({words})"
            " ORDER BY line LIMIT 1"
        ).fetchone()
        if wrong is not None:
            what = f"the label {wrong[2]!r} is neither 1, 0 nor empty"
            if wrong[1] is None:
                what = f"the {key} is missing"
            raise InputError(f"{path} line {wrong[0]}: {what}")
        torn = bench.execute(
            "SELECT id, min(line), max(line) FROM labels WHERE label IS NOT NULL GROUP BY id"
            " HAVING count(DISTINCT label::DOUBLE) > 1 ORDER BY min(line) LIMIT 1"
        ).fetchone()
        if torn is not None:
            raise InputError(
                f"{path} lines {torn[1]} and {torn[2]}: {key} {torn[0]!r} is labelled both 1 and 0; "
                "decide for one"
            )
        table = bench.execute(
            f"SELECT DISTINCT id AS {key}, label::DOUBLE::TINYINT AS {LABEL} FROM labels"
            " WHERE label IS NOT NULL ORDER BY 1"
        ).to_arrow_table()
    if not table.num_rows:
        raise InputError(f"{path}: every label is empty; mark some rows 1 (fraud) and some 0 (clean)")
    sha256 = hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
    return Labels(key, table, table.slice(0, 0), str(path), sha256)


def _delimiter(file: LogFile) -> str | None:
    """Find the delimiter at which the first line has the column label; None where it is the usual one, or none is."""
    first = (
        read_head(file).removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0].decode("utf-8", "replace")
    )
    for delimiter in (None, ",", ";", "\t", "|"):
        usual = "\t" if file.format == "tsv" else ","
        if LABEL in [name.strip(' \r"').casefold() for name in first.split(delimiter or usual)]:
            return delimiter
    return None


def _key(path: str, names: list[str]) -> str:
    keys = [name for name in names if name in schema.LABEL_KEYS]
    if LABEL not in names or len(keys) != 1:
        raise InputError(
            f"{path}: labels need the column label and exactly one of {', '.join(schema.LABEL_KEYS)}; "
            f"the columns are {shown(names)}"
        )
    return keys[0]


def check_labels(
    labels: Labels, known_ids: pa.Array | pa.ChunkedArray, frauds_alone: bool = False
) -> tuple[Labels, list[str]]:
    """Check labels against the ids of a log.

    Args:
        labels: as read.
        known_ids: strings, the ids of `labels.key` that the log has.
        frauds_alone: whether frauds can be learned from where nothing is known to be clean.

    Returns:
        The labels of known ids, with the others as `unknown`, and warnings for people.

    Raises:
        InputError: no label is of a known id, or all that are left are equal, so that nothing can be learned.
    """
    is_known = pc.is_in(labels.table[labels.key], value_set=pa.chunked_array(known_ids).cast(pa.string()))
    kept, unknown = labels.table.filter(is_known), labels.table.filter(pc.invert(is_known))
    warnings = []
    names = shown(unknown[labels.key].to_pylist(), most=3)
    if unknown.num_rows:
        warnings.append(
            f"{labels.path}: {unknown.num_rows} of {labels.table.num_rows} labels name a {labels.key} "
            f"that is not in the log and are left out: {names}"
        )
    if not kept.num_rows:
        raise InputError(
            f"{labels.path}: no label is of a {labels.key} in the log, which has no {names}; "
            "check that the ids are written as in the log"
        )
    values = pc.unique(kept[LABEL]).to_pylist()
    if len(values) == 1 and not (frauds_alone and values == [1]):
        have, lack = ("fraud (1)", "clean (0)") if values == [1] else ("clean (0)", "fraud (1)")
        raise InputError(
            f"{labels.path}: all {kept.num_rows} labels of the log are {have}; add some that are {lack}, "
            "or run without labels"
        )
    return replace(labels, table=kept, unknown=unknown), warnings
