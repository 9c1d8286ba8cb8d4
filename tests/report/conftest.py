"""A real browser without a window, for pages; tests that need it skip where there is none."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a Chromium to open the page in (Debian: apt-get install chromium), which is not here")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which drives the browser")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield started
        started.close()


@dataclass
class Opened:
    """A page in the browser, and what became of it: console messages, errors, dialogs, and requests for anything but the file itself."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found


Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens HTML as a file. Fails at the end of the test if the page complained, asked for anything else, or opened a dialog."""
    pages: list[Opened] = []

    def open_page(html: str | Path, *, width: int = 1200, dark: bool = False, script: bool = True) -> Opened:
        path = html if isinstance(html, Path) else tmp_path / f"page{len(pages)}.html"
        if isinstance(html, str):
            path.write_text(html)
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light", java_script_enabled=script
        )
        found = Opened(context.new_page())
        pages.append(found)
        found.page.on("console", lambda message: found.complaints.append(f"console: {message.text}"))
        found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        found.page.on("request", lambda request: asked(found, request.url, path))
        found.page.goto(path.as_uri())
        return found

    def asked(found: Opened, url: str, path: Path) -> None:
        if url.partition("#")[0] != path.as_uri() and not url.startswith("data:"):
            found.complaints.append(f"request: {url}")

    yield open_page
    complaints = [each for found in pages for each in found.complaints]
    for found in pages:
        found.page.context.close()
    assert complaints == []
