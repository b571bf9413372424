"""train --labels, score and audit-leakage on the command line, and what is wrong with their options."""

import random
from pathlib import Path

import pytest

from tests.cli.command_line import assert_one_clear_message, inside

CONFIG = """
[columns]
user_id = "user"
item_id = "item"
timestamp = "at"
event_id = "id"
amount = "amount"
[time]
unit = "s"
"""
START, HOUR = 1_600_000_000, 3_600


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of payments of which one in six is far too large, its labels, and a store with it."""
    folder, draw = tmp_path_factory.mktemp("kept"), random.Random(0)
    lines, labels = ["id,user,item,at,amount"], ["event_id,label"]
    for n in range(600):
        is_bad = draw.random() < 1 / 6
        amount = draw.gauss(80 if is_bad else 20, 5)
        user, item = draw.randrange(40), draw.randrange(15)
        lines.append(f"e{n},u{user},i{item},{START + draw.randrange(60 * 24) * HOUR},{amount:.2f}")
        labels.append(f"e{n},{int(is_bad)}")
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "c.toml").write_text(CONFIG)
    done = inside("ingest", folder / "log.csv", "--config", folder / "c.toml", "--store", url(folder))
    assert done.returncode == 0, done.stderr
    return folder


def url(folder: Path) -> str:
    return f"duckdb:{folder}/x.duckdb"


@pytest.mark.slow
def test_train_measures_and_keeps_and_score_learns_nothing(place: Path) -> None:
    words = ("--store", url(place), "--model", place / "model", "--labels", place / "labels.csv")
    done = inside("train", *words)
    assert done.returncode == 0, done.stderr
    assert "temporal split" in done.stdout
    assert "Test part:" in done.stdout
    files = sorted(path.name for path in (place / "model").iterdir())
    assert files == ["card_event.json", "labelled_event.json", "labelled_event.safetensors"]
    before = {name: (place / "model" / name).read_bytes() for name in files}
    done = inside("score", *words, "--review", "50")
    assert done.returncode == 0, done.stderr
    assert "50 of 600 events are flagged." in done.stdout
    assert before == {name: (place / "model" / name).read_bytes() for name in files}
    done = inside("score", *words[:4])
    assert "Give what is known with --labels" in done.stderr


@pytest.mark.slow
def test_the_audit_passes_on_a_log(place: Path) -> None:
    done = inside(
        "audit-leakage", place / "log.csv", "--config", place / "c.toml", "--labels", place / "labels.csv"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("pass") == 3


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--train-until", "yesterday"), ("--train-until", "2024-05-31", "'yesterday'")),
        (("--split", "random", "--test-from", "2020-10-01"), ("--test-from", "--split temporal")),
        (("--test-share", "1.5"), ("--test-share", "between 0 and 1")),
        (
            ("--train-until", "2020-10-01", "--test-from", "2020-10-02", "--delay-days", "3"),
            ("delay of 3 days",),
        ),
    ],
)
def test_splits_that_cannot_be_exit_with_2(
    place: Path, options: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    words = ("--store", url(place), "--labels", place / "labels.csv", "--model", place / "none", *options)
    assert_one_clear_message(inside("train", *words), 2, *wanted)
