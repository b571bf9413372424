"""`graphdet models` as a user runs it: train, register, measure, compare, promote, score by alias, go back."""

import json
from pathlib import Path

import pytest

from tests.cli.command_line import assert_one_clear_message, inside, write_log


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a log of three items, and two models trained on labels of its users."""
    folder = tmp_path_factory.mktemp("models")
    rows = []
    for user in range(120):
        for act in range(6):
            gap = 2 if user % 6 == 0 else 1800 + 97 * (user % 13)
            rows.append(
                (
                    f"u{user}",
                    f"i{act % 3}",
                    f"s{user}",
                    1_506_826_800_000 + user * 60_000 + act * gap * 1000,
                    "view",
                )
            )
    log = write_log(folder / "log.csv", rows)
    labels = folder / "labels.csv"
    labels.write_text("user_id,label\n" + "".join(f"u{n},{int(n % 6 == 0)}\n" for n in range(60)))
    test = folder / "test.csv"
    test.write_text("user_id,label\n" + "".join(f"u{n},{int(n % 6 == 0)}\n" for n in range(60, 120)))
    url = f"duckdb:{folder}/g.duckdb"
    assert inside("ingest", log, "--config", "simulated", "--store", url).returncode == 0
    for seed in (0, 1):
        done = inside(
            *("train", "--store", url, "--model", folder / f"m{seed}", "--labels", labels),
            *("--seed", seed, "--device", "cpu", "--models", folder / "models"),
        )
        assert done.returncode == 0, done.stderr
        assert "added to" in done.stderr
    return folder


def models(world: Path, *words: object) -> dict:
    done = inside("models", *map(str, words), "--models", world / "models", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_life_of_two_models(world: Path) -> None:
    listed = models(world, "list")["models"]
    one, two = listed
    assert json.loads(inside("models", "list", "--json", cwd=world).stdout)["models"].keys() == listed.keys()
    assert listed[one]["about"]["settings"] == {"seed": 0}
    assert listed[one]["about"]["labels"]["file"] == "labels.csv"
    assert listed[one]["about"]["data_digest"] == listed[two]["about"]["data_digest"]
    url = f"duckdb:{world}/g.duckdb"
    for seed, name in ((0, one), (1, two)):
        done = inside("score", "--store", url, "--model", f"{name}@{world}/models", "--device", "cpu")
        assert done.returncode == 0, done.stderr
        done = inside("report", "--store", url, "--out", world / f"r{seed}")
        assert done.returncode == 0, done.stderr
        scores = world / f"r{seed}" / "suspects.csv"
        done = inside(
            "evaluate", scores, "--labels", world / "test.csv", "--out", world / f"e{seed}", "--draws", 20
        )
        assert done.returncode == 0, done.stderr
        found = models(
            world, "add", world / f"m{seed}", "--evaluation", world / f"e{seed}" / "evaluation.json"
        )
        assert found["new"] is False
    compared = models(world, "compare", one, two)
    assert compared["test"] is not None
    assert len(compared["metrics"]["auprc"]) == 2
    assert models(world, "promote", one, "--note", "first", "--by", "Ann") == {
        "champion": one, "before": None, "audit": None,
    }  # fmt: skip
    done = models(world, "promote", two, "--note", "better", "--by", "Ann", "--store", url)
    assert done["before"] == one
    audit = json.loads(inside("audit", "show", "--store", url, "--json").stdout)
    assert "promote model" in json.dumps(audit)
    assert two in json.dumps(audit)
    by_alias = inside(
        "score", "--store", url, "--model", f"champion@{world}/models", "--device", "cpu", "--json"
    )
    by_folder = inside("score", "--store", url, "--model", world / "m1", "--device", "cpu", "--json")
    assert by_alias.stdout == by_folder.stdout
    assert models(world, "rollback", "--by", "Bob")["champion"] == one
    shown = inside("models", "show", "champion", "--models", world / "models").stdout
    assert "rollback champion by Bob" in shown
    assert "Measured on" in shown
    text = inside("models", "list", "--models", world / "models").stdout
    assert "champion" in text
    assert inside("models", "alias", "challenger", two, "--models", world / "models").returncode == 0


def test_what_does_not_exist_exits_with_2(world: Path, tmp_path: Path) -> None:
    folder = ("--models", world / "models")
    assert_one_clear_message(inside("models", "show", "nobody", *folder), 2, "no model 'nobody'", "there are")
    assert_one_clear_message(inside("models", "list", "--models", tmp_path), 2, "holds no models")
    assert_one_clear_message(inside("models", "alias", "x", *folder), 2, "--remove")
    assert_one_clear_message(inside("models", "alias", "champion", "x", *folder), 2, "promote")
    assert_one_clear_message(inside("models", "add", tmp_path, *folder), 2, "no model in")
    (tmp_path / "e.json").write_text("{}")
    words = ("models", "add", world / "m0", *folder, "--evaluation", tmp_path / "e.json")
    assert_one_clear_message(inside(*words), 2, "no evaluation.json")
    url = f"duckdb:{world}/g.duckdb"
    done = inside("score", "--store", url, "--model", f"nobody@{world}/models")
    assert_one_clear_message(done, 2, "no model 'nobody'")
