"""Processes by pid and time of birth, so that a pid that was given to another program is never taken for ours."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from graphdet.errors import StoreBusy

BIRTH_TOLERANCE_S = 2.0  # clocks are adjusted; pids do not come round that fast


def birth_of(pid: int) -> float | None:
    """When a running process was born (seconds since 1970), None when there is none (or only its remains)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def is_same(pid: object, born: object, mark: str = "") -> bool:
    """Whether the process that was noted as (pid, born) still runs, with `mark` in its command line.

    >>> is_same(os.getpid(), birth_of(os.getpid())), is_same(os.getpid(), 0.0)
    (True, False)
    """
    if not isinstance(pid, int) or not isinstance(born, int | float):
        return False
    found = birth_of(pid)
    if found is None or abs(found - born) > BIRTH_TOLERANCE_S:
        return False
    return not mark or any(mark in word for word in _words_of(pid))


def _words_of(pid: int) -> list[str]:
    """The command line of a process; waits a moment for one that is just becoming another program."""
    for _ in range(50):
        try:
            words = list(psutil.Process(pid).cmdline())
        except psutil.Error:
            return []
        if words:
            return words
        time.sleep(0.02)
    return []


def wait_for_end(pid: int, born: object, patience_s: float) -> bool:
    """Wait for the end of a process, whether it is our child or not; False when it outlasts our patience."""
    deadline = time.monotonic() + patience_s
    while is_same(pid, born):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    # A child of ours stays in the process table until we ask for it, and its first thread ends before the others.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(0.02)
    return True


def end_all(word: str, patience_s: float) -> None:
    """Kill every process with this word on its command line, and wait for its end."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and any(word in said for said in process.cmdline()):
                born = process.create_time()
                process.kill()
                wait_for_end(process.pid, born, patience_s)


def read_note(path: Path) -> dict[str, Any]:
    """Read a small JSON note; empty when there is none or it is no JSON object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a small JSON note whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(part, path)


def myself() -> dict[str, Any]:
    """This process as a note: pid and birth."""
    return {"pid": os.getpid(), "born": birth_of(os.getpid())}


@contextmanager
def claim(path: Path, doing: str) -> Iterator[None]:
    """Hold a folder for one piece of work; the claim of a process that is gone is taken over.

    Raises:
        StoreBusy: another running process holds the claim.
    """
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            break
        except FileExistsError:
            held = read_note(path)
            if is_same(held.get("pid"), held.get("born")):
                raise StoreBusy(
                    f"process {held['pid']} is {held.get('doing', 'at work')} in {path.parent}; wait for it"
                ) from None
            path.unlink(missing_ok=True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**myself(), "doing": doing}, file)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
