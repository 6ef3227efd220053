"""A headless Chromium that looks at Flower's pages and presses their buttons."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.integration.flower.flower_process import FlowerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS

#: Set to 1 to run the tests in a browser.
OPT_IN = "CELERY_AWS_BROWSER"

#: Names a folder that keeps pictures of the pages.
PICTURES = "CELERY_AWS_BROWSER_PICTURES"

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,900",
)

#: Seconds between two looks at a page.
_LOOK_SECONDS = 0.2

T = TypeVar("T")


def require_browser() -> tuple[str, str]:
    """Return Chromium and its driver, or skip the test."""
    if os.environ.get(OPT_IN) != "1":
        pytest.skip(f"a browser is only started with {OPT_IN}=1")
    pytest.importorskip("selenium", reason="pip install selenium")
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if programs[0] is None or programs[1] is None:
        pytest.skip("chromium and chromedriver are not installed")
    return programs[0], programs[1]


class Browser:
    """One window, on the pages of one Flower."""

    def __init__(self, driver: Any, flower: FlowerProcess, pictures: Path) -> None:
        self._driver = driver
        self._flower = flower
        self._pictures = pictures

    def open(self, path: str) -> None:
        """Go to a page."""
        self._driver.get(f"http://127.0.0.1:{self._flower.port}{path}")

    def text(self, selector: str) -> str:
        """Return what an element of the page says; nothing if there is none."""
        found = self._elements(selector)
        return str(found[0].text) if found else ""

    def rows(self, table: str) -> list[list[str]]:
        """Return the cells of a table, as they are displayed."""
        script = (
            "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        )
        rows: list[list[str]] = self._driver.execute_script(script, table)
        return rows

    def has(self, selector: str) -> bool:
        """Tell whether the page has such an element."""
        return bool(self._elements(selector))

    def click(self, selector: str) -> None:
        """Press a button, once it can be seen."""
        (button,) = self.until(lambda: self._visible(selector))
        button.click()

    def fill(self, selector: str, text: str) -> None:
        """Write into a field."""
        (field,) = self.until(lambda: self._visible(selector))
        field.clear()
        field.send_keys(text)

    def notice(self) -> str:
        """Return what Flower says of the last button, once it does."""
        return self.until(lambda: self.text(".toast-body"))

    def until(
        self, looked: Callable[[], T], holds: Callable[[T], Any] = bool, *, at: str | None = None
    ) -> T:
        """Look until what is seen holds, and return it.

        Args:
            looked: what is seen.
            holds: whether that is what was waited for.
            at: page to be loaded before each look.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if at is not None:
                self.open(at)
            seen = looked()
            if holds(seen):
                return seen
            assert time.monotonic() < deadline, f"last seen: {seen!r}\n{self._flower.log[-4000:]}"
            time.sleep(_LOOK_SECONDS)

    def picture(self, name: str) -> None:
        """Keep what the window shows."""
        self._driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def _elements(self, selector: str) -> list[Any]:
        return list(self._driver.find_elements("css selector", selector))

    def _visible(self, selector: str) -> list[Any]:
        return [each for each in self._elements(selector) if each.is_displayed()][:1]


@contextmanager
def browsing(flower: FlowerProcess, folder: Path) -> Iterator[Browser]:
    """Open a window for a Flower.

    Args:
        flower: whose pages are looked at.
        folder: for the browser's profile, and for pictures unless they have a place of their own.
    """
    chromium, driver_program = require_browser()
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    pictures = Path(os.environ.get(PICTURES, folder))
    pictures.mkdir(parents=True, exist_ok=True)
    driver = Chrome(options=options, service=Service(driver_program))
    try:
        yield Browser(driver, flower, pictures)
    finally:
        driver.quit()
