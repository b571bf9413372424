"""The guide without Neo4j: its page, and who may read it from its server."""

import http.client
import re
import threading
from collections.abc import Iterator

import pytest

from graphdet.errors import StoreError
from graphdet.store.neo4j.guide import Case, GuideServer, guide_page

CASE = Case("R0001", 3, 2, True, "3 accounts on 2 items", "u0", "u1")
HOSTILE = "</pre><script>alert(1)</script>' \\u0027 }; MATCH (n) DETACH DELETE n; //"


@pytest.fixture
def serving() -> Iterator[GuideServer]:
    with GuideServer(CASE, 0) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        server.stop()
        thread.join()


def ask(serving: GuideServer, verb: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", int(serving.url.rpartition(":")[2]), timeout=10)
    try:
        connection.request(
            verb, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        answer.text = answer.read().decode("latin-1")  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


def test_pages_of_this_machine_may_read_it_and_no_others(serving: GuideServer) -> None:
    ours = ask(serving, "GET", "/guide.html", Origin="http://localhost:7474")
    assert (ours.status, ours.headers["Access-Control-Allow-Origin"]) == (200, "http://localhost:7474")
    assert "R0001" in ours.text  # type: ignore[attr-defined]
    for origin in ("https://evil.example", "http://localhost.evil.example", "null"):
        foreign = ask(serving, "GET", "/guide.html", Origin=origin)
        assert foreign.headers["Access-Control-Allow-Origin"] is None
    before = ask(serving, "OPTIONS", "/guide.html", Origin="http://localhost:7474")
    assert (before.status, before.headers["Access-Control-Allow-Headers"]) == (204, "*")
    rebound = ask(serving, "GET", "/guide.html", Host="evil.example")
    assert rebound.status == 403
    assert "R0001" not in rebound.text  # type: ignore[attr-defined]


def test_style_and_favourites_are_served_and_nothing_else(serving: GuideServer) -> None:
    assert "node.Ring {" in ask(serving, "GET", "/graphdet.grass").text  # type: ignore[attr-defined]
    assert ask(serving, "HEAD", "/graphdet-favourites.zip").headers["Content-Type"] == "application/zip"
    for path in ("/", "/../../etc/passwd", "/guide.html/x"):
        assert ask(serving, "GET", path).status == 404


def test_a_taken_port_is_said(serving: GuideServer) -> None:
    with pytest.raises(StoreError, match="choose another port"):
        GuideServer(CASE, int(serving.url.rpartition(":")[2]))


def test_a_newcomer_needs_fewer_than_ten_statements() -> None:
    page = guide_page(CASE)
    assert page.count("<slide") == page.count("</slide>") == 8
    boxes = re.findall(r'<pre class="runnable">(.*?)</pre>', page, re.DOTALL)
    assert len(boxes) == 10  # two of them are one choice
    # Neo4j Browser removes what looks like an event handler, also from statements.
    assert not re.search(r"\s+on[^\s=]+\s*=\s*(?:\"|&|\'|[\w.:-])", "".join(boxes), re.IGNORECASE)


def test_hostile_ids_stay_texts() -> None:
    page = guide_page(Case(HOSTILE, 3, 2, False, HOSTILE, HOSTILE, "<img src=x onerror=alert(1)>"))
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</pre>") == 10
    assert "\\u005c\\u005cu0027" in page
