"""The CSV files of the output folder: the same findings give the same bytes.

Numbers have nine significant digits, booleans are true or false, times ISO 8601 in UTC, lines end in a line
feed, and a field is quoted (RFC 4180) only when it must be. Ids are written exactly as the log has them,
because other programs join on them: a spreadsheet may run an id such as `=cmd` as a formula, so the report
tells people to import the columns as text. Rows go from most to least suspicious, equal ones by id.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from graphdet import schema
from graphdet.files import replacing
from graphdet.tables import RingTables, require_columns

_ROWS_A_CHUNK = 100_000


def write_tables(
    out: Path, scores: pa.Table, rings: RingTables, labelled: Mapping[str, pa.Table] | None = None
) -> dict[str, Path]:
    """Write suspects.csv, rings.csv, ring_members.csv and ring_items.csv into `out`.

    Shapes: scores schema.SCORE_COLUMNS, one row per user; rings as RingTables. `labelled` holds one table
    per kind of labelled thing, "item", "session" or "event", with the columns KIND_id, score, p_value,
    flagged, reason; it becomes KIND_scores.csv. Returns the paths by file name.

    Raises:
        GraphdetError: a file cannot be written; nothing half-written stays.
        ValueError: a table lacks a column of the contract.
    """
    require_columns(scores.column_names, schema.SCORE_COLUMNS, "scores")
    wanted: list[tuple[str, pa.Table, Sequence[str], tuple[tuple[str, str], ...]]] = [
        (
            "suspects.csv",
            scores,
            schema.SCORE_COLUMNS,
            (("score", "descending"), ("p_value", "ascending"), ("user_id", "ascending")),
        ),
        (
            "rings.csv",
            rings.rings,
            schema.RING_COLUMNS,
            (("score", "descending"), ("p_value", "ascending"), ("ring_id", "ascending")),
        ),
        (
            "ring_members.csv",
            rings.members,
            schema.RING_MEMBER_COLUMNS,
            (("ring_id", "ascending"), ("score", "descending"), ("user_id", "ascending")),
        ),
        (
            "ring_items.csv",
            rings.items,
            schema.RING_ITEM_COLUMNS,
            (
                ("ring_id", "ascending"),
                ("n_users", "descending"),
                ("lift", "descending"),
                ("item_id", "ascending"),
            ),
        ),
    ]
    for kind, table in (labelled or {}).items():
        columns = (f"{kind}_id", *schema.LABELLED_COLUMNS)
        require_columns(table.column_names, columns, f"{kind}_scores")
        order = (("score", "descending"), ("p_value", "ascending"), (f"{kind}_id", "ascending"))
        wanted.append((f"{kind}_scores.csv", table, columns, order))
    return {name: write_csv(out / name, table, columns, order) for name, table, columns, order in wanted}


def write_csv(
    path: Path, table: pa.Table, columns: Sequence[str], order: Sequence[tuple[str, str]] = ()
) -> Path:
    """Write the columns of a table as CSV, sorted by `order` as (column, "ascending" | "descending") pairs.

    Raises:
        GraphdetError: the file cannot be written; the old one stays.
    """
    chosen = pa.table({name: _flat(table[name]) for name in columns})
    if order and chosen.num_rows:
        chosen = chosen.take(pc.sort_indices(chosen, sort_keys=list(order)))
    with replacing(path) as temporary, open(temporary, "wb") as handle:
        handle.writelines(text.encode() for text in csv_parts(chosen))
    return path


def csv_parts(table: pa.Table) -> Iterator[str]:
    """Write a table as CSV text, part by part: the header, then some rows at a time."""
    names = pa.array(table.column_names, pa.string())
    yield ",".join(_fields(names).to_pylist()) + "\n"
    for start in range(0, table.num_rows, _ROWS_A_CHUNK):
        chunk = table.slice(start, _ROWS_A_CHUNK)
        lines = pc.binary_join_element_wise(*(_fields(column) for column in chunk.columns), ",")
        yield "\n".join(lines.to_pylist()) + "\n"


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Make one array of a chunked one; dictionary-encoded strings become plain."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # several chunks of an extension type
        array = pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _fields(column: pa.ChunkedArray | pa.Array) -> pa.Array:
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
        array = pc.cast(array, pa.string())
        special = pc.match_substring_regex(array, '[",\r\n]')
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(array, '"', '""'), '"', "")
        array = pc.if_else(special, quoted, array)
    return pc.fill_null(array, "")
