"""Which files a log consists of, whether they can be read at all, what identifies them, and their lines.

DuckDB's CSV reader is fast, but it does not number lines, skips blank ones, and a quote that is never closed
swallows rows without a word; so the physical lines of every text file are counted here, and delimited.py compares.
"""

import codecs
import glob
import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphdet.config import Config, Read, config_digest
from graphdet.errors import InputError
from graphdet.logs.kinds import EMPTY, format_of

_CHUNK = 1 << 20
MEGABYTE = 1_000_000
_FREE = 64 * MEGABYTE  # so much every file may unfold to
_MOST_BLANK_LINES = 10_000_000


@dataclass(frozen=True)
class LogFile:
    """One file of a log: its path as given, its format and how it is compressed (None, gzip or zstd).

    `utf8` is where its text lies when it had to be converted to UTF-8 first. `longest_line` (bytes) and `unfolding`
    (times the size of the file) are the limits above which it is refused, as in `[read]`.
    """

    path: str
    format: str
    compression: str | None
    utf8: str | None = None
    longest_line: int = round(Read.max_line_mb * MEGABYTE)
    unfolding: float = Read.max_unfold

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    @property
    def readable(self) -> str:
        """The path to read: the file itself or its text in UTF-8."""
        return self.utf8 or self.path

    def open(self) -> "Unfolding":
        """Open the readable file for its uncompressed bytes."""
        return Unfolding(self)

    def limited(self, read: Read) -> "LogFile":
        """Give the file with the limits of a config."""
        return replace(self, longest_line=round(read.max_line_mb * MEGABYTE), unfolding=read.max_unfold)


