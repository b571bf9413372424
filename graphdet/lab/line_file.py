"""Files that only grow, a line at a time, and whose writer may be killed at any moment."""

import os
from pathlib import Path


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
