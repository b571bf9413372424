"""Kills at the system calls that write an output, each followed by a repeat that must end as if nobody had been killed.

    python -m benchmarks.kills [ingest] [grown=20] [run] [run-again] [report] [export] [export-again] [--keep DIR]

A command is forked from this process and watched by ptrace and a seccomp filter, in all its threads: every call that
opens for writing, writes, syncs, renames, links, removes or changes a mode within its folder stops it. It is killed
just before the n-th such call, run again to its end, and its folder is compared with that of a run that nobody killed:
bytes and modes of all files, names (so no leftovers), and of stores the rows of all tables. Left out is what tells of
looks and not of the log: times, the audit log, the history of rings and what changed in them since the look before,
which is the one that was killed. Every n has its turn, or with NAME=N so many that are spread over all calls. One JSON
line for each command; exit code 1 if any folder differs, 77 where nothing can be watched.
Linux on x86-64 only.
"""

import argparse
import ctypes
import json
import os
import pickle
import platform
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANNOT = 77  # exit code where processes cannot be watched
OPENS = {2: (0, 1), 257: (1, 2)}  # open, openat: which arguments are the path and the flags
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Calls that change what a path names (rename, link, unlink, mkdir, chmod, truncate, …), and which argument it is.
OF_PATHS = {
    82: 1,
    264: 3,
    316: 3,
    86: 1,
    265: 3,
    87: 0,
    263: 1,
    84: 0,
    83: 0,
    258: 1,
    90: 0,
    268: 1,
    76: 0,
    88: 1,
    266: 2,
}
# Calls on an open file: write, pwrite64, writev, pwritev, ftruncate, fallocate, fsync, fdatasync, fchmod, …
OF_FILES = {1: 0, 18: 0, 20: 0, 296: 0, 328: 0, 77: 0, 285: 0, 74: 0, 75: 0, 91: 0, 326: 2, 40: 0}
TRACEME, CONT, SETOPTIONS, SYSCALL_INFO = 0, 7, 0x4200, 0x420E  # requests of ptrace
FOLLOW = 0x2 | 0x4 | 0x8 | 0x80 | 0x100000  # forks, vforks, threads, stops of seccomp; all die with us
STOP_OF_SECCOMP, EVENTS = 7, range(1, 7)
ALL = 0x40000000  # __WALL: threads too


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes, libc.ptrace.restype = [ctypes.c_long] * 4, ctypes.c_long
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _stop_at(numbers: Sequence[int]) -> None:
    """From now on every call of these numbers, in this process and all its threads, stops for who watches it."""

    def step(code: int, if_equal: int, value: int) -> bytes:
        return struct.pack("HBBI", code, if_equal, 0, value)

    load, equal, give = 0x20, 0x15, 0x06
    asks = [step(equal, len(numbers) - at, number) for at, number in enumerate(numbers)]
    program = b"".join([step(load, 0, 0), *asks, step(give, 0, 0x7FFF0000), step(give, 0, 0x7FF00000)])
    steps = ctypes.create_string_buffer(program, len(program))
    known = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(steps)), 16
    )
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(known)), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def _call(tid: int) -> tuple[int, tuple[int, ...]]:
    """Number and arguments of the call that a thread has stopped before."""
    info = ctypes.create_string_buffer(88)
    _ptrace(SYSCALL_INFO, tid, len(info), ctypes.addressof(info))
    number, *arguments = struct.unpack_from("<7Q", info.raw, 24)
    return number, tuple(arguments)


def _text_at(tid: int, address: int) -> str:
    with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(4096).partition(b"\0")[0].decode("utf-8", "replace")


def _changed(tid: int) -> str:
    """The path that the call a thread has stopped before would change; empty where it changes none."""
    number, arguments = _call(tid)
    if number in OPENS:
        path, flags = OPENS[number]
        return _text_at(tid, arguments[path]) if arguments[flags] & WRITING else ""
    if number in OF_PATHS:
        return _text_at(tid, arguments[OF_PATHS[number]])
    try:
        return os.readlink(f"/proc/{tid}/fd/{arguments[OF_FILES[number]]}")
    except OSError:
        return ""


