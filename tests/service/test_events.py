"""Events over HTTP: what is answered is stored, once, whoever is killed; findings, alerts and verdicts meanwhile."""

import http.client
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from graphdet.cli.main import app
from graphdet.live.looking import LiveSettings
from graphdet.service.keys import KeyRing
from graphdet.service.limits import Doors
from graphdet.verbs.watch import WatchRequest
from tests.live.small_logs import CONFIG, START_MS, Row, csv_file, small_log
from tests.service.running import Answer, Running, free_port, taking_events

pytestmark = pytest.mark.slow
Keys = tuple[KeyRing, dict[str, str]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    ring = KeyRing(tmp_path_factory.mktemp("keys") / "keys.json")
    wanted = {"reader": ["read"], "writer": ["write"], "shop": ["write"], "judge": ["read", "decide"]}
    return ring, {name: ring.add(name, scopes) for name, scopes in wanted.items()}


@pytest.fixture
def service(keys: Keys, tmp_path: Path) -> Iterator[Running]:
    with taking_events(tmp_path, CONFIG, Doors(keys[0])) as one:
        yield one


def objects(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"user": user, "item": item, "at": at} for user, item, at in rows]


def post(service: Running, token: str, events: Any, key: str = "", kind: str = "application/json") -> Answer:
    headers = {"authorization": f"Bearer {token}", "content-type": kind}
    headers |= {"idempotency-key": key} if key else {}
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    return service.ask("POST", "/events", body, headers)


def get(service: Running, path: str, token: str) -> Answer:
    return service.ask("GET", path, headers={"authorization": f"Bearer {token}"})


def judge_ring_of(service: Running, user: str, token: str) -> str | None:
    """Say of the flagged ring of a user, where there is one by now, that it is guilty."""
    rings = get(service, f"/users/{user}", token).json.get("rings", [])
    flagged = {one["ring_id"] for one in get(service, "/rings?flagged=true", token).json["rings"]}
    for ring_id in flagged.intersection(rings):
        body = json.dumps({"ring": ring_id, "verdict": "guilty", "reason": "fake-account"})
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        assert service.ask("POST", "/verdicts", body, headers).status == 201
        assert get(service, f"/rings/{ring_id}", token).json["status"] == "guilty"
        return ring_id
    return None


def test_events_in_and_a_ring_an_alert_and_a_verdict_out(keys: Keys, tmp_path: Path) -> None:
    ring, tokens = keys
    rows = small_log(1, n_members=30, n_targets=8)
    followed = csv_file(tmp_path / "log.csv", rows[:300])
    request = WatchRequest(look_rows=250, look_s=1.0, alerts=(f"file:{tmp_path / 'alerts.jsonl'}",))
    with taking_events(tmp_path, CONFIG, Doors(ring), request, str(followed)) as service:
        until = time.monotonic() + 240
        while service.ask("GET", "/ready").json["n_events"] < 300 and time.monotonic() < until:
            time.sleep(0.02)
        judged = None
        for start in range(300, len(rows), 60):
            answer = post(service, tokens["writer"], objects(rows[start : start + 60]), f"k{start}")
            assert answer.status == 202, answer.text
            assert answer.json["n_events"] == len(rows[start : start + 60])
            judged = judged or judge_ring_of(service, "bad0", tokens["judge"])
        while service.ask("GET", "/ready").json["behind"] and time.monotonic() < until:
            time.sleep(0.05)
        while (
            not (judged := judged or judge_ring_of(service, "bad0", tokens["judge"]))
            and time.monotonic() < until
        ):
            time.sleep(0.2)  # the answers are of the last look a moment after it
        member = get(service, "/users/bad0", tokens["reader"]).json
        assert judged in member["rings"]
        assert get(service, f"/rings/{judged}", tokens["judge"]).json["status"] == "guilty"
        assert "bad0" in get(service, f"/desk/rings/{judged}/page", tokens["judge"]).text
        ready = service.ask("GET", "/ready").json
        assert (ready["n_events"], ready["behind"]) == (len(rows), 0)
        while not (tmp_path / "alerts.jsonl").exists() and time.monotonic() < until:
            time.sleep(0.05)
        alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
        assert any("bad0" in alert["members"] for alert in alerts)
        metrics = get(service, "/metrics", tokens["reader"]).text
        assert f"graphdet_events_total {len(rows):.1f}" in metrics
        assert "graphdet_look_seconds_count" in metrics
        assert f"graphdet_alerts_sent_total {len(alerts):.1f}" in metrics


