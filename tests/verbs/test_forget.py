"""forget, retention and pseudonyms over a real log: the store's bytes, the log read again, folders, accounting."""

import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphdet.audit import verify
from graphdet.config import Config, load_config
from graphdet.errors import ConfigError, UsageError
from graphdet.live.watching import Live, LiveSettings
from graphdet.logs.parts import LogPart
from graphdet.ports import Store
from graphdet.privacy import pseudonym
from graphdet.store import opened_store
from graphdet.verbs.forget import forget, known_folders, retention
from graphdet.verbs.ingest import IngestResult, ingest
from graphdet.verbs.watch import WatchRequest, watch

USERS = ("ann@example.org", "bob@example.org", "cyd@example.org")
HEAD = "user_id,item_id,timestamp,session_id,device\n"
CONFIG = """
[columns]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
session_id = "session_id"
[time]
unit = "s"
[entities]
device = "device"
"""
START = 1_700_000_000


def rows(first: int, last: int) -> str:
    return "".join(
        f"{USERS[n % 3]},i{n % 7},{START + 100 * n},{USERS[n % 3]}/{n // 30},phone-{USERS[n % 3][:3]}\n"
        for n in range(first, last)
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "log.csv").write_text(HEAD + rows(0, 60))
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def config_of(place: Path, more: str = "") -> Config:
    (place / "config.toml").write_text(CONFIG + more)
    return load_config(place / "config.toml")


def accounted(result: IngestResult) -> None:
    told = result.n_events + result.n_rejects + result.n_duplicates + result.n_filtered + result.n_known
    assert told == result.n_rows


def users_of(store: Store) -> set[str]:
    return set(store.events().select("user_id").collect("pyarrow").to_native()["user_id"].to_pylist())


def test_a_forgotten_account_leaves_no_byte_and_does_not_come_back(place: Path) -> None:
    path, log, rejects = (
        place / "home" / "graph.duckdb",
        place / "home" / "log.csv",
        place / "home" / "rejects.csv",
    )
    config = config_of(place)
    with opened_store(f"duckdb:{path}") as store:
        ingest(store, [log], config, rejects=rejects)
        store.set_meta("note", json.dumps({"who": USERS[0], "why": f"seen with {USERS[0]}"}))
    assert USERS[0].encode() in path.read_bytes()
    with opened_store(f"duckdb:{path}") as store:
        done = forget(store, [USERS[0]], "Cy")
        assert done.removed["events"] == 20
    assert USERS[0].encode() not in path.read_bytes()
    assert list(path.parent.glob("graph.duckdb*")) == [path]

    with log.open("a") as file:  # the log grows, and a line of it is broken
        file.write(rows(60, 90) + f"{USERS[0]},,{START},s,d\n")
    with opened_store(f"duckdb:{path}") as store:
        again = ingest(store, [log], config, rejects=rejects)
        accounted(again)
        assert (again.n_known, again.n_events) == (40, 20)
        assert again.rejects_by_reason == {"forgotten": 31}
        assert users_of(store) == set(USERS[1:])
        assert USERS[0] not in rejects.read_text()
        with rejects.open() as file:
            told = list(csv.DictReader(file))
        assert {(row["reason"], row["row"]) for row in told} == {("forgotten", "{}")}
        assert [int(row["line"]) for row in told[:2]] == [2, 5]
        fresh = ingest(store, [log], config, rejects=rejects, fresh=True)
        accounted(fresh)
        assert users_of(store) == set(USERS[1:])
        assert verify(store.audit()) == []
    assert USERS[0].encode() not in path.read_bytes()


def test_rows_of_a_forgotten_account_do_not_count_as_too_many_rejects(place: Path) -> None:
    with opened_store(f"duckdb:{place / 'home' / 'graph.duckdb'}") as store:
        forget(store, USERS[:2], "Cy")
        result = ingest(store, [place / "home" / "log.csv"], config_of(place))
        accounted(result)
        assert result.rejects_by_reason == {"forgotten": 40}
        forget(store, USERS[2:], "Cy")
        nothing = ingest(store, [place / "home" / "log.csv"], config_of(place), fresh=True)
        assert (nothing.n_events, nothing.n_rejects) == (0, 60)


