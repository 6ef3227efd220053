"""Events: a monitor gets them while it listens, and nobody pays for them while nobody does."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from celery import Celery

from celery_aws.testing import FaultProxy
from celery_aws.testing.fixtures import AwsEnvironment
from tests.integration.workers.conftest import PATIENCE_SECONDS, Project

pytestmark = [pytest.mark.worker, pytest.mark.oldest]

OF_A_TASK = ["task-sent", "task-received", "task-started", "task-succeeded"]


class Monitor:
    """Listens as ``celery events --dump`` does, in a thread."""

    def __init__(self, app: Celery) -> None:
        self.events: list[dict[str, Any]] = []
        self._app = app
        self._changed = threading.Condition()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="test-monitor")

    @contextmanager
    def listening(self) -> Iterator["Monitor"]:
        self._thread.start()
        assert self._listening.wait(PATIENCE_SECONDS)
        yield self
        self._receiver.should_stop = True
        self._thread.join(PATIENCE_SECONDS)

    def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Wait for an event with such fields."""

        def found() -> list[dict[str, Any]]:
            wanted = {"type": kind, **fields}
            return [event for event in self.events if wanted.items() <= event.items()]

        with self._changed:
            assert self._changed.wait_for(found, PATIENCE_SECONDS), (kind, self.events)
            return found()[0]

    def _listen(self) -> None:
        with self._app.connection_for_read() as given:
            self._receiver = self._app.events.Receiver(given, handlers={"*": self._note})
            with self._receiver.consumer_context(wakeup=False) as (connection, _, _):
                self._listening.set()
                while not self._receiver.should_stop:
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=0.1)

    def _note(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


def test_a_monitor_gets_the_events_of_tasks_and_workers(project: Project) -> None:
    app = project.client(task_send_sent_event=True)
    with Monitor(project.monitor()).listening() as monitor:
        with project.worker(concurrency=1, arguments=["-E"]) as worker:
            monitor.wait_for("worker-online")
            sent = [app.send_task("proj.add", (i, i)) for i in range(10)]
            for each in sent:
                monitor.wait_for("task-succeeded", uuid=each.id)
            assert worker.stop() == 0
        monitor.wait_for("worker-offline")

    for each in sent:
        kinds = [event["type"] for event in monitor.events if event.get("uuid") == each.id]
        assert sorted(kinds) == sorted(OF_A_TASK)


def test_nobody_listens_and_nobody_pays(
    project: Project, fault_proxy: FaultProxy, proxied_environment: AwsEnvironment
) -> None:
    app = project.client(task_ignore_result=True)
    worker = project.worker(
        concurrency=1,
        arguments=["-E"],
        config={**proxied_environment.celery_config(), "task_ignore_result": True},
        environment=proxied_environment.variables,
    )
    worker.start()
    assert fault_proxy.requests.wait_for(
        "sqs.ReceiveMessage", count=4, timeout_seconds=PATIENCE_SECONDS
    )
    before = Counter(fault_proxy.requests.counts())

    sent = [app.send_task("proj.quiet") for _ in range(20)]
    for each in sent:
        worker.wait_for_log(rf"{each.id}\] succeeded")
    # Heartbeats come every two seconds.
    polls = before["sqs.ReceiveMessage"] + 10
    assert fault_proxy.requests.wait_for(
        "sqs.ReceiveMessage", count=polls, timeout_seconds=PATIENCE_SECONDS
    )

    asked = Counter(fault_proxy.requests.counts()) - before
    # The first turn of who leads the movers: for parked tasks, and for inboxes left behind.
    assert asked.pop("dynamodb.Query", 0) <= 2
    assert set(asked) == {"sqs.ReceiveMessage", "sqs.DeleteMessageBatch"}
    assert worker.stop() == 0
