"""The commands of the analyst's desk over a small store: what they print, note and refuse."""

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from graphdet import schema
from graphdet.audit import utc_now
from graphdet.casework.memory import remember, settle_scores
from graphdet.casework.standing import VERDICT_REASONS
from graphdet.cli.casework import REASON_HELP
from graphdet.config import load_config
from graphdet.rings.finding import ring_findings_of
from graphdet.store.duckdb import DuckDBStore
from graphdet.tables import RingTables
from graphdet.verbs.ingest import ingest
from tests.cli.command_line import assert_one_clear_message, graphdet, inside, small_log

HOSTILE = "\u202e<b>Ann\x1b[31m=1+1\n\udcff"
MEMBERS = ("u0", "u1", "u2", "u3")


def rings(*members: str, ring_id: str = "R0001") -> RingTables:
    when = ("2017-10-01T03:00:00.000Z", "2017-10-01T04:00:00.000Z")
    values = (
        ring_id,
        "ring",
        len(members),
        1,
        0.99,
        0.001,
        0.01,
        True,
        *when,
        "They act together.",
        '{"reasons": [{"code": "lockstep", "strength": 9.0, "text": "In step.", "numbers": {}}]}',
    )
    names = (*schema.RING_COLUMNS, schema.RING_EVIDENCE)
    n = len(members)
    return RingTables(
        pa.table({name: [value] for name, value in zip(names, values, strict=True)}),
        pa.table({"ring_id": [ring_id] * n, "user_id": list(members), "score": [0.9] * n}),
        pa.table({"ring_id": [ring_id], "item_id": ["i0"], "n_users": [n], "lift": [9.0]}),
    )


