"""The commands over a small store: what they print, where, and with which exit code."""

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from graphdet import __version__, schema
from graphdet.cli.main import app
from graphdet.cli.verbs import print_summary
from graphdet.rings.finding import Explanation, Reason, RingFinding, RingMember, ring_tables
from graphdet.store import open_store
from graphdet.store.neo4j.home import Home
from graphdet.store.neo4j.java import jar_folder
from graphdet.tables import RingTables
from graphdet.verbs.ingest import ROWS
from tests.cli.command_line import assert_one_clear_message, graphdet, inside, small_log

COMMANDS = (
    *(
        "run",
        "ingest",
        "watch",
        "train",
        "score",
        "rings",
        "items",
        "eda",
        "power",
        "audit-leakage",
        "report",
        "brief",
        "reveal",
        "explain",
        "evaluate",
        "tune",
        "suggest",
        "suspects",
        "leads",
        "export-labels",
        "scoreboard",
        "query",
        "verdict",
        "verdicts",
        "allow",
        "deny",
        "snooze",
        "simulate",
        "doctor",
        "serve",
        "review",
        "init",
        "mcp",
        "forget",
        "retention",
        "pseudonym",
    ),
    *("keys add", "keys list", "keys revoke"),
    *("audit show", "audit verify"),
    *(f"models {name}" for name in ("list", "show", "add", "compare", "promote", "rollback", "alias")),
    *("neo4j start", "neo4j stop", "neo4j remove", "neo4j status"),
)
EVIL = "<b>u0\x1b[31m"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cli")
    small_log(place / "log.csv")
    return place


@pytest.fixture(scope="module")
def store(folder: Path) -> str:
    """A store with a log and with findings written by hand, as if it had been scored."""
    url = f"duckdb:{folder}/log.duckdb"
    done = inside("ingest", "log.csv", "--config", "simulated", "--store", url, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["n_rows"], document["n_rejects"], document["counts"]["users"]) == (60, 0, 10)
    users = [f"u{n}" for n in range(10)]
    values = [0.95, 0.9, *[0.1] * 8]
    columns = [users, values, [1 - v for v in values], [0.01] * 10, [v > 0.5 for v in values]]
    columns += [["R1", "R1", *[None] * 8], values, values, values, ["in [red]lockstep", *["x"] * 9]]
    scores = pa.table(dict(zip(schema.SCORE_COLUMNS, map(pa.array, columns), strict=True)))
    when = ("2017-10-01T03:00:00.000Z", "2017-10-01T04:00:00.000Z")
    ring = ("R1", "ring", 2, 1, 0.99, 0.001, 0.01, True, *when, "2 accounts, 1 item", '{"lift": 9.0}')
    names = (*schema.RING_COLUMNS, schema.RING_EVIDENCE)
    rings = RingTables(
        pa.table({name: [value] for name, value in zip(names, ring, strict=True)}),
        pa.table({"ring_id": ["R1", "R1"], "user_id": ["u0", "u1"], "score": [0.9, 0.8]}),
        pa.table({"ring_id": ["R1"], "item_id": ["i0"], "n_users": [2], "lift": [9.0]}),
    )
    target = open_store(url)
    target.write_scores(scores)
    target.write_rings(rings)
    target.close()
    return url


def test_leads_say_what_held_them_back(store: str, folder: Path, tmp_path: Path) -> None:
    done = inside("leads", "--store", store)
    assert (done.returncode, done.stdout) == (0, "There are no leads: nothing that was found is held back.\n")
    shutil.copy(folder / "log.duckdb", tmp_path / "graph.duckdb")
    crowd = Reason("crowd", "It may be a slice of a larger crowd.", numbers={"sharpness": 0.24})
    rule = Reason("score", "Its score is 0.4, and a flag needs 0.9.")
    explained = Explanation(held_back=(crowd, rule))
    members = (RingMember("u0", 0.5), RingMember("u1", 0.4))
    weak = RingFinding("R2", 2, 1, 0.2, 0.01, 0.4, False, None, None, "2 accounts.", explained, members)
    strong = replace(weak, ring_id="R3", score=0.4)
    target = open_store(f"duckdb:///{tmp_path / 'graph.duckdb'}")
    target.write_rings(ring_tables([weak, strong, replace(weak, ring_id="R4", flagged=True)]))
    target.close()
    printed = inside("leads", str(tmp_path)).stdout
    assert printed.startswith("2 of 2 leads")
    assert printed.index("R3") < printed.index("R2")
    assert "R4" not in printed
    one = json.loads(inside("leads", str(tmp_path), "--top", "1", "--json").stdout)
    why = f"{crowd.text} {rule.text}"
    assert one == {
        "n_leads": 2,
        "leads": [
            {"ring_id": "R3", "n_users": 2, "n_items": 1, "score": 0.4, "p_value": 0.01, "q_value": 0.4,
             "held_back_by": "crowd", "why": why}
        ],
    }  # fmt: skip
    wrong = inside("leads", str(tmp_path / "nowhere"))
    assert wrong.returncode == 2
    assert "has no graph.duckdb" in wrong.stderr


