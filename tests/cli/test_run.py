"""The whole way on a simulated log: the contract of the output folder, its bytes, its findings."""

import csv
import json
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphdet import schema
from graphdet.casework.decisions import give_verdict, put_on_list
from graphdet.cli.deciding import noted
from graphdet.config import load_config
from graphdet.errors import UsageError
from graphdet.reports.ring_names import LEADS_WITH_PAGE
from graphdet.rings.rules import HELD_BACK_BY
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.explain import Question, explain
from graphdet.verbs.run import run
from tests.cli.command_line import begin, graphdet
from tests.helpers.worlds import copied

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(news_world: Path) -> Path:
    """For looking only."""
    return news_world


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the runs that are interrupted."""
    return tmp_path_factory.mktemp("run") / "two"


@dataclass(frozen=True)
class Interrupted:
    """How a run ended to which Ctrl-C came when it told of a stage."""

    stage: str
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def interrupted(folder: Path, two: Path) -> list[Interrupted]:
    """Runs into `two` that are interrupted, and a last one, a process of its own too, over what they left."""
    words = ("run", folder / "log.parquet", "--config", "simulated", "--seed", "1", "--out", two)
    ends = []
    for stage in ("clean", "behaviour features"):
        process = begin(*words)
        assert process.stderr is not None
        said = next((line for line in process.stderr if line.rstrip().endswith(stage)), "")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        ends.append(Interrupted(stage, process.returncode, out, said + err))
    done = graphdet(*words)
    assert done.returncode == 0, done.stderr
    return ends


def test_the_folder_keeps_the_contract(folder: Path) -> None:
    out = folder / "one"
    suspects, rings = rows(out / "suspects.csv"), rows(out / "rings.csv")
    assert tuple(suspects[0]) == schema.SUSPECT_COLUMNS
    assert all(0 <= float(row["score"]) <= 1 and 0 < float(row["p_value"]) <= 1 for row in suspects)
    assert len({row["user_id"] for row in suspects}) == len(suspects)
    scores = [float(row["score"]) for row in suspects]
    assert scores == sorted(scores, reverse=True)
    known = {row["ring_id"] for row in rings}
    assert {row["ring_id"] for row in suspects} - {""} <= known
    assert {row["ring_id"] for row in rows(out / "ring_members.csv")} == known
    assert {row["ring_id"] for row in rows(out / "ring_items.csv")} == known
    leads = rows(out / "leads.csv")
    assert {row["ring_id"] for row in leads} == {row["ring_id"] for row in rings if row["flagged"] == "false"}
    assert {row["held_back_by"] for row in leads} <= set(HELD_BACK_BY) - {"unrecorded"}
    strongest = [row["ring_id"] for row in leads][:LEADS_WITH_PAGE]
    for row in rings:
        pages = [out / "rings" / f"{row['ring_id']}.{ending}" for ending in ("html", "json", "graphml")]
        with_page = row["flagged"] == "true" or row["ring_id"] in strongest
        assert all(page.exists() == with_page for page in pages)
    about = json.loads((out / "run.json").read_text())
    assert {"ingest", "train", "candidates", "score", "report"} <= set(about["stages"])
    assert (out / "report.html").stat().st_size > 1_000
    assert rows(out / "rejects.csv") == []


def test_ctrl_c_anywhere_in_a_run(interrupted: list[Interrupted]) -> None:
    for end in interrupted:
        assert (end.code, end.out) == (130, ""), end
        assert end.stage in end.err
        assert "interrupted; nothing half-written, run again to resume" in end.err
        assert "Traceback" not in end.err


def test_a_second_run_repeats_byte_for_byte(folder: Path, two: Path, interrupted: list[Interrupted]) -> None:
    """Also where it begins with what interrupted ones left."""

    def contents(out: Path) -> dict[str, bytes]:
        found = [path for path in out.rglob("*") if path.suffix in (".csv", ".html", ".json", ".graphml")]
        kept = [path for path in found if path.name != "run.json"]  # it holds seconds
        return {str(path.relative_to(out)): path.read_bytes() for path in kept}

    one, again = contents(folder / "one"), contents(two)
    assert {"suspects.csv", "rings.csv", "ring_members.csv", "report.html", "rejects.csv"} <= set(one)
    assert sorted(one) == sorted(again)
    for name, content in one.items():
        assert content == again[name], name


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


def test_the_report_of_a_run_is_in_the_audit_log(folder: Path) -> None:
    store = DuckDBStore(folder / "one" / "graph.duckdb", read_only=True)
    entries = [entry.document() for entry in store.audit().entries]
    store.close()
    assert [(entry["who"], entry["what"]) for entry in entries] == [("Ann", "report")]
    assert entries[0]["after"]["out"] == str(folder / "one")


def test_a_flagged_ring_says_what_the_network_sees(folder: Path) -> None:
    path = sorted((folder / "one" / "rings").glob("*.json"))[0]
    gnn = json.loads(path.read_text(encoding="utf-8"))["gnn"]
    parts = sum(value for name, value in gnn["sums"].items() if name != "ties_inside")
    assert gnn["baseline"] + parts == pytest.approx(gnn["logit"], abs=0.01)
    assert gnn["features"]
    assert "What the graph network sees" in path.with_suffix(".html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_suspect_is_explained_and_what_would_change_its_score(folder: Path, tmp_path: Path) -> None:
    suspect = rows(folder / "one" / "suspects.csv")[0]
    store = DuckDBStore(copied(folder / "one", tmp_path) / "graph.duckdb")
    asked = Question((suspect["user_id"],), what_if=True, seed=1)
    told = explain(store, folder / "one" / "model", asked, listener=noted("Ann"), device="cpu")[0]
    last = store.audit().entries[-1].document()
    with pytest.raises(UsageError, match="has no user 'nobody'"):
        explain(store, folder / "one" / "model", Question(("nobody",)), device="cpu")
    store.close()
    assert (last["what"], last["kind"], last["subject"]) == ("explain", "user", suspect["user_id"])
    assert told["score"] == float(suspect["score"])
    assert told["comes_from"].startswith(f"The score comes from ring {suspect['ring_id']}, whose score is ")
    assert any(did.startswith("touched ") for did in told["in_ring"]["did"])
    assert abs(told["sums"]["gap"]) < 0.02 * abs(told["logit"] - told["baseline"]) + 0.01
    now, worlds = told["what_if"]["now"], told["what_if"]["without"]
    # As it is: scored again, it is what `run` said.
    assert (now["score"], now["flagged"]) == (told["score"], True)
    assert worlds
    fewest = min((len(w["items"]) for w in worlds if not w["flagged"]), default=None)
    assert fewest is None or all(w["flagged"] for w in worlds if len(w["items"]) < fewest)


def test_a_ring_judged_innocent_stays_quiet_and_ids_stay(
    folder: Path, two: Path, interrupted: list[Interrupted]
) -> None:
    """Last of this file: it works on the second run's store."""
    out, model = two, folder / "one" / "model"
    before, before_users = rows(out / "rings.csv"), rows(out / "suspects.csv")
    store = DuckDBStore(out / "graph.duckdb")
    ring_id = next(row["ring_id"] for row in before if row["flagged"] == "true")
    give_verdict(store, "ring", ring_id, "innocent", "fan-club", "", "Ann")
    deny = before_users[-1]["user_id"]
    put_on_list(store, "deny", [deny], who="Ann")
    store.close()
    run([folder / "log.parquet"], load_config("simulated"), out, seed=1, model_dir=model)

    after, after_users = rows(out / "rings.csv"), rows(out / "suspects.csv")
    plain = [name for name in schema.RING_COLUMNS if name not in ("flagged", "reason")]
    assert [[row[name] for name in plain] for row in after] == [
        [row[name] for name in plain] for row in before
    ]
    for was, now in zip(before, after, strict=True):
        assert now["flagged"] == ("false" if now["ring_id"] == ring_id else was["flagged"])
    members = {row["user_id"] for row in rows(out / "ring_members.csv") if row["ring_id"] == ring_id}
    was_flagged = {row["user_id"] for row in before_users if row["flagged"] == "true"}
    is_flagged = {row["user_id"] for row in after_users if row["flagged"] == "true"}
    muted = was_flagged - is_flagged
    assert muted <= members
    assert len(muted) >= len(members & was_flagged) / 2
    assert is_flagged - was_flagged == {deny}
    scores = {row["user_id"]: row["score"] for row in before_users}
    for row in after_users:
        assert row["score"] == scores[row["user_id"]]
        if row["user_id"] in muted:
            assert row["reason"].startswith(
                f"Not flagged, though it would be: in {ring_id}, judged innocent by"
            )
    about = json.loads((out / "run.json").read_text())
    assert about["muted"] == {
        "rings_judged_innocent": 1, "members_of_quiet_rings": len(muted), "users_on_deny_list": 1,
    }  # fmt: skip
    n_flagged = sum(row["flagged"] == "true" for row in before)
    assert about["ring_changes"] == {"known_again": n_flagged, "new": 0, "gone": 0}  # leads are no news
    assert "would be flagged but was judged innocent" in (out / "report.html").read_text()
    assert not (out / "rings" / f"{ring_id}.html").exists()
