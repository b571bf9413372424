"""Scoring a log without training: rings by the judge that comes with graphdet, and no network."""

from pathlib import Path

import numpy as np
import pytest

from graphdet.config import load_config
from graphdet.errors import UsageError
from graphdet.learn.models import load_models
from graphdet.logs.labels import read_labels
from graphdet.store import open_store
from graphdet.verbs.explain import Question, explain
from graphdet.verbs.run import RunRequest, run, untrained_because
from graphdet.verbs.score import score
from graphdet.verbs.train import TrainRequest

RING = {f"r{k}" for k in range(25)}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 accounts on 200 items by chance, and 25 that share ten; nobody knows when."""
    rng = np.random.default_rng(5)
    rows = [
        f"u{user},i{item}"
        for user in range(300)
        for item in rng.choice(200, rng.integers(1, 9), replace=False)
    ]
    rows += [f"{user},t{item}" for user in sorted(RING) for item in range(10)]
    rng.shuffle(rows)
    path = tmp_path_factory.mktemp("untrained") / "log.csv"
    path.write_text("\n".join(["user_id,item_id", *rows]) + "\n", encoding="utf-8")
    path.with_suffix(".toml").write_text(
        '[columns]\nuser_id = "user_id"\nitem_id = "item_id"\n', encoding="utf-8"
    )
    return path


def test_a_log_without_times_is_scored_untrained_and_its_ring_found(log: Path, tmp_path: Path) -> None:
    summary = run([log], load_config(str(log.with_suffix(".toml"))), tmp_path)
    assert summary["training"].startswith("skipped: the log has no times")
    assert {row["user_id"] for row in summary["suspects"]} <= RING
    assert len(summary["suspects"]) == 20  # as many as the summary holds
    models = load_models(tmp_path / "model")
    assert models.gnn is None
    store = open_store(f"duckdb:///{tmp_path / 'graph.duckdb'}")
    try:
        kept = store.scores()
        assert kept["gnn"].null_count == kept.num_rows == 325
        assert kept["score"].to_numpy().min() < 0.01
        again = score(store, tmp_path / "model").scores
        assert again is not None
        assert again.sort_by("user_id")["score"].equals(kept.sort_by("user_id")["score"])
        with pytest.raises(UsageError, match="no network to explain: `graphdet train` makes one"):
            explain(store, tmp_path / "model", Question(("r1",)))
        labels = tmp_path / "labels.csv"
        labels.write_text("user_id,label\nr1,1\nu1,0\n", encoding="utf-8")
        wanted = TrainRequest(read_labels(labels))
        for how, request, timed, trained in (
            ("auto", TrainRequest(), True, True),
            ("auto", TrainRequest(), False, False),
            ("auto", wanted, False, True),
            ("always", TrainRequest(), False, True),
            ("never", TrainRequest(), True, False),
        ):
            assert (untrained_because(store, how, request, timed=timed) is None) == trained
    finally:
        store.close()


def test_what_run_cannot_do_untrained(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="train must be one of auto, never, always, not 'maybe'"):
        RunRequest(train="maybe")
    labels = tmp_path / "labels.csv"
    labels.write_text("user_id,label\nr1,1\nu1,0\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--train never forbids it"):
        run([log], load_config(str(log.with_suffix(".toml"))), tmp_path / "out", train="never", labels=labels)


def test_among_three_accounts_nothing_is_rare(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user_id,item_id\na,x\nb,x\nc,y\n", encoding="utf-8")
    config = tmp_path / "c.toml"
    config.write_text('[columns]\nuser_id = "user_id"\nitem_id = "item_id"\n', encoding="utf-8")
    summary = run([tmp_path / "log.csv"], load_config(str(config)), tmp_path / "out", train="never")
    assert summary["training"] is None
    assert any("insufficient data: 3 users" in warning for warning in summary["warnings"])