def test_each_row_that_is_put_aside_has_its_reason(service: Running, keys: Keys, tmp_path: Path) -> None:
    good = {"user": "u1", "item": "i1", "at": START_MS}
    rows = [good, {"user": "", "item": "i1", "at": START_MS}, good, {"user": "u2", "item": "i1"}, 7]
    answer = post(service, keys[1]["writer"], rows, "first").json
    assert (answer["n_rows"], answer["n_events"], answer["n_rejects"], answer["n_duplicates"]) == (5, 1, 3, 1)
    assert [(one["row"], one["reason"]) for one in answer["rejects"]] == [
        (2, "missing user_id (user)"),
        (3, "duplicate"),
        (4, "missing timestamp (at)"),
        (5, "not a JSON object"),
    ]
    late = post(service, keys[1]["writer"], {**good, "at": START_MS - 7_200_000})
    assert late.json["rejects"] == [{"row": 1, "reason": "came later than --lateness allows"}]
    lines = b'{"user": "u3", "item": "i1", "at": %d}\n\n{"user": \r\n\xff\n' % START_MS
    answer = post(service, keys[1]["writer"], lines, kind="application/x-ndjson").json
    assert (answer["n_rows"], answer["n_events"]) == (3, 1)
    assert [one["reason"] for one in answer["rejects"]] == ["not valid JSON", "not UTF-8"]
    deep = b'{"user": ' + b"[" * 50_000 + b"]" * 50_000 + b"}\n"
    unreadable = deep + b'{"user": "a\\u0000", "item": "i", "at": %d}\n{"user": "\\ud800"}\n' % START_MS
    answer = post(service, keys[1]["writer"], unreadable, kind="application/x-ndjson").json
    assert [one["reason"] for one in answer["rejects"]] == [
        "missing item_id (item)",
        "NUL character in user_id",
        "not valid JSON",
    ]
    text = (tmp_path / "rejects.csv").read_text(encoding="utf-8", errors="replace")
    assert "POST /events writer first,2,missing user_id (user)," in text
    assert text.count("\n") == 1 + 4 + 1 + 2 + 3


def test_the_same_under_the_same_key_counts_once(service: Running, keys: Keys) -> None:
    tokens = keys[1]
    rows = objects(small_log(2)[:50])
    first = post(service, tokens["writer"], rows, "a")
    again = post(service, tokens["writer"], rows, "a")
    assert (first.status, again.status, first.json) == (202, 202, again.json)
    assert first.json["n_events"] == 50
    other = post(service, tokens["writer"], rows[:7], "a")
    assert other.status == 422
    assert "with other events before" in other.json["error"]
    # a key is of its caller, and without one equal rows count once all the same
    assert post(service, tokens["shop"], rows, "a").json["n_events"] == 0
    assert post(service, tokens["writer"], rows).json["n_events"] == 0
    assert service.ask("GET", "/ready").json["n_events"] == 50


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"[" * 5000, "application/json", 422, "no JSON object or list"),
        (b'[{"user": 1},]', "application/json", 422, "comma before the end"),
        (b'{"user": 1} x', "application/json", 422, "no JSON object or list"),
        (b"[]", "application/json", 422, "1 to 10,000 rows"),
        (b"", "application/x-ndjson", 422, "1 to 10,000 rows"),
        (b"[" + b"1," * 10_000 + b"1]", "application/json", 422, "not 10,001"),
        (b"\xff", "application/json", 422, "no JSON object or list"),
        (b"a,b", "text/csv", 415, "not text/csv"),
        (b"x" * 300_000, "application/json", 413, "at most 200,000 bytes"),
    ],
)
def test_what_is_no_call_is_refused_in_words(
    small: Running, keys: Keys, body: bytes, kind: str, status: int, words: str
) -> None:
    answer = post(small, keys[1]["writer"], body, kind=kind)
    assert (answer.status, words in answer.json["error"]) == (status, True), answer.text


@pytest.fixture(scope="module")
def small(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with taking_events(tmp_path_factory.mktemp("small"), CONFIG, Doors(keys[0])) as one:
        yield one


def test_only_who_may_write_sends_events(small: Running, keys: Keys) -> None:
    event = {"user": "u1", "item": "i1", "at": START_MS}
    for name in ("reader", "judge"):
        answer = post(small, keys[1][name], event)
        assert (answer.status, "may not write" in answer.json["error"]) == (403, True)
    assert small.ask("POST", "/events", json.dumps(event)).status == 401
    assert post(small, keys[1]["writer"], event, "k" * 300).status == 422


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--config", "simulated"], "needs both --config and --out"),
        (["--watch", "log.csv"], "needs both --config and --out"),
        (["--config", "simulated", "--out", "x", "--store", "neo4j://localhost"], "needs a DuckDB store"),
        (["--config", "simulated", "--out", "x", "--window", "30"], "a number and its unit"),
    ],
)
def test_the_command_says_what_it_needs(keys: Keys, tmp_path: Path, more: list[str], said: str) -> None:
    words = ["serve", "--store", f"duckdb:{tmp_path / 'g.duckdb'}", "--keys", str(keys[0].path), *more]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, said in done.output) == (2, True), done.output
    assert not (tmp_path / "g.duckdb").exists()


