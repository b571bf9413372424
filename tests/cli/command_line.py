"""Running graphdet as a user does: a process of its own, with its streams and its exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from graphdet.cli.main import app

STORE_VARIABLE = "GRAPHDET_STORE"
COMMAND = [sys.executable, "-c", "from graphdet.cli.main import main; main()"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' environment without the variables that graphdet reads."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GRAPHDET_", "NEO4J_"))}
    return kept | {"PYTHONWARNINGS": "error"} | dict(extra or {})


def graphdet(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def inside(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which is faster: no start-up, and torch is loaded once.

    For all that a command prints, writes and ends with. What only a process has (signals, locks, its real streams, a
    first import) needs `graphdet`.
    """
    with chdir(cwd or Path.cwd()):
        done = CliRunner().invoke(app, list(map(str, words)), env={STORE_VARIABLE: None, **(env or {})})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception  # a traceback where a user would see one
    return subprocess.CompletedProcess(list(words), done.exit_code, done.stdout, done.stderr)


def begin(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command and leave it running."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_one_clear_message(done: subprocess.CompletedProcess[str], code: int, *wanted: str) -> None:
    """Check the exit code, an empty stdout, and what stderr says without a traceback."""
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for text in wanted:
        assert text in done.stderr


def write_log(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Write a log in the columns of the shipped config `simulated`."""
    lines = ["user_id,item_id,session_id,timestamp,action", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def small_log(path: Path) -> Path:
    """Write sixty events of ten users."""
    start = 1_506_826_800_000
    return write_log(
        path, [(f"u{n % 10}", f"i{n % 7}", f"s{n % 10}", start + n * 60_000, "view") for n in range(60)]
    )


def hurried_log(folder: Path, n_users: int, n_items: int, n_acts: int, hurry_s: int) -> None:
    """Ingest a log of which every sixth account acts within `hurry_s` of its act before, others within two hours."""
    rng = np.random.default_rng(0)
    lines = ["user,item,at"]
    for user in range(n_users):
        begun = 1_600_000_000 + int(rng.integers(86_400))
        times = begun + np.cumsum(rng.integers(1, hurry_s if user % 6 == 0 else 7_200, n_acts))
        lines += [f"u{user},i{rng.integers(n_items)},{at}" for at in times]
    (folder / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    columns = '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n[time]\nunit = "s"\n'
    (folder / "c.toml").write_text(columns, encoding="utf-8")
    done = inside("ingest", folder / "log.csv", "--config", folder / "c.toml", "--store", url_of(folder))
    assert done.returncode == 0, done.stderr


def url_of(folder: Path) -> str:
    """The store that hurried_log fills."""
    return f"duckdb:{folder}/x.duckdb"


def write_labels(folder: Path, name: str, given: Mapping[str, int], key: str = "user_id") -> Path:
    """A file of labels."""
    lines = [f"{key},label", *(f"{each},{label}" for each, label in given.items())]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name
