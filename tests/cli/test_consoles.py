"""Consoles that are not UTF-8: every command writes whatever its terminal can show, and escapes for the rest."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphdet.cli.main import app, write_anywhere
from graphdet.progress import Silent
from graphdet.store.duckdb import DuckDBStore
from tests.cli.command_line import COMMAND, STORE_VARIABLE, environment
from tests.store.sample_logs import findings, log_tables, source

FAN = "фан-клуб 🛒"  # in no encoding of one byte a character
NO_QUERY = "no-such-–-query"
COMMANDS = [
    ["--help"],
    *([name, "--help"] for name in ("run", "query", "report", "score-one", "neo4j", "models")),
    ["suspects"],
    ["leads"],
    ["query"],
    *(["query", "counts", "--format", form] for form in ("table", "csv", "json")),
    ["query", "ring", "ring_id=ring-1", "--format", "csv"],
    ["query", NO_QUERY],
    ["suspects", "--json"],
    ["verdict", "ring-1", "--innocent", "--reason", "other", "--note", FAN],
    ["verdicts"],
    ["verdicts", "--json"],
    ["deny", "u5"],
    ["snooze", "ring-1", "--days", "3", "--note", FAN],
    ["audit", "show"],
    ["audit", "verify"],
    ["report", "--out", FAN],
    ["suggest", "--n", "2", "--model", FAN, "--out", "ask.csv"],  # there is no such model
    ["doctor"],
]


class Terminal(io.BytesIO):
    """A terminal that keeps what was written to it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store whose items and reasons are written in letters that few encodings have."""
    path = tmp_path_factory.mktemp("consoles") / "log.duckdb"
    log, scores, rings = findings()
    log.events[0] = ("u0", "s0", FAN, *log.events[0][3:])
    opened = DuckDBStore(path)
    opened.write_log(log_tables(opened.bench, log), source("one", log), Silent())
    names = [FAN if reason else None for reason in scores["reason"].to_pylist()]
    opened.write_scores(scores.set_column(scores.column_names.index("reason"), "reason", [names]))
    opened.write_rings(rings)
    opened.close()
    return f"duckdb:{path}"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_every_command_writes_to_a_terminal_of_any_encoding(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv(STORE_VARIABLE, store)
    monkeypatch.chdir(tmp_path)
    seen = ""
    for words in COMMANDS:
        streams = [io.TextIOWrapper(Terminal(), encoding=encoding) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            write_anywhere(stream)
            monkeypatch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            app(words)
        written = ""
        for stream in streams:
            stream.flush()
            errors = (
                "replace" if "--help" in words else "strict"
            )  # click writes help in UTF-8 where all is ASCII
            written += stream.buffer.getvalue().decode(encoding, errors)  # type: ignore[attr-defined]
        code = 2 if words[-1] == NO_QUERY or words[0] == "suggest" else 0
        assert words[0] == "doctor" or ended.value.code == code, (words, written)
        assert written, words
        assert "inside graphdet" not in written
        seen += written
    assert (FAN in seen) == (encoding == "utf-8")
    assert ("\\u0444" in seen) == (encoding != "utf-8")
    assert "\\u2013" not in seen  # a dash is a dash, if a shorter one


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_files_and_pipes_are_utf_8_whatever_the_console(store: str, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "suspects", "--store", store],
        env=environment(variables),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert FAN in done.stdout.decode("utf-8")
    assert os.linesep.encode() in done.stdout
