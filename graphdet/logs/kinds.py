"""What a file is: told from its bytes, whatever its name; the name decides only between texts.

A text that begins as a JSON object or array is JSON, one with another ending than a text has needs `[read] delimiter`.
Kinds that are not read (workbooks, archives, other tables) are refused by name, each with the way out.
"""

import zlib
from pathlib import Path

import pyarrow as pa

from graphdet.errors import InputError

EMPTY = "empty"  # of a file without a byte that was found by a pattern beside others
UNKNOWN = ""  # a text whose ending says nothing
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
_PARQUET = b"PAR1"
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_TO_CSV = "save it as CSV (UTF-8) and name that file"
_UNPACK = "unpack it and name the file inside"
_TO_PARQUET = "write it as Parquet or CSV first"
_REFUSED = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", _TO_CSV),
    (b"BZh", "compressed by bzip2", f"{_UNPACK} (bunzip2), or compress it by gzip or zstd"),
    (b"\xfd7zXZ\x00", "compressed by xz", f"{_UNPACK} (unxz), or compress it by gzip or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "compressed by lz4", f"{_UNPACK} (unlz4), or compress it by gzip or zstd"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"ORC", "an ORC file", _TO_PARQUET),
    (b"Obj\x01", "an Avro file", _TO_PARQUET),
    (b"ARROW1", "an Arrow (Feather) file", _TO_PARQUET),
    (b"FEA1", "a Feather file", _TO_PARQUET),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _TO_PARQUET),
    (b"\x80\x04\x95", "a Python pickle", _TO_PARQUET),
    (b"%PDF-", "a PDF", "take the log from where it was printed"),
)
_ENDINGS = (
    "cannot tell its format from the ending; rename it to .csv, .tsv, .txt, .jsonl or .parquet (the texts also with "
    ".gz or .zst), or set [read] delimiter in the config"
)
_HEAD = 4096


def format_of(path: Path) -> tuple[str, str | None]:
    """Tell a file's format (csv, tsv, txt, jsonl, parquet, UNKNOWN or EMPTY) and compression (gzip, zstd or None).

    Raises:
        InputError: it is of a kind that is not read, or cannot be opened.
    """
    suffixes = [s.lower() for s in path.suffixes]
    named = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    ending = suffixes[-2 if named else -1] if len(suffixes) > bool(named) else ""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from error
    if not head:
        return EMPTY, None
    compression = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    if compression is None and named is not None and not _is_text(head):
        compression = named  # and damaged, as its reader will say
    inside = _unfolded(head, compression) if compression else head
    if compression and not inside.strip(b"\xef\xbb\xbf \t\r\n") and _is_whole_and_small(path):
        return EMPTY, compression
    _refuse(path, inside, compression)
    if inside.startswith(_PARQUET):
        if compression:
            raise InputError(f"{path}: is Parquet compressed once more by {compression}; {_UNPACK}")
        return "parquet", None
    kind = _FORMATS.get(ending, UNKNOWN)
    if kind == "parquet" and compression is None:
        return kind, None  # and damaged
    if _is_json(inside) and kind != "jsonl":
        return "jsonl", compression
    return (UNKNOWN if kind == "parquet" else kind), compression


def no_format(path: str) -> InputError:
    """Say that nothing tells how a text is written."""
    return InputError(f"{path}: {_ENDINGS}")


def _refuse(path: Path, head: bytes, compression: str | None) -> None:
    if head.startswith(b"PK\x03\x04"):
        workbook = (
            b"xl/" in head or b"[Content_Types].xml" in head or path.suffix.lower() in (".xlsx", ".xlsm")
        )
        what, way = "an Excel workbook (.xlsx)", _TO_CSV
        if not workbook:
            what, way = "a zip archive, or an Excel workbook", f"{_UNPACK}; a workbook: {_TO_CSV}"
        raise InputError(f"{path}: is {what}, whatever its name; {way}")
    if len(head) > 262 and head[257:262] == b"ustar":
        raise InputError(f"{path}: is a tar archive; {_UNPACK}")
    for magic, what, way in _REFUSED:
        if head.startswith(magic):
            raise InputError(f"{path}: is {what}, whatever its name; {way}")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise InputError(
            f"{path}: is a web page (HTML), such as a download gives that needs a login; fetch the log itself"
        )
    if compression is None and path.suffix.lower() in (".xlsx", ".xls", ".zip", ".ods"):
        raise InputError(f"{path}: is no {path.suffix[1:]} file and " + _ENDINGS)


def _unfolded(head: bytes, compression: str) -> bytes:
    """Uncompress the first bytes, as far as they go."""
    if compression == "gzip":
        try:
            return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        except zlib.error:
            return b"?"
    try:
        with pa.input_stream(pa.BufferReader(head), compression=compression) as stream:
            return bytes(stream.read(256))
    except OSError:
        return b"?"


def _is_whole_and_small(path: Path) -> bool:
    return path.stat().st_size <= _HEAD


def _is_text(head: bytes) -> bool:
    return head[:2] in (b"\xff\xfe", b"\xfe\xff") or (b"\0" not in head and head.isascii()) or _is_utf8(head)


def _is_utf8(head: bytes) -> bool:
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _is_json(head: bytes) -> bool:
    """Whether a text begins as a JSON object or an array of objects."""
    start = b"".join(head.removeprefix(b"\xef\xbb\xbf").split())[:3]
    return start[:2] in (b'{"', b"{}") or start == b'[{"'
