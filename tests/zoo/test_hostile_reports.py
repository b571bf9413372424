"""Sixty hostile names through every format of a ring: nothing runs, nothing is fetched, nothing is lost."""

import csv
import json
import re
from pathlib import Path

import networkx
import pyarrow as pa
import pytest
from jsonschema import Draft202012Validator

from graphdet import schema
from graphdet.reports.context import Matched, OrganicNull, Outsider, Surroundings
from graphdet.reports.csv_tables import write_tables
from graphdet.reports.report_page import overview
from graphdet.reports.ring_data import Act, Item, Member, RingData, RingSession, SharedEntity
from graphdet.reports.ring_files import write_ring
from graphdet.reports.ring_json import ring_schema
from graphdet.reports.ring_names import RING_FORMATS
from graphdet.reports.run_facts import Query, RunFacts
from graphdet.rings.finding import Reason, with_roles
from graphdet.rings.leads import lead_table
from graphdet.sheets import FORMULA, original
from graphdet.tables import RingTables
from tests.store.chromium import watched_pages
from tests.zoo.hostile import NAMES

START = 1_506_826_800_000
STORABLE = [name for name in NAMES if "\x00" not in name and name.isprintable()]


def hostile_ring(names: tuple[str, ...] = NAMES) -> RingData:
    """A ring whose every name is hostile: users, items, sessions, actions, devices, reasons, outsiders."""
    members, acts, sittings = [], [], []
    items = [
        Item(name, names[-1 - k] if k % 2 else None, len(names), 3.5, len(names), START, START + 60_000)
        for k, name in enumerate(names[:30])
    ]
    for k, name in enumerate(names):
        mine = [
            Act(name, f"{name} session", item.item_id, names[(k + j) % 7], START + 1000 * (60 * k + j), 1)
            for j, item in enumerate(items)
            if (k + j) % 3
        ]
        acts += mine
        sittings.append(
            RingSession(name, f"{name} session", tuple((a.at_ms, a.item_id, a.action) for a in mine))
        )
        reasons = (Reason("rare", f"Because of {name}", 3.0, {"name": name}),)
        members.append(
            Member(
                name, 0.9, 0.4, 0.1, True, name, len(mine), len(mine), 3, 1, mine[0].at_ms, mine[-1].at_ms, reasons
            )
        )  # fmt: skip
    import numpy as np

    context = Surroundings(
        outsiders=tuple(
            Outsider(name, tuple(i.item_id for i in items[:2]), START, START + 5) for name in names[:12]
        ),
        outside_by_item={item.item_id: (2, 5) for item in items},
        bands={2: 12, 1: 40},
        band_items={2: {items[0].item_id: 12}, 1: {items[1].item_id: 40}},
        audience_ms=(START, START + 10_000),
        n_audience=52,
        organic=OrganicNull(9, 1.0, np.array([0.4, 0.6]), 0.0),
        matched=Matched(9, np.array([1, 2, 2], np.int64)),
        log_first_ms=START,
        log_last_ms=START + 10_000_000,
        n_log_users=99,
    )
    return RingData(
        ring_id="R1",
        kind="ring",
        n_users=len(names),
        n_items=len(items),
        score=0.97,
        p_value=0.001,
        q_value=0.02,
        flagged=True,
        first_seen="2017-10-01T03:00:00.000Z",
        last_seen="2017-10-01T04:00:00.000Z",
        reason="; ".join(names),
        numbers=(),
        reasons=tuple(Reason(name, name, 1.0) for name in names),
        against=tuple(Reason("doubt", name) for name in names),
        would_change={"text": "".join(names[:9])},
        members=members,
        items=items,
        acts=sorted(acts, key=lambda act: act.at_ms),
        others_ms=[START - 5_000_000, START + 5_000_000],
        sittings=sittings,
        shared=[SharedEntity(name, name, names[:4]) for name in names],
        around=lambda: context,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile names")
    facts = RunFacts(
        config_name=NAMES[0],
        inputs=tuple((name, name, 1) for name in NAMES),
        labels=NAMES[1],
        queries=(Query(NAMES[2], NAMES[3], NAMES[4].replace("{", ""), NAMES[5]),),
    )
    forms = [form for form in RING_FORMATS if form != "pdf"]
    write_ring(folder / "rings", hostile_ring(), forms, facts)
    few = hostile_ring(NAMES[:9])
    write_ring(folder / "few", few, forms, facts)
    scores, rings = tables()
    info = {
        "counts": dict.fromkeys(STORABLE, 5) | {"users": 99},
        "rejects_by_reason": dict.fromkeys(NAMES, 3),
        "n_rows": 1000,
        "n_rejects": 180,
        "inputs": [{"file": name, "sha256": name, "n_rows": 1} for name in NAMES],
        "warnings": list(NAMES),
        "config": {"name": NAMES[0]},
        "fdr": 0.05,
    }
    overview(folder, scores, rings, lead_table(rings), info)
    write_tables(folder / "spreadsheet", *with_roles(scores, rings), lead_table(rings))
    return folder


def tables() -> tuple[pa.Table, RingTables]:
    """Scores and rings of hostile names, as a store gives them: what Arrow can hold."""
    names = STORABLE
    n = len(names)
    value = [0.9] * n
    columns = [names, value, value, value, [True] * n, names, value, value, value, names]
    scores = pa.table(dict(zip(schema.SCORE_COLUMNS, columns, strict=True)))
    when = [["2017-10-01T03:00:00.000Z"] * n] * 2
    row = [names, ["ring"] * n, [3] * n, [2] * n, value, value, value, [True] * n, *when, names, ["{}"] * n]
    rings = pa.table(dict(zip((*schema.RING_COLUMNS, schema.RING_EVIDENCE), row, strict=True)))
    members = pa.table({"ring_id": names, "user_id": names, "score": value})
    items = pa.table({"ring_id": names, "item_id": names, "n_users": [1] * n, "lift": value})
    return scores, RingTables(rings, members, items)


def test_there_are_sixty_of_them() -> None:
    assert len(set(NAMES)) == 60


def test_json_holds_every_name_and_keeps_the_schema(out: Path) -> None:
    document = json.loads((out / "rings/R1.json").read_text(encoding="utf-8"))
    Draft202012Validator(ring_schema()).validate(document)
    assert [member["user_id"] for member in document["members"]] == list(NAMES)
    assert {act["user_id"] for act in document["acts"]} == set(NAMES)
    assert [entity["entity_id"] for entity in document["shared_entities"]] == list(NAMES)


@pytest.mark.parametrize("form", ["graphml", "gexf"])
def test_graphs_reopen_with_every_name(out: Path, form: str) -> None:
    path = out / f"rings/R1.{form}"
    graph = (
        networkx.read_graphml(path, force_multigraph=True) if form == "graphml" else networkx.read_gexf(path)
    )
    found: dict[str, list[str]] = {}
    for node, data in graph.nodes(data=True):
        exact = json.loads(data["id_json"]) if "id_json" in data else data["id_in_log"]
        found.setdefault(node[0], []).append(exact)
    assert found["u"] == list(NAMES)
    assert found["i"] == list(NAMES[:30])
    assert found["e"] == list(NAMES)
    assert sorted(found["s"]) == sorted(f"{name} session" for name in NAMES)
    ring = hostile_ring()
    acts = [data for *_, data in graph.edges(data=True) if data["type"] not in ("STARTED", "USED")]
    assert len(acts) == len(ring.acts)


def test_no_field_of_a_spreadsheet_can_run_and_every_text_comes_back(out: Path) -> None:
    paths = [*sorted((out / "rings").glob("*.csv")), *sorted((out / "spreadsheet").glob("*.csv"))]
    assert len(paths) == 8
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("\ufeff")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
        for field in (field for row in rows[1:] for field in row):
            try:
                float(field)  # a number, negative or not, is no formula
                continue
            except ValueError:
                assert not field or field[0] == "'" or field[0] not in FORMULA, field[:40]
                assert not field[:1].isspace()
    with (out / "rings/R1.members.csv").open(encoding="utf-8-sig", newline="") as file:
        users = [original(row[0]) for row in csv.reader(file)][1:]
    exact = [name for name in NAMES if not re.search("[\x00\ud800-\udfff]", name)]
    assert [user for user in users if user in set(exact)] == exact


@pytest.mark.parametrize("name", ["rings/R1.html", "few/R1.html", "report.html"])
def test_a_page_is_under_two_megabytes_and_says_its_policy(out: Path, name: str) -> None:
    text = (out / name).read_text(encoding="utf-8")
    assert len(text.encode()) < 2 * 2**20
    assert "default-src 'none'" in text[:600]
    assert "unsafe" not in text[:900]
    assert "\u202e" not in text
    assert "\x00" not in text


def test_pdf_is_made_of_hostile_names_without_fetching(tmp_path: Path) -> None:
    pytest.importorskip("weasyprint", exc_type=ImportError)
    write_ring(tmp_path, hostile_ring(NAMES[:20]), ["pdf"])
    assert (tmp_path / "R1.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_no_dialog_asks_for_nothing_and_keeps_its_layout(out: Path, scheme: str) -> None:
    for page, width, said in watched_pages(scheme):
        for name in ("rings/R1.html", "few/R1.html", "report.html"):
            address = (out / name).as_uri()
            page.goto(address)
            assert said == [address]
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate("getComputedStyle(document.body).display") == "block"
            assert page.locator("table.sortable").count() >= 2
            buttons = page.locator("table.sortable th button:visible")
            assert buttons.count() or width < 600  # a phone shows cards, which have no head
            if buttons.count():
                buttons.first.click()  # the script is ours and works
                assert page.locator("th[aria-sort]").count() == 1
            page.locator("input[type=search]").first.fill("<script>")
            assert page.url == address
            assert said == [address]
            said.clear()
