"""doctor: what is installed and reachable on this machine, and what to do about the rest."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from graphdet import __version__
from graphdet.errors import GraphdetError
from graphdet.store import local_server, opened_store
from graphdet.words import thousands

OK, WARN, FAIL = "ok", "warn", "fail"
REPORTED_PACKAGES = (
    *("duckdb", "igraph", "jinja2", "narwhals", "neo4j", "numpy", "pyarrow", "rich"),
    *("safetensors", "scikit-learn", "scipy", "typer"),
)
NETWORK_PACKAGES = ("torch", "torch-geometric")
LEAST_DISK_GIB = 5.0
LEAST_MEMORY_GIB = 4.0
PROGRAM_S = 20.0  # a program that takes longer to say its version counts as broken
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Maven writes them even into a pipe
_GIB = 1024**3


@dataclass(frozen=True)
class DoctorCheck:
    """One thing looked at: ok, warn (something is impossible) or fail (nothing works); and what to do."""

    name: str
    state: str
    found: str
    advice: str = ""


def examine(store_url: str | None = None) -> list[DoctorCheck]:
    """Look at Python, packages, the device, programs, Neo4j, disk, memory and, when named, the store.

    Never raises for what it looks at: that is what it reports.
    """
    steps: list[tuple[str, Callable[[], DoctorCheck]]] = [
        ("Python", _python),
        ("packages", _packages),
        ("device", _device),
        ("Java", _java),
        ("Maven", _maven),
        ("Docker", _docker),
        ("Neo4j started by graphdet", _server),
        ("disk", _disk),
        ("memory", _memory),
    ]
    if store_url:
        steps.append(("store", lambda: _store(store_url)))
    return [_safely(name, step) for name, step in steps]


def _safely(name: str, step: Callable[[], DoctorCheck]) -> DoctorCheck:
    try:
        return step()
    except Exception as error:  # a doctor that falls ill over one patient sees no others
        return DoctorCheck(name, WARN, f"could not be looked at: {type(error).__name__}: {error}")


def _python() -> DoctorCheck:
    found = f"{sys.version.split()[0]} ({sys.executable}), graphdet {__version__}"
    return DoctorCheck("Python", OK, found)


def _packages() -> DoctorCheck:
    found, missing = [], []
    for name in REPORTED_PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return DoctorCheck(
            "packages", FAIL, f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    return DoctorCheck("packages", OK, ", ".join(found))


def _device() -> DoctorCheck:
    """Where the graph network runs, and with what."""
    try:
        packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in NETWORK_PACKAGES)
        import torch
    except ImportError:
        return DoctorCheck(
            "graph network",
            WARN,
            "torch and torch-geometric are not installed",
            "only training and the network need them: pip install 'graphdet[gnn]'",
        )
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        memory = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB free"
        return DoctorCheck(
            "graph network", OK, f"{packages}, cuda: {torch.cuda.get_device_name()} ({memory})"
        )
    return DoctorCheck(
        "graph network", OK, f"{packages}, cpu with {torch.get_num_threads()} threads; no CUDA device"
    )


def first_line(command: list[str]) -> str | None:
    """Run a program and return the first line it says; None when it is missing or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROGRAM_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = _COLOURS.sub("", done.stdout + done.stderr).strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else None


def _program(name: str, command: list[str], use: str) -> DoctorCheck:
    found = first_line(command)
    if found:
        return DoctorCheck(name, OK, found)
    return DoctorCheck(name, WARN, "not found", use)


def _java() -> DoctorCheck:
    return _program("Java", ["java", "-version"], "only `graphdet neo4j start` needs it: install OpenJDK 17")


def _maven() -> DoctorCheck:
    return _program(
        "Maven", ["mvn", "--version"], "only `graphdet neo4j start` needs it: install Maven 3.8 or newer"
    )


def _docker() -> DoctorCheck:
    daemon = first_line(["docker", "version", "--format", "{{.Server.Version}}"])
    if daemon:
        return DoctorCheck("Docker", OK, f"daemon {daemon}")
    return DoctorCheck(
        "Docker", WARN, "no daemon answers", "not needed: Neo4j also starts with Java and Maven"
    )


def _server() -> DoctorCheck:
    name = "Neo4j started by graphdet"
    where = local_server()
    if where:
        return DoctorCheck(name, OK, f"running at {where}")
    return DoctorCheck(name, OK, "not running", "if you want it: graphdet neo4j start")


def _disk() -> DoctorCheck:
    places = {"here": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    free = {place: shutil.disk_usage(path).free / _GIB for place, path in places.items()}
    found = ", ".join(f"{gib:.1f} GiB free ({place})" for place, gib in free.items())
    if min(free.values()) < LEAST_DISK_GIB:
        return DoctorCheck(
            "disk", WARN, found, f"large logs need {LEAST_DISK_GIB:.0f} GiB; free some space or set TMPDIR"
        )
    return DoctorCheck("disk", OK, found)


def _memory() -> DoctorCheck:
    memory = psutil.virtual_memory()
    found = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB available, {os.cpu_count()} CPUs"
    if memory.available / _GIB < LEAST_MEMORY_GIB:
        return DoctorCheck(
            "memory", WARN, found, "three million events need about 4 GiB; close other programs"
        )
    return DoctorCheck("memory", OK, found)


def _store(url: str) -> DoctorCheck:
    try:
        with opened_store(url, read_only=True) as store:
            counts = store.counts()
    except GraphdetError as error:
        return DoctorCheck("store", FAIL, "cannot be used", str(error))
    return DoctorCheck("store", OK, ", ".join(f"{thousands(n)} {name}" for name, n in counts.items()))