def test_folders_lose_the_account_and_say_what_is_left_to_a_person(place: Path) -> None:
    run = place / "run"
    (run / "rings").mkdir(parents=True)
    (run / "model").mkdir()
    name = USERS[0]
    (run / "run.json").write_text(json.dumps({"top": [name, "x"]}))
    (run / "suspects.csv").write_text(f"user_id,reason\n'{name},r\nbob,with {name}\n")
    (run / "rejects.csv").write_text('file,line,reason,row\nl.csv,2,bad,"{""user"":""' + name + '""}"\n')
    (run / "rings" / "R0001.html").write_text(f'<td>{name}</td><script>var a=["{name}"]</script>')
    (run / "rings" / "R0001.pdf").write_bytes(b"%PDF")
    (run / "model" / "kept.json").write_text(
        json.dumps({"examples": [{"user_id": name, "y": 1}, {"user_id": "b"}]})
    )
    (run / "mine.txt").write_text(f"call {name}")
    (run / "log.csv").write_text(f"user\n{name}\n")
    with opened_store(f"duckdb:{run / 'graph.duckdb'}") as store:
        assert known_folders(store, []) == [run.resolve()]
        would = forget(store, [name], "Cy", dry_run=True)
        assert name in (run / "run.json").read_text()
        done = forget(store, [name], "Cy")
    assert done.changed == would.changed
    assert {Path(path).name for path, _ in done.by_hand} == {"R0001.pdf", "mine.txt", "log.csv"}
    left = {path.name for path in run.rglob("*") if path.is_file() and name.encode() in path.read_bytes()}
    assert left == {"mine.txt", "log.csv"}
    assert (run / "suspects.csv").read_text() == "user_id,reason\nbob,with (forgotten)\n"
    assert json.loads((run / "model" / "kept.json").read_text()) == {"examples": [{"user_id": "b"}]}
    with (
        opened_store(f"duckdb:{run / 'graph.duckdb'}") as store,
        pytest.raises(UsageError, match="no folder"),
    ):
        forget(store, [name], "Cy", folders=[place / "none"])


def test_a_log_that_is_watched_does_not_bring_the_account_back(place: Path) -> None:
    out, config = place / "live", config_of(place)
    part = LogPart("log.csv", "csv", HEAD.encode(), rows(0, 60).encode() + b"x,,1,s,d\n", 2)
    with opened_store(f"duckdb:{place / 'home' / 'live.duckdb'}") as store:
        Live.open(store, config, out).add([part], {"log.csv": 1})
        kept = (out / "rejects.csv").read_text()
        assert "missing item_id" in kept
        forget(store, [USERS[0]], "Cy")
        live = Live.open(store, config, out)
        assert (out / "rejects.csv").read_text() == kept
        opened = live.store.open_rows()
        assert opened is not None
        assert USERS[0] not in set(opened.collect("pyarrow").to_native()["user_id"].to_pylist())
        more = LogPart("log.csv", "csv", HEAD.encode(), rows(60, 90).encode(), 63)
        found = live.add([more], {"log.csv": 2})
        assert (found.n_clean, found.n_rejects) == (20, 10)
        assert users_of(store) == set(USERS[1:])
        assert (out / "rejects.csv").read_text().startswith(kept)
        assert USERS[0] not in (out / "rejects.csv").read_text()


def test_what_is_past_its_time_is_not_taken_again_and_old_files_go(place: Path) -> None:
    log, folder = place / "home" / "log.csv", place / "home"
    config = config_of(place, "[retention]\nevents_days = 2\nrejects_days = 1\nsnapshots_days = 1\n")
    now = int(time.time())
    recent = f"eve,i1,{now - 86_400},t1,d\neve,i2,{now - 86_300},t1,d\n"
    log.write_text(HEAD + rows(0, 30) + recent)
    (folder / "run.json").write_text("{}")
    for name in ("rejects.csv", "report.html", "notes.txt", "leads.csv"):
        (folder / name).write_text("x")
        if name != "leads.csv":
            os.utime(folder / name, (now - 3 * 86_400,) * 2)
    with opened_store(f"duckdb:{folder / 'graph.duckdb'}") as store:
        assert ingest(store, [log], config).n_events == 32
        would = retention(store, config.retention, "Cy", dry_run=True)
        assert (would[0].removed["events"], would[1].n, would[2].n) == (30, 1, 1)
        assert (folder / "report.html").exists()
        done = retention(store, config.retention, "Cy")
        assert [one.files for one in done] == [one.files for one in would]
        assert sorted(path.name for path in folder.glob("*.*")) == [
            "graph.duckdb", "leads.csv", "log.csv", "notes.txt", "run.json",
        ]  # fmt: skip
        assert users_of(store) == {"eve"}
        log.write_text(HEAD + rows(0, 30) + recent + f"eve,i3,{now - 86_000},t1,d\n")
        again = ingest(store, [log], config)
        accounted(again)
        assert (again.n_known, again.n_events, again.rejects_by_reason) == (2, 1, {"past its time": 30})


PRIVATE = '[privacy]\npseudonyms = ["user_id", "session_id", "device"]\nkey_file = "shop.key"\n'


