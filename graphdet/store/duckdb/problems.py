"""What can be wrong with the file of a store, and DuckDB's errors in graphdet's words: what, where, what to do."""

import re
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np

from graphdet.errors import GraphdetError, InputError, StoreBusy, StoreError, UsageError

MAGIC = b"DUCK"  # at byte 8 of every DuckDB file
MAGIC_AT = 8
# A full disk at COMMIT is a TransactionException, one that leaves the database unusable a FatalException;
# DuckDB 2 says of a damaged file just Error.
_ABOUT_FILES = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.SerializationException,
    duckdb.TransactionException,
)
HEADER_BYTES = 4096  # of the main header, and of each of the two headers of which the newer one counts
SMALLEST = 3 * HEADER_BYTES  # bytes: the headers
WAL_BEGINS = b"\x64\x00\x62\x65\x00"  # every write-ahead log of DuckDB 1.x: its version
LARGEST_CHECKED = 4 * 2**30  # bytes of a file whose checksums are all worked out when it is opened: seconds
REMEDY = "nothing was written; restore a copy, or ingest the log anew into another file"
_SEED, _FACTOR = np.uint64(5381), np.uint64(0xBF58476D1CE4E5B9)  # of DuckDB's checksums


def damaged(path: Path, what: str) -> InputError:
    """The error of a store that cannot be trusted: what is wrong with it and what to do."""
    return InputError(f"{path} is damaged: {what}; {REMEDY}")


def check_file(path: Path, may_create: bool) -> None:
    """Look at the file before DuckDB does, whose own words can mislead (it tries to download readers).

    An empty file holds nothing and is taken away where one may be made.

    Raises:
        UsageError: there is no file, and none may be made; or there is a ? in the path, which DuckDB takes for the
            beginning of a URL's options, and puts its write-ahead log elsewhere.
        InputError: a directory, a pipe or a device, a file of another kind, cut within its headers, or with the
            write-ahead log of something else beside it.
        StoreError: the folder is missing or closed to us.
    """
    if "?" in str(path):
        raise UsageError(
            f"{path}: DuckDB keeps no file under a path with a question mark; choose another path"
        )
    try:
        kind = _kind(path)
        if kind is None:
            _check_absent(path, may_create)
            return
        if stat.S_ISDIR(kind):
            raise InputError(f"{path} is a directory, not a DuckDB file; name a file inside it")
        if not stat.S_ISREG(kind):  # reading a pipe would wait for ever
            raise InputError(f"{path} is a pipe or a device, not a DuckDB file; name another file")
        with path.open("rb") as file:
            head = file.read(MAGIC_AT + len(MAGIC))
        size = path.stat().st_size
        wal = _kind(wal_of(path))
        if wal is not None:
            _check_wal(path, wal)
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}; check its owner and permissions") from error
    except ValueError as error:  # a NUL character
        raise UsageError(f"{str(path)!r} cannot be the name of a file ({error}); name another") from error
    ours = head[MAGIC_AT:] == MAGIC
    if not size and wal is None and may_create:
        path.unlink()
    elif ours and size < SMALLEST:
        raise damaged(path, "it is cut off within its headers")
    elif not ours:
        raise InputError(
            f"{path} is not a DuckDB file; nothing was written; name another file, or remove it to start anew"
        )


