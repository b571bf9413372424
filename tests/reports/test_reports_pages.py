"""Ring pages and the overview: complete, byte-stable, and harmless whatever the names are."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import networkx
import numpy as np
import pyarrow as pa
import pytest

from graphdet.reports.answers import advice
from graphdet.reports.evidence import explained_numbers
from graphdet.reports.figures.layout import crossings, two_columns
from graphdet.reports.gather import Sources, gather_rings
from graphdet.reports.html import template_text
from graphdet.reports.report_page import overview
from graphdet.reports.ring_data import Decided
from graphdet.reports.ring_files import remove_old, write_rings
from graphdet.reports.ring_names import LEADS_WITH_PAGE, page_name, reported_ids
from graphdet.reports.ring_page import ring_page
from graphdet.rings.leads import lead_table
from graphdet.rings.why.doubts import doubts_in_words
from graphdet.tables import RingTables
from graphdet.words import clock, visible
from tests.reports.report_findings import HELD_BACK, HOSTILE, START_MS, make_findings

SUFFIXES = ("html", "json", "graphml")


class Page(HTMLParser):
    """Collects what a browser would see: tags, attributes and texts."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        source = path.read_text(encoding="utf-8")
        assert "\x00" not in source
        self.feed(source)
        self.close()
        self.text = "\n".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self.open[-1:] != ["style"]:
            self.texts.append(data)


def assert_harmless(page: Page) -> None:
    assert not page.tags & {"i", "iframe", "object", "embed", "form", "base", "img", "link"}
    assert page.open.count("script") == 1
    assert "".join(page.scripts).rstrip("\n") == template_text("script.js").rstrip("\n")  # ours and no other
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = [value for name, value in page.attributes if name in ("href", "src", "action", "xlink:href")]
    assert all(
        value and not value.lower().startswith(("javascript:", "http", "data:", "//")) for value in links
    )
    policy = dict(page.attributes).get("content")
    contents = [value or "" for name, value in page.attributes if name == "content"]
    assert policy is not None
    assert any("default-src 'none'" in value and "unsafe" not in value for value in contents)


def write(folder: Path, rings: RingTables, scores: pa.Table, acts: pa.Table, items: pa.Table) -> list[Path]:
    """The pages of the flagged rings and of the strongest leads, as a run writes them."""
    ids = reported_ids(rings, lead_table(rings))
    remove_old(folder / "rings", keep={page_name(ring_id) for ring_id in ids})
    return write_rings(folder / "rings", Sources(rings, acts, scores, items), ids)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("findings")
    rings, scores, acts, items = make_findings()
    pages = write(folder, rings, scores, acts, items)
    assert [page.name for page in pages if page.suffix == ".html"] == [
        "R0001.html",
        "R0002.html",
        "R0003.html",
    ]
    info = {
        "counts": {"users": 70, "interactions": 90},
        "n_rows": 100,
        "n_rejects": 3,
        "rejects_by_reason": {HOSTILE[0]: 3},
        "inputs": [{"file": HOSTILE[1], "sha256": "ab" * 32, "n_rows": 100}],
        "warnings": [HOSTILE[7]],
        "config": {"name": HOSTILE[3]},
        "fdr": 0.05,
    }
    overview(folder, scores, rings, lead_table(rings), info)
    return folder


def test_every_flagged_ring_and_strong_lead_has_its_three_files(out: Path) -> None:
    names = sorted(path.name for path in (out / "rings").iterdir())
    assert names == sorted(f"{ring}.{suffix}" for ring in ("R0001", "R0002", "R0003") for suffix in SUFFIXES)


@pytest.mark.parametrize("name", ["report.html", "rings/R0001.html", "rings/R0002.html", "rings/R0003.html"])
def test_no_name_can_become_markup(out: Path, name: str) -> None:
    assert_harmless(Page(out / name))


def test_hostile_names_are_shown_as_they_are_spelled(out: Path) -> None:
    page = Page(out / "rings/R0002.html")
    for name in HOSTILE:
        assert visible(name) in page.text
    assert "7*7" in page.text
    assert "\u202e" not in page.text
    overview_text = Page(out / "report.html").text
    assert visible(HOSTILE[0]) in overview_text
    assert visible(HOSTILE[7]) in overview_text


def test_the_page_says_reason_levels_evidence_and_counter_evidence(out: Path) -> None:
    text = Page(out / "rings/R0001.html").text
    assert "10 accounts <b>push</b> 4 items\\x00" in text
    assert "expected to be false alarms" in text
    assert "Times more than expected" in text
    assert "Brand new" in text  # a number that we have no words for yet is still shown
    assert "targets may simply belong together" in text  # halo_lift 7
    assert "10 boxes of members on the left, 4 of targets in the middle" in text
    assert "What to do" in text
    assert "in step" in text
    assert "From 2017-10-01 03:" in text


