"""Alerts reach real receivers: slow, failing, refusing, hanging ones, and a real mail server."""

import hmac
import json
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from graphdet.errors import UsageError
from graphdet.live.delivery import MOST_ATTEMPTS, Delivery, DryRun, QuietHours, Rules
from graphdet.live.sinks import sink_of, text_of

SECRET = "hush-hush"


def alert(key: str, severity: str = "high", ring: str | None = "R0001", **more: Any) -> dict[str, Any]:
    known = {
        "key": key,
        "kind": "ring",
        "severity": severity,
        "at": "2026-01-01T00:00:00.000Z",
        "title": "New",
    }
    return known | ({"ring_id": ring} if ring else {}) | more


def rows(*alerts: dict[str, Any], first: int = 1) -> list[dict[str, Any]]:
    return [{"seq": first + n, "alert": json.dumps(one)} for n, one in enumerate(alerts)]


class Receiver(BaseHTTPRequestHandler):
    """Answers with the next status of the server's list, 200 when there is none; "hang" never answers."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, dict(self.headers), body))
        answer = server.answers.pop(0) if server.answers else 200
        if answer == "hang":
            server.released.wait(20)
            return
        if answer == "drip":
            try:
                for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.2)
            except OSError:
                return
            return
        self.send_response(answer)
        if answer == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def receiving(*answers: int | str) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    server.got, server.answers, server.released = [], list(answers), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def hook(server: Any, path: str = "/hook", kind: str = "") -> str:
    return f"{kind}http://127.0.0.1:{server.server_address[1]}{path}"


@contextmanager
def delivering(target: str, rules: Rules, timeout_s: float = 0.5) -> Iterator[Delivery]:
    delivery = Delivery.to([sink_of(target, timeout_s)], rules, {}, 0)
    try:
        yield delivery
    finally:
        delivery.stop()


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def fast(folder: Path, **changes: Any) -> Rules:
    return Rules(dead_letters=folder / "dead.jsonl", first_wait_s=0.01, **changes)


def test_a_webhook_is_signed_and_has_the_key_of_its_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHDET_ALERT_KEY", SECRET)
    with receiving() as server, delivering(hook(server), fast(tmp_path)) as delivery:
        delivery.send(rows(alert("k1"), alert("k2", ring="R0002")))
        assert delivery.settle(5)
        assert list(delivery.done().values()) == [2]
        for (path, headers, body), key in zip(server.got, ("k1", "k2"), strict=True):
            assert (path, headers["Idempotency-Key"], json.loads(body)["key"]) == ("/hook", key, key)
            at, _, digest = headers["Graphdet-Signature"].removeprefix("t=").partition(",v1=")
            expected = hmac.new(SECRET.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
            assert hmac.compare_digest(digest, expected)
            assert abs(int(at) - time.time()) < 60


@pytest.mark.parametrize("trouble", [500, 429, "hang", "drip"])
def test_what_fails_is_tried_again(tmp_path: Path, trouble: int | str) -> None:
    with receiving(trouble) as server, delivering(hook(server), fast(tmp_path)) as delivery:
        delivery.send(rows(alert("k1")))
        assert delivery.settle(8)
        assert [headers["Idempotency-Key"] for _, headers, _ in server.got] == ["k1", "k1"]
        assert list(delivery.done().values()) == [1]
        assert any("trying again" in note for note in delivery.notes())
        assert not (tmp_path / "dead.jsonl").exists()


def test_what_is_refused_or_never_taken_goes_to_the_dead_letters(tmp_path: Path) -> None:
    answers = [404, 302, *[503] * MOST_ATTEMPTS]
    with receiving(*answers) as server, delivering(hook(server, "/secret-path"), fast(tmp_path)) as delivery:
        delivery.send(rows(*(alert(f"k{n}", ring=f"R{n}") for n in range(4))))
        assert delivery.settle(20)
        dead = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
        assert [letter["alert"]["key"] for letter in dead] == ["k0", "k1", "k2"]
        assert [letter["why"].split()[1] for letter in dead] == ["404", "302", "503"]
        assert len(server.got) == 2 + MOST_ATTEMPTS + 1
        assert list(delivery.done().values()) == [4]
        said = "".join(delivery.notes()) + (tmp_path / "dead.jsonl").read_text()
        assert "secret-path" not in said  # the path of a hook is its password


def test_nobody_is_there(tmp_path: Path) -> None:
    with receiving() as server:
        target = hook(server)
    with delivering(target, fast(tmp_path)) as delivery:
        delivery.send(rows(alert("k1")))
        assert delivery.settle(20)
        assert (tmp_path / "dead.jsonl").read_text().count("no answer") == 1


def test_a_hanging_receiver_does_not_hold_up_the_caller_nor_another_sink(tmp_path: Path) -> None:
    with receiving("hang") as server:
        sinks = [sink_of(hook(server), 3.0), sink_of(f"file:{tmp_path / 'alerts.jsonl'}")]
        delivery = Delivery.to(sinks, fast(tmp_path), {}, 0)
        began = time.monotonic()
        delivery.send(rows(alert("k1")))
        wait_for((tmp_path / "alerts.jsonl").exists)
        assert time.monotonic() - began < 2
        assert delivery.behind == 0  # after a kill the hook gets it again
        server.released.set()
        delivery.stop()


def test_alerts_of_one_ring_that_wait_are_sent_as_one(tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    clock = [datetime(2026, 1, 1, 23, tzinfo=UTC)]
    rules = fast(tmp_path, quiet=QuietHours.parse("22:00-07:00"), now=lambda: clock[0])
    with delivering(f"file:{out}", rules) as delivery:
        delivery.send(rows(alert("a", "medium"), alert("b", "medium"), alert("c", "high", "R0002")))
        assert delivery.settle(5)
        assert [json.loads(line)["key"] for line in out.read_text().splitlines()] == ["c"]
        assert list(delivery.done().values()) == [0]  # a and b are still to be sent
        clock[0] = noon
        wait_for(lambda: len(out.read_text().splitlines()) == 2)
        assert delivery.settle(5)
        sent = json.loads(out.read_text().splitlines()[1])
        assert (sent["key"], sent["supersedes"]) == ("b", ["a"])
        wait_for(lambda: list(delivery.done().values()) == [3])


def test_least_severity_and_a_sink_that_begins_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "alerts.jsonl"
    with delivering(f"file:{out}", fast(tmp_path, least="medium")) as delivery:
        delivery.send(rows(alert("a", "low", None), alert("b", "medium", None)))
        assert delivery.settle(5)
        done = delivery.done()
    again = Delivery.to([sink_of(f"file:{out}")], fast(tmp_path), done, 0)
    again.send(rows(alert("a", "low", None), alert("b", "medium", None), alert("c", "low", None)))
    assert again.settle(5)
    again.stop()
    assert [json.loads(line)["key"] for line in out.read_text().splitlines()] == ["b", "c"]


def test_slack_takes_text_and_a_dry_run_sends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as server:
        with delivering(hook(server, kind="slack+"), fast(tmp_path)) as delivery:
            delivery.send(rows(alert("k1", text="why\x1b[31m", members=["<u>", "b"])))
            assert delivery.settle(5)
        text = json.loads(server.got[0][2])["text"]
        assert text.startswith("[high] New\nwhy\\x1b[31m\nAccounts: <u>, b\n")
        dry = Delivery.to([DryRun(sink_of(hook(server)))], fast(tmp_path), {}, 0)
        dry.send(rows(alert("k2")))
        assert dry.settle(5)
        dry.stop()
        assert len(server.got) == 1
    assert "dry run of webhook 127.0.0.1" in capsys.readouterr().err


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs; the server's `answers` are those to RCPT."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    body += line
                server.got.append(body)
                self.wfile.write(b"250 taken\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            elif word == b"RCPT" and server.answers:
                self.wfile.write(b"%d no\r\n" % server.answers.pop(0))
            else:
                self.wfile.write(b"250 fine\r\n")


def test_mail_is_sent_tried_again_and_refused(tmp_path: Path) -> None:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer)
    server.daemon_threads = True
    server.got, server.answers = [], [450]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    target = f"smtp://127.0.0.1:{server.server_address[1]}?to=team@example.org&from=graphdet@example.org"
    with delivering(target, fast(tmp_path), 5.0) as delivery:
        delivery.send(rows(alert("k1", title="New ring\nBcc: x@example.org")))
        assert delivery.settle(10)
        server.answers = [550]
        delivery.send(rows(alert("k2"), first=2))
        assert delivery.settle(10)
        assert any("trying again" in note for note in delivery.notes())
    server.shutdown()
    server.server_close()
    thread.join(5)
    assert len(server.got) == 1
    assert b"Subject: [graphdet high] New ring\\nBcc: x@example.org" in server.got[0]
    assert b"Message-ID: <k1@graphdet>" in server.got[0]
    assert json.loads((tmp_path / "dead.jsonl").read_text())["alert"]["key"] == "k2"


def test_targets_are_checked_and_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example.org/T0/secret")
    assert sink_of("env:HOOK").name.startswith("webhook hooks.example.org (")
    for target in ("env:NONE", "carrier-pigeon:x", "file:", "smtp://h?to=a", "https://", "secret-token"):
        with pytest.raises(UsageError, match="--alert"):
            sink_of(target)
    with pytest.raises(UsageError, match="22:00-07:00"):
        QuietHours.parse("late")
    assert "A flag is a reason to look" in text_of(alert("k"))
