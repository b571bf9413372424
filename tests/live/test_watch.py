"""`graphdet watch` as a whole: files, standard input, folders; alerts sent; killed watchers; what is refused."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from graphdet.cli.live import span_ms
from graphdet.cli.main import app
from graphdet.errors import InputError, UsageError
from graphdet.store import open_store
from graphdet.verbs.watch import WatchRequest, watch
from tests.helpers.paths import ROOT
from tests.live.small_logs import CONFIG, HEAD, csv_file, lines, small_log

TOML = '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n[time]\nunit = "ms"\n'


def words(folder: Path, source: Path, *more: str) -> list[str]:
    (folder / "c.toml").write_text(TOML)
    store = f"duckdb:{folder / 'g.duckdb'}"
    return [
        "watch",
        str(source),
        "--config",
        str(folder / "c.toml"),
        "--store",
        store,
        "--out",
        str(folder),
        *more,
    ]


def test_the_command_follows_a_file_and_sends_each_alert_once(tmp_path: Path) -> None:
    rows = small_log(1, n_members=30, n_targets=8)
    log, alerts = csv_file(tmp_path / "log.csv", rows[:600]), tmp_path / "alerts.jsonl"
    asked = words(tmp_path, log, "--once", "--json", "--alert", f"file:{alerts}")
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_events"] == 600
    with log.open("ab") as file:
        file.write(lines(rows[600:]))
    for _ in range(2):
        done = CliRunner().invoke(app, asked)
        assert json.loads(done.stdout)["n_events"] == len(rows)
    sent = [json.loads(line) for line in alerts.read_text(encoding="utf-8").splitlines()]
    assert len({alert["key"] for alert in sent}) == len(sent) == json.loads(done.stdout)["n_alerts"] > 0
    assert any("bad0" in alert["members"] for alert in sent)


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (["--window", "30"], "a number and its unit", 2),
        (["--lateness", "31d"], "--lateness", 2),
        (["--alert", "pigeon"], "--alert pigeon", 2),
        (["--json", "--alert", "stdout"], "both write to standard output", 2),
        (["--least", "loud"], "--least loud", 2),
        (["--quiet", "night"], "22:00-07:00", 2),
        (["--store", "neo4j+nope://x"], "is not a store", 2),
        (["--store", "neo4j://127.0.0.1:1"], "needs a DuckDB store", 2),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path: Path, more: list[str], said: str, code: int) -> None:
    done = CliRunner().invoke(app, words(tmp_path, csv_file(tmp_path / "log.csv", []), "--once", *more))
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert "Traceback" not in done.output


def test_spans() -> None:
    assert [span_ms(text, "--x") for text in ("90s", "5m", "250ms", "2h")] == [
        90_000,
        300_000,
        250,
        7_200_000,
    ]
    with pytest.raises(UsageError, match="--x soon"):
        span_ms("soon", "--x")


def test_a_file_that_grows_meanwhile_is_followed_until_it_rests(tmp_path: Path) -> None:
    rows = small_log(2)
    log = csv_file(tmp_path / "log.csv", rows[:100])

    def write() -> None:
        for start in range(100, len(rows), 200):
            with log.open("ab") as file:
                text = lines(rows[start : start + 200])
                file.write(text[: len(text) // 2])
                file.flush()
                time.sleep(0.05)
                file.write(text[len(text) // 2 :])

    writer = threading.Thread(target=write)
    writer.start()
    store = open_store(f"duckdb://{tmp_path / 'g.duckdb'}")
    said: list[str] = []
    request = WatchRequest(look_rows=300, until_idle_s=2.0)
    found = watch(str(log), CONFIG, store, tmp_path, request, said.append)
    writer.join()
    assert (found["n_rows"], found["n_events"], found["n_rejects"]) == (len(rows), len(rows), 0)
    assert found["looks"] >= 1
    assert "events in the window" in said[-1]
    store.close()


def test_a_folder_is_followed_and_a_file_of_another_kind_stops_it_in_words(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    rows = small_log(0)
    csv_file(logs / "a.csv", rows[:300])
    objects = [{"user": user, "item": item, "at": at} for user, item, at in rows[300:400]]
    (logs / "b.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
    store = open_store(f"duckdb://{tmp_path / 'g.duckdb'}")
    found = watch(str(logs), CONFIG, store, tmp_path, WatchRequest(once=True))
    assert found["n_events"] == 400
    (logs / "c.csv").write_bytes(b"what,else\n1,2\n")
    with pytest.raises(InputError, match=r"c\.csv: there is no column 'user'"):
        watch(str(logs), CONFIG, store, tmp_path, WatchRequest(once=True))
    assert store.sources().popitem()[1].n_rows == 400
    store.close()


def test_standard_input_and_a_second_watcher(tmp_path: Path) -> None:
    rows = small_log(3)
    command = [sys.executable, "-m", "graphdet", *words(tmp_path, Path("-"), "--json")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as watcher:
        assert watcher.stdin is not None
        watcher.stdin.write(HEAD + lines(rows[:200]))
        watcher.stdin.flush()
        end = time.monotonic() + 60
        while not (tmp_path / "rejects.csv").exists() and time.monotonic() < end:
            time.sleep(0.05)
        second = subprocess.run(command, input=b"", capture_output=True, check=False, cwd=ROOT)
        assert second.returncode == 4
        assert b"in use by another process" in second.stderr
        out, _ = watcher.communicate(lines(rows[200:]), timeout=60)
    assert json.loads(out)["n_events"] == len(rows)
    assert watcher.returncode == 0


def test_killed_watchers_leave_the_store_of_one_that_never_was() -> None:
    command = [sys.executable, "-m", "benchmarks.live.kills", "3", "600"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 3
    assert (found["stores_that_differ"], found["alerts_lost"], found["alerts_twice_in_the_outbox"]) == (
        0,
        0,
        0,
    )


def test_a_watcher_in_trouble_loses_and_doubles_nothing() -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.live.soak",
        "--seconds",
        "4",
        "--kill-every",
        "1.5",
        "--per-s",
        "800",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr  # which says what is lost or there twice
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 2
    assert found["events"] > 1_000
