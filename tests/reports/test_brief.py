"""The case brief: five facts, what speaks against, weak members and a verdict, on two pages of paper."""

from pathlib import Path

import pyarrow as pa
import pytest

from graphdet.reports.brief import WEAK_SHOWN, case_brief, write_brief
from graphdet.reports.gather import Sources, gather_rings
from graphdet.reports.ring_data import Decided, RingData
from graphdet.reports.run_facts import RunFacts
from graphdet.tables import RingTables
from tests.reports.report_findings import make_findings
from tests.reports.test_reports_pages import Page, assert_harmless, strong_case, told_role, with_evidence


def a_ring(ring_id: str = "R0001", n_weak: int = 2) -> RingData:
    rings, scores, acts, items = make_findings()
    told = {f"u{n:03}": told_role("bystander" if n < n_weak else "core") for n in range(10)}
    rings = with_evidence(rings, "R0001", strong_case(566.0) | {"member_reasons": told})
    decided = {"R0001": Decided("snoozed", ("Snoozed by Ann until 2026-12-24 00:00 UTC.",))}
    (ring,) = gather_rings(Sources(rings, acts, scores, items, decided=decided), [ring_id])
    return ring


def test_a_brief_has_five_facts_one_expectation_and_the_verdict(tmp_path: Path) -> None:
    (path,) = write_brief(tmp_path, a_ring(), ("html",), RunFacts(), pseudonymised=False)
    assert path.name == "R0001.brief.html"
    page = Page(path)
    assert_harmless(page)
    for fact in ("1. What", "2. When", "3. How", "4. Who", "5. How sure"):
        assert fact in page.text
    assert page.text.count("would be expected") == 1
    assert "where 8.3 would be expected" in page.text
    assert "they have long histories" in page.text
    assert "The ring does not vouch for these" in page.text
    assert "is bystander" in page.text
    assert "Verdict: snoozed." in page.text
    assert "Snoozed by Ann until 2026-12-24" in page.text
    assert "graphdet verdict R0001 --innocent" in page.text
    assert page.open.count("svg") == 2


def test_a_brief_of_hostile_names_is_harmless_and_of_a_lead_says_why(tmp_path: Path) -> None:
    for ring_id in ("R0002", "R0003"):
        (path,) = write_brief(tmp_path, a_ring(ring_id), ("html",), RunFacts(), pseudonymised=False)
        assert_harmless(Page(path))
    assert "Not flagged:" in Page(tmp_path / "R0003.brief.html").text


def test_of_many_weak_members_the_first_are_named() -> None:
    page = case_brief(a_ring(n_weak=10))
    assert f"And {10 - WEAK_SHOWN} more" in page


def large_ring() -> RingData:
    """Sixty members on twelve targets, two thirds of them weak, with long reasons."""
    rings, scores, acts, items = make_findings()
    users, things = [f"account-{n:06}" for n in range(60)], [f"item-{n}" for n in range(12)]
    row = rings.rings.to_pylist()[0] | {"n_users": 60, "n_items": 12}
    members = pa.table({"ring_id": ["R0001"] * 60, "user_id": users, "score": [0.4] * 60})
    targets = pa.table(
        {"ring_id": ["R0001"] * 12, "item_id": things, "n_users": [60] * 12, "lift": [9.0] * 12}
    )
    start = acts["at_ms"][0].as_py()
    done = [
        (user, f"s-{user}", thing, "view", start + 60_000 * (u + t), 1)
        for u, user in enumerate(users)
        for t, thing in enumerate(things)
    ]
    acts = pa.table(dict(zip(acts.column_names, map(pa.array, zip(*done, strict=True)), strict=True)))
    found = RingTables(pa.Table.from_pylist([row], rings.rings.schema), members, targets)
    told = {
        user: [told_role("bystander")[0] | {"text": "weak member, perhaps a bystander " * 9}]
        for user in users[:40]
    }
    found = with_evidence(found, "R0001", strong_case(566.0) | {"member_reasons": told})
    (ring,) = gather_rings(Sources(found, acts, scores, items), ["R0001"])
    return ring


@pytest.mark.parametrize("ring", [a_ring(), large_ring()], ids=["small", "large"])
def test_a_brief_is_two_pages(tmp_path: Path, ring: RingData) -> None:
    weasyprint = pytest.importorskip("weasyprint", exc_type=ImportError)
    (path,) = write_brief(tmp_path, ring, ("pdf",), RunFacts(), pseudonymised=False)
    assert path.read_bytes().startswith(b"%PDF")
    from graphdet.reports.brief import TALLEST_PICTURE, WIDEST_PICTURE
    from graphdet.reports.pdf import for_paper

    paper = for_paper(case_brief(ring), (WIDEST_PICTURE, TALLEST_PICTURE))
    assert len(weasyprint.HTML(string=paper).render().pages) == 2
