"""Take accounts out of the files of an output folder, as far as a program can; the rest is told by name.

Tables lose the rows about an account, JSON its entries, pages and drawings the name. What cannot be looked into (PDF,
pictures, packed files, other stores) is for a person to remove.
"""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graphdet.errors import GraphdetError
from graphdet.files import explain_os_error, replacing
from graphdet.privacy import Scrub
from graphdet.sheets import original

PAGES = (".html", ".svg", ".md", ".txt", ".graphml", ".gexf", ".log")
CLOSED = (".pdf", ".png", ".jpg", ".gz", ".zst", ".zip", ".bz2", ".xz", ".xlsx")
STORES = (".duckdb", ".db")
RAW_ROW = "row"  # the column of rejects.csv with rows as they were


@dataclass
class Scrubbed:
    """What was done in a folder: files that were changed, and files for a person, each with the reason."""

    changed: list[str] = field(default_factory=list)
    by_hand: list[tuple[str, str]] = field(default_factory=list)


# What graphdet writes into output folders, by name: nothing else is changed, and nothing else removed by its age.
REJECT_FILES = ("rejects.csv", "dead_letters.jsonl")
SNAPSHOTS = (
    *(
        "report.html",
        "report.pdf",
        "report.json",
        "run.json",
        "brief.*",
        "evaluation.*",
        "labels.csv",
        "eda.*",
    ),
    *(
        "suspects.csv",
        "rings.csv",
        "ring_members.csv",
        "ring_items.csv",
        "leads.csv",
        "*_scores.csv",
        "raw/*.csv",
    ),
    "rings/R*",
)
_OURS = (*REJECT_FILES, *SNAPSHOTS, "model/*")


def scrub_folder(
    folder: Path, ids: frozenset[str], *, dry_run: bool = False, but: frozenset[Path] = frozenset()
) -> Scrubbed:
    """Take accounts out of the files that graphdet wrote into a folder; links are not followed.

    dry_run: only say what would be changed. but: files that are left alone, such as the store itself.

    Raises:
        GraphdetError: a file cannot be read or written; those before it are done, and repeating is safe.
    """
    found = Scrubbed()
    scrub, page = Scrub(ids), Scrub({form for i in ids for form in (i, html.escape(i), json.dumps(i)[1:-1])})
    for path in _files(folder):
        if path.resolve() in but:
            continue
        kind = path.suffix.lower()
        ours = any(path.relative_to(folder).match(name) for name in _OURS)
        if kind in CLOSED and ours:
            found.by_hand.append((str(path), "cannot be looked into: remove it, or make it anew"))
            continue
        try:
            data = path.read_bytes()
        except OSError as error:
            raise GraphdetError(f"{path}: cannot be read: {error.strerror}") from error
        if kind != ".parquet" and not any(
            needle.encode("utf-8", "surrogatepass") in data for needle in page.needles()
        ):
            continue
        if not ours and kind not in STORES:
            found.by_hand.append(
                (str(path), "names the account, and graphdet did not write it: mend or remove it")
            )
            continue
        if kind in STORES:
            found.by_hand.append((str(path), f"another store: graphdet forget … --store duckdb:{path}"))
            continue
        clean = _cleaner(kind, scrub, page)
        if clean is None:
            found.by_hand.append(
                (str(path), "names the account, and is of no kind that can be changed: remove it")
            )
            continue
        _apply(path, data, clean, found, dry_run)
        if kind in PAGES and page.ids != page.words:
            found.by_hand.append(
                (
                    str(path),
                    "an id that could be a count stays in sentences: make it anew with graphdet report",
                )
            )
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


Cleaner = Callable[[bytes], bytes | None]


def _cleaner(kind: str, scrub: Scrub, page: Scrub) -> Cleaner | None:
    """How files of a kind are cleaned; what it gives is None where nothing is to be changed."""
    if kind in (".csv", ".tsv"):
        return lambda data: _table(data, scrub, "\t" if kind == ".tsv" else ",")
    if kind in (".json", ".ipynb"):
        return lambda data: _text(data, scrub.document)
    if kind == ".jsonl":
        return lambda data: _text(data, lambda text: "\n".join(map(scrub.document, text.split("\n"))))
    if kind == ".parquet":
        return lambda data: _parquet(data, scrub)
    if kind in PAGES:
        return lambda data: _text(data, page.text)
    return None


def _apply(path: Path, data: bytes, clean: Cleaner, found: Scrubbed, dry_run: bool) -> None:
    try:
        new = clean(data)
    except (UnicodeDecodeError, csv.Error, pa.ArrowInvalid):
        found.by_hand.append((str(path), "names the account, and cannot be read: remove it"))
        return
    if new is None or new == data:
        return
    found.changed.append(str(path))
    if dry_run:
        return
    try:
        mode = path.stat().st_mode
        with replacing(path) as temporary:
            temporary.write_bytes(new)
        path.chmod(mode & 0o777)
    except OSError as error:
        raise explain_os_error(error, path) from error


def _text(data: bytes, clean: Callable[[str], str]) -> bytes:
    return clean(data.decode("utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8")).encode()


def _table(data: bytes, scrub: Scrub, delimiter: str) -> bytes:
    """Leave out rows that are about an account; a row of rejects.csv stays, without what it was."""
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter))
    into = io.StringIO(newline="")
    writer = csv.writer(
        into, delimiter=delimiter, lineterminator="\n" if b"\r\n" not in data[:4096] else "\r\n"
    )
    raw = rows[0].index(RAW_ROW) if rows and RAW_ROW in rows[0] else None
    for number, row in enumerate(rows):
        if number and raw is not None and len(row) > raw and scrub.may_name(row[raw]):
            row[raw] = "{}"
        if number and any(cell in scrub.ids or original(cell) in scrub.ids for cell in row):
            continue
        writer.writerow([scrub.text(cell) for cell in row])
    return into.getvalue().encode()


def _parquet(data: bytes, scrub: Scrub) -> bytes | None:
    table = pq.read_table(io.BytesIO(data))
    ids = pa.array(sorted(scrub.ids), pa.string())
    keep = None
    for name in table.column_names:
        if pa.types.is_string(table.schema.field(name).type):
            theirs = pc.fill_null(pc.is_in(table[name], value_set=ids), False)
            keep = pc.invert(theirs) if keep is None else pc.and_(keep, pc.invert(theirs))
    if keep is None or pc.all(keep).as_py():
        return None
    into = io.BytesIO()
    pq.write_table(table.filter(keep), into)
    return into.getvalue()


def remove_aged(folder: Path, names: tuple[str, ...], before_s: float, *, dry_run: bool = False) -> list[str]:
    """Remove files of some names (or patterns) in a folder that were last written before a time; says which.

    Raises:
        GraphdetError: one cannot be removed.
    """
    gone = []
    for name in names:
        for path in sorted(folder.glob(name)):
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < before_s:
                gone.append(str(path))
                if not dry_run:
                    try:
                        path.unlink()
                    except OSError as error:
                        raise explain_os_error(error, path) from error
    return gone
