"""train --labels with labels of users: few, frauds alone, too few; what is kept and what is said."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from command_line import assert_one_clear_message, inside
from sklearn.metrics import roc_auc_score

from graphdet.pipeline.models import load_models
from graphdet.store import open_store


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with campaigns of kinds that nothing is trained on, in a store; truth.csv says who takes part."""
    folder = tmp_path_factory.mktemp("users")
    words = ("--users", "1600", "--items", "250", "--days", "14", "--plan", "unseen", "--campaigns", "6")
    done = inside("simulate", "--out", folder / "log.csv", "--kind", "shop", *words, "--seed", "3")
    assert done.returncode == 0, done.stderr
    done = inside("ingest", folder / "log.csv", "--config", "simulated", "--store", url(folder))
    assert done.returncode == 0, done.stderr
    return folder


def url(folder: Path) -> str:
    return f"duckdb:{folder}/x.duckdb"


def truth(folder: Path) -> dict[str, int]:
    planted, log = (
        set(map(str, pyarrow.csv.read_csv(folder / name)["user_id"].to_pylist()))
        for name in ("truth.csv", "log.csv")
    )
    return {user: int(user in planted) for user in sorted(log)}


def labels(folder: Path, name: str, n_fraud: int, n_clean: int) -> Path:
    """Labels of so many, drawn at random."""
    known, rng, lines = truth(folder), np.random.default_rng(0), ["user_id,label"]
    for value, n in ((1, n_fraud), (0, n_clean)):
        of = sorted(user for user, label in known.items() if label == value)
        lines += [f"{of[row]},{value}" for row in rng.choice(len(of), n, replace=False)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


@pytest.mark.slow
def test_few_labels_and_frauds_alone(place: Path) -> None:
    known = truth(place)
    found: dict[str, float] = {}
    for name, n_clean, words in (
        ("few", 40, ("are few",)),
        ("alone", 0, ("taken as unlabelled", "of all users")),
    ):
        path = labels(place, f"{name}.csv", 8, n_clean)
        model = place / name
        done = inside("train", "--store", url(place), "--model", model, "--labels", path, "--json")
        assert done.returncode == 0, done.stderr
        for word in words:
            assert word in done.stderr
        facts = json.loads(done.stdout)
        assert facts["chosen"] == "fusion"
        assert set(facts["out_of_fold"]) == {"fusion", "trees", "gnn", "zero-shot"}
        assert facts["learned_from"] == "planted campaigns and labels"
        assert (model / "user_trees.json").exists()
        # What scores is read back from files, and a labelled user is judged by trees that have not seen its label.
        done = inside("score", "--store", url(place), "--model", model, "--review", "50")
        assert done.returncode == 0, done.stderr
        store = open_store(url(place))
        table = store.scores()
        store.close()
        score = dict(zip(table["user_id"].to_pylist(), table["score"].to_pylist(), strict=True))
        given = {line.split(",")[0] for line in path.read_text().splitlines()[1:]}
        held = [user for user in score if user not in given]
        found[name] = float(roc_auc_score([known[user] for user in held], [score[user] for user in held]))
    assert found["few"] > 0.85, found
    assert found["alone"] > 0.8, found
    # Learned again from fewer, into the same folder.
    words = ("--store", url(place), "--model", place / "few", "--labels", labels(place, "three.csv", 3, 5))
    done = inside("train", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert "only 3 users labelled fraud (1): below 5" in done.stderr
    assert json.loads(done.stdout)["chosen"] == "zero-shot"
    assert load_models(place / "few").trees is None
    assert not (place / "few" / "user_trees.json").exists()


def test_labels_of_nobody_exit_with_3(place: Path) -> None:
    (place / "none.csv").write_text("user_id,label\nnobody,1\n", encoding="utf-8")
    words = ("--store", url(place), "--model", place / "none", "--labels", place / "none.csv")
    assert_one_clear_message(inside("train", *words), 3, "no label is of a user_id in the log", "'nobody'")
