"""Flower's pages in a browser, with two workers at work.

apt-get install chromium chromium-driver; pip install selenium
CELERY_AWS_BROWSER=1 python -m pytest tests/integration/flower/test_browser.py
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery, states

from celery_aws.testing import WorkerProcess
from tests.integration.flower.browser import Browser, browsing, require_browser
from tests.integration.flower.conftest import StartFlower
from tests.integration.flower.flower_process import FlowerProcess
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project, start_together

pytestmark = pytest.mark.worker

#: Far longer than a test: whatever ends such a task, it is not the time.
FOR_EVER = 3_600

UUID, STATE = 1, 2


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Two workers with two processes each, a client, and a browser that looks at Flower."""

    one: WorkerProcess
    two: WorkerProcess
    client: Celery
    flower: FlowerProcess
    browser: Browser

    def workers(self) -> dict[str, list[str]]:
        """Return the table of workers by the part of their names in front of the ``@``."""
        rows = self.browser.rows("#workers-table")
        return {row[0].partition("@")[0]: row[1:] for row in rows if len(row) > 1}

    def states_of_tasks(self) -> list[str]:
        """Return the states in the table of tasks."""
        return sorted(row[STATE] for row in self.browser.rows("#tasks-table") if len(row) > STATE)

    def name(self, worker: str) -> str:
        """Return the whole name of a worker, once Flower has asked them."""
        names = self.browser.until(
            lambda: list(self.flower.json("/api/workers")), lambda seen: len(seen) == 2
        )
        (found,) = (each for each in names if each.startswith(f"{worker}@"))
        return str(found)


@pytest.fixture
def watched(project: Project, start_flower: StartFlower, tmp_path: Path) -> Iterator[Watched]:
    require_browser()
    # No worker has more than its two processes work on, and that is in flight until it is done.
    project.configure(worker_prefetch_multiplier=1, task_acks_late=True)
    one, two = (project.worker(name=name, arguments=["-E"]) for name in ("one", "two"))
    start_together(one, two)
    flower = start_flower(environment={"FLOWER_UNAUTHENTICATED_API": "true"})
    with browsing(flower, tmp_path) as browser:
        found = Watched(one=one, two=two, client=project.client(), flower=flower, browser=browser)
        browser.open("/workers")
        browser.until(found.workers, lambda seen: set(seen) == {"one", "two"})
        yield found


def test_workers_are_online_and_their_tasks_are_counted(watched: Watched) -> None:
    browser = watched.browser
    online = browser.until(
        watched.workers, lambda seen: {row[0] for row in seen.values()} == {"Online"}
    )
    assert browser.until(lambda: browser.text("#workers-online")) == "2"
    assert set(online) == {"one", "two"}

    for number in range(20):
        watched.client.send_task("proj.add", (number, 1), ignore_result=True)
    browser.until(lambda: browser.text("#workers-succeeded"), "20".__eq__)
    assert sum(int(row[2]) for row in watched.workers().values()) == 20
    browser.picture("workers")

    def events() -> list[str]:
        text = watched.flower.get("/metrics")[1]
        return re.findall(r'flower_events_total\{.*type="task-succeeded".*\} (\S+)', text)

    assert sum(map(float, browser.until(events))) == 20
    metrics = watched.flower.get("/metrics")[1]
    assert len(re.findall(r"flower_worker_online\{.*\} 1\.0", metrics)) == 2


def test_the_tasks_fill_in_while_they_run(watched: Watched) -> None:
    browser = watched.browser
    for _ in range(5):
        watched.client.send_task("proj.work", (FOR_EVER,))
    browser.until(watched.states_of_tasks, (["STARTED"] * 4).__eq__, at="/tasks")
    browser.picture("tasks-running")

    (task_id, *_) = (row[UUID] for row in browser.rows("#tasks-table"))
    watched.client.control.revoke(task_id, terminate=True)

    # Whoever ran it takes the fifth.
    browser.until(watched.states_of_tasks, ["REVOKED", *["STARTED"] * 4].__eq__, at="/tasks")
    browser.picture("tasks-one-revoked")


def test_a_running_task_is_ended_on_its_page(watched: Watched) -> None:
    browser = watched.browser
    result = watched.client.send_task("proj.work", (FOR_EVER,))
    page = f"/task/{result.id}"
    browser.until(lambda: browser.has("#task-terminate"), at=page)
    assert browser.text("#task-page .badge") == "STARTED"
    browser.picture("task-running")

    browser.click("#task-terminate")

    assert "Revoked" in browser.notice()
    browser.until(lambda: browser.text("#task-page .badge"), "REVOKED".__eq__, at=page)
    browser.picture("task-revoked")
    browser.until(lambda: result.state, states.REVOKED.__eq__)


def test_the_broker_page_counts_what_waits(watched: Watched) -> None:
    browser = watched.browser
    for _ in range(7):
        watched.client.send_task("proj.work", (FOR_EVER,))
    watched.client.send_task("proj.work", (FOR_EVER,), countdown=600)

    def row() -> list[str]:
        (only,) = browser.rows("#queue-table")
        return only[:4]

    # All of them; with the four processes; in the queue. One is delayed.
    browser.until(row, ["celery", "8", "4", "3"].__eq__, at="/broker")
    browser.picture("broker")


def test_a_worker_does_what_its_page_says(watched: Watched) -> None:
    browser = watched.browser
    name = watched.name("one")
    browser.open(f"/worker/{name}")
    browser.until(lambda: browser.text("#workername"), name.__eq__)
    processes = len(watched.one.children())

    browser.fill("#pool-size", "1")
    browser.click("#worker-pool-grow")

    assert "1" in browser.notice()
    browser.until(lambda: len(watched.one.children()), (processes + 1).__eq__)
    browser.picture("worker")

    browser.open(f"/worker/{name}")
    browser.click("#worker-tab-limits")
    browser.fill("[aria-label='Rate limit for proj.add']", "7")
    browser.click("[id='task-rate-limit-proj.add']")

    assert "rate limit" in browser.notice()
    watched.one.wait_for_log(r"New rate limit for tasks of type proj\.add: 7", PATIENCE_SECONDS)
    assert "New rate limit" not in watched.two.log

    browser.open(f"/worker/{name}")
    browser.click("#worker-group")
    browser.click("#worker-shutdown")

    assert watched.one.wait() == 0
    browser.open("/workers")
    gone = browser.until(watched.workers, lambda seen: seen.get("one", [""])[0] == "Offline")
    assert gone["two"][0] == "Online"
    browser.picture("workers-one-offline")