def test_version() -> None:
    done = graphdet("--version")
    assert (done.returncode, done.stdout) == (0, f"graphdet {__version__}\n")
    as_module = subprocess.run(
        [sys.executable, "-m", "graphdet", "--version"], capture_output=True, text=True, check=False
    )
    assert (as_module.returncode, as_module.stdout) == (0, done.stdout)


def test_help_goes_to_a_pipe() -> None:
    done = graphdet("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ")
    assert {name.split()[0] for name in COMMANDS} <= set(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = inside(*name.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ")
    assert name.split()[-1] in done.stdout.splitlines()[0]


def test_the_store_may_come_from_the_environment(folder: Path, store: str) -> None:
    done = graphdet("query", "counts", "--json", env={"GRAPHDET_STORE": store})
    assert done.returncode == 0, done.stderr
    assert {row["what"]: row["n"] for row in json.loads(done.stdout)["rows"]}["users"] == 10


def test_ingest_again_changes_nothing(folder: Path, store: str) -> None:
    done = inside("ingest", folder / "log.csv", "--config", "simulated", "--store", store)
    assert done.returncode == 0
    assert "has these files already" in done.stdout


def test_suspects_in_three_formats(store: str) -> None:
    table = inside("suspects", "--store", store)
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert "2 of 2" in lines[0]
    assert lines[2].split()[:2] == ["u0", "0.950"]
    assert "in [red]lockstep" in table.stdout  # markup of a terminal library is text like any other
    rows = list(csv.DictReader(io.StringIO(inside("suspects", "--store", store, "--format", "csv").stdout)))
    assert [row["user_id"] for row in rows] == ["u0", "u1"]
    document = json.loads(inside("suspects", "--store", store, "--json", "--all", "--limit", "3").stdout)
    assert (document["n_users"], document["n_suspects"], len(document["suspects"])) == (10, 10, 3)


def test_queries_are_listed_and_run(store: str) -> None:
    listed = inside("query", "--store", store)
    assert listed.returncode == 0
    assert "top-suspects" in listed.stdout
    done = inside(
        "query", "co-actors", "--store", store, "-p", "user_id=u0", "-p", "limit=2", "--format", "csv"
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_report_writes_the_folder_and_says_where(folder: Path, store: str) -> None:
    done = inside("report", "--store", store, "--out", folder / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert Path(json.loads(done.stdout)["report"]) == folder / "out" / "report.html"
    assert sorted(path.name for path in (folder / "out" / "rings").iterdir()) == [
        "R1.graphml",
        "R1.html",
        "R1.json",
    ]


def test_report_where_it_cannot_be_written(folder: Path, store: str) -> None:
    (folder / "taken").write_text("a file")
    done = inside("report", "--store", store, "--out", folder / "taken")
    assert done.returncode == 1
    assert "Error: cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_items_are_scanned_and_written(store: str, tmp_path: Path) -> None:
    done = graphdet("items", "--store", store, "--out", tmp_path / "found", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n_items"] == 7
    assert document["n_flagged"] == 0
    header = (tmp_path / "found" / "items.csv").read_text("utf-8-sig").splitlines()[0]
    assert header.startswith("item_id,kind,p_value,q_value,flagged,")
    assert (
        (tmp_path / "found" / "item_accounts.csv")
        .read_text("utf-8-sig")
        .startswith("item_id,kind,user_id,n_acts")
    )
    plain = inside("items", "--store", store)
    assert plain.stdout == "0 of 7 items are flagged.\n"


@pytest.mark.parametrize("level", ["0", "1", "nan"])
def test_items_refuse_a_rate_that_is_none(store: str, level: str) -> None:
    assert_one_clear_message(inside("items", "--store", store, "--fdr", level), 2, "--fdr")


def test_doctor_looks_at_everything(store: str) -> None:
    done = inside("doctor", "--json", "--store", store)
    assert done.returncode == 0, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {
        "Python",
        "packages",
        "graph network",
        "Java",
        "Maven",
        "Docker",
        "disk",
        "memory",
        "store",
    } <= set(checks)
    assert checks["store"]["state"] == "ok"
    assert "10 users" in checks["store"]["found"]


def test_doctor_fails_over_a_store_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "x.duckdb").write_text("not a database")
    done = inside("doctor", "--store", tmp_path / "x.duckdb")
    assert done.returncode == 1
    assert "FAIL" in done.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("suspects",), ("name a store", "GRAPHDET_STORE")),
        (("suspects", "--store", "mysql://x"), ("is not a store", "duckdb:")),
        (("suspects", "--store", "STORE", "--limit", "0"), ("--limit",)),
        (("run", "log.csv"), ("--out",)),
        (("run", "log.csv", "--config", "simulted", "--out", "o"), ("simulated",)),
        (
            ("run", "log.csv", "--config", "simulated", "--out", "o", "--fdr", "2"),
            ("--fdr", "between 0 and 1"),
        ),
        (("run", "l", "--config", "simulated", "--out", "o", "--fdr", ".1", "--review", "5"), ("not both",)),
        (("run", "l", "--config", "simulated", "--out", "o", "--device", "tpu"), ("--device",)),
        (("query", "top-suspect", "--store", "STORE"), ("did you mean top-suspects?",)),
        (("query", "co-actors", "--store", "STORE"), ("needs user_id",)),
        (("query", "co-actors", "--store", "STORE", "-p", "u0"), ("KEY=VALUE",)),
        (("simulate", "--out", "s.csv", "--knob", "density"), ("NAME=VALUE",)),
        (("simulate", "--out", "s.csv", "--knob", "colour=red"), ("no knob 'colour'", "n_accounts")),
        (("simulate", "--out", "s.csv", "--store", "STORE", "--rating", "stars"), ("no attribute 'stars'",)),
        (("sspects",), ("No such command",)),
    ],
)
def test_usage_errors_exit_with_2(
    folder: Path, store: str, words: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    done = inside(*(store if word == "STORE" else word for word in words), cwd=folder)
    assert_one_clear_message(done, 2, *wanted)


def test_an_unusable_log_exits_with_3(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    url = f"duckdb:{tmp_path}/x.duckdb"
    for name in ("empty.csv", "missing.csv"):
        done = inside("ingest", tmp_path / name, "--config", "simulated", "--store", url)
        assert_one_clear_message(done, 3, name)


def test_a_store_that_is_down_exits_with_4() -> None:
    done = inside(
        "suspects", "--store", "bolt://127.0.0.1:9", env={"NEO4J_USERNAME": "n", "NEO4J_PASSWORD": "p"}
    )
    assert_one_clear_message(done, 4, "127.0.0.1:9")


def test_a_store_without_scores_says_what_to_run(tmp_path: Path) -> None:
    small_log(tmp_path / "log.csv")
    url = f"duckdb:{tmp_path}/x.duckdb"
    assert inside("ingest", tmp_path / "log.csv", "--config", "simulated", "--store", url).returncode == 0
    assert_one_clear_message(inside("suspects", "--store", url), 2, "no scores yet", "graphdet score")


def test_init_writes_a_config_that_run_reads_and_a_plain_log_needs_none(tmp_path: Path) -> None:
    small_log(tmp_path / "log.csv")
    done = inside("init", "log.csv", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Of the first 60 rows 60 can be used." in done.stdout
    assert "Next: graphdet run log.csv --config log.toml --out findings" in done.stdout
    assert_one_clear_message(inside("init", "log.csv", cwd=tmp_path), 2, "is there already", "--force")
    told = json.loads(inside("init", "log.csv", "--json", "--out", "b.toml", cwd=tmp_path).stdout)
    assert (told["n_used"], len(told["rows"]), told["unsure"]) == (60, 3, {})
    plain = inside("ingest", "log.csv", "--store", "duckdb:a.duckdb", "--json", cwd=tmp_path)
    assert "Note: no --config: read with user_id = 'user_id'" in plain.stderr
    by_config = inside(
        "ingest", "log.csv", "--config", "log.toml", "--store", "duckdb:b.duckdb", "--json", cwd=tmp_path
    )
    one, two = (json.loads(done.stdout) for done in (plain, by_config))
    assert one["counts"] == two["counts"]
    assert one["n_events"] == two["n_events"] == 60
    (tmp_path / "odd.csv").write_text("a,b\nx,y\nz,y\n")
    assert_one_clear_message(
        inside("ingest", "odd.csv", "--store", "duckdb:c.duckdb", cwd=tmp_path), 2, "graphdet init odd.csv"
    )


@pytest.mark.parametrize("width", [80, 120])
def test_help_has_groups_and_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit):
        app(["--help"])
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert width - 20 < max(map(len, lines)) <= width
    places = [
        lines.index(f"{group}:") for group in ("Find", "Look", "Decide", "Explain", "Learn", "Serve", "Data")
    ]
    assert places == sorted(places)
    for name in {command.split()[0] for command in COMMANDS}:
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1, name
    assert "..." not in printed.partition("\n")[2]  # nothing is cut


def test_a_run_ends_with_what_was_found_and_what_is_next(capsys: pytest.CaptureFixture[str]) -> None:
    ring = {
        "ring_id": "R1",
        "kind": "ring",
        "score": 0.9,
        "p_value": 0.01,
        "q_value": 0.01,
        "n_users": 9,
        "n_items": 3,
    }
    suspect = {"score": 0.9, "p_value": 0.01, "q_value": 0.01, "ring_id": "R1", "reason": "in step"}
    summary = {
        "rings": [ring | {"reason": f"why {n}"} for n in range(8)],
        "suspects": [suspect | {"user_id": f"u{n}"} for n in range(20)],
        "rows": dict(zip(ROWS, (9, 3, 1, 0, 0, 5), strict=True)),
        "n_rings": 8, "n_suspects": 378, "n_users": 4821, "n_leads": 3,
        "would_be_seen": [], "report": "found/report.html",
    }  # fmt: skip
    print_summary(summary, Path("found"), None, as_json=False)
    printed = capsys.readouterr().out
    assert "Suspects, 5 of 378" in printed
    assert "Rings, 5 of 8" in printed
    assert ("u4" in printed, "u5" in printed) == (True, False)
    assert "Rows: 9 read = 3 used + 1 rejected + 0 duplicates + 0 filtered + 5 known before" in printed
    assert printed.splitlines()[-1] == (
        "8 rings, 378 suspects of 4,821 accounts; report: found/report.html; next: graphdet review found"
    )
    none = {"rings": [], "suspects": [], "n_rings": 0, "n_suspects": 0}
    print_summary(summary | none, Path("found"), "neo4j://x", as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Nothing was flagged: no ring, no suspect of 4,821 accounts; report: found/report.html; "
        "next: graphdet leads --store neo4j://x"
    )


def test_neo4j_remove_asks_keeps_data_and_takes_only_what_is_the_servers(tmp_path: Path) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    words = ("neo4j", "remove", "--home", home)
    env = {"XDG_CACHE_HOME": str(cache)}
    home.mkdir()
    (home / "mine.txt").write_text("mine")
    assert_one_clear_message(inside(*words, "--yes", env=env), 2, "no server was ever started")
    place = Home(home)
    place.make()
    place.write_note(kind="java", pid=None, born=None, http_port=7474, bolt_port=7687)
    place.ensure_password()
    (place.data / "databases").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        jars = jar_folder()
    jars.mkdir(parents=True)
    assert_one_clear_message(inside(*words, env=env), 2, "say --yes")
    assert jars.is_dir()
    done = inside(*words, "--yes", "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data_kept"] is True
    assert not jars.parent.exists()
    assert not place.logs.exists()
    assert (place.data / "databases").is_dir()
    assert place.password_file.exists()
    assert inside(*words, "--yes", "--data", env=env).returncode == 0
    assert sorted(path.name for path in home.iterdir()) == ["mine.txt"]


def test_an_account_is_forgotten_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_log(tmp_path / "log.csv")
    store = f"duckdb:{tmp_path / 'graph.duckdb'}"
    assert inside("ingest", str(tmp_path / "log.csv"), "--store", store).returncode == 0
    assert inside("forget", "u0", "--store", store, "--check").returncode == 1
    done = inside("forget", "u0", "--store", store, "--by", "Ann", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["removed"]["sessions"] > 0
    proof = inside("forget", "u0", "--store", store, "--check", "--json")
    assert (proof.returncode, json.loads(proof.stdout)["u0"]["who"]) == (0, "Ann")
    again = inside("retention", "--store", store, "--kind", "verdicts", "--older-than", "1d")
    assert (again.returncode, again.stdout) == (0, "Nothing is past its time.\n")
    for arguments in (("--kind", "verdicts"), ("--kind", "all", "--older-than", "1d"), ("--older-than", "x")):
        wrong = inside("retention", "--store", store, *arguments)
        assert_one_clear_message(wrong, 2)
    key = tmp_path / "key"
    made = inside("pseudonym", "ann", "--key", str(key), "--new-key")
    assert made.returncode == 0
    assert made.stdout.startswith("u-")
    assert made.stdout == inside("pseudonym", "ann", "--key", str(key)).stdout