def test_two_callers_at_once(service: Running, keys: Keys) -> None:
    rows = objects(small_log(3)[:240])
    parts = [rows[start : start + 20] for start in range(0, len(rows), 20)]

    def send(name: str) -> int:
        answers = [post(service, keys[1][name], one, f"{n}") for n, one in enumerate(parts)]
        assert {answer.status for answer in answers} == {202}
        return sum(answer.json["n_events"] for answer in answers)

    with ThreadPoolExecutor(2) as both:
        taken = list(both.map(send, ("writer", "shop")))
    ready = service.ask("GET", "/ready").json
    assert ready["n_events"] == sum(taken)
    # who is ahead makes the other late by less than --lateness or by more; nothing counts twice
    assert sum(taken) == len(rows)


# --- killed --------------------------------------------------------------------------------------------------
def serve_until_killed(folder: str, port: int, ring: str) -> None:
    """The service of a child process."""
    from graphdet.service.app import serve
    from graphdet.service.events import Watching
    from graphdet.service.limits import Limits
    from graphdet.service.snapshot import Keeper
    from graphdet.store import open_store
    from graphdet.verbs.watch import Watcher

    url = f"duckdb:{folder}/live.duckdb"
    request = WatchRequest(LiveSettings(), look_rows=100)
    watcher = Watcher.open(None, CONFIG, open_store(url), Path(folder), request)
    watching = Watching(watcher)
    keeper = Keeper(url, watcher)
    watching.start()
    limits = Limits(rate=1e6, burst=10**6)
    serve(keeper, Doors(KeyRing(Path(ring))), "127.0.0.1", port, limits, watching).run()


def send_all(
    port: int, token: str, calls: Sequence[tuple[str, bytes]], enough: threading.Event
) -> tuple[dict[str, Any], int]:
    """Send calls one after another, each until it is answered, and all again until it is enough."""
    answers: dict[str, Any] = {}
    n_tried = rounds = 0
    while not rounds or not enough.is_set():
        for key, body in calls:
            while True:
                n_tried += 1
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                try:
                    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
                    link.request("POST", "/events", body, headers | {"idempotency-key": key})
                    answer = link.getresponse()
                    text = answer.read()
                except (OSError, http.client.HTTPException):
                    time.sleep(0.01)
                    continue
                finally:
                    link.close()
                assert answer.status == 202, text
                assert answers.setdefault(key, json.loads(text)) == json.loads(text)
                break
        rounds += 1
    return answers, n_tried


def stored(folder: Path) -> dict[str, Any]:
    with duckdb.connect(str(folder / "live.duckdb"), read_only=True) as store:
        found: dict[str, Any] = {
            name: store.execute(sql).fetchall()
            for name, sql in {
                "events": "SELECT event_row, user_id, item_id, at_ms FROM event_log ORDER BY ALL",
                "sources": "SELECT n_rows, n_rejects FROM sources",
                "answers": "SELECT key, answer FROM answers ORDER BY seq",
            }.items()
        }
        state = json.loads(store.execute("SELECT value FROM meta WHERE key = 'live.state'").fetchall()[0][0])
    names = ("n_rows", "n_events", "n_rejects", "n_duplicates", "newest_ms")
    found |= {name: state[name] for name in names}
    return found | {"rejects": (folder / "rejects.csv").read_bytes()}


def test_killed_at_any_moment_nothing_answered_is_lost_or_doubled(keys: Keys, tmp_path: Path) -> None:
    rows: list[Any] = objects(small_log(4)[:400])
    for place in range(0, len(rows), 25):  # some that are put aside, some twice
        rows.insert(place, {"user": "", "item": "i1", "at": START_MS} if place % 50 else rows[place])
    calls = [
        (f"k{start}", json.dumps(rows[start : start + 20]).encode()) for start in range(0, len(rows), 20)
    ]
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload([__name__, "graphdet.service.app", "graphdet.verbs.watch"])
    token, chance, found, n_kills = keys[1]["writer"], random.Random(5), {}, 0
    for name, kills in (("clean", 0), ("killed", 12)):
        folder, port, enough = tmp_path / name, free_port(), threading.Event()
        folder.mkdir()

        def start(folder: Path = folder, port: int = port) -> Any:
            child = fork.Process(target=serve_until_killed, args=(str(folder), port, str(keys[0].path)))
            child.start()
            return child

        child = start()
        with ThreadPoolExecutor(1) as other:
            sending = other.submit(send_all, port, token, calls, enough)
            for _ in range(kills):
                time.sleep(0.1 + 0.7 * chance.random())
                os.kill(child.pid, signal.SIGKILL)
                child.join()
                n_kills += child.exitcode == -signal.SIGKILL
                child = start()
            enough.set()
            answers, n_tried = sending.result(60)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        found[name] = stored(folder), answers
        assert n_tried >= len(calls)
    assert n_kills == 12
    assert found["clean"] == found["killed"]
    assert found["clean"][0]["n_events"] == len(found["clean"][0]["events"]) == 400
    assert found["clean"][0]["n_rows"] == len(rows)