def make_key(path: Path, digits: str = "ab") -> bytes:
    path.write_text(digits * 32)
    path.chmod(0o600)
    return bytes.fromhex(digits * 32)


def test_pseudonyms_stand_for_ids_in_every_file_and_no_id_is_kept(place: Path) -> None:
    key = make_key(place / "shop.key")
    config = config_of(place, PRIVATE)
    log, path, rejects = (
        place / "home" / "log.csv",
        place / "home" / "graph.duckdb",
        place / "home" / "rejects.csv",
    )
    with log.open("a") as file:
        file.write(f"{USERS[1]},,{START},s,d\n")
    with opened_store(f"duckdb:{path}") as store:
        result = ingest(store, [log], config, rejects=rejects)
        accounted(result)
        other = place / "home" / "other.csv"
        other.write_text(HEAD + f"{USERS[1]},i1,{START + 9},x,phone-ann\n")
        ingest(store, [other], config)
        names = {pseudonym(key, "user_id", user) for user in USERS}
        assert users_of(store) == names
        entities = store.entities().collect("pyarrow").to_native()
        assert set(entities["entity_id"].to_pylist()) == {
            pseudonym(key, "device", f"phone-{user[:3]}") for user in USERS
        }
        shared = pseudonym(key, "device", "phone-ann")
        assert sum(shared == entity for entity in entities["entity_id"].to_pylist()) == 2
        forget(store, [pseudonym(key, "user_id", USERS[0])], "Cy")
        again = ingest(store, [log], config, fresh=True)
        assert again.rejects_by_reason["forgotten"] == 20
    data = path.read_bytes() + rejects.read_bytes()
    assert b"@example.org" not in data
    assert "missing item_id" in rejects.read_text()


@pytest.mark.parametrize(
    ("second", "error"),
    [("", "names none"), (PRIVATE, "another key")],
)
def test_ids_and_pseudonyms_are_not_mixed(place: Path, second: str, error: str) -> None:
    make_key(place / "shop.key")
    with opened_store(f"duckdb:{place / 'home' / 'graph.duckdb'}") as store:
        ingest(store, [place / "home" / "log.csv"], config_of(place, PRIVATE))
        make_key(place / "shop.key", "cd")
        more = place / "home" / "more.csv"
        more.write_text(HEAD + rows(60, 70))
        with pytest.raises(ConfigError, match=error):
            ingest(store, [more], config_of(place, second))


def test_a_key_that_is_missing_open_to_others_or_beside_the_store_is_refused(place: Path) -> None:
    log = place / "home" / "log.csv"
    config = config_of(place, PRIVATE)
    with opened_store(f"duckdb:{place / 'home' / 'graph.duckdb'}") as store:
        with pytest.raises(ConfigError, match="no such key file"):
            ingest(store, [log], config)
        make_key(place / "shop.key")
        (place / "shop.key").chmod(0o644)
        with pytest.raises(ConfigError, match="chmod 600"):
            ingest(store, [log], config)
        make_key(place / "home" / "shop.key")
        with pytest.raises(ConfigError, match="lie with the store"):
            ingest(store, [log], config_of(place, PRIVATE.replace("shop.key", "home/shop.key")))
        assert store.sources() == {}
    with pytest.raises(ConfigError, match="pseudonyms has text"):
        config_of(place, '[privacy]\npseudonyms = ["text"]\n')


def test_watching_keeps_what_the_config_says_and_no_longer(place: Path) -> None:
    log, now = place / "home" / "log.csv", int(time.time())
    recent = "".join(f"eve,i{n},{now - 86_400 + n},t1,d\n" for n in range(5))
    log.write_text(HEAD + rows(0, 30) + recent)
    config, said = config_of(place, "[retention]\nevents_days = 2\n"), list[str]()
    with opened_store(f"duckdb:{place / 'home' / 'live.duckdb'}") as store:
        request = WatchRequest(
            LiveSettings(window_ms=10_000 * 86_400_000, lateness_ms=9_000 * 86_400_000), once=True
        )
        watch(str(log), config, store, place / "out", request, said.append)
        assert any("30 events" in line for line in said)
        assert users_of(store) == {"eve"}
        with log.open("a") as file:
            file.write(rows(30, 40))
        watch(str(log), config, store, place / "out", request, said.append)
        assert users_of(store) == {"eve"}
        assert (place / "out" / "rejects.csv").read_text().count("past its time") == 10
    log.write_text(HEAD + rows(0, 30))
    with opened_store(f"duckdb:{place / 'home' / 'old.duckdb'}") as store:  # nothing is left to look at
        watch(str(log), config, store, place / "out2", request, said.append)
        assert users_of(store) == set()
