"""DuckDB's errors in graphdet's words: what is wrong, with which file, and what to do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

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
SMALLEST = 3 * 4096  # bytes: the headers; a shorter file was never finished and holds nothing


def check_file(path: Path, may_create: bool) -> None:
    """Look at the file before DuckDB does, whose own words can mislead (it tries to download readers).

    A file shorter than DuckDB's headers that is empty or begins like a DuckDB file is left from a run that
    was killed while making it: it holds nothing and is made anew.

    Raises:
        UsageError: there is no file, and none may be made.
        InputError: a directory, a file of another kind, or nothing there to read.
        StoreError: the folder is missing or closed to us.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory, not a DuckDB file; name a file inside it")
        if not path.exists():
            _check_absent(path, may_create)
            return
        with path.open("rb") as file:
            head = file.read(MAGIC_AT + len(MAGIC))
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(f"cannot open {path}: {error.strerror}; check its owner and permissions") from error
    ours = head[MAGIC_AT:] == MAGIC
    unfinished = size < SMALLEST and (ours or size == 0) and not wal_of(path).exists()
    if unfinished and may_create:
        path.unlink()
    elif not ours or unfinished:
        raise InputError(f"{path} is not a DuckDB file; name another file, or remove it to start anew")


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
            f"{doing} {path}: the disk is full; free some space and repeat (what was there is unharmed)"
        )
    if "permission denied" in lower or "read-only file system" in lower:
        return StoreError(f"{doing} {path}: no permission to write there; check its owner and permissions")
    if any(words in lower for words in ("corrupt", "checksum", "not a valid", "read enough bytes")):
        return InputError(f"{path} is damaged ({_first_line(text)}); restore a copy, or ingest the log anew")
    if "version number" in lower:
        return InputError(f"{path} was written by another version of DuckDB ({_first_line(text)})")
    return StoreError(f"{doing} {path}: {_first_line(text)}")


def _first_line(text: str) -> str:
    return text.partition("\n")[0].partition(": ")[2] or text.partition("\n")[0]
