"""graphdet export and score-one on the command line."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import COMMAND, assert_one_clear_message, environment, inside
from tests.helpers.serving_world import World


@pytest.fixture
def world(trained_world: World) -> World:
    return trained_world


def test_export_then_score_one_and_a_stream(world: World, tmp_path: Path) -> None:
    store, out = f"duckdb:{world.store}", tmp_path / "out"
    done = inside(
        "export", "--model", world.model, "--weights", "int8", "--store", store, "--out", out, "--json"
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document == json.loads((out / "export.json").read_text())
    assert document["loss"]["rank_correlation"] > 0.99
    user, other = world.graph.user_ids[0].as_py(), world.graph.user_ids[1].as_py()
    done = inside("score-one", user, other, "--store", store, "--model", out, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["accounts"]
    assert [row["user_id"] for row in found] == [user, other]
    at = int(world.graph.at_ms.max())
    acts = [{"item_id": world.graph.item_ids[0].as_py(), "at_ms": at}]
    requests = (user, json.dumps({"user_id": "stranger", "acts": acts}), "nobody", '{"user_id": 3}', "{", "")
    deep, long = "[" * 100_000, "9" * 5_000
    wrong = (deep, *(f'[{{"item_id": "i", "at_ms": {at}}}]' for at in (long, "NaN")))
    requests += tuple(f'{{"user_id": "x", "acts": {text}}}' for text in wrong)
    requests += ("x" * (17 << 20), '{"user_id": "\\ud800"}', "caf\udce9", "9" * 10_000, user)
    process = subprocess.run(
        [*COMMAND, "score-one", "--stream", "--store", store, "--model", str(out)],
        input="\n".join(requests) + "\n",
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    assert lines[0] == found[0]
    assert lines[1]["n_new_acts"] == 1
    assert "no user 'nobody'" in lines[2]["error"]
    assert all("error" in line for line in lines[3:-1])
    said = (
        "nested too deep",
        "digits",
        "NaN is no number",
        "longer than 16 MiB",
        "no user",
        "not UTF-8",
        "no user",
    )
    for line, words in zip(lines[5:-1], said, strict=True):
        assert words in line["error"]
        assert len(line["error"]) <= 500
    assert lines[-1] == found[0]  # whatever came before, the next one is served


def test_wrong_requests_are_told_clearly(world: World, tmp_path: Path) -> None:
    store = f"duckdb:{world.store}"
    words = ("--store", store, "--model", world.model)
    assert_one_clear_message(inside("score-one", *words), 2, "--stream")
    assert_one_clear_message(
        inside("score-one", "a", "--store", store, "--model", tmp_path), 1, "run train or export"
    )
    out = ("--out", tmp_path / "out")
    assert_one_clear_message(
        inside("export", "--model", world.model, "--format", "student", *out), 2, "--store"
    )
    assert_one_clear_message(inside("export", "--model", tmp_path / "no", *out), 1, "no trained model")
    (tmp_path / "file").write_text("x")
    done = inside("export", "--model", world.model, "--out", tmp_path / "file" / "x")
    assert_one_clear_message(done, 1, "not a folder")
    done = inside("score-one", "nobody", *words)
    assert done.returncode == 2
    assert "no user 'nobody'" in done.stderr
