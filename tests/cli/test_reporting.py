"""graphdet report and reveal over a small store: which files, which errors, and who is behind a pseudonym."""

import csv
import json
import logging
import re
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from graphdet.casework.disclosure import Disclosure
from graphdet.errors import GraphdetError
from graphdet.progress import Silent
from graphdet.reports.ring_json import ring_schema
from graphdet.rings.finding import Explanation, Reason
from graphdet.store.duckdb import DuckDBStore
from graphdet.verbs.report import report
from tests.cli.command_line import assert_one_clear_message, inside
from tests.store.sample_logs import findings, log_tables, source


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with six users and two rings, one of them flagged."""
    path = tmp_path_factory.mktemp("reporting") / "log.duckdb"
    log, scores, rings = findings()
    opened = DuckDBStore(path)
    opened.write_log(log_tables(opened.bench, log), source("one", log), Silent())
    opened.write_scores(scores)
    opened.write_rings(rings)
    opened.close()
    return f"duckdb:{path}"


@pytest.fixture
def key(tmp_path: Path, store: str) -> Path:
    path = tmp_path / "keys" / "key"
    done = inside(
        "report", "--store", store, "--out", tmp_path / "first", "--pseudonymise", "--key-file", path, "--new-key"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_leads_keep_their_rule_under_pseudonyms(store: str, key: Path, tmp_path: Path) -> None:
    copy = tmp_path / "store" / "log.duckdb"
    copy.parent.mkdir()
    shutil.copy(store.removeprefix("duckdb:"), copy)
    opened = DuckDBStore(copy)
    rings = opened.rings()
    member = dict(zip(*(rings.members[name].to_pylist() for name in ("ring_id", "user_id")), strict=True))[
        "ring-2"
    ]
    text = Explanation(
        held_back=(Reason("crowd", f"It may be a slice of a crowd around {member}."),)
    ).to_json()
    opened.write_rings(rings.with_evidence([text] * rings.rings.num_rows))
    opened.close()
    done = inside(
        "report", "--store", f"duckdb:{copy}", "--out", tmp_path / "out", "--pseudonymise", "--key-file", key
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (lead,) = rows(tmp_path / "out" / "leads.csv")
    assert (lead["ring_id"], lead["held_back_by"]) == ("ring-2", "crowd")
    assert lead["why"].startswith("It may be a slice of a crowd around u-")
    page = (tmp_path / "out/rings/ring-2.html").read_text(encoding="utf-8")
    assert lead["why"] in page


def test_one_ring_in_every_format_and_nothing_else(store: str, tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", exc_type=ImportError)
    done = inside(
        "report", "--store", store, "--ring", "ring-2", "--format", "html,pdf,json,csv,graphml,gexf", "--out", tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    stem = "rings/ring-2"
    ends = (".acts.csv", ".gexf", ".graphml", ".html", ".items.csv", ".json", ".members.csv", ".pdf")
    assert names == [stem + end for end in ends]
    assert "not flagged" in (tmp_path / "rings/ring-2.html").read_text(encoding="utf-8")
    document = json.loads((tmp_path / "rings/ring-2.json").read_text(encoding="utf-8"))
    Draft202012Validator(ring_schema()).validate(document)


def test_all_is_the_whole_folder_with_pages_of_flagged_rings_and_leads(store: str, tmp_path: Path) -> None:
    words = ("report", "--store", store, "--all", "--format", "html,csv", "--out", tmp_path)
    done = inside(*words, "--raw-csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Report: ")
    assert (tmp_path / "report.html").exists()
    assert {path.name for path in (tmp_path / "rings").iterdir()} == {
        f"{ring}.{part}" for ring in ("ring-1", "ring-2") for part in ("html", "members.csv", "items.csv", "acts.csv")
    }  # fmt: skip
    tables = {"suspects.csv", "rings.csv", "leads.csv", "ring_members.csv", "ring_items.csv"}
    assert {path.name for path in (tmp_path / "raw").iterdir()} == tables
    for name in tables:
        safe, raw = (tmp_path / name).read_text("utf-8"), (tmp_path / "raw" / name).read_text("utf-8")
        assert safe.startswith("\ufeff")
        assert list(csv.reader(safe[1:].replace("''", "'").splitlines())) == list(
            csv.reader(raw.splitlines())
        )
    assert inside(*words).returncode == 0
    assert not (tmp_path / "raw").exists()  # none is left that is not of this report
    page = (tmp_path / "rings/ring-1.html").read_text(encoding="utf-8")
    assert "nobody else" in page or "not in the ring" in page  # the surroundings were read
    assert "graphdet query ring-timeline --store" in page


def test_the_acts_of_the_page_are_those_of_the_query_it_names(store: str, tmp_path: Path) -> None:
    inside("report", "--store", store, "--ring", "ring-1", "--format", "json", "--out", tmp_path)
    document = json.loads((tmp_path / "rings/ring-1.json").read_text(encoding="utf-8"))
    done = inside(
        "query",
        "ring-timeline",
        "--store",
        store,
        "--param",
        "ring_id=ring-1",
        "--param",
        "limit=100000",
        "--json",
    )
    found = json.loads(done.stdout)["rows"]
    assert [(row["user_id"], row["item_id"], row["action"]) for row in found] == [
        (act["user_id"], act["item_id"], act["action"]) for act in document["acts"]
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ring", "R9"), "has no ring R9; it has ring-1, ring-2"),
        (("--format", "docx"), "there is no format 'docx'; there are html, pdf"),
        (("--format", ""), "there are html, pdf"),
        (("--ring", "ring-1", "--all"), "--ring or --all"),
        (("--new-key",), "belongs to --pseudonymise"),
        (("--pseudonymise",), "--key-file"),
        (("--pseudonymise", "--key-file", "out/key"), "among the findings"),
        (("--pseudonymise", "--key-file", "nowhere/key"), "no such key file"),
    ],
)
def test_wrong_words_are_one_clear_message(
    store: str, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = inside("report", "--store", store, "--out", "out", *words, cwd=tmp_path)
    assert_one_clear_message(done, 2, message)
    assert not (tmp_path / "out").exists()


def test_a_pseudonymised_folder_names_nobody_and_the_key_reveals(
    store: str, tmp_path: Path, key: Path
) -> None:
    out = tmp_path / "first"
    users = {"u0", "u1", "u2", "u3", "u4", "u5"}
    suspects = rows(out / "suspects.csv")
    assert len(suspects) == 6
    assert not users & {row["user_id"] for row in suspects}
    for path in out.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            text = re.sub(r'(id|source|target)="[a-z]\d+"', "", text)  # node ids of graph files say nothing
            assert not [user for user in users if re.search(rf'[>",]{user}[<",]', text)], path
    wanted = [row["user_id"] for row in suspects][:2]
    done = inside("reveal", *wanted, "--store", store, "--key-file", key, "--json")
    assert done.returncode == 0, done.stderr
    revealed = [(row["kind"], row["id"]) for row in json.loads(done.stdout)["revealed"]]
    assert sorted(revealed) == [
        ("user", "u0"),
        ("user", "u1"),
    ]  # equally suspicious, in the order of pseudonyms
    item = rows(out / "ring_items.csv")[0]["item_id"]
    assert "item" in inside("reveal", item, "--store", store, "--key-file", key).stdout
    again = tmp_path / "again"
    done = inside("report", "--store", store, "--out", again, "--pseudonymise", "--key-file", key)
    assert (again / "suspects.csv").read_bytes() == (out / "suspects.csv").read_bytes()


def test_revealing_needs_the_key_and_a_pseudonym(store: str, tmp_path: Path, key: Path) -> None:
    name = rows(tmp_path / "first" / "suspects.csv")[0]["user_id"]
    assert_one_clear_message(inside("reveal", name, "--store", store), 2, "--key-file")
    done = inside("reveal", "u0", "--store", store, "--key-file", key)
    assert_one_clear_message(done, 2, "is no pseudonym")
    other = tmp_path / "keys" / "other"
    other.write_text("ab" * 32)
    other.chmod(0o600)
    done = inside("reveal", name, "--store", store, "--key-file", other)
    assert done.returncode == 1
    assert "not all were found" in done.stderr


def test_every_report_goes_through_one_place_before_anything_is_written(
    store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened = DuckDBStore(store.removeprefix("duckdb:"), read_only=True)
    seen: list[Disclosure] = []
    with caplog.at_level(logging.INFO, "graphdet.disclosure"):
        report(opened, tmp_path / "one", listener=lambda _, disclosure: seen.append(disclosure))
    assert [(d.what, d.subjects, d.formats) for d in seen] == [("report", (), ("html", "json", "graphml"))]
    assert "report of all findings" in caplog.text

    def refuse(_: object, disclosure: Disclosure) -> None:
        raise GraphdetError("the audit log cannot be written")

    with pytest.raises(GraphdetError, match="audit log"):
        report(opened, tmp_path / "two", listener=refuse)
    assert not (tmp_path / "two").exists()
    opened.close()


def test_a_repeated_report_writes_the_same_bytes(store: str, tmp_path: Path) -> None:
    def written() -> dict[str, bytes]:
        assert inside("report", "--store", store, "--out", tmp_path / "out").returncode == 0
        return {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    once = written()
    assert "drift.json" not in once
    assert written() == once
