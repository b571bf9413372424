"""Logs too small to learn from go through every verb: never a traceback, and the answer says "insufficient data"."""

import csv
import json
import math
import subprocess
from pathlib import Path

import pytest

from graphdet import schema
from tests.cli.command_line import assert_one_clear_message, inside, write_log
from tests.helpers.serving_world import World

START = 1_506_826_800_000
Row = tuple[str, str, str, int, str]


def act(user: int, item: int, session: int, at_ms: int) -> Row:
    return f"u{user}", f"i{item}", f"s{user}-{session}", START + at_ms, "view"


ZOO: dict[str, list[Row]] = {
    "one event": [act(0, 0, 0, 0)],
    "one user": [act(0, n % 7, n // 5, n * 60_000) for n in range(40)],
    "one item": [act(n % 30, 0, n // 30, n * 60_000) for n in range(90)],
    "everything in one second": [act(n % 30, n % 11, 0, n % 1000) for n in range(150)],
    "one star item": [act(n % 60, 0 if n < 60 else n % 9, 0, n * 1000) for n in range(120)],
    "two users": [act(n % 2, n % 7, n // 8, n * 60_000) for n in range(40)],
    "fifty users": [act(n * 7 % 50, n * n % 23, n // 100, n * 60_000) for n in range(400)],
    "before 1970 began anew": [act(n % 12, n % 5, 0, n * 86_400_000) for n in range(60)],
    "everybody does the same": [act(user, item, 0, item * 500) for user in range(40) for item in range(12)],
}


@pytest.fixture(scope="module", params=list(ZOO))
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("tiny") / "log.csv", ZOO[request.param])


@pytest.fixture(scope="module")
def ran(log: Path) -> subprocess.CompletedProcess[str]:
    """A run over the log, into `one` beside it."""
    return inside("run", log, "--config", "simulated", "--out", log.parent / "one")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def users_of(log: Path) -> list[str]:
    return sorted({row["user_id"] for row in rows(log)})


def contents(out: Path) -> dict[str, bytes]:
    """The files that must repeat byte for byte."""
    kept = sorted(path for path in out.rglob("*") if path.suffix in (".csv", ".html", ".json", ".graphml"))
    return {path.name: path.read_bytes() for path in kept if path.name != "run.json"}


def test_run_answers_insufficient_data(
    log: Path, ran: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    assert ran.returncode == 0, ran.stderr
    assert "Nothing was flagged: no ring, no suspect of" in ran.stdout
    assert "Warning: insufficient data: " in ran.stderr
    assert "too little to learn from" in ran.stderr
    one = log.parent / "one"
    suspects = rows(one / "suspects.csv")
    assert tuple(suspects[0]) == schema.SUSPECT_COLUMNS
    assert [row["user_id"] for row in suspects] == users_of(log)
    for row in suspects:
        assert [row[name] for name in ("score", "p_value", "q_value", "flagged")] == ["0", "1", "1", "false"]
        assert row["ring_id"] == ""
        assert row["reason"].startswith("insufficient data")
    for name in ("rings.csv", "leads.csv", "ring_members.csv", "ring_items.csv", "rejects.csv"):
        assert rows(one / name) == []
        assert (one / name).read_text().count("\n") == 1
    page = (one / "report.html").read_text(encoding="utf-8")
    assert "Not enough data: " in page
    assert "every score is 0" in page
    about = json.loads((one / "run.json").read_text())
    assert "too little to learn from" in about["not_enough_data"]
    assert {"ingest", "write back", "report"} <= set(about["stages"])

    again = inside("run", log, "--config", "simulated", "--out", tmp_path / "two", "--json")
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert document["warnings"] == [f"insufficient data: {about['not_enough_data']}"]
    assert (document["suspects"], document["rings"]) == ([], [])
    assert contents(tmp_path / "two") == contents(one)


def test_every_verb_over_the_store(log: Path, ran: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    url = f"duckdb:{log.parent}/one/graph.duckdb"
    assert ran.returncode == 0
    train = inside("train", "--store", url, "--model", tmp_path / "model")
    assert_one_clear_message(train, 3, "Error: ", "too little to learn from", "use a larger or longer log")
    assert not (tmp_path / "model").exists()
    for verb in ("score", "rings"):
        done = inside(verb, "--store", url, "--model", tmp_path / "model")
        assert_one_clear_message(done, 1, "graphdet train")
    suspects = inside("suspects", "--store", url)
    assert f"None of {len(users_of(log)):,} users is flagged." in suspects.stdout
    everybody = inside("suspects", "--store", url, "--all", "--json")
    assert len(json.loads(everybody.stdout)["suspects"]) == len(users_of(log))
    for query in ("counts", "top-suspects", "rings", "data-quality"):
        assert inside("query", query, "--store", url).returncode == 0
    assert inside("report", "--store", url, "--out", tmp_path / "two").returncode == 0
    written = contents(tmp_path / "two")
    assert written == {name: contents(log.parent / "one")[name] for name in written}
    assert {"report.html", "suspects.csv", "rings.csv"} <= set(written)
    simulated = inside("simulate", "--store", url, "--out", tmp_path / "more.csv")
    assert_one_clear_message(simulated, 3, "too small")
    assert inside("ingest", log, "--config", "simulated", "--store", url).returncode == 0


def test_a_store_without_a_log_is_insufficient_too(tmp_path: Path) -> None:
    url = f"duckdb:{tmp_path}/x.duckdb"
    (tmp_path / "bad.csv").write_text("user_id,item_id\nu,i\n")
    assert inside("ingest", tmp_path / "bad.csv", "--config", "simulated", "--store", url).returncode == 3
    done = inside("train", "--store", url, "--model", tmp_path / "model")
    assert_one_clear_message(done, 3, "0 users, 0 items and 0 interactions", "too little to learn from")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_with_a_model_of_a_larger_log(log: Path, tmp_path: Path, trained_world: World) -> None:
    """What was learned elsewhere scores every user, though there are no pairs and no groups here."""
    done = inside(
        "run", log, "--config", "simulated", "--out", tmp_path / "out", "--model", trained_world.model
    )
    assert done.returncode == 0, done.stderr
    suspects = rows(tmp_path / "out" / "suspects.csv")
    assert sorted(row["user_id"] for row in suspects) == users_of(log)
    for row in suspects:
        values = [float(row[name]) for name in ("score", "p_value", "q_value", "gnn")]
        assert all(math.isfinite(value) and 0 <= value <= 1 for value in values)
    assert "Not enough data: " in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
