"""Writing a file whole or not at all, with errors that say what to do."""

import errno
import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from numpy.typing import NDArray

from graphdet.errors import GraphdetError

_LEFT = re.compile(r"\..*\.(\d+)\.tmp(\.wal)?$")  # what `beside` calls a file that is being written
_swept: set[Path] = set()  # folders in which this process has looked for those of dead ones
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def explain_os_error(error: OSError, path: Path) -> GraphdetError:
    """Turn an operating system error about writing `path` into one line with what to do.

    >>> print(explain_os_error(OSError(errno.EROFS, "Read-only file system"), Path("out/rings.csv")))
    cannot write out/rings.csv: the disk is read-only; choose another folder
    """
    advice = {
        errno.ENOSPC: "no space left on the disk; free some space or choose another folder, then run again",
        errno.EDQUOT: "your disk quota is used up; free some space or choose another folder, then run again",
        errno.EFBIG: "the file would be larger than this process may write (see ulimit -f)",
        errno.EACCES: "permission denied; choose a folder you may write to",
        errno.EPERM: "permission denied; choose a folder you may write to",
        errno.EROFS: "the disk is read-only; choose another folder",
        errno.ENOTDIR: "a part of this path is a file, not a folder; choose another folder",
        errno.EEXIST: "a file of this name is in the way; move it or choose another folder",
        errno.EISDIR: "a folder of this name is in the way; move it or choose another folder",
        errno.ENAMETOOLONG: "the name is too long for this disk; choose a shorter folder name",
    }
    words = advice.get(error.errno or 0, f"{error.strerror or error}".lower())
    return GraphdetError(f"cannot write {path}: {words}")


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Raises:
        GraphdetError: it cannot be made; says why.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, path) from error


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a passing name in the folder of `path`, under which nothing is; at the end nothing is there again.

    What dead processes left under such names in this folder is removed, once a process.

    Raises:
        GraphdetError: the folder cannot be made.
    """
    make_folder(path.parent)
    if path.parent not in _swept:
        _swept.add(path.parent)
        _sweep(path.parent)
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    made = (
        temporary,
        temporary.with_name(f"{temporary.name}.wal"),
    )  # a store has a write-ahead log beside it
    for each in made:
        each.unlink(missing_ok=True)
    try:
        yield temporary
    finally:
        for each in made:
            each.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove what dead processes left half-written; what cannot be removed or seen stays."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            found = _LEFT.match(path.name)
            if found and not psutil.pid_exists(int(found[1])):
                with suppress(OSError):
                    path.unlink()


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it onto `path` when the block ends well, else remove it.

    A reader of `path` sees the old file or the whole new one, never half of it. A link at `path` is replaced, never
    followed. The file may be read and written by whom the umask says, whoever wrote it; a private one by its owner. A
    device or a pipe (/dev/stdout) is no file to replace and is written to as it is.

    Raises:
        GraphdetError: the disk is full, the folder is not writable, …; `path` is as it was before.
    """
    try:
        if _is_stream(path):
            yield path
            return
        with beside(path) as temporary:
            with open(temporary, "xb") as made:
                mode = 0o600 if private else stat.S_IMODE(os.fstat(made.fileno()).st_mode)
                os.fchmod(made.fileno(), 0o600)  # nobody else reads it while it is written
            yield temporary
            temporary.chmod(mode)  # some writers make files that only their owner may read
            os.replace(temporary, path)
    except OSError as error:
        raise explain_os_error(error, path) from error


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_text(path: Path, text: str) -> Path:
    """Write a whole UTF-8 text file with line feeds as given.

    Raises:
        GraphdetError: as `replacing`.
    """
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as handle:
        handle.write(text)
    return path


def write_tensors(path: Path, tensors: dict[str, NDArray[Any]]) -> Path:
    """Write arrays by name as one safetensors file.

    Raises:
        GraphdetError: as `replacing`.
    """
    from safetensors.numpy import save

    # Its own writing to a file leaves another passing file behind when it is killed.
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors))
    return path


def plain(value: Any) -> Any:
    """Make a value fit for JSON: NaN and infinities become null, as JSON has no such numbers.

    >>> plain({"p": float("nan"), "q": (1, 0.5)})
    {'p': None, 'q': [1, 0.5]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if value is None or isinstance(value, str | int | bool):
        return value
    return value.item() if hasattr(value, "item") else str(value)  # NumPy scalars; paths and times as text


def half_pairs_escaped(text: str) -> str:
    r"""Escape lone halves of surrogate pairs in JSON text: JSON can hold them, UTF-8 cannot.

    >>> half_pairs_escaped('"\ud800"') == '"' + chr(92) + 'ud800"'
    True
    """
    return _HALF_PAIR.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def write_json(path: Path, document: Any) -> Path:
    """Write one JSON document, indented, keys in the order given.

    Raises:
        GraphdetError: as `replacing`.
    """
    return write_text(
        path, half_pairs_escaped(json.dumps(plain(document), ensure_ascii=False, indent=1)) + "\n"
    )
