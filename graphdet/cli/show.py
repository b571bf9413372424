"""Findings and other rows on stdout: tables for people, CSV and JSON for programs."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphdet import words
from graphdet.files import plain

if TYPE_CHECKING:
    from graphdet.lab.scoreboard import Scoreboard

PrintedRow = Mapping[str, Any]
_SURROGATE = re.compile("[\ud800-\udfff]")
NOTE_WIDTH = 60  # characters of a note in a table; --json has all of them
_PLAIN_WIDTH = 160  # of tables in a pipe or a file, where no terminal gives a width


def print_json(document: Any) -> None:
    """Write one JSON document and a line feed on stdout; a lone surrogate, which no encoding has, as an escape."""
    text = json.dumps(plain(document), ensure_ascii=False, indent=1)
    sys.stdout.write(_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def print_csv(table: pa.Table) -> None:
    """Write a table as CSV on stdout, ids exactly as they are."""
    from graphdet.reports.csv_tables import CsvForm, csv_parts  # brings much that other commands do without

    sys.stdout.writelines(csv_parts(table, CsvForm.raw))


def print_sheet(table: pa.Table) -> None:
    """Write a table on stdout as CSV that is safe to open in a spreadsheet; lists become JSON."""
    from graphdet.reports.csv_tables import CsvForm, csv_parts

    sys.stdout.writelines(csv_parts(table, CsvForm.safe))


def console() -> Console:
    """A console on stdout that takes no markup from anybody's names."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else _PLAIN_WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width, soft_wrap=False)


def rows_told(rows: Mapping[str, int]) -> str:
    """What became of the rows of a log, as a sum.

    >>> n = dict(n_rows=9, n_events=3, n_rejects=1, n_duplicates=0, n_filtered=0, n_known=5)
    >>> print(rows_told(n))
    Rows: 9 read = 3 used + 1 rejected + 0 duplicates + 0 filtered + 5 known before
    """
    names = ("used", "rejected", "duplicates", "filtered", "known before")
    read, *parts = rows.values()
    told = " + ".join(f"{n:,} {name}" for n, name in zip(parts, names, strict=True))
    return f"Rows: {read:,} read = {told}"


def print_rows(columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print rows as a table; a column is (heading, right aligned?). Control characters show as escapes."""
    table = Table(title=title or None, title_justify="left", title_style="bold", pad_edge=False, box=None)
    for heading, right in columns:
        table.add_column(heading, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        table.add_row(*(Text(words.visible(cell)) for cell in row))
    console().print(table)


def print_suspects(rows: Sequence[PrintedRow], title: str, among: int) -> None:
    """Print suspects of `among` accounts, one a line; p and q say at most what so many can show."""
    columns = (
        ("user", False),
        ("score", True),
        ("p-value", True),
        ("q-value", True),
        ("ring", False),
        ("why", False),
    )
    print_rows(
        columns,
        (
            (
                str(row["user_id"]),
                words.score_in_words(row["score"]),
                words.chance(row["p_value"], among),
                words.chance(row["q_value"], among),
                str(row["ring_id"] or "–"),
                str(row["reason"] or ""),
            )
            for row in rows
        ),
        title,
    )


def print_rings(rows: Sequence[PrintedRow], title: str, among: int) -> None:
    """Print rings of a log of `among` accounts, one a line; p and q say at most what so many can show."""
    columns = (
        ("ring", False),
        ("kind", False),
        ("score", True),
        ("p-value", True),
        ("q-value", True),
        ("users", True),
        ("items", True),
        ("why", False),
    )
    print_rows(
        columns,
        (
            (
                str(row["ring_id"]),
                str(row["kind"]),
                words.score_in_words(row["score"]),
                words.chance(row["p_value"], among),
                words.chance(row["q_value"], among),
                words.thousands(row["n_users"]),
                words.thousands(row["n_items"]),
                str(row["reason"] or ""),
            )
            for row in rows
        ),
        title,
    )


def print_leads(rows: Sequence[PrintedRow], title: str) -> None:
    """Print leads (schema.LEAD_COLUMNS), one a line."""
    columns = (
        ("lead", False),
        ("score", True),
        ("users", True),
        ("items", True),
        ("held back by", False),
        ("why", False),
    )
    cells = (
        (
            str(row["ring_id"]),
            words.score_in_words(row["score"]),
            words.thousands(row["n_users"]),
            words.thousands(row["n_items"]),
            str(row["held_back_by"]).replace("_", " "),
            str(row["why"] or ""),
        )
        for row in rows
    )
    print_rows(columns, cells, title)


def print_scoreboard(board: "Scoreboard") -> None:
    """Print campaigns, one a line, and below them what was found and who was flagged rightly."""
    columns = (
        ("campaign", False),
        ("kind", False),
        ("accounts", True),
        ("flagged", True),
        ("found as", False),
    )
    print_rows(
        columns,
        (
            (
                row.campaign_id,
                row.kind.replace("_", " "),
                words.thousands(row.n_accounts),
                words.thousands(row.n_flagged),
                str(row.ring_id) if row.found else f"– (nearest: {row.ring_id})" if row.ring_id else "–",
            )
            for row in board.campaigns
        ),
    )
    found = sum(row.found for row in board.campaigns)
    print(
        f"{found} of {words.plural(len(board.campaigns), 'campaign')} found, "
        f"{len(board.false_rings)} of {words.plural(board.n_rings, 'flagged finding')} false"
        f"{': ' + ', '.join(board.false_rings) if board.false_rings else ''}; "
        f"{board.n_right:,} of {words.plural(board.n_flagged, 'flagged account')} guilty, of {board.n_guilty:,}."
    )


_CHANCES = {"p_value", "q_value"}  # columns that say at most what the accounts of the log can show


def has_chances(table: pa.Table) -> bool:
    """Whether a table has p- or q-values."""
    return not _CHANCES.isdisjoint(table.column_names)


def print_table(table: pa.Table, among: int | None = None) -> None:
    """Print any table; numbers are aligned and shortened, p and q to what `among` accounts can show."""
    numbers = [pa.types.is_integer(t) or pa.types.is_floating(t) for t in table.schema.types]

    def cell(name: str, value: Any) -> str:
        if name in _CHANCES and isinstance(value, float):
            return words.chance(value, among)
        if value is None:
            return "–"
        if isinstance(value, float):
            return f"{value:.4g}"
        return value if isinstance(value, str) else str(value)

    rows = ([cell(name, value) for name, value in row.items()] for row in table.to_pylist())
    print_rows(list(zip(table.column_names, numbers, strict=True)), rows)


def print_as(table: pa.Table, form: str, name: str) -> None:
    """Print a table as "table", "csv" or "json" (an object with the rows under `name`)."""
    if form == "json":
        print_json({name: table.to_pylist()})
    elif form == "csv":
        print_csv(table)
    else:
        print_table(table)
