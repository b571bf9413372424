"""`tune` on real tables of a store: settings are compared inside the training part, and train takes what it writes."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from graphdet.config import load_config
from graphdet.errors import InputError, UsageError
from graphdet.evaluation.splits import SplitPlan
from graphdet.learn.train_settings import TrainSettings, load_train_settings
from graphdet.logs.labels import read_labels
from graphdet.scores.trees import TreeSettings
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.ingest import ingest
from graphdet.verbs.train import TrainRequest, train
from graphdet.verbs.tune import TuneRequest, tune

pytestmark = pytest.mark.slow

DAY_S = 86_400


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[DuckDBStore, Path]:
    """Two thousand payments over sixty days; large ones in a hurry are fraud."""
    folder = tmp_path_factory.mktemp("tune")
    rng = np.random.default_rng(0)
    at = np.sort(rng.integers(0, 60 * DAY_S, 2000)) + 1_600_000_000
    fraud = rng.random(2000) < 0.08
    amount = np.where(fraud, rng.gamma(3, 60, 2000), rng.gamma(2, 25, 2000)).round(2)
    lines = ["user,item,at,amount"]
    lines += [
        f"u{rng.integers(120)},i{rng.integers(40)},{t},{a}"
        for t, a in zip(at.tolist(), amount.tolist(), strict=True)
    ]
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    (folder / "c.toml").write_text(
        '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\namount = "amount"\n[time]\nunit = "s"\n'
    )
    (folder / "l.csv").write_text(
        "event_id,label\n" + "".join(f"{n},{int(f)}\n" for n, f in enumerate(fraud))
    )
    store = DuckDBStore(folder / "g.duckdb")
    ingest(store, [folder / "log.csv"], load_config(folder / "c.toml"))
    return store, folder


def test_the_best_settings_are_found_kept_and_taken_by_train(world: tuple[DuckDBStore, Path]) -> None:
    store, folder = world
    over = ("learning_rate", "leaves", "rounds")
    labels = read_labels(folder / "l.csv")
    found = tune(store, labels, folder / "t", TuneRequest(n_trials=3, over=over))
    again = tune(store, labels, folder / "t", TuneRequest(n_trials=5, over=over))
    assert [t["settings"] for t in again["trials"][:3]] == [t["settings"] for t in found["trials"]]
    assert again["best"]["value"] == max(t["value"] for t in again["trials"])
    assert again["trials"][0]["settings"] == {"learning_rate": 0.03, "leaves": 31, "rounds": 400}
    settings = load_train_settings(folder / "t" / "best.toml")
    best = again["best"]["settings"]
    assert (settings.trees.learning_rate, settings.trees.leaves) == (best["learning_rate"], best["leaves"])
    facts = train(store, folder / "m", TrainRequest(labels, settings=settings))
    card = json.loads((folder / "m" / "card_event.json").read_text())
    assert card["facts"]["test_digest"] == facts["test_digest"]
    kept = json.loads((folder / "m" / "labelled_event.json").read_text())
    assert best["leaves"] == kept["settings"]["leaves"]
    page = (folder / "t" / "tune.html").read_text()
    assert page.count("<svg") >= 4
    assert "default-src 'none'" in page


def test_validation_lies_inside_the_training_part(world: tuple[DuckDBStore, Path], tmp_path: Path) -> None:
    """Turning every label after the training part around changes no value."""
    store, folder = world
    cut = 1_600_000_000 + 40 * DAY_S
    request = TuneRequest(SplitPlan("temporal", train_until_ms=cut * 1000), n_trials=2, over=("leaves",))
    lines = (folder / "log.csv").read_text().splitlines()[1:]
    labels = (folder / "l.csv").read_text().splitlines()[1:]
    turned = ["event_id,label"]
    n_turned = 0
    for row, label in zip(lines, labels, strict=True):
        name, value = label.split(",")
        late = int(row.split(",")[2]) >= cut
        n_turned += late
        turned.append(f"{name},{1 - int(value) if late else value}")
    assert n_turned > 400
    (tmp_path / "l.csv").write_text("\n".join(turned) + "\n")
    values = [
        [t["value"] for t in tune(store, read_labels(path), tmp_path / name, request)["trials"]]
        for path, name in ((folder / "l.csv", "a"), (tmp_path / "l.csv", "b"))
    ]
    assert values[0] == values[1]


def test_what_cannot_be_tuned(world: tuple[DuckDBStore, Path], tmp_path: Path) -> None:
    store, folder = world
    with pytest.raises(UsageError, match="no setting 'depth'"):
        tune(store, read_labels(folder / "l.csv"), tmp_path / "o", TuneRequest(over=("depth",)))
    with pytest.raises(UsageError, match="--trials"):
        TuneRequest(n_trials=0)
    with pytest.raises(UsageError, match="--sampler"):
        TuneRequest(sampler="genetic")
    (tmp_path / "few.csv").write_text("event_id,label\n" + "".join(f"{n},{int(n < 4)}\n" for n in range(30)))
    with pytest.raises(InputError, match="10 of each"):
        tune(store, read_labels(tmp_path / "few.csv"), tmp_path / "o")


def test_a_label_file_is_read_once(world: tuple[DuckDBStore, Path], tmp_path: Path) -> None:
    store, folder = world
    path = tmp_path / "l.csv"
    path.write_bytes((folder / "l.csv").read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    labels = read_labels(path)
    path.unlink()
    train(store, tmp_path / "m", TrainRequest(labels, settings=TrainSettings(trees=TreeSettings(rounds=20))))
    card = json.loads((tmp_path / "m" / "card_event.json").read_text())
    assert card["labels"] == {"file": "l.csv", "sha256": digest}
