"""The JSON interface over a real connection: who may do what, what is refused, and what never leaks."""

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphdet.audit import verify
from graphdet.errors import UsageError
from graphdet.service.app import serve
from graphdet.service.keys import KeyRing
from graphdet.service.limits import Doors, Limits
from graphdet.service.snapshot import Keeper
from graphdet.store import open_store
from tests.helpers.worlds import copied
from tests.service.running import Answer, Running, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(news_world: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    world = copied(news_world, tmp_path_factory.mktemp("service"))
    return f"duckdb:///{world / 'one' / 'graph.duckdb'}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeyRing, dict[str, str]]:
    ring = KeyRing(tmp_path_factory.mktemp("keys") / "keys.json")
    wanted = {"reader": ["read"], "writer": ["write"], "judge": ["read", "decide"]}
    return ring, {name: ring.add(name, scopes) for name, scopes in wanted.items()}


@pytest.fixture(scope="module")
def service(store: str, keys: tuple[KeyRing, dict[str, str]]) -> Iterator[Running]:
    with running(store, Doors(keys[0]), Limits(body=20_000, rate=1000, burst=1000)) as one:
        yield one


@pytest.fixture(scope="module")
def tokens(keys: tuple[KeyRing, dict[str, str]]) -> dict[str, str]:
    return keys[1]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_key_is_kept_as_a_hash_and_for_its_owner_alone(keys: tuple[KeyRing, dict[str, str]]) -> None:
    ring, tokens = keys
    text = ring.path.read_text()
    assert not any(token in text for token in tokens.values())
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="scopes are"):
        ring.add("other", ["all"])
    with pytest.raises(UsageError, match="of its own"):
        ring.add("reader", ["read"])


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys.json")
    ring.add("ann", ["read"])
    ring.path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        KeyRing(ring.path)


def test_beyond_loopback_it_needs_keys(store: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="graphdet keys add"):
        serve(Keeper(store), Doors(KeyRing(tmp_path / "keys.json")), "0.0.0.0", 9)


def test_findings_are_given_to_whoever_may_read(service: Running, tokens: dict[str, str]) -> None:
    mine = bearer(tokens["reader"])
    assert service.ask("GET", "/health").json == {"status": "ok"}
    assert service.ask("GET", "/ready").json["n_users"] > 3000
    listed = service.ask("GET", "/rings?flagged=true", headers=mine).json
    assert listed["n_rings"] == len(listed["rings"]) > 0
    scores = [row["score"] for row in listed["rings"]]
    assert scores == sorted(scores, reverse=True)
    ring = service.ask("GET", f"/rings/{listed['rings'][0]['ring_id']}", headers=mine).json
    assert ring["n_users"] == len(ring["members"])
    assert ring["reasons"]
    user = service.ask("GET", f"/users/{ring['members'][0]['user_id']}", headers=mine).json
    assert ring["ring_id"] in user["rings"]
    assert 0 <= user["score"] <= 1


@pytest.mark.parametrize("path", ["/users/no-such", "/users/a%2Fb%00c", "/rings/R9999", "/nothing"])
def test_what_is_not_there_is_said(service: Running, tokens: dict[str, str], path: str) -> None:
    answer = service.ask("GET", path, headers=bearer(tokens["reader"]))
    assert answer.status == 404
    assert answer.json["error"]


def test_nobody_without_a_key_sees_anything(service: Running, tokens: dict[str, str]) -> None:
    wrong = tokens["reader"][:-1] + ("A" if tokens["reader"][-1] != "A" else "B")
    for headers in ({}, bearer(wrong), {"authorization": f"Basic {tokens['reader']}"}):
        for path in ("/rings", "/users/1", "/metrics", "/openapi.json", "/desk/", "/desk/rings/R0001"):
            assert service.ask("GET", path, headers=headers).status == 401
        assert service.ask("POST", "/verdicts", "{}", headers).status == 401


def test_a_key_does_what_its_scopes_say(service: Running, tokens: dict[str, str]) -> None:
    body = json.dumps({"ring": "R0001", "verdict": "guilty", "reason": "fake-account"})
    sent = {"content-type": "application/json"}
    assert service.ask("POST", "/verdicts", body, sent | bearer(tokens["reader"])).status == 403
    assert service.ask("GET", "/rings", headers=bearer(tokens["writer"])).status == 403
    given = service.ask("POST", "/verdicts", body, sent | bearer(tokens["judge"]))
    assert given.status == 201, given.text
    found = service.ask("GET", "/rings?status=guilty", headers=bearer(tokens["judge"])).json
    assert [row["ring_id"] for row in found["rings"]] == ["R0001"]
    source = open_store(service.keeper.url, read_only=True, create=False)
    try:
        log = source.audit()
    finally:
        source.close()
    assert log.entries[-1].document()["who"] == "judge"
    assert verify(log) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"ring": "R0001", "verdict": "guilty", "reason": "fan-club"}', "goes with the verdict innocent"),
        ('{"ring": "R0001", "user": "1", "verdict": "guilty", "reason": "other"}', "one of them"),
        ('{"ring": "R9999", "verdict": "guilty", "reason": "fake-account"}', "R9999"),
        ('{"ring": "R0001", "verdict": "burn", "reason": "x", "secret": "hush"}', "verdict"),
        ("[" * 5000, "parsing the body"),
    ],
)
def test_a_wrong_verdict_is_refused_with_the_reason(
    service: Running, tokens: dict[str, str], body: str, words: str
) -> None:
    headers = bearer(tokens["judge"]) | {"content-type": "application/json"}
    answer = service.ask("POST", "/verdicts", body, headers)
    assert answer.status in (400, 422)
    assert words in answer.json["error"]
    assert "hush" not in answer.text