def _kind(path: Path) -> int | None:
    """The mode of a file, links followed; None where there is none."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _check_wal(path: Path, mode: int) -> None:
    wal = wal_of(path)
    if not stat.S_ISREG(mode):
        raise InputError(f"{wal} is no file, where DuckDB keeps a write-ahead log; {REMEDY}")
    with wal.open("rb") as file:
        head = file.read(len(WAL_BEGINS))
    if head != WAL_BEGINS[: len(head)]:
        raise InputError(
            f"{wal} is not the write-ahead log of {path.name}; nothing was written; move it away"
        )


def unsound_blocks(path: Path) -> set[int]:
    """The numbers of blocks that are not in the file, though its header counts them, or have a wrong checksum.

    DuckDB cuts unused blocks off after the header was written, and a killed run leaves half a block that nothing uses:
    only a block in use (`used_blocks`) tells of damage. Of a file larger than LARGEST_CHECKED no checksum is looked at:
    DuckDB does that when it reads a block.
    """
    try:
        with path.open("rb") as file:
            return _unsound(file, path.stat().st_size)
    except OSError:
        return set()  # there is none yet, or DuckDB will say why it cannot be read


def _unsound(file: BinaryIO, size: int) -> set[int]:
    content = file.read(SMALLEST)
    headers = [content[at : at + HEADER_BYTES] for at in (HEADER_BYTES, 2 * HEADER_BYTES)]
    sound = [
        struct.unpack("<5Q", head[8:48]) for head in headers if len(head) == HEADER_BYTES and _is_sound(head)
    ]
    if not sound:
        return set()  # as DuckDB will say
    _, _, _, n_blocks, block_bytes = max(sound)
    n_whole = min((size - SMALLEST) // block_bytes, n_blocks)
    lost = set(range(n_whole, n_blocks))
    if size <= LARGEST_CHECKED:
        lost |= {ix for ix in range(n_whole) if not _is_sound(file.read(block_bytes))}
    return lost


def _is_sound(block: bytes) -> bool:
    """Whether the first eight bytes of a header or block are the checksum of the others."""
    words = np.frombuffer(block, "<u8", len(block) // 8)
    return len(words) > 0 and bool(words[0] == (np.bitwise_xor.reduce(words[1:] * _FACTOR) ^ _SEED))


def used_blocks(connection: duckdb.DuckDBPyConnection) -> set[int]:
    """The numbers of the blocks of a file that hold its tables."""
    tables = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
    ).fetchall()
    parts = ["SELECT block_id FROM pragma_metadata_info()"]
    for (name,) in tables:
        info = f"pragma_storage_info('{name.replace(chr(39), 2 * chr(39))}') WHERE persistent"
        parts += [f"SELECT block_id FROM {info}", f"SELECT unnest(additional_block_ids) FROM {info}"]
    return {ix for (ix,) in connection.execute(" UNION ".join(parts)).fetchall()}


def _check_absent(path: Path, may_create: bool) -> None:
    if not may_create:
        raise UsageError(
            f"there is no store at {path}; check the path, or make one with: graphdet ingest LOG --store {path}"
        )
    if not path.parent.is_dir():
        raise StoreError(f"cannot make {path}: the folder {path.parent} does not exist; make it first")


def wal_of(path: Path) -> Path:
    """Name the write-ahead log beside a DuckDB file."""
    return path.with_name(path.name + ".wal")


@contextmanager
def duckdb_problem(path: Path, doing: str) -> Iterator[None]:
    """Turn DuckDB's errors about file, disk and memory into graphdet's; let mistakes of ours through.

    Raises:
        StoreBusy, StoreError, InputError, GraphdetError: as `translate` says.
        KeyboardInterrupt: DuckDB was interrupted by Ctrl-C (it says RuntimeError).
    """
    try:
        yield
    except duckdb.Error as error:
        known = translate_duckdb_error(error, path, doing)
        if known is None:
            raise
        raise known from error
    except RuntimeError as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from error
        raise


@contextmanager
def stopped_after(
    connection: duckdb.DuckDBPyConnection, timeout_s: float | None, what: str
) -> Iterator[None]:
    """Stop what the connection does in the block after so many seconds; None: never.

    Raises:
        StoreError: it was stopped.
    """
    late = threading.Event()

    def stop() -> None:
        late.set()
        connection.interrupt()

    clock = None if timeout_s is None else threading.Timer(timeout_s, stop)
    if clock is not None:
        clock.daemon = True
        clock.start()
    try:
        yield
    except (duckdb.Error, KeyboardInterrupt) as error:  # DuckDB's word for stopped is that of Ctrl-C
        if late.is_set():
            raise StoreError(
                f"{what} took longer than {timeout_s:g} s and was stopped; ask for less"
            ) from error
        raise
    finally:
        if clock is not None:
            clock.cancel()


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """As `duckdb_problem`; whatever else DuckDB finds wrong with a file while it opens it is damage.

    Raises:
        StoreBusy, StoreError, InputError, GraphdetError: as `translate_duckdb_error` says.
    """
    try:
        with duckdb_problem(path, "opening"):
            yield
    except duckdb.Error as error:
        raise damaged(path, _first_line(str(error))) from error


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Tell damage that DuckDB meets in the middle of work, in whatever it was asked.

    Raises:
        InputError: the file is damaged. All other errors go through as they are.
    """
    try:
        yield
    except duckdb.Error as error:
        if not _tells_damage(str(error).lower()):
            raise
        raise InputError(
            f"{path} is damaged: {_first_line(str(error))}; trust nothing that this command wrote; "
            "restore a copy, or ingest the log anew into another file"
        ) from error


def _tells_damage(lower: str) -> bool:
    words = ("corrupt", "checksum", "not a valid", "read enough bytes", "failed to deserialize")
    return any(each in lower for each in words)


def translate_duckdb_error(error: duckdb.Error, path: Path, doing: str) -> GraphdetError | None:
    """Say a DuckDB error in graphdet's words; None when it is no matter of files, disk or memory."""
    text = str(error)
    lower = text.lower()
    if "set lock on file" in lower or "different configuration" in lower:
        holder = re.search(r"\(PID (\d+)\)", text)
        who = f"another process (PID {holder[1]})" if holder else "another connection"
        return StoreBusy(
            f"{path} is in use by {who}; wait for it to end and repeat, or work on a copy of the file"
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return GraphdetError(f"{doing} {path}: out of memory ({_first_line(text)}); close other programs")
    if not isinstance(error, _ABOUT_FILES) and type(error) is not duckdb.Error:
        return None
    if any(words in lower for words in ("no space left", "file too large", "disk quota")):
        return StoreError(
            f"{doing} {path}: the disk is full, or the file as large as this process may write (ulimit -f); free some "
            "space and repeat (what was there is unharmed)"
        )
    if "permission denied" in lower or "read-only file system" in lower:
        return StoreError(f"{doing} {path}: no permission to write there; check its owner and permissions")
    if "wal does not match" in lower:
        return InputError(
            f"{wal_of(path)} is the write-ahead log of another file; nothing was written; move it away"
        )
    if _tells_damage(lower):
        return damaged(path, _first_line(text))
    if "version number" in lower:
        return InputError(
            f"{path} was written by another version of DuckDB ({_first_line(text)}); nothing was written; "
            "open it with that version, or ingest the log anew into another file"
        )
    return StoreError(f"{doing} {path}: {_first_line(text)}")


def _first_line(text: str) -> str:
    return text.partition("\n")[0].partition(": ")[2] or text.partition("\n")[0]
