"""Neo4j Browser in a headless Chromium: log in to the real server, run saved queries, look at what is drawn."""

import base64
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphdet.audit import verify
from graphdet.casework.decisions import note_loose, standing_of
from graphdet.progress import Silent
from graphdet.store.neo4j import Neo4jStore, browser, server
from graphdet.store.neo4j.guide import GuideServer, case_of
from graphdet.store.neo4j.statements import cypher_text
from tests.store.chromium import FLAGS
from tests.store.sample_logs import findings, log_tables, source

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
        chrome = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        opened = chrome.new_page(viewport={"width": 1400, "height": 1000})
        opened.set_default_timeout(PATIENCE_MS)
        opened.goto(neo4j_server.browser_url)
        opened.get_by_test_id("boltaddress").fill(neo4j_url.replace("neo4j://", ""))
        opened.get_by_test_id("username").fill(neo4j_server.username)
        opened.get_by_test_id("password").fill(neo4j_server.password_file.read_text().strip())
        opened.get_by_test_id("connect").click()
        opened.get_by_test_id("password").wait_for(state="detached")
        _settle(opened, playwright.TimeoutError)
        yield opened
        chrome.close()


def _settle(page: object, late: type[Exception]) -> None:
    """Wait until the Browser has done what the server bids it do on connecting: its `clear` takes our frames too."""
    # No answer is in sight when it was cleared away before we looked.
    with contextlib.suppress(late):
        page.get_by_text("Successfully set your parameters").first.wait_for(timeout=10_000)  # type: ignore[attr-defined]
    page.wait_for_timeout(3000)  # type: ignore[attr-defined]


def run(page: object, statement: str) -> None:
    """Type a statement into the editor and run it."""
    page.get_by_test_id("activeEditor").click()  # type: ignore[attr-defined]
    page.keyboard.press("Control+A")  # type: ignore[attr-defined]
    page.keyboard.insert_text(statement)  # type: ignore[attr-defined]
    page.keyboard.press("Control+Enter")  # type: ignore[attr-defined]


def test_saved_queries_run_in_the_browser(page: object, tmp_path: Path) -> None:
    run(page, cypher_text("browser/top-suspects"))
    page.get_by_text('acts "in step"').first.wait_for()  # type: ignore[attr-defined]
    page.screenshot(path=tmp_path / "top-suspects.png")  # type: ignore[attr-defined]
    run(page, ":param ring_id => 'ring-1'")
    page.get_by_text('"ring_id": "ring-1"').first.wait_for()  # type: ignore[attr-defined]
    run(page, cypher_text("browser/draw-ring"))
    page.locator("svg .node").first.wait_for()  # type: ignore[attr-defined]
    page.wait_for_timeout(3000)  # type: ignore[attr-defined]  # the drawing comes to rest
    page.screenshot(path=tmp_path / "draw-ring.png")  # type: ignore[attr-defined]
    nodes = page.locator("svg .node").count()  # type: ignore[attr-defined]
    assert (
        nodes == 3 + 3 + 2 + 1
    )  # members, their sessions, targets, a device; not the ring, the middle of a star
    # The server told the Browser our style when it connected: nothing was loaded.
    colours = {circle.get_attribute("fill") for circle in page.locator("svg .node circle").all()}  # type: ignore[attr-defined]
    wanted = {rule["color"] for name, rule in browser.style_rules().items() if name.startswith("node.")}
    assert {browser.style_rules()[f"node.{label}"]["color"] for label in ("Suspect", "Item")} <= colours
    assert colours - {None, "none"} <= wanted
    captions = page.locator("svg .node text").all_text_contents()  # type: ignore[attr-defined]
    assert {"u0", "i0"} <= {caption.strip() for caption in captions}


def drop(page: object, name: str, content: bytes) -> None:
    """Drop a file on the Browser, as a person does from a folder."""
    transfer = page.evaluate_handle(  # type: ignore[attr-defined]
        """([text, name]) => { const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name)); return transfer }""",
        [base64.b64encode(content).decode(), name],
    )
    target = page.locator("xpath=//*[contains(@class, 'filedrop')]").first  # type: ignore[attr-defined]
    for event in ("dragenter", "dragover", "drop"):
        target.dispatch_event(event, {"dataTransfer": transfer})


def test_favourites_and_style_are_taken_by_dropping_a_file(page: object, tmp_path: Path) -> None:
    drop(page, browser.FAVOURITES_NAME, browser.favourites())
    page.get_by_test_id("navigationFavorites").click()  # type: ignore[attr-defined]
    page.get_by_text(browser.FAVOURITES_FOLDER, exact=True).first.click()  # type: ignore[attr-defined]
    page.get_by_text("00 Set the parameters first").wait_for()  # type: ignore[attr-defined]
    for start in ("01 Today", "10 Data quality", "19 Give a verdict"):
        page.get_by_text(start).first.wait_for()  # type: ignore[attr-defined]
    page.screenshot(path=tmp_path / "favourites.png")  # type: ignore[attr-defined]
    run(page, ":style reset")
    page.wait_for_timeout(2000)  # type: ignore[attr-defined]
    assert not page.get_by_text("node.Suspect").count()  # type: ignore[attr-defined]
    drop(page, browser.STYLE_NAME, browser.style_text().encode())
    page.get_by_text("node.Suspect").first.wait_for()  # type: ignore[attr-defined]


def test_the_guide_is_played_and_its_statements_lead_to_a_verdict(
    page: object, neo4j_url: str, tmp_path: Path
) -> None:
    store = Neo4jStore(neo4j_url, bulk=False)
    with GuideServer(case_of(store), 0) as serving:
        thread = threading.Thread(target=serving.serve)
        thread.start()
        try:
            run(page, f":guide {serving.url}/guide.html")
            drawer = page.get_by_test_id("guidesDrawer")  # type: ignore[attr-defined]
            drawer.get_by_text("ring-1", exact=True).first.wait_for()
            n_statements = 0
            for slide in range(1, 9):
                if slide > 1:
                    page.get_by_test_id("guideNextSlide").click()  # type: ignore[attr-defined]
                boxes = drawer.locator("pre.runnable")
                for box in (0, 2) if slide == 8 else (0,):  # 8: guilty, or innocent, and then the verdict
                    frames = page.get_by_test_id("frame").count()  # type: ignore[attr-defined]
                    boxes.nth(box).click()
                    page.get_by_test_id("editor-Run").click()  # type: ignore[attr-defined]
                    page.get_by_test_id("frame").nth(frames).wait_for()  # type: ignore[attr-defined]
                    n_statements += 1
            page.get_by_text('"shared-operator"').last.wait_for()  # type: ignore[attr-defined]
            page.screenshot(path=tmp_path / "guide.png")  # type: ignore[attr-defined]
            assert page.get_by_text("ERROR", exact=True).count() == 0  # type: ignore[attr-defined]
            assert n_statements < 10
        finally:
            serving.stop()
            thread.join()
    given = standing_of(store).of_ring("ring-1")
    store.close()
    assert given is not None
    assert (given.verdict, given.reason) == ("guilty", "shared-operator")


def test_a_verdict_is_given_in_the_browser(page: object, neo4j_url: str, tmp_path: Path) -> None:
    said = "verdict: 'innocent', reason: 'fan-club', note: 'a forum', who: 'Ann'"
    run(page, f":params {{ring_id: 'ring-1', {said}}}")
    page.get_by_text('"ring_id": "ring-1"').first.wait_for()  # type: ignore[attr-defined]
    run(page, cypher_text("browser/give-verdict"))
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
