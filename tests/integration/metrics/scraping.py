"""Asks a metrics endpoint as Prometheus does, and reads the answer by its client library."""

import time
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.workers.conftest import PATIENCE_SECONDS

#: Values by name and labels.
Scrape = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Scraper:
    """The metrics at one URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.types: dict[str, str] = {}

    def scrape(self) -> Scrape:
        """Ask once."""
        with urllib.request.urlopen(self._url, timeout=PATIENCE_SECONDS) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            page = answer.read().decode()
        found: Scrape = {}
        for family in text_string_to_metric_families(page):
            self.types[family.name] = family.type
            for sample in family.samples:
                key = sample.name, tuple(sorted(sample.labels.items()))
                assert key not in found, key
                found[key] = sample.value
        return found

    def wait_for(self, holds: Callable[[Scrape], bool]) -> Scrape:
        """Ask until something holds; return the last answer, which the test goes on to look at."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds(scrape := self.scrape()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return scrape


def value(scrape: Scrape, metric: str, /, **labels: str) -> float:
    """Return the sum of what has these labels; 0 for nothing."""
    wanted = labels.items()
    return sum(
        number
        for (found, has), number in scrape.items()
        if found == metric and wanted <= dict(has).items()
    )
