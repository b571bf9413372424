"""Labels of users: few, frauds alone, too few; what is chosen, kept and said."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest
from sklearn.metrics import roc_auc_score

from graphdet.gnn.settings import GnnSettings
from graphdet.graph.encode import read_graph
from graphdet.learn.models import load_models
from graphdet.learn.ring_lessons import PlantedTask, plant_and_judge
from graphdet.learn.train_settings import Training, TrainSettings
from graphdet.learn.user_labels import Task
from graphdet.learn.user_learning import learn_users
from graphdet.ports import Store
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.verbs.score import ScoreRequest, score
from tests.cli.command_line import assert_one_clear_message, hurried_log, inside, url_of, write_labels
from tests.helpers.worlds import copied


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Payments without a plan: three shops, too few for any campaign; one account in six acts within seconds."""
    folder = tmp_path_factory.mktemp("users")
    hurried_log(folder, n_users=240, n_items=3, n_acts=8, hurry_s=4)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("n_clean", [40, 0])
def test_what_wins_is_used_and_frauds_may_stand_alone(place: Path, n_clean: int) -> None:
    given = {f"u{user}": 1 for user in range(0, 120, 6)} | {f"u{6 * n + 1}": 0 for n in range(n_clean)}
    path, model = write_labels(place, f"{n_clean}.csv", given), place / f"model{n_clean}"
    done = inside("train", "--store", url_of(place), "--model", model, "--labels", path, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["chosen"] in ("fusion", "trees", "gnn")
    assert set(facts["out_of_fold"]) == {"fusion", "trees", "gnn"}
    assert facts["learned_from"] == "labels"
    assert ("taken as unlabelled, not as clean" in done.stderr) == (n_clean == 0)
    assert ("fraud_share_estimated" in facts) == (n_clean == 0)
    done = inside("score", "--store", url_of(place), "--model", model)
    assert done.returncode == 0, done.stderr
    store = open_store(url_of(place))
    table = store.scores()
    store.close()
    found = dict(zip(table["user_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    held = [user for user in found if user not in given]
    assert roc_auc_score([int(user[1:]) % 6 == 0 for user in held], [found[user] for user in held]) > 0.9
    if not n_clean:  # probabilities are at the share that was estimated
        assert np.mean(list(found.values())) == pytest.approx(facts["fraud_share_estimated"], abs=0.08)


def test_labels_of_nobody_exit_with_3(place: Path) -> None:
    path = write_labels(place, "none.csv", {"nobody": 1})
    words = ("--store", url_of(place), "--model", place / "none", "--labels", path)
    assert_one_clear_message(inside("train", *words), 3, "no label is of a user_id in the log", "'nobody'")


@pytest.fixture(scope="module")
def shop(shop_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, PlantedTask, set[str]]:
    """A shop with campaigns of kinds that nothing is trained on, campaigns planted into it, and who takes part."""
    folder = copied(shop_world, tmp_path_factory.mktemp("shop"))
    store = open_store(url_of(folder))
    frauds = set(map(str, pyarrow.csv.read_csv(folder / "truth.csv")["user_id"].to_pylist()))
    return store, plant_and_judge(read_graph(store, Silent()), store.bench, 0, Silent()), frauds


@pytest.mark.slow
@pytest.mark.parametrize(("n_fraud", "n_clean"), [(8, 40), (8, 0), (3, 5)])
def test_few_labels_stand_beside_planted_campaigns(
    shop: tuple[Store, PlantedTask, set[str]], tmp_path: Path, n_fraud: int, n_clean: int
) -> None:
    store, planted, frauds = shop
    graph, rng = read_graph(store, Silent()), np.random.default_rng(0)
    truth = np.array([user in frauds for user in graph.user_ids.to_pylist()], np.int8)
    y = np.full(len(truth), -1, np.int8)
    for value, n in ((1, n_fraud), (0, n_clean)):
        y[rng.choice(np.flatnonzero(truth == value), n, replace=False)] = value
    task = Task(graph, y, np.where(y == 1, np.arange(len(y)), -1).astype(np.int32))
    training = Training(TrainSettings(gnn=GnnSettings(n_steps=50)), device="cpu")
    models, facts = learn_users(store, graph, task, planted, planted.judge, training, "labels.csv")
    models.save(tmp_path)
    again = load_models(tmp_path)
    said = " ".join(facts["label_warnings"])
    if n_fraud < 5:
        assert (facts["chosen"], again.trees) == ("zero-shot", None)
        assert "only 3 users labelled fraud (1): below 5" in said
        return
    assert facts["chosen"] == "fusion"
    assert again.trees is not None
    assert set(facts["out_of_fold"]) == {"fusion", "trees", "gnn", "zero-shot"}
    assert "are few (below 50)" in said
    assert ("taken as unlabelled" in said) == (n_clean == 0)
    table = score(store, tmp_path, ScoreRequest(device="cpu")).scores
    assert table is not None
    found = dict(zip(table["user_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    value = np.array([found[user] for user in graph.user_ids.to_pylist()])
    assert roc_auc_score(truth[y < 0], value[y < 0]) > 0.8
