"""The CSV files of the output folder: the same findings give the same bytes.

Numbers have nine significant digits, booleans are true or false, times ISO 8601 in UTC, lines end in a line
feed, and a field is quoted (RFC 4180) only when it must be. Rows go from most to least suspicious, equal ones by id.

What lands beside the report is safe to open by a double click: no field can run as a formula (see graphdet.sheets),
and a mark at the start tells spreadsheets that it is UTF-8. Raw tables hold ids exactly as the log has them, without
the mark, for programs that join on them.

A ring's own sheets quote all texts. Characters that are not text (lone halves of surrogate pairs) are written as
visible escapes.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema, words
from graphdet.files import replacing, write_text
from graphdet.reports.ring_data import RingData
from graphdet.rings.finding import listed_role
from graphdet.sheets import BOM, neutral, safe_column, steady
from graphdet.tables import RingTables, require_columns

SUSPECT_ORDER = (("score", "descending"), ("p_value", "ascending"), ("user_id", "ascending"))
RING_ORDER = (("score", "descending"), ("p_value", "ascending"), ("ring_id", "ascending"))
_ROWS_A_CHUNK = 100_000


class CsvForm(Enum):
    """For whom a table is written.

    safe: for a person, who opens it. to_fill_in: for one who also hands it back. raw: for programs, texts as they are.
    """

    safe = auto()
    to_fill_in = auto()
    raw = auto()


def write_tables(
    out: Path,
    scores: pa.Table,
    rings: RingTables,
    leads: pa.Table,
    labelled: Mapping[str, pa.Table] | None = None,
    *,
    form: CsvForm = CsvForm.safe,
) -> dict[str, Path]:
    """Write suspects.csv, rings.csv, leads.csv, ring_members.csv and ring_items.csv into `out`.

    Shapes: scores schema.SUSPECT_COLUMNS, one row per user, and rings as rings.finding.with_roles gives them; leads as
    rings.leads.lead_table does. `labelled` holds one table
    per kind of labelled thing, "item", "session" or "event", with the columns KIND_id, score, p_value,
    flagged, reason; it becomes KIND_scores.csv. Returns the paths by file name.

    Raises:
        GraphdetError: a file cannot be written; nothing half-written stays.
        ValueError: a table lacks a column of the contract.
    """
    require_columns(scores.column_names, schema.SUSPECT_COLUMNS, "scores")
    require_columns(rings.members.column_names, schema.LISTED_MEMBER_COLUMNS, "ring_members")
    members = (("ring_id", "ascending"), ("score", "descending"), ("user_id", "ascending"))
    items = (
        ("ring_id", "ascending"),
        ("n_users", "descending"),
        ("lift", "descending"),
        ("item_id", "ascending"),
    )
    wanted: list[tuple[str, pa.Table, Sequence[str], tuple[tuple[str, str], ...]]] = [
        ("suspects.csv", scores, schema.SUSPECT_COLUMNS, SUSPECT_ORDER),
        ("rings.csv", rings.rings, schema.RING_COLUMNS, RING_ORDER),
        ("ring_members.csv", rings.members, schema.LISTED_MEMBER_COLUMNS, members),
        ("ring_items.csv", rings.items, schema.RING_ITEM_COLUMNS, items),
    ]
    for kind, table in (labelled or {}).items():
        columns = (f"{kind}_id", *schema.LABELLED_COLUMNS)
        require_columns(table.column_names, columns, f"{kind}_scores")
        order = (("score", "descending"), ("p_value", "ascending"), (f"{kind}_id", "ascending"))
        wanted.append((f"{kind}_scores.csv", table, columns, order))
    wanted.append(("leads.csv", leads, schema.LEAD_COLUMNS, ()))
    return {
        name: write_csv(out / name, table, columns, order, form=form)
        for name, table, columns, order in wanted
    }


def write_csv(
    path: Path,
    table: pa.Table,
    columns: Sequence[str],
    order: Sequence[tuple[str, str]] = (),
    *,
    form: CsvForm = CsvForm.safe,
) -> Path:
    """Write the columns of a table as CSV, sorted by `order` as (column, "ascending" | "descending") pairs.

    Raises:
        GraphdetError: the file cannot be written; the old one stays.
    """
    chosen = pa.table({name: _flat(table[name]) for name in columns})
    if order and chosen.num_rows:
        chosen = chosen.take(pc.sort_indices(chosen, sort_keys=list(order)))
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        handle.writelines(text.encode() for text in csv_parts(chosen, form))
    return path


def csv_parts(table: pa.Table, form: CsvForm) -> Iterator[str]:
    """Write a table as CSV text, part by part: the header, then some rows at a time."""
    names = pa.array(table.column_names, pa.string())
    yield ("" if form is CsvForm.raw else BOM) + ",".join(_fields(names, form).to_pylist()) + "\n"
    for start in range(0, table.num_rows, _ROWS_A_CHUNK):
        chunk = table.slice(start, _ROWS_A_CHUNK)
        lines = pc.binary_join_element_wise(*(_fields(column, form) for column in chunk.columns), ",")
        yield "\n".join(lines.to_pylist()) + "\n"


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Make one array of a chunked one; dictionary-encoded strings become plain."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # several chunks of an extension type
        array = pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _fields(column: pa.ChunkedArray | pa.Array, form: CsvForm) -> pa.Array:
    """Write one column as CSV fields; null becomes nothing."""
    array = _flat(column)
    if pa.types.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False).tolist()  # null and NaN alike
        array = pa.array([f"{v:.9g}" if v == v else None for v in values], pa.string())
    else:
        if pa.types.is_nested(array.type):
            texts = [
                None if v is None else json.dumps(v, ensure_ascii=False, default=str)
                for v in array.to_pylist()
            ]
            array = pa.array(texts, pa.string())
        is_text = pa.types.is_string(array.type)
        array = pc.cast(array, pa.string())
        if is_text and form is not CsvForm.raw:
            array = safe_column(array, steady if form is CsvForm.to_fill_in else neutral)
        # Where a comma is the decimal point, a spreadsheet splits lines at semicolons.
        special = pc.match_substring_regex(array, '[",\r\n]' if form is CsvForm.raw else '[",;\t\r\n]')
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(array, '"', '""'), '"', "")
        array = pc.if_else(special, quoted, array)
    return pc.fill_null(array, "")


CsvCell = str | int | float | None


def sheet(columns: Sequence[str], rows: Iterable[Sequence[CsvCell]]) -> str:
    """Write rows as safe CSV: RFC 4180 with line feeds, UTF-8 with a mark so that spreadsheets know it."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    text = "".join(
        c.encode("unicode_escape").decode("ascii") if "\ud800" <= c <= "\udfff" or c == "\x00" else c
        for c in out.getvalue()
    )
    return BOM + text


