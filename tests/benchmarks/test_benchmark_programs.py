"""Every program in benchmarks/ starts: they are run by hand, so nobody else would notice one that no longer does."""

import json
import subprocess
import sys

import pytest

from tests.helpers.paths import ROOT

PROGRAMS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
]
PEERS = {"pygod", "pyod", "xgboost"}  # of the extra `bench`, which not everybody has
pytestmark = pytest.mark.slow

# All in one process, as most of the time goes into torch; each finds only what it would find alone.
RUN_ALL = """
import contextlib, io, json, runpy, sys, traceback
from pathlib import Path

found, ours = {}, Path("benchmarks").resolve()
for program in sys.argv[1:]:
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(ours):
            del sys.modules[name]
    told, said, code, missing = io.StringIO(), "", None, None
    sys.argv[:] = [program, "--help"]
    try:
        with contextlib.redirect_stdout(told):
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except ModuleNotFoundError as error:
        missing, said = error.name, traceback.format_exc()
    except Exception:
        said = traceback.format_exc()
    found[program] = {"code": code, "missing": missing, "out": told.getvalue(), "said": said}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, str | int | None]]:
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, *PROGRAMS], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str | int | None]] = json.loads(done.stdout)
    return found


def test_programs_are_found() -> None:
    assert {"benchmarks.run_reports", "benchmarks.rings.run_rings"} <= set(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_how_it_is_used(
    program: str, outcomes: dict[str, dict[str, str | int | None]]
) -> None:
    outcome = outcomes[program]
    if outcome["missing"] in PEERS:
        pytest.skip(f"{outcome['missing']} is not installed; it comes with the extra `bench`")
    assert not outcome["said"]
    assert outcome["code"] == 0
    assert str(outcome["out"]).startswith(f"usage: {program.rpartition('.')[2]}.py")
