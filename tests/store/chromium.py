"""How the tests start Chromium: without anything that it would fetch or do by itself."""

import shutil
from collections.abc import Iterator

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def watched_pages(scheme: str) -> Iterator[tuple[object, int, list[str]]]:
    """A wide and a narrow page, their widths, and the list of what they say and ask for: it fills as they are used."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium; apt install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    said: list[str] = []
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        for width in (1200, 390):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.set_default_timeout(120_000)
            page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: said.append(request.url))
            yield page, width, said
            page.close()
        browser.close()