def scores() -> pa.Table:
    users = [f"u{n}" for n in range(10)]
    values = [0.9 if user in MEMBERS else 0.1 for user in users]
    columns = [users, values, [0.1] * 10, [0.01] * 10, [v > 0.5 for v in values]]
    columns += [["R0001" if v > 0.5 else None for v in values], values, values, values, ["Why."] * 10]
    return pa.table(dict(zip(schema.SCORE_COLUMNS, map(pa.array, columns), strict=True)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a log, ten scored users and one ring of four, as if it had been scored."""
    small_log(tmp_path / "log.csv")
    store = DuckDBStore(tmp_path / "log.duckdb")
    ingest(store, [tmp_path / "log.csv"], load_config("simulated"))
    found = remember(store, ring_findings_of(rings(*MEMBERS)))
    store.write_rings(found.rings, found.history)
    store.write_scores(scores())
    store.close()
    return tmp_path / "log.duckdb"


@pytest.fixture
def url(path: Path) -> str:
    return f"duckdb:{path}"


def document(*words: str) -> dict[str, object]:
    done = inside(*words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_verdict_is_given_listed_superseded_and_kept(url: str) -> None:
    words = ("--store", url, "--by", "Ann")
    done = inside("verdict", "R1", "--guilty", "--reason", "paid-engagement", "--note", "invoice 7", *words)
    assert done.returncode == 0, done.stderr
    assert "Ring R0001: judged guilty by Ann on " in done.stdout
    assert "Audit log: entry 1, head " in done.stdout
    given = document("verdict", "r0001", "--innocent", "--reason", "fan-club", *words)
    assert given["verdict"]["found"]["members"] == list(MEMBERS)  # type: ignore[index]
    document("verdict", "--user", "u5", "--unsure", "--reason", "needs-more-data", *words)
    current = document("verdicts", "--store", url)["verdicts"]
    assert [(row["subject"], row["verdict"], row["entry"]) for row in current] == [  # type: ignore[attr-defined]
        ("u5", "unsure", 3),
        ("R0001", "innocent", 2),
    ]
    every = document("verdicts", "--all", "--store", url)["verdicts"]
    assert [row["state"] for row in every] == ["counts", "counts", "superseded"]  # type: ignore[attr-defined]
    assert "invoice 7" in inside("verdicts", "--all", "--store", url).stdout
    assert "invoice 7" not in inside("verdicts", "--store", url).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("R1", "--reason", "fan-club"), "give one of --guilty, --innocent and --unsure"),
        (("R1", "--guilty", "--innocent", "--reason", "fan-club"), "give one of"),
        (("--guilty", "--reason", "paid-engagement"), "name a ring"),
        (("R1", "--user", "u1", "--guilty", "--reason", "paid-engagement"), "name a ring"),
        (("R1", "--guilty"), "Reasons for guilty:"),
        (("R1", "--guilty", "--reason", "paid-engagment"), "did you mean paid-engagement?"),
        (("R1", "--guilty", "--reason", "fan-club"), "goes with the verdict innocent"),
        (("R1", "--guilty", "--reason", "other"), "needs a note"),
        (("R9", "--guilty", "--reason", "paid-engagement"), "there is no ring 'R9'"),
        (("--user", "nobody", "--guilty", "--reason", "fake-account"), "there is no user 'nobody'"),
    ],
)
def test_wrong_verdicts_are_refused_and_not_noted(url: str, words: tuple[str, ...], said: str) -> None:
    assert_one_clear_message(inside("verdict", *words, "--store", url), 2, said)
    assert document("audit", "show", "--store", url)["entries"] == []


def test_a_store_without_rings_says_so(tmp_path: Path) -> None:
    DuckDBStore(tmp_path / "empty.duckdb").close()
    words = ("R1", "--guilty", "--reason", "paid-engagement", "--store", f"duckdb:{tmp_path}/empty.duckdb")
    assert_one_clear_message(inside("verdict", *words), 2, "has no rings")
    assert "No verdicts yet" in inside("verdicts", "--store", words[-1]).stdout
    assert "nobody knows" in inside("verdicts", "--precision", "--store", words[-1]).stdout


def test_the_help_names_all_codes_of_reasons() -> None:
    for verdict, codes in VERDICT_REASONS.items():
        assert f"{verdict}: {', '.join(codes)}" in REASON_HELP


def test_lists_and_snoozes(url: str, path: Path) -> None:
    tomorrow = f"{utc_now() + timedelta(days=1):%Y-%m-%d}"
    done = inside("allow", "u0\u00a0", " staff ", "--store", url)
    assert "2 users on the allow list." in done.stdout
    assert "Warning: the log has no user staff; ids are written as in the log." in done.stderr
    assert f"until {tomorrow} 00:00" in inside("deny", "u9", "--expires", tomorrow, "--store", url).stdout
    assert "snoozed until" in inside("snooze", "R1", "--days", "2", "--note", "busy", "--store", url).stdout
    listed = document("verdicts", "--store", url)
    assert {row["user_id"]: row["list"] for row in listed["lists"]} == {  # type: ignore[attr-defined]
        "u0": "allow", "staff": "allow", "u9": "deny",
    }  # fmt: skip
    assert [row["ring_id"] for row in listed["snoozes"]] == ["R0001"]  # type: ignore[attr-defined]
    assert "busy" in inside("verdicts", "--store", url).stdout

    store = DuckDBStore(path)
    found = remember(store, ring_findings_of(rings(*MEMBERS)))
    table, found = settle_scores(scores(), found)
    store.close()
    flagged = dict(zip(table["user_id"].to_pylist(), table["flagged"].to_pylist(), strict=True))
    assert (flagged["u0"], flagged["u1"], flagged["u9"]) == (False, True, True)
    assert found.counts == {"rings_snoozed": 1, "users_on_allow_list": 1, "users_on_deny_list": 1}
    assert "taken off the allow list" in inside("allow", "staff", "--remove", "--store", url).stdout
    assert "snoozed no more" in inside("snooze", "R1", "--remove", "--store", url).stdout
    assert len(document("audit", "show", "--store", url)["entries"]) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("allow", "u1", "--remove"), "is not on the allow list; nothing was changed"),
        (("allow", "u1", "--expires", "2001-01-01"), "is past"),
        (("deny", "u1", "--expires", "soon"), "is no date"),
        (("deny", "u1", "--remove", "--expires", "2099-01-01"), "not both"),
        (("snooze", "R1"), "give --until DATE, --days N, or --remove"),
        (("snooze", "R1", "--days", "0"), "--days must be above 0"),
        (("snooze", "R1", "--days", "nan"), "--days must be above 0"),
        (("snooze", "R1", "--days", "1", "--until", "2099-01-01"), "not both"),
        (("snooze", "R1", "--until", "2099-01-01"), "more than ten years"),
        (("snooze", "R1", "--remove"), "is not snoozed"),
        (("snooze", "R7", "--days", "1"), "no ring 'R7'"),
    ],
)
def test_wrong_lists_and_snoozes_are_refused(url: str, words: tuple[str, ...], said: str) -> None:
    assert_one_clear_message(inside(*words, "--store", url), 2, said)


def test_hostile_names_and_notes_are_kept_whole_and_shown_harmless(url: str) -> None:
    """Also those that are no text at all: bytes that no encoding has come as lone surrogates."""
    note = HOSTILE + "x" * 10_000
    words = ("R1", "--innocent", "--reason", "other", "--note", note, "--by", HOSTILE, "--store", url)
    done = graphdet("verdict", *words)
    assert done.returncode == 0, done.stderr
    told = graphdet("verdicts", "--store", url, "--json")
    assert told.returncode == 0, told.stderr
    (row,) = json.loads(told.stdout)["verdicts"]
    assert (row["who"], row["note"]) == (HOSTILE, note)
    for command in (("verdicts",), ("audit", "show")):
        shown = graphdet(*command, "--store", url)
        assert shown.returncode == 0, shown.stderr
        for bad in ("\x1b", "\u202e", "\udcff"):
            assert bad not in shown.stdout
        assert len(shown.stdout) < 5_000
        assert "\\x1b[31m" in shown.stdout.replace(" ", "").replace("\n", "")
    assert graphdet("audit", "verify", "--store", url).returncode == 0


def test_precision_is_counted_from_verdicts(url: str) -> None:
    inside("verdict", "R1", "--guilty", "--reason", "paid-engagement", "--store", url)
    inside("verdict", "--user", "u1", "--innocent", "--reason", "data-error", "--store", url)
    rows = document("verdicts", "--precision", "--store", url)["precision"]
    of = {(row["of"], row["detector"]): row for row in rows}  # type: ignore[attr-defined]
    assert of["flagged rings", "lockstep"]["precision"] == 1.0
    assert of["flagged users", "gnn"]["precision"] == 0.0
    assert "21 % – 100 %" in inside("verdicts", "--precision", "--store", url).stdout


def test_reports_are_noted(url: str, tmp_path: Path) -> None:
    done = inside("report", "--out", tmp_path / "out", "--by", "Ann", "--store", url)
    assert done.returncode == 0, done.stderr
    (entry,) = document("audit", "show", "--store", url)["entries"]  # type: ignore[misc]
    assert (entry["who"], entry["what"]) == ("Ann", "report")
    assert entry["after"] == {
        "out": str(tmp_path / "out"), "formats": ["html", "json", "graphml"], "pseudonymised": False
    }  # fmt: skip


def test_who_asks_what_is_behind_a_pseudonym_is_noted(url: str, tmp_path: Path) -> None:
    key = ("--key-file", tmp_path / "elsewhere/key")
    (tmp_path / "elsewhere").mkdir()
    done = inside("report", "--out", tmp_path / "out", "--pseudonymise", *key, "--new-key", "--store", url)
    assert done.returncode == 0, done.stderr
    suspects = (tmp_path / "out/suspects.csv").read_text(encoding="utf-8").splitlines()
    pseudonym = suspects[1].split(",")[0]
    revealed = document("reveal", pseudonym, *key, "--by", "Ann", "--store", url)["revealed"]
    assert revealed[0]["id"]  # type: ignore[index]
    entry = document("audit", "show", "--store", url)["entries"][-1]  # type: ignore[index]
    assert (entry["who"], entry["what"], entry["subject"]) == ("Ann", "reveal", pseudonym)


def test_an_edit_made_in_the_database_is_found(url: str, path: Path) -> None:
    for _ in range(3):
        inside("verdict", "R1", "--guilty", "--reason", "paid-engagement", "--store", url)
    head = document("audit", "verify", "--store", url)["head"]["hash"]  # type: ignore[index]
    assert inside("audit", "verify", "--expect", head, "--store", url).returncode == 0
    with duckdb.connect(str(path)) as direct:
        direct.execute("UPDATE audit SET entry = replace(entry, 'guilty', 'unsure') WHERE seq = 2")
    done = inside("audit", "verify", "--store", url)
    assert_one_clear_message(done, 1, "entry 2: its text does not have its hash: changed")
    done = inside("audit", "verify", "--store", url, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["faults"][0]["seq"] == 2
    assert "the audit log was changed (entry 2)" in inside("verdicts", "--store", url).stderr
    store = DuckDBStore(path)
    assert (
        "the audit log was changed (entry 2)" in remember(store, ring_findings_of(rings(*MEMBERS))).lines()[0]
    )
    store.close()


def test_a_log_that_was_cut_is_found_by_a_head_noted_elsewhere(url: str, path: Path) -> None:
    for _ in range(3):
        inside("verdict", "R1", "--guilty", "--reason", "paid-engagement", "--store", url)
    head = document("audit", "verify", "--store", url)["head"]["hash"]  # type: ignore[index]
    with duckdb.connect(str(path)) as direct:
        direct.execute("DELETE FROM audit WHERE seq = 3")
        direct.execute("UPDATE audit_head SET count = 2, hash = (SELECT hash FROM audit WHERE seq = 2)")
    assert inside("audit", "verify", "--store", url).returncode == 0
    done = inside("audit", "verify", "--expect", head, "--store", url)
    assert_one_clear_message(done, 1, "noted elsewhere")
    assert_one_clear_message(
        inside("audit", "verify", "--expect", "abc", "--store", url), 2, "64 hexadecimal"
    )


def test_a_store_in_use_is_said_to_be_worth_a_retry(url: str, path: Path) -> None:
    store = DuckDBStore(path)
    words = ("verdict", "R1", "--guilty", "--reason", "paid-engagement", "--store", url)
    assert_one_clear_message(graphdet(*words), 4, "is in use by another process")
    store.close()
    assert graphdet(*words).returncode == 0


def test_a_ring_is_reported_by_its_short_name_and_as_a_brief(url: str, tmp_path: Path) -> None:
    done = inside("report", "--ring", "r1", "--format", "html", "--out", tmp_path / "out", "--store", url)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "rings" / "R0001.html").exists()
    assert "Verdict: open" in (tmp_path / "out" / "rings" / "R0001.html").read_text(encoding="utf-8")
    done = inside("brief", "R1", "--out", tmp_path / "briefs", "--by", "Ann", "--store", url)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Brief: {tmp_path / 'briefs' / 'R0001.brief.html'}\n"
    assert "Case brief: ring" in (tmp_path / "briefs" / "R0001.brief.html").read_text(encoding="utf-8")
    assert_one_clear_message(inside("brief", "R9", "--store", url), 2, "has no ring R9; it has R0001")
    assert_one_clear_message(
        inside("brief", "R1", "--format", "doc", "--store", url), 2, "html or pdf, not 'doc'"
    )
    last = document("audit", "show", "--store", url)["entries"][-1]
    assert (last["what"], last["subject"], last["who"]) == ("report", "R0001", "Ann")
