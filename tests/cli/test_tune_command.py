"""graphdet tune with labels of users: trees unless the network is asked for, and what cannot be tuned."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from graphdet.lab import tune_spaces
from graphdet.lab.tuning import Range
from tests.cli.command_line import (
    COMMAND,
    assert_one_clear_message,
    environment,
    hurried_log,
    inside,
    url_of,
    write_labels,
)

FEW = {"rounds": Range(5, 30, True, (5, 30)), "leaves": Range(4, 63, True, (7, 31))}  # for time


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop of which one account in six is in a hurry more often than others, and labels of two thirds."""
    folder = tmp_path_factory.mktemp("tune")
    hurried_log(folder, n_users=180, n_items=9, n_acts=6, hurry_s=600)
    write_labels(folder, "l.csv", {f"u{user}": int(user % 6 == 0) for user in range(120)})
    return folder


def words(place: Path, out: Path, *more: str, name: str = "l.csv") -> tuple[str | Path, ...]:
    over = ("--over", "rounds,leaves") if "gnn" not in more else ("--over", "dropout")
    return ("tune", "--store", url_of(place), "--labels", place / name, "--out", out, *over, *more)


def test_trees_of_users_are_tuned_resumed_and_taken_by_train(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune_spaces, "TREE_SPACE", FEW)
    done = inside(*words(place, tmp_path / "t", "--trials", "2", "--json"))
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)
    done = inside(*words(place, tmp_path / "t", "--trials", "3", "--json"))
    again = json.loads(done.stdout)
    assert again["trials"][:2] == first["trials"]
    done = inside(*words(place, tmp_path / "unbroken", "--trials", "3", "--json"))
    unbroken = json.loads(done.stdout)["trials"]
    assert [(one["settings"], one["value"]) for one in unbroken] == [
        (one["settings"], one["value"]) for one in again["trials"]
    ]
    assert again["learner"] == "trees"
    assert (again["n_learned"], again["n_validation"], again["n_validation_fraud"]) == (120, 120, 20)
    assert again["trials"][0]["settings"] == {"rounds": 30, "leaves": 31}
    assert again["trials"][0]["value"] > 0.4  # a sixth by chance
    best = tomllib.loads((tmp_path / "t" / "best.toml").read_text(encoding="utf-8"))
    assert best == {"trees": again["best"]["settings"]}
    done = inside(*words(place, tmp_path / "t", "--learner", "gnn"))
    assert_one_clear_message(done, 2, "another tuning", "learner")

    own = tmp_path / "own.toml"  # bins too, as the best may be the defaults, of which a card says nothing
    own.write_text(
        (tmp_path / "t" / "best.toml").read_text(encoding="utf-8") + "bins = 63\n", encoding="utf-8"
    )
    model = ("--model", tmp_path / "m", "--labels", place / "l.csv", "--settings", own)
    done = inside("train", "--store", url_of(place), *model)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))["settings"]["trees"]
    assert {"rounds": 400, "leaves": 31} | kept == again["best"]["settings"] | {"bins": 63}


def test_the_network_is_tuned_where_it_is_asked_for(place: Path, tmp_path: Path) -> None:
    done = inside(*words(place, tmp_path / "t", "--learner", "gnn", "--trials", "1", "--json"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["learner"] == "gnn"
    best = tomllib.loads((tmp_path / "t" / "best.toml").read_text(encoding="utf-8"))
    assert best == {"gnn": {"dropout": 0.1}}


def test_trees_of_users_need_no_torch(place: Path, tmp_path: Path) -> None:
    program = "import sys\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [*COMMAND[:2], f"from graphdet.cli.main import main\n{program}"]
        + [str(word) for word in words(place, tmp_path / "t", "--trials", "1")],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "False"


def test_what_cannot_be_tuned(place: Path, tmp_path: Path) -> None:
    write_labels(place, "items.csv", {f"i{n}": n % 2 for n in range(9)}, "item_id")
    done = inside(*words(place, tmp_path / "t", "--learner", "gnn", name="items.csv"))
    assert_one_clear_message(done, 2, "--learner gnn", "labels items", "leave --learner out")
    alone = {f"u{user}": 1 for user in range(0, 120, 6)}
    for learner in ("trees", "gnn"):
        for name, given, said in (
            ("alone", alone, "label some clean (0)"),
            ("clean", {f"u{user}": 0 for user in range(1, 6)}, "all 5 labels of the log are clean (0)"),
            ("few", {"u0": 1, "u6": 1, "u1": 0, "u2": 0}, "only 2 users of the log labelled fraud (1)"),
            ("one", alone | {"u1": 0}, "only 1 user of the log labelled clean (0)"),
        ):
            write_labels(place, f"{name}.csv", given)
            done = inside(*words(place, tmp_path / "t", "--learner", learner, name=f"{name}.csv"))
            assert_one_clear_message(done, 3, said)
    assert not (tmp_path / "t").exists()


def test_labels_of_users_are_audited(place: Path) -> None:
    done = inside("audit-leakage", "--store", url_of(place), "--labels", place / "l.csv", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"]
    assert [check["name"].rpartition("(")[2] for check in found["checks"]] == [
        "trees)",
        "trees)",
        "network)",
        "network)",
    ]
    assert "10 labels of one fold turned over, 0 of that fold's" in found["checks"][3]["numbers"]
    write_labels(place, "few.csv", {f"u{user}": int(user % 6 == 0) for user in range(24)})
    done = inside("audit-leakage", "--store", url_of(place), "--labels", place / "few.csv")
    assert_one_clear_message(done, 3, "label at least 5 of each kind")
