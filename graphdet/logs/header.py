"""The header of a delimited text file: the names of its columns, and whether the delimiter fits."""

import csv
import io
from collections.abc import Mapping, Sequence

from graphdet.config import Read
from graphdet.errors import InputError
from graphdet.logs.files import LogFile, read_head
from graphdet.logs.raw import missing_column

_OTHERS = (";", "\t", ",", "|", " ")


def read_header(
    file: LogFile, read: Read, delimiter: str, wanted: Mapping[str, str]
) -> tuple[list[str], int]:
    """Find the names of the columns, and how many lines the header takes.

    Args:
        file: a text file in UTF-8.
        read: how it is written.
        delimiter: what separates its columns.
        wanted: the columns that must be there, each with the place in the config that names it.

    Raises:
        InputError: a wanted column is missing or there twice; says so when another delimiter would fit.
    """
    head = read_head(file).decode("utf-8", errors="replace").removeprefix("\ufeff")
    first = _first_record(head, delimiter, read.quote)
    header = read.header is not False
    given = read.names
    if given is not None:
        if len(given) != len(first):
            raise InputError(
                f"{file.path}: [read] names lists {len(given)} columns, but the first line has {len(first)} "
                f"when split at {delimiter!r}{_other_delimiter(head, delimiter, read, given)}"
            )
        names = list(given)
    else:
        names = [name.strip() for name in first]
    for name, place in wanted.items():
        if name not in names:
            hint = _other_delimiter(head, delimiter, read, [name])
            if hint:
                raise InputError(
                    f"{file.path}: the first line is {len(first)} column(s) when split at {delimiter!r}{hint}"
                )
            raise missing_column(file, name, place, names)
        if names.count(name) > 1:
            raise InputError(f"{file.path}: the header has the column {name!r} twice; rename one of them")
    head = head.lstrip("\r\n")
    lines = head[: _header_end(head, read.quote)].count("\n") + 1 if header else 0
    return _unique(names), lines


def _first_record(head: str, delimiter: str, quote: str) -> list[str]:
    text = io.StringIO(head.lstrip("\r\n"), newline=None)
    try:
        if not quote:
            return next(csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return next(csv.reader(text, delimiter=delimiter, quotechar=quote))
    except csv.Error:
        return head.lstrip("\r\n").split("\n", 1)[0].split(delimiter)


def _header_end(head: str, quote: str) -> int:
    """Find where the first record ends: at the first line end that is not inside quotes."""
    at = head.find("\n")
    while at >= 0 and quote and head.count(quote, 0, at) % 2:
        at = head.find("\n", at + 1)
    return 0 if at < 0 else at


def _other_delimiter(head: str, delimiter: str, read: Read, wanted: Sequence[str]) -> str:
    """Say which other delimiter would give the wanted columns, if one does."""
    for other in _OTHERS:
        if other != delimiter:
            fields = [f.strip() for f in _first_record(head, other, read.quote)]
            if set(wanted) <= set(fields) or (read.header is False and len(fields) == len(wanted) > 1):
                return (
                    f", but {len(fields)} at {other!r}: set [read] delimiter = {_toml(other)} in the config"
                )
    return ""


def _toml(character: str) -> str:
    return '"\\t"' if character == "\t" else f'"{character}"'


def _unique(names: Sequence[str]) -> list[str]:
    """Tell columns of the same (or no) name apart, so that each has a key of its own in rejects.csv.

    >>> _unique(["", "a", "a"])
    ['column 1', 'a', 'a (3)']
    """
    taken: set[str] = set()
    unique = []
    for i, name in enumerate(names, start=1):
        name = name or f"column {i}"
        unique.append(f"{name} ({i})" if name in taken else name)
        taken.add(unique[-1])
    return unique
