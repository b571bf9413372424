"""Which files a log consists of, whether they can be read at all, and what identifies them."""

import codecs
import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from graphdet.config import Config, config_digest
from graphdet.errors import InputError

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_CHUNK = 1 << 20


@dataclass(frozen=True)
class LogFile:
    """One file of a log: its path as given, its format and how it is compressed (None, gzip or zstd).

    `utf8` is where its text lies when it had to be converted to UTF-8 first.
    """

    path: str
    format: str
    compression: str | None
    utf8: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    @property
    def readable(self) -> str:
        """The path to read: the file itself or its text in UTF-8."""
        return self.utf8 or self.path

    def open(self) -> pa.NativeFile:
        """Open the readable file for its uncompressed bytes."""
        return pa.input_stream(self.readable, compression=None if self.utf8 else self.compression)


@dataclass(frozen=True)
class LogDigest:
    """What identifies a log: the bytes of its files in order, and the meaning of the config."""

    digest: str
    files: tuple[tuple[str, str], ...]  # path, SHA-256 of its bytes


def find_files(paths: Sequence[str | Path]) -> list[LogFile]:
    """Resolve paths and globs to files, in the order given (the matches of one glob sorted by name).

    A file that is named twice is read once. Folders, missing files, names of unknown endings, empty and
    unreadable files are refused.

    Raises:
        InputError: a path cannot be used; says why and what to do.
    """
    if not paths:
        raise InputError("no log file given; name at least one file or a pattern such as 'logs/*.csv.gz'")
    found: dict[Path, LogFile] = {}
    for given in paths:
        for path in _expand(str(given)):
            found.setdefault(path.resolve(), _describe(path))
    return list(found.values())


def _expand(given: str) -> list[Path]:
    path = Path(given)
    try:
        if path.is_dir():
            raise InputError(f"{given}: is a folder; name its files, for example '{given.rstrip('/')}/*.csv'")
        if path.exists():
            return [path]
    except OSError as error:
        raise InputError(f"{given}: cannot be looked at ({error.strerror})") from error
    if not glob.has_magic(given):
        raise InputError(f"{given}: there is no such file; check the path")
    matches = sorted(p for p in map(Path, glob.glob(given, recursive=True)) if p.is_file())
    if not matches:
        raise InputError(f"{given}: no file matches this pattern; check folder and ending")
    return matches


def _describe(path: Path) -> LogFile:
    suffixes = [s.lower() for s in path.suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    ending = suffixes[-2 if compression else -1] if len(suffixes) > bool(compression) else ""
    kind = _FORMATS.get(ending)
    if kind is None or (kind == "parquet" and compression):
        raise InputError(
            f"{path}: cannot tell its format from the ending; rename it to .csv, .tsv, .txt, .jsonl or "
            ".parquet (the texts also with .gz or .zst)"
        )
    if any(c in str(path) for c in "*?[]"):
        raise InputError(f"{path}: rename it without * ? [ ], which stand for patterns")
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                raise InputError(f"{path}: the file is empty; there is nothing to read")
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    return LogFile(str(path), kind, compression)


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