def watched(do: Callable[[], None], folder: Path, last: int = 0) -> tuple[int, int]:
    """Do it in a child, killed just before the `last`-th call that changes something in `folder`; 0: never.

    Returns its exit code (below 0: the signal) and how many such calls there were.
    """
    child = os.fork()
    if not child:
        _ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        _stop_at([*OPENS, *OF_PATHS, *OF_FILES])
        _end(do)
    os.waitpid(child, 0)
    _ptrace(SETOPTIONS, child, 0, FOLLOW)
    _ptrace(CONT, child)
    n_calls = 0
    while True:
        tid, status = os.waitpid(-1, ALL)
        if not os.WIFSTOPPED(status):
            if tid == child:
                return os.waitstatus_to_exitcode(status), n_calls
            continue
        what, passed_on = status >> 16, os.WSTOPSIG(status)
        try:
            if what == STOP_OF_SECCOMP and _changed(tid).startswith(str(folder)):
                n_calls += 1
                if n_calls == last:
                    os.kill(child, signal.SIGKILL)
                    continue
            _ptrace(CONT, tid, 0, 0 if what or passed_on in (signal.SIGSTOP, signal.SIGTRAP) else passed_on)
        except (ProcessLookupError, FileNotFoundError):
            continue  # it was killed meanwhile


def _end(do: Callable[[], None]) -> None:
    """Do it and end this process."""
    code = 1
    try:
        do()
        code = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def in_child(do: Callable[[], Any]) -> Any:
    """What `do` gives, in a child: so that this process opens no store, has no threads, and stays cheap to fork."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:

        def answer() -> None:
            with os.fdopen(writing, "wb") as out:
                pickle.dump(do(), out)

        _end(answer)
    os.close(writing)
    with os.fdopen(reading, "rb") as given:
        content = given.read()
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("a child failed, see above")
    return pickle.loads(content)


def graphdet(*words: str | Path) -> None:
    """Run a command of graphdet to its end, in this process, its output thrown away.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    from typer.testing import CliRunner

    from graphdet.cli.main import app

    done = CliRunner().invoke(app, list(map(str, words)))
    if done.exit_code:
        raise RuntimeError(f"{words}: {done.exit_code} {done.stderr} {done.exception!r}")


@dataclass(frozen=True)
class Scenario:
    """A command that writes into a folder: what the folder has before, and the words, with {out} and {given}."""

    before: tuple[str, ...]
    words: str


SCENARIOS = {
    "ingest": Scenario(
        (), "ingest {given}/half.csv --config simulated --store duckdb:{out}/x --rejects {out}/r.csv"
    ),
    "grown": Scenario(
        ("half.duckdb", "rejects.csv"),
        "ingest {given}/log.csv --config simulated --store duckdb:{out}/half.duckdb --rejects {out}/rejects.csv",
    ),
    "run": Scenario((), "run {given}/log.csv --config simulated --train never --raw-csv --out {out}/one"),
    "run-again": Scenario(
        ("one",), "run {given}/log.csv --config simulated --train never --seed 1 --out {out}/one"
    ),
    "report": Scenario(
        ("one",),
        "report --store duckdb:{out}/one/graph.duckdb --out {out}/two --format html,json,csv,graphml,gexf --raw-csv",
    ),
    "export": Scenario((), "export --model {given}/model --out {out}/light"),
    "export-again": Scenario(("light",), "export --model {given}/model --out {out}/light --weights int8"),
}
MODEL = {"export", "export-again"}


def prepare(given: Path, with_model: bool, model: Path | None) -> None:
    """Make what the scenarios begin with: a log, its first half, stores, findings, and a model that learned little."""
    log, small = given / "log.csv", ("--users", "150", "--items", "80", "--days", "5", "--campaigns", "2")
    graphdet("simulate", "--out", log, "--kind", "news", "--seed", "3", *small)
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    bad = [",".join(["", *line.split(",")[1:]]) for line in lines[1:9]]  # rows without a user
    log.write_text("".join([*lines, *bad]), encoding="utf-8")
    (given / "half.csv").write_text("".join([*lines[:600], *bad[:4]]), encoding="utf-8")
    graphdet(
        "ingest", given / "half.csv", "--config", "simulated", "--store", f"duckdb:{given}/half.duckdb",
        "--rejects", given / "rejects.csv",
    )  # fmt: skip
    graphdet("run", log, "--config", "simulated", "--train", "never", "--out", given / "one")
    if model is not None:
        shutil.copytree(model, given / "model")
    elif with_model:
        (given / "quick.toml").write_text("[gnn]\nn_steps = 2\n", encoding="utf-8")
        store = f"duckdb:{given}/one/graph.duckdb"
        graphdet("train", "--store", store, "--model", given / "model", "--settings", given / "quick.toml")
    if with_model:
        graphdet("export", "--model", given / "model", "--out", given / "light")


OF_LOOKS = {"stages", "ring_changes"}  # keys of run.json


def _of_the_log(run_info: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(run_info).items() if key not in OF_LOOKS}