def _cell(value: CsvCell) -> CsvCell:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return neutral(value) if isinstance(value, str) else value


def ring_sheets(ring: RingData) -> dict[str, str]:
    """The members, targets and acts of a ring as three sheets, by name."""
    members = [
        (
            *(m.user_id, listed_role(m.role), m.score, m.user_score, m.n_targets, m.n_acts, m.n_other_acts),
            *(_clock(m.first_ms), _clock(m.last_ms)),
        )
        for m in ring.members
    ]
    items = [
        (i.item_id, i.name, i.n_users, i.lift, i.n_acts, _clock(i.first_ms), _clock(i.last_ms))
        for i in ring.items
    ]
    acts = [(a.user_id, a.session_id, a.item_id, a.action, _clock(a.at_ms), a.n) for a in ring.acts]
    figures = ("score", "user_score", "n_targets", "n_acts", "n_other_acts", "first_utc", "last_utc")
    head = ("user_id", schema.ROLE, *figures)
    return {
        "members": sheet(head, members),
        "items": sheet(("item_id", "name", "n_users", "lift", "n_acts", "first_utc", "last_utc"), items),
        "acts": sheet(("user_id", "session_id", "item_id", "action", "at_utc", "n"), acts),
    }


def _clock(at_ms: int | None) -> str | None:
    return words.clock(at_ms) if at_ms else None  # 0: the log has no times


def write_ring_sheets(folder: Path, name: str, ring: RingData) -> list[Path]:
    """Write RING_ID.members.csv, .items.csv and .acts.csv.

    Raises:
        GraphdetError: a file cannot be written.
    """
    sheets = ring_sheets(ring)
    return [write_text(folder / f"{name}.{part}.csv", text) for part, text in sheets.items()]
