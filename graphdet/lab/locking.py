"""One writer at a time in a folder."""

import contextlib
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