def test_the_json_document_holds_the_page(out: Path) -> None:
    document = json.loads((out / "rings/R0002.json").read_text(encoding="utf-8"))
    assert document["schema"] == "graphdet.ring/2"
    assert {member["user_id"] for member in document["members"]} == set(HOSTILE)
    assert {row["name"]: row["value"] for row in document["evidence"]}["lift"] == 12.5
    assert all(act["item_id"].startswith("thing ") for act in document["acts"])
    assert document["members"][0]["first"].startswith("2017-10-01T")
    assert document["counter_evidence"]


def test_graphml_reads_back_in_networkx(out: Path) -> None:
    graph = networkx.read_graphml(out / "rings/R0002.graphml", force_multigraph=True)
    document = json.loads((out / "rings/R0002.json").read_text(encoding="utf-8"))
    kinds = networkx.get_node_attributes(graph, "kind")
    assert sorted(kinds.values()).count("user") == len(HOSTILE)
    ids = networkx.get_node_attributes(graph, "id_in_log")
    users = {ids[node] for node, kind in kinds.items() if kind == "user"}
    clean = {name for name in HOSTILE if name.isprintable()}
    assert clean <= users
    assert "nul\\x00bell\\x07esc\\x1b[31m" in users
    assert "a'b`c\r\n,<svg/onload=alert(1)>" in users
    acts = [data for *_, data in graph.edges(data=True) if data["type"] != "STARTED"]
    assert len(acts) == len(document["acts"])
    assert {data["type"] for data in acts} == {"VIEWED", "CARTED", "I_BUY"}
    assert sum(data["n"] for data in acts) == sum(act["n"] for act in document["acts"])


def test_the_order_of_the_rows_does_not_change_a_byte(tmp_path: Path) -> None:
    for place in (None, 3, 4):
        folder = tmp_path / str(place)
        rings, scores, acts, items = make_findings(shuffle=place)
        write(folder, rings, scores, acts, items)
        overview(folder, scores, rings, lead_table(rings), {"counts": {"users": 70}})
    for path in sorted((tmp_path / "None").rglob("*.*")):
        relative = path.relative_to(tmp_path / "None")
        assert (
            path.read_bytes()
            == (tmp_path / "3" / relative).read_bytes()
            == (tmp_path / "4" / relative).read_bytes()
        )


