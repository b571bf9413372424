"""Interruptions and failures in the middle of work: one message, no traceback, nothing half-written."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from graphdet.cli.guard import explain_failure, guarded
from graphdet.cli.progress import Bars, Lines
from graphdet.errors import InputError, StoreBusy
from tests.cli.command_line import (
    COMMAND,
    assert_one_clear_message,
    begin,
    environment,
    graphdet,
    inside,
    small_log,
)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that takes seconds to ingest."""
    path = tmp_path_factory.mktemp("long") / "log.csv"
    with duckdb.connect() as bench:
        bench.execute(
            "COPY (SELECT 'u' || (i % 50000) AS user_id, 'i' || (i * 7 % 3000) AS item_id, 's' || (i "
            "% 90000) AS "
            f"session_id, 1506826800000 + i * 1000 AS timestamp, 'view' AS action FROM range(250000) "
            f"t(i)) TO '{path}'"
        )
    return path


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_with_one_message_and_the_work_can_be_repeated(
    long_log: Path, tmp_path: Path, number: signal.Signals, code: int, word: str
) -> None:
    words = ("ingest", long_log, "--config", "simulated", "--store", f"duckdb:{tmp_path}/x.duckdb")
    process = begin(*words)
    assert process.stderr is not None
    process.stderr.readline()  # the first stage has begun
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert out == ""
    assert f"{word}; nothing half-written, run again to resume" in err
    assert "Traceback" not in err
    again = graphdet(*words, "--json")
    assert again.returncode == 0, again.stderr
    assert '"n_rows": 250000' in again.stdout


SWALLOWED = """
import os, signal, sys, time
import duckdb
from graphdet.cli.guard import catch_signals, explain_failure

def ask():
    os.kill(os.getpid(), signal.{name})
    for _ in range(1000):
        pass

class Closing:
    def __del__(self):
        ask()

class Asking:
    def find_spec(self, name, path=None, target=None):
        sys.meta_path.remove(self)
        ask()

def in_a_destructor():
    Closing()

def while_duckdb_looks_for_optional_packages():
    sys.meta_path.insert(0, Asking())
    duckdb.ConstantExpression(0)

catch_signals()
try:
    {where}()
    print("not heard at once")
    time.sleep(20)
    print("never heard")
except BaseException as error:
    raise SystemExit(explain_failure(error))
"""


@pytest.mark.parametrize("where", ["in_a_destructor", "while_duckdb_looks_for_optional_packages"])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_is_not_lost_where_it_cannot_be_raised(where: str, name: str, code: int) -> None:
    """Python or a library drops the exception there and goes on."""
    words = [sys.executable, "-c", SWALLOWED.format(name=name, where=where)]
    # DuckDB imports pandas there, and an import that is broken off leaves a file open: nothing that a user is told of.
    env = environment({"PYTHONWARNINGS": "error,ignore::ResourceWarning"})
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False, timeout=60)
    assert done.stdout == "not heard at once\n"
    assert done.returncode == code
    assert "nothing half-written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    url = f"duckdb:{tmp_path}/x.duckdb"
    lines = (f"u{ix},i,s{ix},{1506826800000 + ix},view\n" for ix in range(50_000))
    log = tmp_path / "log.csv"
    log.write_text("user_id,item_id,session_id,timestamp,action\n" + "".join(lines))
    assert inside("ingest", log, "--config", "simulated", "--store", url).returncode == 0
    wanted = ("user_id=u0", "max_acts=90000", "limit=90000")
    words = ("query", "co-actors", "--store", url, *wanted, "--format", "csv")
    process = begin(*words)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert err == ""
    process.stderr.close()


def test_a_second_process_on_the_same_store_exits_with_4(tmp_path: Path) -> None:
    small_log(tmp_path / "log.csv")
    path = tmp_path / "x.duckdb"
    url = f"duckdb:{path}"
    assert inside("ingest", tmp_path / "log.csv", "--config", "simulated", "--store", url).returncode == 0
    with duckdb.connect(str(path)):
        done = graphdet("ingest", tmp_path / "log.csv", "--config", "simulated", "--store", url)
    assert_one_clear_message(done, 4, "x.duckdb")


def test_a_disk_that_is_full_is_said() -> None:
    with open("/dev/full", "w") as full:
        words = [*COMMAND, "--version"]
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert done.returncode == 1
    assert "no space left on the disk" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "wanted"),
    [
        (InputError("log.csv: empty"), 3, "Error: log.csv: empty\n"),
        (StoreBusy("held"), 4, "Error: held\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (duckdb.InterruptException("INTERRUPT"), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (duckdb.OutOfMemoryException("could not allocate"), 1, "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "no space left"),
        (OSError(errno.ENOSPC, "No space left on device", "out/x.csv"), 1, "out/x.csv: no space left"),
        (PermissionError(errno.EACCES, "Permission denied", "log.csv"), 1, "log.csv: permission denied"),
        (InputError("bad id \x1b[2J\x00"), 3, "Error: bad id \\x1b[2J\\x00\n"),
    ],
)
def test_every_error_has_its_words(
    error: BaseException, code: int, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain_failure(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert wanted in err
    assert "Traceback" not in err


def test_a_mistake_of_ours_leaves_its_details_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    import typer

    @guarded
    def command() -> None:
        raise ValueError("table pairs lacks the column b")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    message = capsys.readouterr().err
    (details,) = tmp_path.glob("graphdet-*.log")
    assert str(details) in message
    assert "table pairs lacks the column b" in message
    assert "Traceback" not in message
    assert "Traceback" in details.read_text()


def test_progress_in_a_pipe_is_one_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.start("reading", 3)
    lines.advance()
    lines.done()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.strip().endswith("s  reading")


def test_bars_may_be_nested_and_closed_once_too_often(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars()
    bars.start("outer [red]", 2)
    bars.start("inner")
    bars.advance(3)
    bars.done()
    bars.done()
    bars.done()
    bars.stop()
    out, err = capsys.readouterr()
    assert out == ""
    assert "outer [red]" in err
