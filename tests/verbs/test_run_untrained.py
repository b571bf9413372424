"""Scoring a log without training: rings by the judge that comes with graphdet, and no network."""

from pathlib import Path

import numpy as np
import pytest

from graphdet.config import load_config
from graphdet.errors import UsageError
from graphdet.learn.models import load_models
from graphdet.logs.labels import read_labels
from graphdet.progress import Silent
from graphdet.store import open_store
from graphdet.verbs.explain import Question, explain
from graphdet.verbs.forecast import Work, forecast
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


def test_time_is_forecast_by_other_logs_and_then_by_the_last_run(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphdet.verbs.forecast.LEAST_FORECAST_S", 0.0)
    config = load_config(str(log.with_suffix(".toml")))
    for basis in ("by other logs", "by the last run over this store"):
        told = Told()
        run([log], config, tmp_path, progress=told)
        # Nobody knows how much there is to do before the log is read.
        later = [line for line in told.stages if not line.startswith("step 1 of 7: ")]
        assert later[0].startswith("step 2 of 7, some ")
        assert later[-1].startswith("step 7 of 7, ")
        # A machine that is busy with other work may take longer, and that is said too.
        assert all(f" left {basis}: " in line or ", longer than " in line for line in later)
        assert f" left {basis}: " in later[0]


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def start(self, stage: str, total: int | None = None) -> None:
        self.stages.append(stage)


def test_a_forecast_keeps_to_what_was_measured() -> None:
    work = Work(trains=True, makes_model=True, by_labels=False)
    last = {"work": {"trains": True, "makes_model": True, "by_labels": False}, "n_ties": 1_000}
    last |= {"stages": {"train": 100.0, "score": 20.0}}
    assert forecast(last, work, 3_000).expected == {"train": 300.0, "score": 60.0}
    other = forecast(last, Work(trains=False, makes_model=True, by_labels=False), 1_000_000)
    assert other.basis == "by other logs"
    assert other.expected["train"] == 6.0
    # Twice as slow so far, twice as long to go.
    assert "some 30 s to 65 s left" in str(forecast(last, work, 1_000).left({"train": 230.0}, 0.0))


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
