"""Where events come from: a growing file, a folder of growing files, or standard input.

A feed gives whole lines only, and says where it stands, so that a watcher that was killed goes on behind the last line
that the store has. Files are known by device, inode and their first bytes: one that was renamed (rotated) is read to
its end under its new name, one that was cut short (truncated) or replaced is read from its start.
"""

import hashlib
import os
import select
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from graphdet.config import Config, Read
from graphdet.errors import InputError, UsageError
from graphdet.files import explain_os_error
from graphdet.logs.parts import LogPart

ENDINGS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "txt"}
ENDINGS |= dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl")
READ_BYTES = 2 << 20  # of one file that are read at a time
MARK_BYTES = 256  # of a file's start, by which it is known again
MOST_LINE_ENDS = 1000  # line ends that are tried for one that is not inside quotes
STDIN = "-"


class Feed(Protocol):
    """A source of events that goes on."""

    notes: list[str]  # what people should know, to be said once and removed

    def read(self, final: bool = False) -> list[LogPart]:
        """The whole lines that have come, some at a time; nothing when there are none by now.

        final: nothing more will come, so a last line without an end is a whole one.
        """

    def position(self) -> dict[str, Any]:
        """Where the feed stands behind what `read` gave, as JSON."""

    @property
    def ended(self) -> bool:
        """Whether nothing can come any more."""

    def close(self) -> None:
        """Let go of files and connections."""


def open_feed(source: str, config: Config, position: Mapping[str, Any] | None) -> Feed:
    """Open a source where an earlier watcher left it.

    Raises:
        UsageError: nobody can follow such a source.
        InputError: there is no such file or folder.
    """
    if config.read.encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        raise UsageError(
            f"config {config.name}: lines of {config.read.encoding} cannot be followed; write UTF-8"
        )
    if source == STDIN:
        return LineFeed(0, config)
    if source.startswith("kafka://"):
        from graphdet.live.kafka import KafkaFeed

        return KafkaFeed(source, position)
    if "://" in source:
        raise UsageError(
            f"{source} cannot be followed; give a file, a folder, - for standard input, or "
            "kafka://HOST:PORT/TOPIC"
        )
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source}: there is no such file or folder to follow; check the path")
    return FileFeed(path, config, position)


def complete_lines(data: bytes, quote: bytes) -> int:
    """How many bytes end with a line end that is not inside quotes; 0 for none.

    >>> complete_lines(b'1,"a"\\n2,"b\\nc', b'"'), complete_lines(b"1,a", b'"')
    (6, 0)
    """
    at = data.rfind(b"\n")
    first = at
    for _ in range(MOST_LINE_ENDS):
        if at < 0 or not quote or data.count(quote, 0, at) % 2 == 0:
            return at + 1
        at = data.rfind(b"\n", 0, at)
    return first + 1  # a quote that is never closed: the reader puts its line aside


@dataclass
class Tail:
    """How far one file was read: bytes and lines, its header, and the start by which it is known."""

    path: str
    format: str
    offset: int = 0
    line: int = 1
    head: str = ""
    mark: str = ""
    marked: int = 0  # bytes that the mark covers