def test_bodies_are_bounded_whatever_they_say(service: Running, tokens: dict[str, str]) -> None:
    headers = bearer(tokens["judge"]) | {"content-type": "application/json"}
    assert service.ask("POST", "/verdicts", b"x" * 30_000, headers).status == 413
    gzipped = headers | {"content-encoding": "gzip"}
    assert service.ask("POST", "/verdicts", b"\x1f\x8b", gzipped).status == 415
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as link:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = ["POST /verdicts HTTP/1.1", "host: localhost", "transfer-encoding: chunked", *lines, "", ""]
        link.sendall("\r\n".join(head).encode())
        for _ in range(10):
            link.sendall(b"1000\r\n" + b"y" * 4096 + b"\r\n")
        link.sendall(b"0\r\n\r\n")
        assert b" 413 " in link.recv(200).split(b"\r\n")[0]


def test_other_names_and_other_sites_are_refused(service: Running, tokens: dict[str, str]) -> None:
    assert service.ask("GET", "/health", headers={"host": "evil.example"}).status == 421
    session = service.doors.open_session(service.doors.by_key(tokens["judge"]))  # type: ignore[arg-type]
    cookie = {"cookie": f"graphdet_session={session}", "content-type": "application/x-www-form-urlencoded"}
    for more in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        assert service.ask("POST", "/desk/undo", "batch=1", cookie | more).status == 403


def test_paths_do_not_lead_out(service: Running, tokens: dict[str, str]) -> None:
    for name in ("..%2fkeys.py", "%2e%2e/%2e%2e/etc/passwd", "htmx.LICENSE", "/etc/passwd"):
        assert service.ask("GET", f"/static/{name}", headers=bearer(tokens["reader"])).status in (404, 403)


def test_a_revoked_key_stops_at_once(service: Running, keys: tuple[KeyRing, dict[str, str]]) -> None:
    ring, _ = keys
    token = ring.add("passing", ["read"])
    assert service.ask("GET", "/rings", headers=bearer(token)).status == 200
    session = service.doors.open_session(service.doors.by_key(token), "passing")  # type: ignore[arg-type]
    cookie = {"cookie": f"graphdet_session={session}"}
    assert service.ask("GET", "/desk/", headers=cookie).status == 200
    ring.revoke("passing")
    assert service.ask("GET", "/rings", headers=bearer(token)).status == 401
    assert service.ask("GET", "/desk/", headers=cookie).status == 401


def test_a_caller_who_asks_too_often_waits(store: str, keys: tuple[KeyRing, dict[str, str]]) -> None:
    with running(store, Doors(keys[0]), Limits(rate=1, burst=5)) as service:
        headers = bearer(keys[1]["reader"])
        answers: list[Answer] = [service.ask("GET", "/rings?limit=1", headers=headers) for _ in range(8)]
        assert [one.status for one in answers][:5] == [200] * 5
        assert answers[-1].status == 429
        assert answers[-1].headers["retry-after"] == "1"


def test_answers_carry_their_guards_and_no_secret(
    service: Running, keys: tuple[KeyRing, dict[str, str]], tokens: dict[str, str]
) -> None:
    mine = bearer(tokens["judge"])
    secrets = [*tokens.values(), *(key.sha256 for key in keys[0].valid())]
    for path in (
        "/desk/",
        "/desk/rings/R0001",
        "/desk/api",
        "/metrics",
        "/openapi.json",
        "/rings",
        "/users/x",
    ):
        answer = service.ask("GET", path, headers=mine)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not any(secret in answer.text for secret in secrets)
    metrics = service.ask("GET", "/metrics", headers=mine).text
    assert 'graphdet_requests_total{method="GET",route="/users/{user_id:path}",status="404"}' in metrics


def test_what_others_write_is_seen(service: Running, tokens: dict[str, str]) -> None:
    from graphdet.casework.decisions import give_verdict

    other = open_store(service.keeper.url, read_only=False, create=False)
    try:
        give_verdict(other, "ring", "R0002", "innocent", "fan-club", "", "Bea")
    finally:
        other.close()
    import time

    time.sleep(1.1)
    found = service.ask("GET", "/rings/R0002", headers=bearer(tokens["reader"])).json
    assert found["status"] == "innocent"
