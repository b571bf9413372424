"""graphdet report --narrative against a real server: what is sent, what is kept of honest and of hostile answers."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from graphdet.progress import Silent
from graphdet.reports.ring_json import ring_schema
from graphdet.store.duckdb import DuckDBStore
from tests.cli.command_line import inside
from tests.store.sample_logs import findings, log_tables, source

IDS = {f"u{n}" for n in range(6)}


class Model:
    """A small server that speaks the protocol; `answer` makes a reply of the facts it was sent."""

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict] = []
        self.answer: Callable[[str], str] = lambda facts: "Nothing."
        self.raw: Callable[[BaseHTTPRequestHandler], None] | None = None
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model.requests.append(body)
                model.headers.append(dict(self.headers) | {"path": self.path})
                if model.raw is not None:
                    with suppress(OSError):  # the client had enough
                        model.raw(self)
                    return
                text = model.answer(body["messages"][-1]["content"])
                reply(self, json.dumps({"choices": [{"message": {"content": text}}]}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


def reply(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("narrative") / "log.duckdb"
    log, scores, rings = findings()
    opened = DuckDBStore(path)
    opened.write_log(log_tables(opened.bench, log), source("one", log), Silent())
    opened.write_scores(scores)
    opened.write_rings(rings)
    opened.close()
    return f"duckdb:{path}"


def told(store: str, out: Path, model: Model, *words: object) -> tuple[str, dict, str]:
    """Report ring-1 with a narrative: the page, the JSON document, stderr."""
    done = inside(
        "report", "--store", store, "--ring", "ring-1", "--format", "html,json", "--out", out, "--narrative",
        model.url, "--narrative-model", "small", *words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((out / "rings/ring-1.json").read_text(encoding="utf-8"))
    Draft202012Validator(ring_schema()).validate(document)
    return (out / "rings/ring-1.html").read_text(encoding="utf-8"), document, done.stderr


def fact(facts: str, words: str) -> tuple[str, str]:
    found = re.search(rf"\[(E\d+)\] (.*{words}.*)", facts)
    assert found, facts
    return found[1], found[2]


def test_honest_sentences_are_kept_with_the_ids_put_back_and_nothing_else(
    store: str, tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHDET_NARRATIVE_KEY", "key-of-mine")

    def answer(facts: str) -> str:
        who, text = fact(facts, "Accounts, the surest")
        names = re.findall(r"M\d+", text)
        return (
            f"The accounts {names[0]} and {names[1]} are the surest. [{who}]\n"
            f"There are 977 of them [{who}].\n"
            f"So it is [E999].\n"
            f"Nobody cites this.\n"
            f"M77 leads them [{who}].\n"
            f"<img src=x onerror=alert(document.domain)> sits among the accounts [{who}].\n"
            f"Read more at https://evil.example [{who}]."
        )

    model.answer = answer
    page, document, _ = told(store, tmp_path, model)
    kept = [each["text"] for each in document["narrative"]["sentences"]]
    assert len(kept) == 2
    assert re.fullmatch(r"The accounts u\d and u\d are the surest\.", kept[0])
    assert document["narrative"]["n_dropped"] == 5
    assert "5 sentences did not and were dropped" in page
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "evil.example" not in page
    assert model.headers[0]["path"] == "/v1/chat/completions"
    assert model.headers[0]["Authorization"] == "Bearer key-of-mine"
    assert "key-of-mine" not in page + json.dumps(document)


def test_no_id_leaves_and_the_audit_log_says_who_was_asked(store: str, tmp_path: Path, model: Model) -> None:
    told(store, tmp_path, model)
    sent = json.dumps(model.requests)
    document = json.loads((tmp_path / "rings/ring-1.json").read_text(encoding="utf-8"))
    ids = {m["user_id"] for m in document["members"]} | {i["item_id"] for i in document["items"]}
    ids |= {a["session_id"] for a in document["acts"]} | {i["name"] for i in document["items"] if i["name"]}
    assert ids >= {"u0", "u1"}
    assert not [name for name in ids if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sent)]
    assert not re.search(r"[uisxe]-[a-z2-7]{20}", sent)
    assert "M1" in sent
    entries = json.loads(inside("audit", "show", "--store", store, "--json").stdout)["entries"]
    assert entries[-1]["what"] == "report"
    assert entries[-1]["after"]["narrative"] == {
        "endpoint": f"{model.url}/chat/completions",
        "model": "small",
    }


def test_a_pseudonymised_report_stays_so(store: str, tmp_path: Path, model: Model) -> None:
    def answer(facts: str) -> str:
        who, _ = fact(facts, "Accounts, the surest")
        return f"M1 is the surest account [{who}]."

    model.answer = answer
    key = tmp_path / "keys/key"
    page, document, _ = told(store, tmp_path / "out", model, "--pseudonymise", "--key-file", key, "--new-key")
    assert re.match(r"u-[a-z2-7]{20} is", document["narrative"]["sentences"][0]["text"])
    assert not [name for name in IDS if re.search(rf"[>\s]{name}[<\s,]", page)]


def slow(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def moved(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(307)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (lambda h: reply(h, b"oh no", 500), "status 500"),
        (lambda h: reply(h, b"<html>no</html>"), "no chat completion"),
        (lambda h: reply(h, b'{"choices": []}'), "no chat completion"),
        (lambda h: reply(h, b'{"choices": [{"message": {"content": 7}}]}'), "empty text"),
        (lambda h: reply(h, b"[" * 100_000), "no chat completion"),
        (lambda h: reply(h, b"a" * (3 << 20)), "more than 1,048,576 bytes"),
        (moved, "status 307"),
        (slow, "did not end its answer in 1 s"),
        (lambda h: h.connection.close(), "cannot be asked"),
    ],
)
def test_whatever_goes_wrong_the_report_is_written_with_a_warning(
    store: str, tmp_path: Path, model: Model, raw: Callable[[BaseHTTPRequestHandler], None], why: str
) -> None:
    model.raw = raw
    page, document, said = told(store, tmp_path, model, "--narrative-timeout", "1")
    assert document["narrative"] is None
    assert "Told by a language model" not in page
    assert re.search(rf"Warning: ring ring-1 has no narrative: .*{why}", said), said
    assert len(model.requests) == 1
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--narrative", "ftp://x/v1", "--narrative-model", "m"), "wants a URL such as"),
        (("--narrative", "http://me:pw@x/v1", "--narrative-model", "m"), "GRAPHDET_NARRATIVE_KEY"),
        (("--narrative", "http://x/v1"), "belong together"),
    ],
)
def test_wrong_words(store: str, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = inside("report", "--store", store, "--out", "out", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
