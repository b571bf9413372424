"""The whole way on a simulated log: the contract of the output folder, its bytes, its findings."""

import csv
import json
from pathlib import Path

import pytest

from graphdet import schema
from graphdet.config import load_config
from graphdet.pipeline.run import run
from graphdet.pipeline.simulate import simulate

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    simulate(
        folder / "log.parquet", base=None, n_users=6_000, n_items=1_500, days=20, kind="news",
        plan="benchmark", n_campaigns=None, innocents=False, seed=2,
    )  # fmt: skip
    for name in ("one", "two"):
        run([folder / "log.parquet"], load_config("simulated"), folder / name, seed=1)
    return folder


def test_the_folder_keeps_the_contract(folder: Path) -> None:
    out = folder / "one"
    suspects, rings = rows(out / "suspects.csv"), rows(out / "rings.csv")
    assert tuple(suspects[0]) == schema.SCORE_COLUMNS
    assert all(0 <= float(row["score"]) <= 1 and 0 < float(row["p_value"]) <= 1 for row in suspects)
    assert len({row["user_id"] for row in suspects}) == len(suspects)
    scores = [float(row["score"]) for row in suspects]
    assert scores == sorted(scores, reverse=True)
    known = {row["ring_id"] for row in rings}
    assert {row["ring_id"] for row in suspects} - {""} <= known
    assert {row["ring_id"] for row in rows(out / "ring_members.csv")} == known
    assert {row["ring_id"] for row in rows(out / "ring_items.csv")} == known
    for row in rings:
        pages = [out / "rings" / f"{row['ring_id']}.{ending}" for ending in ("html", "json", "graphml")]
        assert all(page.exists() == (row["flagged"] == "true") for page in pages)
    about = json.loads((out / "run.json").read_text())
    assert {"ingest", "train", "candidates", "score", "report"} <= set(about["stages"])
    assert (out / "report.html").stat().st_size > 1_000
    assert rows(out / "rejects.csv") == []


def test_a_second_run_repeats_byte_for_byte(folder: Path) -> None:
    names = ["suspects.csv", "rings.csv", "ring_members.csv", "ring_items.csv", "report.html", "rejects.csv"]
    names += [str(page.relative_to(folder / "one")) for page in sorted((folder / "one" / "rings").glob("*"))]
    for name in names:
        assert (folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes(), name


def test_what_is_flagged_was_planted(folder: Path) -> None:
    planted: dict[str, set[str]] = {}
    for row in rows(folder / "truth.csv"):
        planted.setdefault(row["campaign_id"], set()).add(row["user_id"])
    members: dict[str, set[str]] = {}
    for row in rows(folder / "one" / "ring_members.csv"):
        members.setdefault(row["ring_id"], set()).add(row["user_id"])
    flagged = [row["ring_id"] for row in rows(folder / "one" / "rings.csv") if row["flagged"] == "true"]
    right = [
        ring
        for ring in flagged
        if any(len(members[ring] & who) / len(members[ring] | who) >= 0.5 for who in planted.values())
    ]
    assert len(right) >= 2
    assert len(right) >= 2 / 3 * len(flagged)
