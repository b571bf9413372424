"""`graphdet evaluate` as a user runs it, and its page in a real browser."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.command_line import assert_one_clear_message, inside
from tests.store.chromium import FLAGS


def write_files(folder: Path) -> tuple[Path, Path]:
    scores, labels = folder / "event_scores.csv", folder / "labels.csv"
    rows = [(f"e{n}", (n * 37 % 100) / 100, int(n * 37 % 100 + n % 7 * 6 > 110)) for n in range(400)]
    scores.write_text("event_id,score,p_value,flagged,reason\n" + "".join(
        f"{name},{score},0.5,{'true' if score > 0.8 else 'false'},why\n" for name, score, _ in rows
    ))  # fmt: skip
    labels.write_text("event_id,label\n" + "".join(f"{name},{label}\n" for name, _, label in rows))
    return scores, labels


def test_evaluate_prints_figures_and_writes_both_files(tmp_path: Path) -> None:
    scores, labels = write_files(tmp_path)
    done = inside("evaluate", scores, "--labels", labels, "--out", tmp_path / "out", "--draws", "30")
    assert done.returncode == 0, done.stderr
    assert "Average precision (AUPRC)" in done.stdout
    assert "400 labelled and scored" in done.stdout
    assert (tmp_path / "out" / "evaluation.html").exists()
    told = inside(
        "evaluate", scores, "--labels", labels, "--out", tmp_path / "out", "--draws", "30", "--json"
    )
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert json.loads(told.stdout) == written


def test_wrong_use_exits_with_2_and_bad_files_with_3(tmp_path: Path) -> None:
    scores, labels = write_files(tmp_path)
    words = ("evaluate", scores, "--labels", labels, "--out", tmp_path / "out")
    assert_one_clear_message(inside(*words, "--k", "few"), 2, "--k")
    assert_one_clear_message(inside(*words, "--cost-fn", "-1"), 2, "--cost-fn")
    labels.write_text("event_id,label\ne1,1\n")
    assert_one_clear_message(inside(*words), 3, "all 1 labels")
    assert_one_clear_message(inside("evaluate", tmp_path / "no.csv", *words[2:]), 3, "no.csv")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (420, "dark")])
def test_the_page_in_a_browser(tmp_path: Path, width: int, scheme: str) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium; apt install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    scores, labels = write_files(tmp_path)
    other = tmp_path / "other.csv"
    other.write_text(scores.read_text().replace("0.9", "0.1"))
    done = inside("evaluate", scores, other, "--labels", labels, "--out", tmp_path / "out", "--draws", "30")
    assert done.returncode == 0, done.stderr
    told: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: told.append(message.text))
        page.on("request", lambda request: told.append(request.url) if "file:" not in request.url else None)
        page.goto((tmp_path / "out" / "evaluation.html").as_uri())
        assert page.locator("svg.plot").count() == 6
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = page.locator("svg.plot").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().width)"
        )
        assert all(box > min(width, 480) * 0.7 for box in boxes)
        page.screenshot(path=tmp_path / "evaluation.png", full_page=True)
        browser.close()
    assert told == []
