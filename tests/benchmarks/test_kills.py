"""Commands that are killed at the calls that write their outputs, and repeated: the folder is as if nobody had."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kills import CANNOT
from tests.helpers.paths import ROOT
from tests.helpers.serving_world import World


@pytest.mark.slow
def test_killed_while_writing_and_repeated_the_folder_is_as_if_never_killed(
    tmp_path: Path, trained_world: World
) -> None:
    """A few of all calls; `python -m benchmarks.kills` has each one's turn."""
    sweeps = {"ingest": 3, "grown": 3, "run": 2, "report": 3, "export": 3}
    counted = [f"{name}={n}" for name, n in sweeps.items()]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.kills",
            *counted,
            "--keep",
            str(tmp_path),
            "--model",
            str(trained_world.model),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip("no process can be watched here: it takes Linux on x86-64 and ptrace")
    found = {row["scenario"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, (found, done.stderr[-2000:])
    assert {name: row["n_kills"] for name, row in found.items()} == sweeps
    assert all(row["n_calls"] > 20 for row in found.values())
