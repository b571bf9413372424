"""One writer at a time in a folder.

Files that only grow, a line at a time, and whose writer may be killed at any moment.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, waiting for it; a killed process lets go of it.

    A system without flock (Windows) has no lock, and there only one writer may work at a time.

    Raises:
        OSError: the lock's file cannot be made.
    """
    with open(folder / LOCK, "a") as handle:
        try:
            import fcntl
        except ImportError:
            pass
        else:
            fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
        yield


def append_line(path: Path, line: str) -> None:
    """Add a line and see it on the disk.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "ab", buffering=0) as handle:
        handle.write((line + "\n").encode())
        os.fsync(handle.fileno())


def whole_lines(path: Path, *, mend: bool = False) -> list[str]:
    """The lines that are whole; none where there is no file. `mend` cuts off a half one that a killed writer left.

    Raises:
        OSError: the file is there and cannot be read, or cut.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = content.rfind(b"\n") + 1
    if mend and whole < len(content):
        os.truncate(path, whole)
    return content[:whole].decode("utf-8", "replace").splitlines()
