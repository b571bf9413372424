"""What happens when a command fails: one clear message, the exit code of the contract, never a traceback."""

import contextlib
import errno
import functools
import io
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

import typer

from graphdet import __version__
from graphdet.errors import GraphdetError

INTERRUPTED, TERMINATED = 130, 143  # 128 + the signal, as shells say it
ASK_AGAIN_S = 0.1  # after which a swallowed signal is sent once more
_NETWORK = ("torch", "torch_geometric")
P = ParamSpec("P")
_received: set[int] = set()  # signals that asked us to stop
_heard = threading.Event()  # the end has begun


class _Asked:
    """A signal on its way up as an exception; where something swallows it, it is sent once more.

    Python cannot raise in a destructor or a callback, and DuckDB forgets whatever is raised while it looks for optional
    packages. An exception that is dropped before `explain` or `obeyed` saw it was not heard.
    """

    number: signal.Signals

    def __del__(self) -> None:
        if _heard.is_set() or sys.is_finalizing():
            return
        again = threading.Timer(ASK_AGAIN_S, _ask_again, (self.number,))
        again.daemon = True
        again.start()


class Interrupted(_Asked, KeyboardInterrupt):
    """Ctrl-C (SIGINT)."""

    number = signal.SIGINT


class Terminated(_Asked, BaseException):
    """Another process asked us to end (SIGTERM); not an Exception, so that nothing swallows it."""

    number = signal.SIGTERM


def say(message: str) -> None:
    """Write a line for people on stderr; control characters show as escapes."""
    from graphdet.words import visible

    lines = "\n".join(visible(line) for line in message.splitlines())
    with contextlib.suppress(BrokenPipeError):
        print(lines, file=sys.stderr, flush=True)


def guarded(body: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that every error ends as a message and an exit code."""

    @functools.wraps(body)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            body(*args, **kwargs)
            sys.stdout.flush()
        except (typer.Exit, typer.Abort):
            raise
        except BaseException as error:
            code = explain_failure(error)
            if code is None:
                raise
            raise typer.Exit(code) from None

    return command


def explain_failure(error: BaseException) -> int | None:
    """Say what went wrong; returns the exit code, or None for what is not ours (SystemExit)."""
    _heard.set()
    if isinstance(error, SystemExit | GeneratorExit):
        return None
    name = type(error).__name__
    # Libraries turn a signal into errors of their own (DuckDB says RuntimeError), so what was received
    # counts.
    if isinstance(error, Terminated) or signal.SIGTERM in _received:
        say("terminated; nothing half-written, run again to resume")
        return TERMINATED
    if isinstance(error, KeyboardInterrupt) or signal.SIGINT in _received or name == "InterruptException":
        say("interrupted; nothing half-written, run again to resume")
        return INTERRUPTED
    if isinstance(error, GraphdetError):
        say(f"Error: {error}")
        return error.exit_code
    if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] in _NETWORK:
        say(
            f"Error: this needs the graph network, and {error.name} is not installed: pip install 'graphdet[gnn]'. "
            "`graphdet rings`, `items`, `report` and `score-one` do without"
        )
        return 1
    if isinstance(error, BrokenPipeError):
        _close_stdout()  # whoever read our output has had enough
        return 0
    if isinstance(error, MemoryError) or name in ("OutOfMemoryException", "OutOfMemoryError"):
        say(_memory(error))
        return 1
    if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
        say(f"Error: {_system(error)}")
        return 1
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        say("Error: no space left on the disk; free some space and run again")
        _close_stdout()
        return 1
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        say("Error: the output would be larger than this process may write (see ulimit -f)")
        _close_stdout()
        return 1
    say(
        f"Error: something went wrong inside graphdet ({name}: {_first_line(error)}). "
        f"Details are in {_details(error)}; please report it with them."
    )
    return 1


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:200]


def _memory(error: BaseException) -> str:
    """Say which memory ran out."""
    if "CUDA" in str(error):
        return "Error: the GPU's memory is full; run again with --device cpu"
    return (
        "Error: out of memory; run on a machine with more memory, close other programs, or analyse a "
        "shorter period"
    )


def _system(error: OSError) -> str:
    """Say what the operating system refused, and for which file."""
    reasons = {
        errno.ENOSPC: "no space left on the disk; free some space and run again",
        errno.EDQUOT: "your disk quota is used up; free some space and run again",
        errno.EACCES: "permission denied",
        errno.ENOENT: "no such file or folder",
    }
    return f"{error.filename}: {reasons.get(error.errno or 0, error.strerror)}"


def _details(error: BaseException) -> str:
    """Write the traceback where the user can find it; tell it on stderr when even that fails."""
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="graphdet-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as handle:
            handle.write(f"graphdet {__version__}, Python {sys.version}\n{text}")
    except OSError:
        print(text, file=sys.stderr)
        return "the lines above"
    return handle.name


def _close_stdout() -> None:
    """Point stdout at nothing, so that Python's own flush at exit is quiet too."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def obeyed() -> None:
    """Say that a signal was the way to end and has done so, as Ctrl-C does for a server."""
    _heard.set()


def _stop(number: int, frame: FrameType | None) -> None:
    _received.add(number)
    raise Terminated if number == signal.SIGTERM else Interrupted


def _ask_again(number: signal.Signals) -> None:
    if not _heard.is_set():
        os.kill(os.getpid(), number)


def _quiet(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print no traceback of a signal that fell where Python cannot raise; it will be sent again."""
    if not isinstance(unraisable.exc_value, _Asked):
        sys.__unraisablehook__(unraisable)


def buffer_stdout() -> None:
    """Where Python was told to buffer nothing (PYTHONUNBUFFERED), buffer all the same.

    It does not look then at how much was written, and what a limit cuts off is lost without an error.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        buffered = io.BufferedWriter(raw)
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = io.TextIOWrapper(buffered, encoding=encoding, errors=errors, line_buffering=True)


def catch_signals() -> None:
    """Let SIGTERM unwind like Ctrl-C, so that open files and transactions end cleanly; remember both.

    A signal that our parent told us to ignore (nohup, a job in the background) stays ignored.
    """
    _heard.clear()
    sys.unraisablehook = _quiet
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
