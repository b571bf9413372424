"""Physical lines of a text file: counted, found blank, or loaded as a table.

DuckDB's CSV reader is fast, but it does not number lines, skips blank ones, and a quote that is never closed
swallows rows without a word; so every text file is counted here, and text.py compares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.logs.files import LogFile, broken

_CHUNK = 1 << 24
_BOM = b"\xef\xbb\xbf"
_FEED, _RETURN = 10, 13


@dataclass(frozen=True)
class LineCount:
    """How many lines a file has, and which of them are blank (line numbers from 1, ascending)."""

    n: int
    blank: NDArray[np.int64]

    @property
    def leading(self) -> int:
        """How many blank lines the file starts with."""
        return int(np.count_nonzero(self.blank == np.arange(1, len(self.blank) + 1)))


def count_lines(file: LogFile) -> LineCount:
    r"""Count lines that end in \n or \r\n (or in \r, where there is no \n at all), reading the whole file.

    Raises:
        InputError: the file is truncated or damaged.
    """
    feeds = returns = 0
    blank = [np.zeros(0, np.int64)]
    carry, last = b"\n", b"\n"  # the start of a file counts as the end of a line
    for i, chunk in enumerate(_chunks(file)):
        chunk = chunk.removeprefix(_BOM) if i == 0 else chunk
        data = np.frombuffer(carry + chunk, np.uint8)
        at = np.flatnonzero(data == _FEED)
        gap = np.diff(at)
        is_blank = (gap == 1) | ((gap == 2) & (data[at[1:] - 1] == _RETURN))
        blank.append(np.flatnonzero(is_blank) + feeds + 1)
        feeds += len(at) - 1
        returns += 0 if feeds else chunk.count(b"\r")
        rest = data[at[-1] :].tobytes()
        carry, last = (rest if len(rest) < 3 else b"\nx"), chunk[-1:]
    if not feeds and returns:
        return LineCount(returns + (last != b"\r"), np.zeros(0, np.int64))
    return LineCount(feeds + (last != b"\n"), np.concatenate(blank))


def load_lines(bench: duckdb.DuckDBPyConnection, file: LogFile, table: str) -> None:
    r"""Load lines into a table (n BIGINT from 1, text VARCHAR without its line end; null when it is no
    UTF-8).

    Raises:
        InputError: the file is truncated or damaged.
    """
    schema = pa.schema([("n", pa.int64()), ("line", pa.binary())])
    reader = pa.RecordBatchReader.from_batches(schema, _batches(file, schema))  # noqa: F841 (read by name below)
    bench.execute(
        f"CREATE TEMP TABLE {table} AS"
        " SELECT n, TRY(rtrim(decode(line), chr(13))) AS text FROM reader ORDER BY n"
    )


def _batches(file: LogFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    n, rest = 1, b""
    for chunk in _chunks(file):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield _batch(lines, n, schema)
            n += len(lines)
    if rest:
        yield _batch([rest], n, schema)


def _batch(lines: list[bytes], n: int, schema: pa.Schema) -> pa.RecordBatch:
    if n == 1:
        lines[0] = lines[0].removeprefix(_BOM)
    return pa.record_batch(
        [pa.array(range(n, n + len(lines)), pa.int64()), pa.array(lines, pa.binary())], schema
    )


def _chunks(file: LogFile) -> Iterator[bytes]:
    try:
        with file.open() as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise broken(file, error) from error
