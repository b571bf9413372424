"""The desk in a real browser: from the queue to a verdict and back, by keys, on a phone, from this machine alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphdet.audit import verify
from graphdet.service.desk import QueueView, chosen_rings, effects
from graphdet.service.limits import Caller, Doors
from graphdet.service.snapshot import Keeper
from graphdet.store import open_store
from tests.helpers.worlds import copied
from tests.service.running import Running, running
from tests.store.chromium import watched_pages

pytestmark = pytest.mark.slow
EVERYTHING = frozenset({"read", "write", "decide"})


@pytest.fixture
def desk(news_world: Path, tmp_path: Path) -> Iterator[Running]:
    world = copied(news_world, tmp_path)
    with running(f"duckdb:///{world / 'one' / 'graph.duckdb'}", Doors()) as one:
        yield one


def entries(url: str) -> list[dict[str, object]]:
    store = open_store(url, read_only=True, create=False)
    try:
        log = store.audit()
    finally:
        store.close()
    assert verify(log) == []
    return [entry.document() for entry in log.entries]


def test_the_queue_finds_by_status_kind_member_and_word(desk: Running) -> None:
    held = desk.keeper.snapshot()
    flagged = chosen_rings(held, QueueView())
    assert flagged == [ring_id for ring_id, one in held.findings.items() if one.flagged]
    member = held.members_of[flagged[-1]][0]["user_id"]
    assert flagged[-1] in chosen_rings(held, QueueView(search=member))
    assert chosen_rings(held, QueueView(search="no such word")) == []
    assert chosen_rings(held, QueueView(status="guilty", what="all")) == []
    leads = chosen_rings(held, QueueView(what="leads"))
    assert not set(leads) & set(flagged)


def test_what_a_decision_would_hit_is_counted(desk: Running) -> None:
    held = desk.keeper.snapshot()
    one, other = chosen_rings(held, QueueView())[:2]
    found = effects(held, [one, other])
    members = {row["user_id"] for ring_id in (one, other) for row in held.members_of[ring_id]}
    assert found["n_accounts"] == len(members)
    by_hand = sum(1 - held.user(user)["score"] for user in members)  # type: ignore[index]
    assert found["innocent"] == pytest.approx(by_hand)
    assert found["not_flagged"] == []


def test_an_address_of_review_works_once(desk: Running) -> None:
    session = desk.doors.open_session(Caller("ann", EVERYTHING))
    first = desk.ask("GET", f"/login?session={session}")
    assert first.status in (302, 303, 307)
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=strict" in first.headers["set-cookie"]
    assert session not in first.headers["set-cookie"]
    assert desk.ask("GET", f"/login?session={session}").status == 200
    assert "set-cookie" not in desk.ask("GET", f"/login?session={session}").headers


@pytest.mark.browser
def test_from_the_queue_to_a_verdict_and_back(desk: Running) -> None:
    for page, width, said in watched_pages("dark"):
        session = desk.doors.open_session(Caller("ann", EVERYTHING))
        page.goto(f"{desk.address}/login?session={session}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        first = page.locator("table.queue a").first.text_content()
        # By keys alone: the first row, its page, its graph.
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/desk/rings/*")
        frame = page.frame_locator("iframe")
        frame.locator("h1").wait_for()
        assert first in frame.locator("h1").text_content()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.press("2")
        page.locator("#drawing[data-drawn]").wait_for()
        before = int(page.locator("#drawing").get_attribute("data-drawn"))
        assert before > 20
        page.evaluate("""() => { deskPicture.nodes('[kind = "user"]')[0].emit("tap"); }""")
        page.locator("#said", has_text="shared thing").wait_for()
        assert int(page.locator("#drawing").get_attribute("data-drawn")) > before
        # A note, then guilty, then taken back.
        page.keyboard.press("3")
        page.locator("#notes input[name=text]").fill("<b>asked the payments team</b>")
        page.get_by_role("button", name="Keep it").click()
        page.get_by_text("<b>asked the payments team</b>").last.wait_for()
        page.keyboard.press("g")
        page.keyboard.press("Enter")
        page.get_by_text("judged guilty (paid-engagement)").wait_for()
        given = entries(desk.keeper.url)[-1]
        assert (given["who"], given["subject"], given["what"]) == ("ann", first, "verdict")
        page.get_by_role("button", name="Undo").click()
        page.wait_for_url("**/desk/?status=open")
        assert first in page.locator("table.queue").text_content()
        outside = [line for line in said if not line.startswith((desk.address, "data:"))]
        assert outside == []


@pytest.mark.browser
def test_several_rings_are_decided_after_what_would_be_hit_is_shown(desk: Running) -> None:
    for page, _, _ in watched_pages("light"):
        session = desk.doors.open_session(Caller("ann", EVERYTHING))
        page.goto(f"{desk.address}/login?session={session}")
        boxes = page.locator("table.queue input")
        chosen = [boxes.nth(place).get_attribute("value") for place in range(2)]
        boxes.nth(0).check()
        boxes.nth(1).check()
        page.get_by_role("button", name="Decide on the chosen").click()
        page.get_by_text("are likely innocent by their scores").wait_for()
        page.get_by_role("button", name="fan-club").click()
        page.get_by_text("judged innocent (fan-club)").wait_for()
        held = desk.keeper.snapshot()
        assert [held.status(ring_id) for ring_id in chosen] == ["innocent", "innocent"]
        page.get_by_role("button", name="Undo").click()
        page.wait_for_url("**/desk/?status=open")
        held = desk.keeper.snapshot()
        assert [held.status(ring_id) for ring_id in chosen] == ["open", "open"]


@pytest.mark.browser
def test_hostile_names_do_nothing(hostile_world: object, tmp_path: Path) -> None:
    from shutil import copy

    graph = Path(copy(Path(hostile_world.out) / "graph.duckdb", tmp_path))  # type: ignore[attr-defined]
    with running(f"duckdb:///{graph}", Doors()) as service:
        held = Keeper(service.keeper.url).snapshot()
        ring_id = next(iter(held.findings))
        for page, width, said in watched_pages("light"):
            session = service.doors.open_session(Caller("<script>alert(1)</script>", EVERYTHING))
            page.goto(f"{service.address}/login?session={session}")
            page.goto(f"{service.address}/desk/?what=all&status=all&search=%3Cscript%3Ealert(1)%3C/script%3E")
            page.goto(f"{service.address}/desk/rings/{ring_id}")
            page.frame_locator("iframe").locator("h1").wait_for()
            page.keyboard.press("2")
            page.locator("#drawing[data-drawn]").wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert [line for line in said if not line.startswith((service.address, "data:"))] == []