class FileFeed:
    """A file, or all files of a folder, as they grow.

    Args:
        path: the file or the folder; files of a folder are read by name.
        config: how they are written.
        position: where an earlier feed of them stood.
    """

    def __init__(self, path: Path, config: Config, position: Mapping[str, Any] | None) -> None:
        self.notes: list[str] = []
        self._path, self._read = path, config.read
        self._quote = config.read.quote.encode()
        self._tails = {key: Tail(**tail) for key, tail in ((position or {}).get("files") or {}).items()}
        self._noted: set[str] = set()
        self._handles: dict[str, Any] = {}  # open files, by key: one that was renamed can be read to its end
        if not path.is_dir():
            _format(path)

    ended = False

    def read(self, final: bool = False) -> list[LogPart]:
        """New whole lines of all files, up to READ_BYTES of each."""
        present = dict(self._present())
        if not self._path.is_dir():
            present |= self._rotated(present)
        parts = [self._grown(key, path, final) for key, path in present.items()]
        for key in set(self._tails) - set(present):
            if key in self._handles and (part := self._grown(key, Path(self._tails[key].path), final)):
                parts.append(part)  # removed, and still open
            else:
                self._forget(key)
        return [part for part in parts if part is not None]

    def position(self) -> dict[str, Any]:
        """Where every file stands."""
        return {"files": {key: asdict(tail) for key, tail in self._tails.items()}}

    def close(self) -> None:
        """Close the files."""
        for handle in self._handles.values():
            handle.close()
        self._handles.clear()

    def _present(self) -> Iterator[tuple[str, Path]]:
        """The files to follow, by key."""
        try:
            if not self._path.is_dir():
                if self._path.exists():
                    yield _key(self._path), self._path
                return
            for path in sorted(self._path.iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    key = _key(path)
                    if path.suffix.lower() in ENDINGS or key in self._tails:
                        yield key, path
                    elif path.name not in self._noted:
                        self._noted.add(path.name)
                        self.notes.append(
                            f"{path}: is not followed, only {', '.join(ENDINGS)} are; graphdet ingest reads "
                            ".gz, .zst and .parquet"
                        )
        except OSError as error:
            raise InputError(f"{self._path}: cannot be followed ({error.strerror})") from error

    def _rotated(self, present: Mapping[str, Path]) -> dict[str, Path]:
        """Files that were followed under this name and lie beside it under another one."""
        missing = set(self._tails) - set(present) - set(self._handles)
        if not missing:
            return {}
        beside = {_key(path): path for path in sorted(self._path.parent.iterdir()) if path.is_file()}
        return {key: beside[key] for key in missing & set(beside)}

    def _forget(self, key: str) -> None:
        tail = self._tails.pop(key)
        handle = self._handles.pop(key, None)
        if handle is not None:
            handle.close()
        else:
            self.notes.append(
                f"{tail.path}: the file that was read up to line {tail.line - 1} is gone; lines that it "
                "got after that are lost"
            )

    def _grown(self, key: str, path: Path, final: bool) -> LogPart | None:
        """What has come to one file, and its tail moved on."""
        tail = self._tails.get(key)
        if tail is None:
            tail = self._tails[key] = Tail(str(path), _format(path))
        try:
            if key not in self._handles:
                self._handles[key] = path.open("rb")
            handle = self._handles[key]
            size = os.fstat(handle.fileno()).st_size
            if size < tail.offset or _mark(handle, tail.marked) != tail.mark:
                self.notes.append(f"{path}: was cut short or replaced; it is read from its start")
                tail = self._tails[key] = Tail(str(path), tail.format)
            if size == tail.offset:
                return None
            handle.seek(tail.offset)
            data = handle.read(READ_BYTES)
            part, used = self._part(tail, data, final and tail.offset + len(data) >= size)
            tail.offset += used
            if tail.marked < MARK_BYTES and used:
                tail.marked = min(MARK_BYTES, tail.offset)
                tail.mark = _mark(handle, tail.marked)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        return part

    def _part(self, tail: Tail, data: bytes, last: bool) -> tuple[LogPart | None, int]:
        """The whole lines of what was read, and how many bytes they are; the header goes to the tail."""
        quote = b"" if tail.format == "jsonl" else self._quote
        used = len(data) if last or len(data) == READ_BYTES else 0
        used = complete_lines(data, quote) or used
        if last:
            used = len(data)
        lines = data[:used] + (b"" if data[:used].endswith(b"\n") else b"\n") if used else b""
        first, n_lines = tail.line, lines.count(b"\n")
        if tail.format != "jsonl" and (self._read.header is not False or self._read.skip) and not tail.head:
            end = _head_end(lines, quote, self._read)
            if end is None:
                return None, 0
            tail.head = lines[:end].decode("latin-1")
            first += lines[:end].count(b"\n")
            lines = lines[end:]
        tail.line += n_lines
        if not lines.strip():
            return None, used
        return LogPart(tail.path, tail.format, tail.head.encode("latin-1"), lines, first), used


class LineFeed:
    """Lines of an open stream such as standard input; where it ends, the feed ends.

    What was read cannot be read again: after a kill, lines between the last commit and the end are the writer's to send
    again, and rows that come twice within --lateness count once.
    """

    def __init__(self, descriptor: int, config: Config) -> None:
        self.notes: list[str] = []
        self._descriptor, self._config = descriptor, config
        self._rest, self._line, self._head = b"", 1, b""
        self._format: str | None = None
        self.ended = False

    def read(self, final: bool = False) -> list[LogPart]:
        """The lines that are there without waiting; with `final`, all up to the end of the stream."""
        while not self.ended and len(self._rest) < READ_BYTES:
            if not final and not select.select([self._descriptor], [], [], 0)[0]:
                break
            chunk = os.read(self._descriptor, READ_BYTES)
            self.ended = not chunk
            self._rest += chunk
        begun = self._rest.lstrip(b"\xef\xbb\xbf \t\r\n")
        if self._format is None and begun:
            self._format = (
                "jsonl" if begun[:1] == b"{" else "tsv" if self._config.read.delimiter == "\t" else "csv"
            )
        quote = b"" if self._format == "jsonl" else self._config.read.quote.encode()
        used = len(self._rest) if self.ended else complete_lines(self._rest, quote)
        lines = self._rest[:used]
        if not lines.strip() or self._format is None:
            return []
        lines += b"" if lines.endswith(b"\n") else b"\n"
        first, n_lines, read = self._line, lines.count(b"\n"), self._config.read
        if self._format != "jsonl" and (read.header is not False or read.skip) and not self._head:
            end = _head_end(lines, quote, read)
            if end is None:
                return []
            self._head, lines = lines[:end], lines[end:]
            first += self._head.count(b"\n")
        self._rest = self._rest[used:]
        self._line += n_lines
        return [LogPart("standard input", self._format, self._head, lines, first)] if lines.strip() else []

    def position(self) -> dict[str, Any]:
        """Nothing: a stream cannot be gone back to."""
        return {}

    def close(self) -> None:
        """Leave the stream to its owner."""


def _head_end(lines: bytes, quote: bytes, read: Read) -> int | None:
    """How long the head of a file is: the lines to skip and the header; None where it is not whole yet."""
    at = 0
    for _ in range(read.skip):
        at = lines.find(b"\n", at) + 1
        if not at:
            return None
    if read.header is False:
        return at
    while True:
        end = lines.find(b"\n", at)
        while end >= 0 and quote and lines.count(quote, at, end) % 2:
            end = lines.find(b"\n", end + 1)
        if end < 0:
            return None
        line = lines[at:end].lstrip(b"\xef\xbb\xbf").strip()
        if line and not (read.comment and line.startswith(read.comment.encode())):
            return end + 1
        at = end + 1


def _format(path: Path) -> str:
    known = ENDINGS.get(path.suffix.lower())
    if known is None:
        raise InputError(
            f"{path}: only {', '.join(ENDINGS)} can be followed; graphdet ingest reads .gz, .zst and .parquet"
        )
    return known


def _key(path: Path) -> str:
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


def _mark(handle: Any, size: int) -> str:
    """A digest of the first bytes of a file."""
    handle.seek(0)
    return hashlib.sha256(handle.read(size)).hexdigest()[:16] if size else ""


def append_bytes(path: Path, keep: int, data: bytes) -> int:
    """Cut a file to its first `keep` bytes, add some, and give its new length; what is added is on the disk then.

    Raises:
        GraphdetError: the disk is full, the folder cannot be written, …
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(keep)
            file.seek(keep)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise explain_os_error(error, path) from error
    return keep + len(data)
