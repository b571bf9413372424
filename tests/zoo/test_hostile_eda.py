"""A log whose every name is hostile through graphdet eda: nothing runs, nothing is fetched, nothing breaks the page."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphdet.reports.eda.page import OUTLIERS
from graphdet.sheets import FORMULA
from tests.cli.command_line import assert_one_clear_message, inside, small_log
from tests.store.chromium import watched_pages
from tests.zoo.hostile import NAMES

START = 1_506_902_400_000
STORABLE = [name for name in NAMES if not any("\ud800" <= c <= "\udfff" for c in name) and "\x00" not in name]
BAD_COLUMN = "<b onmouseover=alert(1)>column</b>"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of users, items, sessions, actions, texts and values that are all hostile, and labels of users."""
    folder = tmp_path_factory.mktemp("hostile eda")
    n = 4_000
    names = [STORABLE[(k * k + k // 7) % len(STORABLE)] for k in range(n)]
    others = [STORABLE[(k * 5 + k // 11) % len(STORABLE)] for k in range(n)]
    pq.write_table(
        pa.table(
            {
                "user": [name if k % 50 else "" for k, name in enumerate(names)],
                "item": others,
                "at": [START + k * 648_000 for k in range(n)],
                "session": [f"{name} {k // 100}" for k, name in enumerate(names)],
                "act": [STORABLE[k % 5] for k in range(n)],
                "text": [STORABLE[k % 31] for k in range(n)],
                BAD_COLUMN: [STORABLE[k % 17] for k in range(n)],
            }
        ),
        folder / "log.parquet",
    )
    (folder / "hostile.toml").write_text(
        '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\nsession_id = "session"\naction = "act"\n'
        f'text = "text"\n[time]\nunit = "ms"\n[attributes]\nbad = "{BAD_COLUMN}"\n'
    )
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [(name.strip(), k % 2) for k, name in enumerate(STORABLE) if len(name) < 500]
        csv.writer(file).writerows([("user_id", "label"), *dict(rows).items()])
    done = inside(
        "eda", folder / "log.parquet", "--config", folder / "hostile.toml", "--out", folder / "out",
        "--labels", folder / "labels.csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "out"


def test_the_page_names_them_and_runs_nothing(out: Path) -> None:
    page = (out / "eda.html").read_text(encoding="utf-8")
    body = page[page.index("</head>") : page.rindex("<script>")]
    for harmful in (
        "<script",
        "<img",
        "<iframe",
        "<b onmouseover",
        "<base",
        "<meta",
        'javascript:alert(1)//"',
    ):
        assert harmful not in body, harmful
    assert "&lt;b onmouseover=alert(1)&gt;" in body
    assert "unsafe" not in page[:900]
    assert "\u202e" not in page
    assert len(page.encode()) < 2 * 2**20
    document = json.loads((out / "eda.json").read_text(encoding="utf-8"))
    assert document["cleaning"]["reasons"][-1]["examples"]
    assert document["labels"]["fraud"] > 10


def test_no_field_of_a_table_can_run(out: Path) -> None:
    for name in ("columns", "outliers", "drift"):
        with (out / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, strict=True))
        assert len(rows) > 1
        for field in (field for row in rows[1:] for field in row):
            try:
                float(field)
            except ValueError:
                assert not field or field[0] == "'" or field[0] not in FORMULA, field[:40]
    with (out / "outliers.csv").open(encoding="utf-8-sig", newline="") as file:
        assert tuple(next(csv.reader(file))) == OUTLIERS


def test_the_command_says_what_it_found_and_where(tmp_path: Path) -> None:
    log = small_log(tmp_path / "log.csv")
    done = inside("eda", log, "--config", "simulated", "--out", tmp_path / "out")
    assert done.returncode == 0
    assert "60 events of 10 users on 7 items" in done.stdout
    assert f"{tmp_path / 'out' / 'eda.html'}" in done.stdout
    as_json = inside("eda", log, "--config", "simulated", "--out", tmp_path / "out", "--json")
    assert json.loads(as_json.stdout)["counts"]["events"] == 60
    missing = inside("eda", tmp_path / "absent.csv", "--config", "simulated", "--out", tmp_path / "out")
    assert_one_clear_message(missing, 3, "no such file")


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_asks_for_nothing_and_keeps_the_layout(out: Path, scheme: str) -> None:
    address = (out / "eda.html").as_uri()
    for page, width, said in watched_pages(scheme):
        page.goto(address)
        assert said == [address]
        said.clear()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("svg[role=img]").count() >= 12
        # No text of a picture runs out of it.
        outside = page.evaluate(
            """() => [...document.querySelectorAll("svg[role=img]")].flatMap((svg) => {
              const box = svg.getBoundingClientRect();
              return [...svg.querySelectorAll("text")].filter((text) => {
                const at = text.getBoundingClientRect();
                const wide = at.left < box.left - 1 || at.right > box.right + 1;
                return wide || at.top < box.top - 1 || at.bottom > box.bottom + 1;
              }).map((text) => text.textContent);
            })"""
        )
        assert outside == []