def test_pages_of_an_earlier_run_go_and_foreign_files_stay(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    write(tmp_path, rings, scores, acts, items)
    (tmp_path / "rings" / "notes.json").write_text('{"mine": true}')
    fewer = RingTables(rings.rings.filter(pa.array([False, True, False])), rings.members, rings.items)
    write(tmp_path, fewer, scores, acts, items)
    names = {path.name for path in (tmp_path / "rings").iterdir()}
    assert names == {"R0002.html", "R0002.json", "R0002.graphml", "notes.json"}


@pytest.mark.parametrize("ring_id", ["../../etc/passwd", "a/b", "", ".", "x" * 300, "CON:", "<R>", "\x00"])
def test_ring_ids_make_safe_file_names(ring_id: str) -> None:
    name = page_name(ring_id)
    assert name.replace("-", "").replace("_", "").isalnum()
    assert len(name) < 70
    assert page_name(ring_id + "2") != name


def test_a_ring_without_acts_still_has_a_page() -> None:
    rings, scores, acts, items = make_findings()
    ring = next(gather_rings(Sources(rings, acts.slice(0, 0), scores, items), ["R0001"]))
    assert "nothing to draw" in ring_page(ring)


def test_nothing_flagged_is_said_calmly(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    empty = RingTables(rings.rings.slice(0, 0), rings.members.slice(0, 0), rings.items.slice(0, 0))
    calm = scores.set_column(4, "flagged", pa.array([False] * scores.num_rows))
    overview(
        tmp_path, calm, empty, lead_table(empty), {"counts": {"users": scores.num_rows, "interactions": 90}}
    )
    text = Page(tmp_path / "report.html").text
    assert f"Nothing was flagged among {scores.num_rows} users." in text
    assert "Leads" not in text
    assert "Not enough data" in text
    assert "Finding nothing is no proof" in text


def test_where_nothing_is_flagged_the_leads_are_counted_and_shown(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    only = RingTables(rings.rings.filter(pa.array([False, False, True])), rings.members, rings.items)
    calm = scores.set_column(4, "flagged", pa.array([False] * scores.num_rows))
    overview(tmp_path, calm, only, lead_table(only), {"counts": {"users": scores.num_rows}})
    text = Page(tmp_path / "report.html").text
    assert f"Nothing was flagged among {scores.num_rows} users; 1 lead was held back." in text
    assert "1 group that is not flagged, each with the rule that held it back" in text


def test_a_lead_says_on_the_report_and_on_its_page_why_it_is_not_flagged(out: Path) -> None:
    report, page, flagged = (
        Page(out / name) for name in ("report.html", "rings/R0003.html", "rings/R0001.html")
    )
    assert ("href", "rings/R0003.html") in report.attributes
    for rule in HELD_BACK:
        assert rule["text"] in report.text
        assert rule["text"] in page.text
    assert "Why it is not flagged" in page.text
    assert "Why it is not flagged" not in flagged.text
    document = json.loads((out / "rings/R0003.json").read_text(encoding="utf-8"))
    assert [rule["code"] for rule in document["held_back"]] == ["crowd", "score"]
    assert json.loads((out / "rings/R0001.json").read_text(encoding="utf-8"))["held_back"] == []


def test_of_many_leads_the_strongest_have_a_page() -> None:
    rings, _, _, _ = make_findings()
    lead = rings.rings.filter(pa.array([False, False, True])).to_pylist()[0]
    rows = [lead | {"ring_id": f"R{n:04d}", "score": n / 100} for n in range(LEADS_WITH_PAGE + 5)]
    many = pa.Table.from_pylist([*rows, *rings.rings.to_pylist()[:2]], rings.rings.schema)
    found = RingTables(many, rings.members, rings.items)
    ids = reported_ids(found, lead_table(found))
    assert ids == ["R0001", "R0002", *(f"R{n:04d}" for n in range(LEADS_WITH_PAGE + 4, 4, -1))]


def test_doubts_follow_the_numbers() -> None:
    assert doubts_in_words({"halo_lift": 1.0, "focus": 0.9, "exclusivity": 0.9}, 30, 0.001) == []
    numbers = {"exclusivity": 0.1, "spread": 0.95, "sharpness": float("nan")}
    doubts = doubts_in_words(numbers, 4, 0.04)
    assert len(doubts) == 4
    assert "90 % of the targets' audience is outside" in doubts[0]
    assert len(doubts_in_words(numbers, 4, 0.04, {"open_targets", "small"})) == 2


def test_evidence_of_any_kind_is_listed_once() -> None:
    rows = explained_numbers({"zeta": float("nan"), "lift": 2.0, "alpha": 1.0})
    assert [row.name for row in rows] == ["lift", "alpha", "zeta"]
    assert rows[2].shown == "–"


def test_crossings_agree_with_counting_pairs() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        pairs = np.unique(rng.integers(0, 6, (12, 2)), axis=0)
        left, right = pairs[:, 0].astype(float), pairs[:, 1].astype(float)
        plain = sum(
            (left[a] - left[b]) * (right[a] - right[b]) < 0 for a in range(len(pairs)) for b in range(a)
        )
        assert crossings(left, right) == plain
        order_left, order_right = two_columns(6, 6, pairs[:, 0], pairs[:, 1])
        at_left, at_right = np.argsort(order_left), np.argsort(order_right)
        drawn = crossings(at_left[pairs[:, 0]].astype(float), at_right[pairs[:, 1]].astype(float))
        assert drawn <= plain


def with_evidence(rings: RingTables, ring_id: str, more: dict[str, object]) -> RingTables:
    """The same findings, with more in the evidence of one ring."""
    rows = rings.rings.to_pylist()
    for row in rows:
        if row["ring_id"] == ring_id:
            row["evidence"] = json.dumps(json.loads(row["evidence"]) | more)
    return RingTables(pa.Table.from_pylist(rows, rings.rings.schema), rings.members, rings.items)


def told_role(role: str) -> list[dict[str, object]]:
    numbers = {"role": role}
    return [{"code": "membership", "strength": 1.0, "text": f"is {role}", "numbers": numbers}]


def test_weak_members_are_named_where_it_says_what_to_check(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    roles = {"u000": "bystander", "u001": "chance", "u002": "fringe"}
    told = {f"u{n:03}": told_role(roles.get(f"u{n:03}", "core")) for n in range(10)}
    rings = with_evidence(rings, "R0001", {"member_reasons": told})
    (page,) = [p for p in write(tmp_path, rings, scores, acts, items) if p.name == "R0001.html"]
    text = Page(page).text
    assert "Of the members 7 core, 1 fringe, 2 weak" in text
    assert "Check these by hand, for they may be bystanders: u000, u001." in text
    assert "2 members of 10 are weak" in text
    members = json.loads((page.parent / "R0001.json").read_text(encoding="utf-8"))["members"]
    assert {m["user_id"]: m["role"] for m in members if m["role"] != "core"} == roles


def strong_case(counter_nats: float | None) -> dict[str, object]:
    """What is stored with a ring of 756 nats, and one innocent explanation that would take so many away."""
    shared = {
        "code": "shared_targets",
        "strength": 756.0,
        "text": "much is shared",
        "numbers": {"expected": 8.3, "n_acts": 26},
    }
    innocent = {"code": "long_histories", "strength": counter_nats, "text": "they have long histories"}
    return {
        "halo_lift": 1.0,
        "focus": 0.9,
        "reasons": [shared],
        "counter_evidence": [] if counter_nats is None else [innocent],
    }


@pytest.mark.parametrize(
    ("counter_nats", "headline"),
    [
        (566.0, "Review before any measure: one innocent explanation would account for most of the strongest "
         "evidence (75 %): they have long histories."),
        (300.0, "Review before any measure: one innocent explanation would account for 40 % of the strongest "
         "evidence: they have long histories."),
        (30.0, "Put before a person who may decide, with priority: the evidence is strong, and what speaks against it "
         "would account for 4 % of its strongest evidence at most."),
        (None, "Put before a person who may decide, with priority: the evidence is strong, and no innocent "
         "explanation was measured."),
    ],
)  # fmt: skip
def test_the_recommendation_weighs_what_speaks_against(counter_nats: float | None, headline: str) -> None:
    rings, scores, acts, items = make_findings()
    rings = with_evidence(rings, "R0001", strong_case(counter_nats))
    (ring,) = gather_rings(Sources(rings, acts, scores, items), ["R0001"])
    assert advice(ring).headline == headline


def test_text_and_tables_have_one_expectation_and_one_window(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    early = pa.table([["u000"], ["s-0"], ["i0"], ["view"], [START_MS - 10**10], [1]], names=acts.column_names)
    acts = pa.concat_tables([acts, early])
    rings = with_evidence(rings, "R0001", strong_case(None) | {"expected_acts": 102.9})
    (page,) = [p for p in write(tmp_path, rings, scores, acts, items) if p.name == "R0001.html"]
    text = Page(page).text
    assert "27 of the 40 account–item pairs there could be (68 %), where 8.3 would be expected" in text
    assert "The 27 account–item pairs are 40 acts, repeats counted" in text
    assert "103" not in text
    assert "nine in ten of the first acts of members on targets" in text
    assert "The very first was on 2017-06-07" in text


@pytest.mark.browser
def test_a_browser_runs_nothing_and_fetches_nothing(out: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("needs Debian's chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    said: list[str] = []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(chromium), args=flags)
        page = browser.new_page()
        page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: said.append(request.url))
        for name in ("report.html", "rings/R0002.html", "rings/R0003.html"):
            address = (out / name).as_uri()
            page.goto(address)
            assert said == [address]
            said.clear()
            # Style and script are pinned by their hashes; were one wrong, the browser would not take it.
            assert page.evaluate("getComputedStyle(document.body).paddingBottom") == "64px"
            assert page.locator("th button").count() > 5
        # From the leads of the report to the page of one, which says why it is not flagged.
        page.goto((out / "report.html").as_uri())
        page.locator("#leads ~ div a").first.click()
        assert page.url == (out / "rings/R0003.html").as_uri()
        assert page.locator("#held-back + ul").inner_text().splitlines() == [
            rule["text"] for rule in HELD_BACK
        ]
        browser.close()


def test_a_p_value_says_at_most_what_so_many_accounts_can_show(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    place = scores.column_names.index("p_value")
    tiny = scores.set_column(place, "p_value", pa.array([6.8e-15] * scores.num_rows))
    overview(tmp_path, tiny, rings, lead_table(rings), {"counts": {"users": 20_388}})
    text = Page(tmp_path / "report.html").text
    assert "< 1 in 20,388" in text
    assert "6.8e-15" not in text


def test_a_ring_that_is_not_flagged_says_why_before_anything_else(out: Path) -> None:
    text = Page(out / "rings/R0003.html").text
    assert text.index(HELD_BACK[0]["text"]) < text.index("The case")


def test_a_page_has_every_members_acts_the_verdict_and_how_to_give_one(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    told = {f"u{n:03}": told_role("bystander" if n == 3 else "core") for n in range(10)}
    rings = with_evidence(rings, "R0001", {"member_reasons": told})
    said = Decided(
        "guilty", ("Judged guilty by Ann on 2026-11-25 (fake-account).",), {"u003": "on the allow list (Bo)"}
    )
    sources = Sources(rings, acts, scores, items, decided={"R0001": said})
    write_rings(tmp_path, sources, ["R0001", "R0003"])
    page = Page(tmp_path / "R0001.html")
    assert_harmless(page)
    assert "Verdict: guilty." in page.text
    assert "Judged guilty by Ann on 2026-11-25 (fake-account)." in page.text
    assert "on the allow list (Bo)" in page.text
    assert "graphdet verdict R0001 --innocent --reason CODE" in page.text
    did = page.text[page.text.index("What each did") :]
    assert next(name for name in did.split() if name in told) == "u003"  # weak ones come first
    for act in acts.to_pylist():
        if act["user_id"] in told and act["item_id"] != "elsewhere":
            assert clock(act["at_ms"]) in did
    assert "elsewhere" in did  # what the weak one does on no target
    assert "Verdict: open, nobody has given one." in Page(tmp_path / "R0003.html").text
    assert json.loads((tmp_path / "R0001.json").read_text(encoding="utf-8"))["decided"]["state"] == "guilty"


def test_the_page_of_a_ring_has_its_jargon_folded_away(tmp_path: Path) -> None:
    rings, scores, acts, items = make_findings()
    rings = with_evidence(rings, "R0001", strong_case(300.0) | {"margin_nats": 12.0})
    write_rings(tmp_path, Sources(rings, acts, scores, items), ["R0001"])
    text = (tmp_path / "R0001.html").read_text(encoding="utf-8")
    unfolded = re.sub("<details.*?</details>|<style.*?</style>", "", text, flags=re.DOTALL)
    assert "nats" not in re.sub('title="[^"]*"', "", unfolded)
    assert "logit" not in unfolded
    assert "●●○○○" in unfolded  # what speaks against it would take two fifths away


def luminance(colour: str) -> float:
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_numbers_can_be_read_on_their_chips(scheme: int) -> None:
    """WCAG 2: a contrast of 4.5 to 1."""
    rule = template_text("tokens.css").split(":root {")[1 + scheme]
    tokens = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rule))
    light = re.findall(r"on-(c\d)", template_text("figures.css"))
    assert light == re.findall(
        r"number\.(c\d)", template_text("style.css").split("those dark enough")[0].split("\n")[-1]
    )
    for name in ("c0", "c1", "c2", "c3", "c4", "c5", "c6", "cx"):
        text = tokens["chip" if name in light else "chip-dark"]
        high, low = sorted((luminance(tokens[name]), luminance(text)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_nothing_flagged_says_what_would_have_been_seen_and_what_came_nearest(tmp_path: Path) -> None:
    rings, scores, _, _ = make_findings()
    rows = [row | {"flagged": False, "kind": "ring"} for row in rings.rings.to_pylist()]
    rings = RingTables(pa.Table.from_pylist(rows, rings.rings.schema), rings.members, rings.items)
    nobody = scores.set_column(
        scores.column_names.index("flagged"), "flagged", pa.array([False] * scores.num_rows)
    )
    info = {
        "inputs": [{"file": "my log.csv"}],
        "config": {"name": "shop"},
        "model": {"campaigns": 60, "campaigns_found_as_candidates": 51},
        "n_rows": 1000,
        "n_filtered": 300,
        "n_rejects": 20,
        "counts": {"users": 5000, "interactions": 90_000},
    }
    overview(tmp_path, nobody, rings, lead_table(rings), info)
    page = Page(tmp_path / "report.html")
    assert_harmless(page)
    assert "60 campaigns were planted into copies of this log" in page.text
    assert "51 surfaced as groups to be judged (85 %)" in page.text
    assert "graphdet power 'my log.csv' --config shop --out power" in page.text
    nearest = page.text[page.text.index("What came nearest") : page.text.index("Leads")]
    assert HELD_BACK[0]["text"] in nearest
    assert "1,000 rows read; 300 filtered out (30 %), 20 rejected (2 %)" in page.text


@pytest.mark.browser
def test_suspects_are_read_on_a_narrow_screen(out: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("needs Debian's chromium")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu"]
        )
        for width in (390, 1400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            for name in ("report.html", "rings/R0001.html"):
                page.goto((out / name).as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                wide = "e => e.scrollWidth > e.clientWidth + 1"
                cut = f"[...document.querySelectorAll('.cards td, .did p')].filter({wide}).length"
                assert page.evaluate(cut) == 0
            page.close()
        browser.close()