def rows(store: Path) -> dict[str, str]:
    """What a store holds, table by table; without those that note every report and look that was begun."""
    import duckdb

    from graphdet.verbs.forecast import RUN_SECONDS

    with duckdb.connect(str(store), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {}
        for name in sorted(set(names) - {"audit", "audit_head", "ring_history"}):
            table = connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()
            if name == "meta":
                kept = [(key, text) for key, text in table if key != RUN_SECONDS]
                table = [(key, _of_the_log(text) if key == "run_info" else text) for key, text in kept]
            found[name] = repr(table)
        return found


def state(out: Path) -> dict[str, object]:
    """Every file of a folder with its mode, and its bytes or the rows of a store; of run.json what tells of the log."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        content: object = path.read_bytes() if path.is_file() else b""
        if path.name == "run.json":
            content = _of_the_log(path.read_text(encoding="utf-8"))
        elif isinstance(content, bytes) and content[8:12] == b"DUCK":
            content = rows(path)
        found[str(path.relative_to(out))] = (content, path.stat().st_mode)
    return found


def _differences(clean: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The files that differ, of stores with their tables."""
    names = []
    for name in sorted(key for key in clean | found if clean.get(key) != found.get(key)):
        one, two = (state.get(name, (None, None))[0] for state in (clean, found))
        both = isinstance(one, dict) and isinstance(two, dict)
        tables = [key for key in one if one[key] != two.get(key)] if both else []
        names.append(f"{name} {' '.join(tables)}".strip())
    return names


def _fresh(folder: Path, scenario: Scenario) -> Path:
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for name in scenario.before:
        source = folder / "given" / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, out / name)  # type: ignore[operator]
    return out


def sweep(folder: Path, name: str, at_most: int) -> dict[str, Any]:
    """Kill a scenario at its calls, or so many that are spread over all of them, and compare."""
    scenario, started = SCENARIOS[name], time.perf_counter()
    out = _fresh(folder, scenario)
    words = scenario.words.format(out=out, given=folder / "given").split()

    def do() -> None:
        graphdet(*words)

    code, n_calls = watched(do, out)
    if code:
        raise RuntimeError(f"{name} failed")
    clean = in_child(lambda: state(out))
    n_kills = min(at_most or n_calls, n_calls)
    numbers = sorted({1 + k * (n_calls - 1) // max(n_kills - 1, 1) for k in range(n_kills)})
    wrong: list[dict[str, Any]] = []
    for last in numbers:
        _fresh(folder, scenario)
        code, _ = watched(do, out, last)
        again, _ = (0, 0) if code != -signal.SIGKILL else watched(do, folder / "nothing")
        if code != -signal.SIGKILL or again:
            wrong.append({"call": last, "killed": code, "again": again})
            continue
        found = in_child(lambda: state(out))
        if found != clean:
            wrong.append({"call": last, "differs": _differences(clean, found)[:5]})
    return {
        "scenario": name, "n_calls": n_calls, "n_kills": len(numbers), "n_wrong": len(wrong), "wrong": wrong[:20],
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def main() -> None:
    """Sweep over the scenarios that are named."""
    parser = argparse.ArgumentParser(
        prog="kills.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="NAME[=N]", help=", ".join(SCENARIOS))
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a trained model to export; else one is trained"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to work; else a passing folder")
    given = parser.parse_args()
    if sys.platform != "linux" or platform.machine() != "x86_64":
        sys.exit(CANNOT)
    asked = [text.partition("=") for text in given.scenarios or SCENARIOS]
    with tempfile.TemporaryDirectory() as passing:
        folder = (given.keep or Path(passing)).resolve()
        (folder / "given").mkdir(parents=True, exist_ok=True)
        (folder / "scratch").mkdir(exist_ok=True)
        tempfile.tempdir = str(
            folder / "scratch"
        )  # what the killed leave in the temporary directory goes, too
        os.umask(0o022)
        try:
            watched(lambda: None, folder)
        except OSError:
            sys.exit(CANNOT)
        _load()
        in_child(lambda: prepare(folder / "given", any(name in MODEL for name, *_ in asked), given.model))
        n_wrong = 0
        for name, _, at_most in asked:
            found = sweep(folder, name, int(at_most or 0))
            n_wrong += found["n_wrong"]
            print(json.dumps(found), flush=True)
    sys.exit(bool(n_wrong))


def _load() -> None:
    """Load what the commands import, once and not in every child."""
    import importlib

    for name in (
        "cli.main",
        "reports.report_page",
        "reports.ring_files",
        "store.duckdb",
        "verbs.export",
        "verbs.run",
    ):
        importlib.import_module(f"graphdet.{name}")
    importlib.import_module("typer.testing")


if __name__ == "__main__":
    main()
