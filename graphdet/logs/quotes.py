"""Records of a delimited text in which a quote may not be closed: line by line, with a look ahead.

A line whose quote is open at its end is the start of a value over several lines, or a mistake. It is a mistake when the
quote is not closed within MOST_LINES lines, when text follows where it closes, when what results has another number of
columns than the header, or when half of the lines between are rows by themselves: then this line is put aside, and the
next is a row again. So there are never fewer rows than good lines. The line that would have closed it has a quote too
many and is put aside as well.
"""

import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator

import duckdb
import pyarrow as pa

from graphdet.logs.files import LogFile, fill_table, text_lines

MOST_LINES = 1000  # of a value, where a quote of the file is not closed
_ROWS = 10_000  # in a batch
NOT_UTF8 = "not UTF-8"
NOT_CLOSED = "a quote is not closed on this line"
TEXT_FOLLOWS = "a quote is not closed or text follows it"
CARRIAGE_RETURN = "a carriage return within the line"
Line = tuple[int, str | None]  # number and text; None: not UTF-8
Record = tuple[int, str | None, str | None, int]  # number of the first line, text, why it is put aside, lines


class Records:
    """Puts lines together to records.

    >>> records = Records(",", '"', 2)
    >>> [(text, reason) for _, text, reason, _ in records.of([(1, 'a,"b'), (2, 'c"'), (3, '"d,e'), (4, "f,g")])]
    [('a,"b\\nc"', None), ('"d,e', 'a quote is not closed on this line'), ('f,g', None)]
    """

    def __init__(self, delimiter: str, quote: str, n_columns: int) -> None:
        self._delimiter, self._quote, self._n_columns = delimiter, quote, n_columns
        d, q = re.escape(delimiter), re.escape(quote)
        inside = f"(?:[^{q}]|{q}{q})*+"
        field = f"(?:{q}{inside}{q}(?={d}|$)|(?!{q})[^{d}]*+)"
        self._closed = re.compile(f"{field}(?:{d}{field})*+\\Z", re.DOTALL)
        self._opens = re.compile(f"(?:{field}{d})*+{q}{inside}\\Z", re.DOTALL)
        self._stays = re.compile(f"{inside}\\Z", re.DOTALL)
        self._closes = re.compile(f"{inside}{q}(?:{d}{field})*+\\Z", re.DOTALL)
        self._reopens = re.compile(f"{inside}{q}(?:{d}{field})*{d}{q}{inside}\\Z", re.DOTALL)
        self._quoted = re.compile(f"{q}{inside}{q}", re.DOTALL)

    def of(self, lines: Iterable[Line]) -> Iterator[Record]:
        """Give the records of lines; blank ones, outside of values, are left out."""
        rest, ahead, dangling = iter(lines), deque[Line](), False
        while True:
            line = ahead.popleft() if ahead else next(rest, None)
            if line is None:
                return
            n, text = line
            if text is None:
                yield n, None, NOT_UTF8, 1
            elif "\r" in text:
                yield n, text, CARRIAGE_RETURN, 1
            elif not self._quote or self._quote not in text:
                if text:
                    yield n, text, None, 1
            elif dangling and text.count(self._quote) % 2 and self._closes.match(text):
                dangling = False
                yield n, text, NOT_CLOSED, 1
            elif self._closed.match(text):
                yield n, text, None, 1
            elif not self._opens.match(text):
                yield n, text, TEXT_FOLLOWS, 1
            else:
                n_more = self._end(text, ahead, rest)
                if n_more:
                    parts = [text, *(str(ahead.popleft()[1]) for _ in range(n_more))]
                    yield n, "\n".join(parts), None, len(parts)
                else:
                    dangling = True
                    yield n, text, NOT_CLOSED, 1

    def _end(self, text: str, ahead: deque[Line], rest: Iterator[Line]) -> int:
        """How many lines after this one belong to its record; 0 where its quote is a mistake."""
        parts, n_rows, n_inner = [text], 0, 0
        for k in range(MOST_LINES):
            if k >= len(ahead):
                ahead.extend(itertools.islice(rest, 1))
            if k >= len(ahead) or (line := ahead[k][1]) is None or "\r" in line:
                return 0
            parts.append(line)
            if self._stays.match(line) or self._reopens.match(line):
                n_inner += bool(line.strip())
                n_rows += self._n_columns == self._width(line) and bool(line.strip())
                if n_inner >= 8 and n_rows * 2 >= n_inner:
                    return 0
            elif not self._closes.match(line) or (n_inner and n_rows * 2 >= n_inner):
                return 0
            else:
                return k + 1 if self._width("\n".join(parts)) == self._n_columns else 0
        return 0

    def _width(self, text: str) -> int:
        if self._quote in text:
            text = self._quoted.sub("", text)
        return text.count(self._delimiter) + 1


def write_records(
    bench: duckdb.DuckDBPyConnection, file: LogFile, table: str, records: Records, header_lines: int
) -> None:
    """Load the records of a file into a table (row, n BIGINT, text, reason VARCHAR, n_lines, ix BIGINT).

    row counts from 0 after the header, n is the number of the first line, ix the place among records that are not put
    aside (null for others).

    Raises:
        InputError: the file is truncated or damaged.
    """
    fill_table(bench, table, _SCHEMA, _batches(records.of(_after_header(file, header_lines))))


_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("n", pa.int64()),
        ("text", pa.string()),
        ("reason", pa.string()),
        ("n_lines", pa.int64()),
        ("ix", pa.int64()),
    ]
)


def _after_header(file: LogFile, header_lines: int) -> Iterator[Line]:
    for n, text in text_lines(file):
        if header_lines and text != "":
            header_lines -= 1
        elif not header_lines:
            yield n, text


def _batches(records: Iterator[Record]) -> Iterator[pa.RecordBatch]:
    row = ix = 0
    while part := list(itertools.islice(records, _ROWS)):
        places: list[int | None] = []
        for *_, reason, _ in part:
            places.append(ix if reason is None else None)
            ix += reason is None
        columns = (range(row, row + len(part)), *zip(*part, strict=True), places)
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, _SCHEMA, strict=True)]
        yield pa.record_batch(arrays, _SCHEMA)
        row += len(part)


def warn_of_spans(n_rows: int, n_lines: int | None, longest: int | None) -> tuple[str, ...]:
    """Say how many lines the values of rows span that run over several; nothing where there are none."""
    if not n_rows:
        return ()
    return (
        f"{n_rows:,} rows have values that run over several lines, {n_lines or 0:,} lines in all, "
        f"{longest or 0:,} at most in one; where that is wrong, a quote is not closed",
    )
