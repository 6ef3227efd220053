"""Workers, monitors and clients are killed: within two leases nothing of them remains.

But for replies that nobody reads any more: those expire by the table's ttl.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from celery import Celery

from celery_aws.core.reply_items import LIFE_SECONDS
from celery_aws.local.output import spawn
from tests.integration.workers.conftest import HERE, PATIENCE_SECONDS, Project

pytestmark = pytest.mark.worker

#: The reaper sees an inbox first within a lease of its last renewal, and removes it when it has not
#: changed for another one; and a busy machine has its own time.
GONE_LEASES = 2
BUSY_SECONDS = 5.0


class Crowd:
    """Processes that were forked from one, in a process group of their own."""

    def __init__(self, project: Project, workers: int, monitors: int, clients: int) -> None:
        counts = [str(each) for each in (workers, monitors, clients)]
        command = [sys.executable, str(HERE / "crowd.py"), *counts]
        self._process, self._output = spawn("crowd", command, project.environment(name="crowd"))

    def kill(self) -> None:
        """End all of them at once, with SIGKILL; idempotent."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._output.stop(PATIENCE_SECONDS)

    @property
    def log(self) -> str:
        return self._output.tail()


class Account:
    """What there is of a project on AWS."""

    def __init__(self, project: Project) -> None:
        self._prefix = project.aws.queue_name_prefix
        self._sqs: Any = boto3.client("sqs")
        self._dynamodb: Any = boto3.client("dynamodb")

    def queues(self) -> list[str]:
        urls = self._sqs.list_queues(QueueNamePrefix=self._prefix).get("QueueUrls", [])
        return sorted(url.rpartition("/")[2].removeprefix(self._prefix) for url in urls)

    def items(self) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=f"{self._prefix}celery-coordination", ConsistentRead=True
        )
        return [item for page in pages for item in page["Items"]]

    def named(self, partition: str) -> list[dict[str, Any]]:
        return [item for item in self.items() if item["pk"]["S"].partition("#")[0] == partition]

    def bound(self, exchange: str) -> list[str]:
        """Return the queues that are bound to an exchange."""
        bindings = self.named("binding")
        return [item["queue"]["S"] for item in bindings if item["exchange"]["S"] == exchange]

    def readers(self) -> list[str]:
        """Return for each reply who it is for."""
        return [item["pk"]["S"] for item in self.named("reply")]

    def is_led(self) -> bool:
        """Tell whether a worker leads the movers, which it does a little after it is ready."""
        return bool(self.named("lease"))

    def left(self) -> tuple[list[str], list[str]]:
        """Return the queues, and the items that do not expire, each without its random part."""
        names = [re.sub("[0-9a-f]{32}", "ID", name) for name in self.queues()]
        keys = [
            f"{item['pk']['S']} {item['sk']['S']}" for item in self.items() if "ttl" not in item
        ]
        return names, sorted(re.sub("[0-9a-f]{32}", "ID", key) for key in keys)


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


@pytest.fixture
def account(project: Project) -> Account:
    """A project with events of tasks, its coordination table made."""
    project.configure(
        broker_transport_options={"wait_time_seconds": 5}, worker_send_task_events=True
    )
    with project.client().connection_for_write() as connection:
        connection.transport.coordination.table.create()
    return Account(project)


@pytest.fixture
def crowd(project: Project, account: Account) -> Iterator[Callable[[int, int, int], Crowd]]:
    made: list[Crowd] = []

    def start(workers: int, monitors: int, clients: int) -> Crowd:
        made.append(Crowd(project, workers, monitors, clients))
        return made[-1]

    yield start
    for each in made:
        each.kill()


@pytest.mark.parametrize(
    ("workers", "monitors", "clients", "lease_seconds"),
    # With all of them at work two cores are too busy to renew everything within four seconds.
    [(6, 6, 2, 4), pytest.param(20, 20, 6, 15, marks=pytest.mark.soak)],
)
def test_nothing_of_what_was_killed_remains(
    project: Project,
    account: Account,
    crowd: Callable[[int, int, int], Crowd],
    workers: int,
    monitors: int,
    clients: int,
    lease_seconds: int,
) -> None:
    project.configure(broker_transport_options={"inbox_lease_seconds": lease_seconds})
    # It is the first, so it leads, and removes what the others leave.
    survivor = project.worker(pool="solo", name="survivor")
    survivor.start()
    assert wait_until(account.is_led), survivor.log
    alone = account.left()
    killed = crowd(workers, monitors, clients)
    app = project.client()
    assert wait_until(lambda: len(account.bound("celery.pidbox")) == 1 + workers), killed.log
    assert wait_until(lambda: len(account.bound("celeryev")) == monitors), killed.log
    inboxes = len(account.named("inbox"))
    assert inboxes >= 1 + workers + monitors
    answers = app.control.ping(timeout=10, limit=1 + workers)
    assert len(answers) == 1 + workers
    # Each client waits, and has been told something that it has not removed.
    assert wait_until(lambda: len(set(account.readers())) >= clients), killed.log

    gone_seconds = GONE_LEASES * lease_seconds + BUSY_SECONDS
    killed.kill()
    killed_at = time.monotonic()
    assert wait_until(lambda: account.left() == alone, gone_seconds), (account.left(), alone)
    print(f"{inboxes - 1} inboxes, gone {time.monotonic() - killed_at:.1f} s later")

    assert account.queues()[-1].startswith("celery-inbox-")
    replies = account.named("reply")
    assert len(set(account.readers())) >= clients
    latest = time.time() + LIFE_SECONDS
    assert all(time.time() < float(item["ttl"]["N"]) <= latest for item in replies)
    assert works(app, project.monitor()), survivor.log
    assert survivor.stop() == 0


def works(app: Celery, monitor: Celery) -> bool:
    """Tell whether the worker answers, and a new monitor hears of its tasks."""
    [answer] = app.control.ping(timeout=10, limit=1)
    seen: list[str] = []
    with monitor.connection_for_read() as connection:
        receiver = monitor.events.Receiver(
            connection, handlers={"*": lambda e: seen.append(e["type"])}
        )
        with receiver.consumer_context() as (own, _, _):
            wait_until(lambda: ran(app) and drained(own) and "task-succeeded" in seen)
            own.transport.control_plane.close()
    return list(answer.values()) == [{"ok": "pong"}] and "task-succeeded" in seen


def ran(app: Celery) -> bool:
    """Send one more task: of the first ones nothing may be told, as the monitor is new."""
    app.send_task("proj.quiet", ignore_result=True)
    return True


def drained(connection: Any) -> bool:
    with suppress(TimeoutError):
        connection.drain_events(timeout=1)
    return True
