"""Neo4j Browser in a headless Chromium: log in to the real server, run saved queries, look at what is drawn."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import FLAGS
from sample_logs import findings, log_tables, source

from graphdet.audit import verify
from graphdet.pipeline.decisions import note_loose, standing_of
from graphdet.ports import Silent
from graphdet.store.neo4j import Neo4jStore, server
from graphdet.store.neo4j.statements import text_of

pytestmark = [pytest.mark.neo4j, pytest.mark.browser]
PATIENCE_MS = 60_000


@pytest.fixture
def page(neo4j_server: server.ServerInfo, neo4j_url: str, tmp_path: Path) -> Iterator[object]:
    """A page of Neo4j Browser, logged in to a server that holds a log, scores and rings."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium; apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    log, scores, rings = findings()
    store = Neo4jStore(neo4j_url, bulk=False)
    store.write_log(log_tables(store.bench, log), source("one", log), Silent())
    store.write_scores(scores)
    store.write_rings(rings)
    store.close()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        opened = browser.new_page(viewport={"width": 1400, "height": 1000})
        opened.set_default_timeout(PATIENCE_MS)
        opened.goto(neo4j_server.browser_url)
        opened.get_by_test_id("boltaddress").fill(neo4j_url.replace("neo4j://", ""))
        opened.get_by_test_id("username").fill(neo4j_server.username)
        opened.get_by_test_id("password").fill(neo4j_server.password_file.read_text().strip())
        opened.get_by_test_id("connect").click()
        opened.get_by_test_id("password").wait_for(state="detached")
        yield opened
        browser.close()


def run(page: object, statement: str) -> None:
    """Type a statement into the editor and run it."""
    page.get_by_test_id("activeEditor").click()  # type: ignore[attr-defined]
    page.keyboard.press("Control+A")  # type: ignore[attr-defined]
    page.keyboard.insert_text(statement)  # type: ignore[attr-defined]
    page.keyboard.press("Control+Enter")  # type: ignore[attr-defined]


def test_saved_queries_run_in_the_browser(page: object, tmp_path: Path) -> None:
    run(page, text_of("browser/top-suspects"))
    page.get_by_text('acts "in step"').first.wait_for()  # type: ignore[attr-defined]
    page.screenshot(path=tmp_path / "top-suspects.png")  # type: ignore[attr-defined]
    run(page, ":param ring_id => 'ring-1'")
    page.get_by_text('"ring_id": "ring-1"').first.wait_for()  # type: ignore[attr-defined]
    run(page, text_of("browser/draw-ring"))
    page.locator("svg .node").first.wait_for()  # type: ignore[attr-defined]
    page.wait_for_timeout(3000)  # type: ignore[attr-defined]  # the drawing comes to rest
    page.screenshot(path=tmp_path / "draw-ring.png")  # type: ignore[attr-defined]
    nodes = page.locator("svg .node").count()  # type: ignore[attr-defined]
    assert nodes == 1 + 3 + 3 + 2  # ring, members, their sessions, targets


def test_a_verdict_is_given_in_the_browser(page: object, neo4j_url: str, tmp_path: Path) -> None:
    said = "verdict: 'innocent', reason: 'fan-club', note: 'a forum', who: 'Ann'"
    run(page, f":params {{ring_id: 'ring-1', {said}}}")
    page.get_by_text('"ring_id": "ring-1"').first.wait_for()  # type: ignore[attr-defined]
    run(page, text_of("browser/give-verdict"))
    page.get_by_text('"a forum"').last.wait_for()  # type: ignore[attr-defined]
    page.wait_for_timeout(2000)  # type: ignore[attr-defined]
    page.screenshot(path=tmp_path / "give-verdict.png")  # type: ignore[attr-defined]
    store = Neo4jStore(neo4j_url, bulk=False)
    given = standing_of(store).of_ring("ring-1")
    assert given is not None
    assert (given.verdict, given.reason, given.note, given.who) == ("innocent", "fan-club", "a forum", "Ann")
    assert note_loose(store) == 1
    assert verify(store.audit()) == []
    store.close()