class Unfolding:
    """The uncompressed bytes of a file, as far as its limit allows.

    Raises:
        InputError: while reading, when a compressed file unfolds to more than so many times its size.
    """

    def __init__(self, file: LogFile) -> None:
        compression = None if file.utf8 else file.compression
        self._stream = pa.input_stream(file.readable, compression=compression)
        self._file, self._n = file, 0
        self._most = math.inf
        if compression:
            self._most = max(_FREE, file.unfolding * Path(file.path).stat().st_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        """Read the next bytes, at most so many; none at the end."""
        chunk = bytes(self._stream.read(size))
        self._n += len(chunk)
        if self._n > self._most:
            raise InputError(
                f"{self._file.path}: unfolds to more than {self._file.unfolding:g} times its size "
                f"({self._n // MEGABYTE:,} MB so far), which logs do not do; if it is one, raise [read] max_unfold"
            )
        return chunk


@dataclass(frozen=True)
class LogDigest:
    """What identifies a log: the bytes of its files in order, and the meaning of the config."""

    digest: str
    files: tuple[tuple[str, str], ...]  # path, SHA-256 of its bytes


def find_files(paths: Sequence[str | Path]) -> list[LogFile]:
    """Resolve paths and globs to files, in the order given (the matches of one glob sorted by name).

    A file that is named twice is read once. An empty one that a pattern found is of the format EMPTY. Folders,
    missing files, kinds that are not read and unreadable files are refused.

    Raises:
        InputError: a path cannot be used; says why and what to do.
    """
    if not paths:
        raise InputError("no log file given; name at least one file or a pattern such as 'logs/*.csv.gz'")
    found: dict[Path, LogFile] = {}
    for given in paths:
        for path in _expand(str(given)):
            found.setdefault(path.resolve(), _describe(path))
    files = list(found.values())
    if all(file.format == EMPTY for file in files) or any(
        file.format == EMPTY and file.path in map(str, paths) for file in files
    ):
        first = next(file for file in files if file.format == EMPTY)
        raise InputError(f"{first.path}: the file is empty; there is nothing to read")
    return files


def _expand(given: str) -> list[Path]:
    path = Path(given)
    try:
        if path.is_dir():
            raise InputError(f"{given}: is a folder; name its files, for example '{given.rstrip('/')}/*.csv'")
        if path.is_file():
            return [path]
        if path.exists():  # reading it twice would wait for ever
            raise InputError(
                f"{given}: is a pipe or a device, and a log is read more than once; write it into a file first, or "
                "follow it: graphdet watch"
            )
    except OSError as error:
        raise InputError(f"{given}: cannot be looked at ({error.strerror})") from error
    if not glob.has_magic(given):
        raise InputError(f"{given}: there is no such file; check the path")
    matches = sorted(p for p in map(Path, glob.glob(given, recursive=True)) if p.is_file())
    if not matches:
        raise InputError(f"{given}: no file matches this pattern; check folder and ending")
    return matches


def _describe(path: Path) -> LogFile:
    if any(c in str(path) for c in "*?[]"):
        raise InputError(f"{path}: rename it without * ? [ ], which stand for patterns")
    return LogFile(str(path), *format_of(path))


def read_head(file: LogFile, size: int = _CHUNK) -> bytes:
    """Read the first bytes, uncompressed.

    Raises:
        InputError: the file is empty inside, truncated right at its start, or not compressed as its name
            says.
    """
    try:
        with file.open() as stream:
            head: bytes = stream.read(size)
    except OSError as error:
        raise broken(file, error) from error
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{file.path}: the file is empty; there is nothing to read")
    return head


def as_utf8(file: LogFile, encoding: str, scratch: Path) -> LogFile:
    """Convert a text file to UTF-8 in the scratch folder when it is UTF-16 or the config names an encoding.

    DuckDB's own reading of UTF-16 stops at emoji and skips big-endian files without a word, hence this.

    Raises:
        InputError: the bytes are not of that encoding.
    """
    head = read_head(file)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        if head[:200].count(0) > 60:
            raise InputError(
                f"{file.path}: looks like UTF-16 without a byte order mark; convert it first: "
                f"iconv -f UTF-16LE -t UTF-8 {file.name} > utf8-{file.name}"
            )
        return file
    target = scratch / f"{len(list(scratch.iterdir()))}.utf8"
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with file.open() as stream, target.open("w", encoding="utf-8", newline="") as out:
            while chunk := stream.read(_CHUNK):
                out.write(decoder.decode(chunk))
            out.write(decoder.decode(b"", final=True))
    except UnicodeError as error:
        raise InputError(f"{file.path}: the text is not {encoding} ({error}); set [read] encoding") from error
    except OSError as error:
        raise broken(file, error) from error
    return replace(file, utf8=str(target))


def broken(file: LogFile, error: OSError) -> InputError:
    """Say what is wrong with a file that fails while it is read."""
    if "runcated" in str(error):
        return InputError(
            f"{file.path}: the {file.compression} stream is truncated; fetch or compress the file again "
            "(what can be saved: zcat FILE > part.csv)"
        )
    if file.compression:
        return InputError(f"{file.path}: is no {file.compression} file or is damaged ({error})")
    return InputError(f"{file.path}: cannot be read ({error})")


def log_digest(files: Sequence[LogFile], config: Config) -> LogDigest:
    """Identify a log, quickly and without reading it as a table.

    Raises:
        InputError: a file cannot be read.
    """
    digests = []
    for file in files:
        try:
            with open(file.path, "rb") as stream:
                digests.append((file.path, hashlib.file_digest(stream, "sha256").hexdigest()))
        except OSError as error:
            raise InputError(f"{file.path}: cannot be read ({error.strerror})") from error
    meaning = "\n".join([config_digest(config), *(digest for _, digest in digests)])
    return LogDigest(hashlib.sha256(meaning.encode()).hexdigest(), tuple(digests))


_CHUNK_LINES = 1 << 22
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
    limits = _LineLimits(file)
    for i, chunk in enumerate(chunks(file)):
        chunk = chunk.removeprefix(_BOM) if i == 0 else chunk
        data = np.frombuffer(carry + chunk, np.uint8)
        at = np.flatnonzero(data == _FEED)
        gap = np.diff(at)
        limits.see(chunk)
        is_blank = (gap == 1) | ((gap == 2) & (data[at[1:] - 1] == _RETURN))
        blank.append(np.flatnonzero(is_blank) + feeds + 1)
        limits.see_blank(len(blank[-1]))
        feeds += len(at) - 1
        returns += 0 if feeds else chunk.count(b"\r")
        rest = data[at[-1] :].tobytes()
        carry, last = (rest if len(rest) < 3 else b"\nx"), chunk[-1:]
    if not feeds and returns:
        return LineCount(returns + (last != b"\r"), np.zeros(0, np.int64))
    return LineCount(feeds + (last != b"\n"), np.concatenate(blank))


class _LineLimits:
    """Watches a file for a line that is longer than any of a log, and for lines without end that are blank."""

    def __init__(self, file: LogFile) -> None:
        self._file, self._open, self._blank = file, 0, 0

    def see(self, chunk: bytes) -> None:
        """Look at the next bytes.

        Raises:
            InputError: a line is too long.
        """
        end = b"\n" if b"\n" in chunk else b"\r"
        first = chunk.find(end)
        longest = self._open + (len(chunk) if first < 0 else first)
        if first < 0:
            self._open = longest
        else:
            last = chunk.rfind(end)
            self._open = len(chunk) - last - 1
            if last - first > self._file.longest_line:
                feeds = np.flatnonzero(np.frombuffer(chunk, np.uint8) == end[0])
                longest = max(longest, int(np.diff(feeds).max()))
        if max(longest, self._open) > self._file.longest_line:
            raise InputError(
                f"{self._file.path}: has a line of more than {self._file.longest_line / MEGABYTE:g} MB; "
                "if it is a log of one row a line, raise [read] max_line_mb"
            )

    def see_blank(self, n: int) -> None:
        """Count blank lines.

        Raises:
            InputError: there are more than any log has.
        """
        self._blank += n
        if self._blank > _MOST_BLANK_LINES:
            raise InputError(
                f"{self._file.path}: has more than {_MOST_BLANK_LINES:,} blank lines; take them out: grep . FILE"
            )


def line_chunks(file: LogFile) -> Iterator[bytes]:
    r"""Give the lines of a file, each with its line end (\n; or \r, where there is no \n at all).

    Raises:
        InputError: the file is truncated or damaged, or a line is too long.
    """
    rest = b""
    limits = _LineLimits(file)
    for chunk in chunks(file):
        limits.see(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def load_lines(bench: duckdb.DuckDBPyConnection, file: LogFile, table: str) -> None:
    r"""Load lines into a table (n BIGINT from 1, text VARCHAR without its line end; null when it is no
    UTF-8).

    Raises:
        InputError: the file is truncated or damaged.
    """
    schema = pa.schema([("n", pa.int64()), ("line", pa.binary())])
    select = "SELECT n, TRY(rtrim(decode(line), chr(13))) AS text FROM reader ORDER BY n"
    fill_table(bench, table, schema, _batches(file, schema), select)


def fill_table(
    bench: duckdb.DuckDBPyConnection,
    table: str,
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    select: str = "FROM reader",
) -> None:
    """Make a temporary table of Arrow batches as they come, called `reader` in `select`.

    Raises:
        InputError: whatever the batches raise, which DuckDB wraps into an error of its own.
    """
    failed: list[InputError] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except InputError as error:
            failed.append(error)
            raise

    reader = pa.RecordBatchReader.from_batches(schema, watched())  # noqa: F841 (read by name below)
    try:
        bench.execute(f"CREATE TEMP TABLE {table} AS {select}")
    except duckdb.Error as error:
        raise (failed[0] if failed else error) from error


def text_lines(file: LogFile) -> Iterator[tuple[int, str | None]]:
    r"""Give the lines of a text file one by one: number from 1, text without its line end; None when it is no UTF-8.

    Raises:
        InputError: the file is truncated or damaged.
    """
    n, rest = 0, b""
    limits = _LineLimits(file)
    for part in itertools.chain(chunks(file), [None]):
        limits.see(part or b"")
        *lines, rest = (rest + part).split(b"\n") if part is not None else ([rest, b""] if rest else [b""])
        for line in lines:
            n += 1
            try:
                text: str | None = (line.removeprefix(_BOM) if n == 1 else line).decode().rstrip("\r")
            except UnicodeDecodeError:
                text = None
            yield n, text


def _batches(file: LogFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    n, rest = 1, b""
    limits = _LineLimits(file)
    for chunk in chunks(file):
        limits.see(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            limits.see_blank(sum(not line for line in lines))
            yield _batch(lines, n, schema)
            n += len(lines)
    if rest:
        yield _batch([rest], n, schema)


def _batch(lines: list[bytes], n: int, schema: pa.Schema) -> pa.RecordBatch:
    if n == 1:
        lines[0] = lines[0].removeprefix(_BOM)
    kept = [(n + k, line) for k, line in enumerate(lines) if line]  # blank ones are no rows
    numbers, texts = [k for k, _ in kept], [line for _, line in kept]
    return pa.record_batch([pa.array(numbers, pa.int64()), pa.array(texts, pa.binary())], schema)


def chunks(file: LogFile) -> Iterator[bytes]:
    """Read a file's uncompressed bytes in parts.

    Raises:
        InputError: the file is truncated or damaged.
    """
    try:
        with file.open() as stream:
            while chunk := stream.read(_CHUNK_LINES):
                yield chunk
    except OSError as error:
        raise broken(file, error) from error
