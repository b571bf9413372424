"""CSV that is safe to open in a spreadsheet: no field can run as a formula, and every text comes back.

A spreadsheet runs a field that begins with =, +, - or @ as a formula, also after white space, and some read the
full-width forms of these signs alike. So a text that begins with one of them, with white space or a control
character, or with an apostrophe, gets an apostrophe in front. To read a text back, remove one
leading apostrophe if there is one; that is exact, as a text that begins with an apostrophe of its own has got one
more. Numbers are written as they are.
All texts are quoted. Characters that are not text (lone halves of surrogate pairs) are written as visible escapes.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from graphdet import schema, words
from graphdet.files import write_text
from graphdet.reports.ring_data import RingData
from graphdet.tables import RingTables

FORMULA = "=+-@＝＋－＠'"
Cell = str | int | float | None


def neutral(text: str) -> str:
    r"""Put an apostrophe before a text that a spreadsheet could run.

    >>> neutral("=1+1"), neutral("plain"), neutral("'quoted"), neutral("\t=1")
    ("'=1+1", 'plain', "''quoted", "'\t=1")
    """
    first = text[:1]
    risky = first and (first in FORMULA or first.isspace() or ord(first) < 32 or not first.isprintable())
    return f"'{text}" if risky else text


def original(text: str) -> str:
    """Undo `neutral`.

    >>> [original(neutral(text)) for text in ("=1+1", "plain", "'quoted", "")]
    ['=1+1', 'plain', "'quoted", '']
    """
    return text.removeprefix("'")


def sheet(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
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
    return "\ufeff" + text


def _cell(value: Cell) -> Cell:
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return neutral(value) if isinstance(value, str) else value


def ring_sheets(ring: RingData) -> dict[str, str]:
    """The members, targets and acts of a ring as three sheets, by name."""
    members = [
        (m.user_id, m.score, m.user_score, m.n_targets, m.n_acts, m.n_other_acts, _clock(m.first_ms), _clock(m.last_ms))
        for m in ring.members
    ]  # fmt: skip
    items = [
        (i.item_id, i.name, i.n_users, i.lift, i.n_acts, _clock(i.first_ms), _clock(i.last_ms))
        for i in ring.items
    ]
    acts = [(a.user_id, a.session_id, a.item_id, a.action, _clock(a.at_ms), a.n) for a in ring.acts]
    head = ("user_id", "score", "user_score", "n_targets", "n_acts", "n_other_acts", "first_utc", "last_utc")
    return {
        "members": sheet(head, members),
        "items": sheet(("item_id", "name", "n_users", "lift", "n_acts", "first_utc", "last_utc"), items),
        "acts": sheet(("user_id", "session_id", "item_id", "action", "at_utc", "n"), acts),
    }


def _clock(at_ms: int | None) -> str | None:
    return None if at_ms is None else words.clock(at_ms)


def write_ring_sheets(folder: Path, name: str, ring: RingData) -> list[Path]:
    """Write RING_ID.members.csv, .items.csv and .acts.csv.

    Raises:
        GraphdetError: a file cannot be written.
    """
    sheets = ring_sheets(ring)
    return [write_text(folder / f"{name}.{part}.csv", text) for part, text in sheets.items()]


def write_sheets(
    folder: Path, scores: pa.Table, rings: RingTables, labelled: Mapping[str, pa.Table] | None = None
) -> list[Path]:
    """Write the tables of the findings once more, safe to open in a spreadsheet: same names, columns and rows.

    Raises:
        GraphdetError: a file cannot be written.
    """
    tables: dict[str, tuple[pa.Table, Sequence[str]]] = {
        "suspects": (scores, schema.SCORE_COLUMNS),
        "rings": (rings.rings, schema.RING_COLUMNS),
        "ring_members": (rings.members, schema.RING_MEMBER_COLUMNS),
        "ring_items": (rings.items, schema.RING_ITEM_COLUMNS),
    }
    for kind, table in (labelled or {}).items():
        tables[f"{kind}_scores"] = (table, (f"{kind}_id", *schema.LABELLED_COLUMNS))
    written = []
    for name, (table, columns) in tables.items():
        rows = zip(*(table[column].to_pylist() for column in columns), strict=True)
        written.append(write_text(folder / f"{name}.csv", sheet(columns, rows)))
    return written
