"""Lines that are no rows: what stands before and between the rows of a delimited text, and is left out.

Programs write more into a table than its rows: `sep=;` for Excel, titles, comments, the directives of W3C extended
logs, names of rows (R), a blank before each quote. A file that has such lines is copied with these emptied, because
blank lines are no rows and so every row keeps the number of its line.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from graphdet.config import Read
from graphdet.errors import InputError
from graphdet.logs.files import LogFile, line_chunks, read_head

_SEP = re.compile(rb'^"?sep=(.)"?\r?$', re.IGNORECASE)
_FIELDS = re.compile(rb"^#Fields:\s*(.+?)\s*$", re.IGNORECASE)
_DIRECTIVE = re.compile(rb"^#(Version|Software|Date|Fields|Start-Date|End-Date|Remark):", re.IGNORECASE)
_LOOKED_AT = 100  # rows at the start of a file


@dataclass(frozen=True)
class _Plan:
    """What of the lines of one file is left out or changed."""

    skip: int = 0
    comment: bytes | None = None
    is_sep: bool = False  # the first line names the delimiter
    fields: bytes | None = None  # the names in the directive #Fields of a W3C log
    row_names: bool = False  # the header lacks a name for the names of the rows
    blanks: Callable[[bytes], bytes] | None = None  # takes away blanks before quotes


def only_rows(file: LogFile, read: Read, usual: str | None, scratch: Path) -> tuple[LogFile, Read]:
    """Leave out what are no rows of a text in UTF-8.

    Args:
        file: the text.
        read: how it is written.
        usual: the delimiter where neither the config nor the file names one.
        scratch: a folder for the copy.

    Returns:
        The file, or a copy in `scratch` where something is left out, and how to read it: with the delimiter and the
        names that such lines give, where the config gives none.

    Raises:
        InputError: a W3C log changes its fields on the way.
    """
    head = read_head(file).removeprefix(b"\xef\xbb\xbf")
    lines = head.split(b"\n")
    plan = _Plan(skip=read.skip, comment=read.comment.encode() if read.comment else None)
    start = lines[read.skip] if len(lines) > read.skip else b""
    if sep := _SEP.match(start):
        plan = replace(plan, is_sep=True)
        if read.delimiter is None:
            read = replace(read, delimiter=sep[1].decode("latin-1"))
    fields = _w3c_fields(lines)
    if fields is not None:
        plan = replace(plan, comment=plan.comment or b"#", fields=fields)
        delimiter = read.delimiter or ("\t" if b"\t" in fields else " ")
        names = read.names or tuple(fields.decode("utf-8", "replace").split())
        read = replace(read, delimiter=delimiter, names=names, header=False)
    read = replace(read, delimiter=read.delimiter or usual)
    if read.quote and read.delimiter is not None:
        plan = _of_first_rows(lines, plan, read)
    if plan == _Plan():
        return file, read
    target = scratch / f"{len(list(scratch.iterdir()))}.rows"
    with target.open("wb") as out:
        out.writelines(_rewritten(file, plan, read.quote.encode(), (read.delimiter or "").encode()))
    return replace(file, utf8=str(target)), replace(read, skip=0, comment=None)


def _w3c_fields(lines: list[bytes]) -> bytes | None:
    """Find the names of a W3C extended log, among its first lines."""
    for line in lines[:_LOOKED_AT]:
        if found := _FIELDS.match(line):
            return found[1]
        if line.strip() and not _DIRECTIVE.match(line):
            return None
    return None


def _of_first_rows(lines: list[bytes], plan: _Plan, read: Read) -> _Plan:
    """Look at the first rows: whether blanks stand before quotes, and whether rows have names as R writes them."""
    assert read.delimiter is not None
    delimiter, quote = read.delimiter.encode(), read.quote.encode()
    first = read.skip + int(plan.is_sep)
    rows = [line for line in lines[first:-1] if line.strip() and not _is_comment(line, plan.comment)]
    if not rows:
        return plan
    spaced = re.compile(re.escape(delimiter) + rb"[ \t]+" + re.escape(quote))
    if delimiter.strip() and spaced.search(rows[0]):
        outside = re.compile(
            rb"(%q(?:[^%q]|%q%q)*%q)|(%d)[ \t]+(?=%q)".replace(b"%q", re.escape(quote)).replace(
                b"%d", re.escape(delimiter)
            )
        )
        plan = replace(plan, blanks=lambda line: outside.sub(lambda m: m[1] or m[2], line))
    if read.header is False or read.names is not None or len(read.delimiter) > 1 or len(rows) < 2:
        return plan
    text = b"\n".join(rows[: _LOOKED_AT + 1]).decode("utf-8", "replace")
    try:
        records = list(csv.reader(io.StringIO(text), delimiter=read.delimiter, quotechar=read.quote))
    except csv.Error:
        return plan
    header, data = records[0], records[1:]
    named = all(len(row) == len(header) + 1 for row in data)
    counts = [row[0] for row in data] in ([str(k + first) for k in range(len(data))] for first in (0, 1))
    return replace(plan, row_names=True) if named and counts else plan


def _is_comment(line: bytes, comment: bytes | None) -> bool:
    return comment is not None and line.startswith(comment)


def _rewritten(file: LogFile, plan: _Plan, quote: bytes, delimiter: bytes) -> Iterator[bytes]:
    """Give the lines of a file, those that are no rows emptied; a line within quotes is part of a row."""
    is_open, header_due = False, plan.row_names
    for n, line in enumerate(line_chunks(file)):
        if n == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if n < plan.skip or (plan.is_sep and n == plan.skip):
            yield b"\n"
            continue
        if not is_open and _is_comment(line, plan.comment):
            found = _FIELDS.match(line) if plan.fields is not None else None
            if found and found[1] != plan.fields:
                raise InputError(
                    f"{file.path} line {n + 1}: the directive #Fields changes here; split the file"
                )
            yield b"\n"
            continue
        odd = bool(quote) and line.count(quote) % 2 == 1
        if plan.blanks is not None and not is_open and not odd:
            line = plan.blanks(line)
        if header_due and line.strip():
            line, header_due = quote + quote + delimiter + line, False
        is_open ^= odd
        yield line
