"""Celery's own requests, made by Celery's own factory, without a worker."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery import Celery, signals
from celery.exceptions import Ignore, Reject, Retry
from celery.worker.request import Request, create_request_cls
from kombu.utils.uuid import uuid

from celery_aws.metrics.bounded_names import BoundedNames
from celery_aws.metrics.tally import Tally
from celery_aws.metrics.task_observer import TaskObserver, exception_class


def add() -> None:
    """Run nowhere: only its requests are looked at."""


class Worker:
    """What makes requests of one task, as Celery's strategy does."""

    def __init__(self, *, events: bool) -> None:
        self.tally = Tally()
        self.app = Celery("shop", set_as_current=False, backend="cache+memory://")
        self.task = self.app.task(name="add")(add)
        self.app.finalize()
        self.sent: list[str] = []
        self.eventer = SimpleNamespace(
            enabled=events, send=lambda kind, **_: self.sent.append(kind)
        )
        pool = SimpleNamespace(apply_async=None)
        self._class = create_request_cls(
            Request, self.task, pool, "one@host", self.eventer, app=self.app
        )
        self.observer = TaskObserver(self.tally, BoundedNames())
        self.observer.connect()

    def request(self) -> Any:
        """Return a request that was received."""
        message = SimpleNamespace(
            headers={"id": uuid(), "task": "add", "shadow": "a name of the caller's"},
            body=b"",
            content_type="application/json",
            content_encoding="utf-8",
            payload=[(), {}, {}],
            delivery_info={"routing_key": "mail-priority-6"},
            properties={},
        )
        made = self._class(
            message, app=self.app, hostname="one@host", eventer=self.eventer, task=self.task
        )
        signals.task_received.send(sender=self, request=made)
        return made

    def counts(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for sample in self.tally.samples():
            name = sample.metric.name.removeprefix("celery_task_")
            assert sample.label("name") == "add"
            assert sample.label("hostname") == "one@host"
            assert sample.label("queue_name") == "mail"
            found[name] = found.get(name, 0) + sample.number
        return found


@pytest.fixture(params=[False, True], ids=["without events", "with events"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    made = Worker(events=request.param)
    yield made
    made.observer.disconnect()
    made.app.close()


def raised(error: BaseException) -> Any:
    try:
        raise error
    except BaseException:  # noqa: BLE001 - Retry and the like
        info: Any = ExceptionInfo()
    # As it arrives from a pool.
    info.exception = error
    return info


def test_a_success(worker: Worker) -> None:
    for _ in range(2):
        request = worker.request()
        request.on_accepted(1, 0.0)
        request.on_success((False, None, 1.5))
    assert worker.counts() == {
        "received_total": 2,
        "started_total": 2,
        "succeeded_total": 2,
        "runtime": 3,
    }
    if worker.eventer.enabled:
        assert worker.sent == ["task-started", "task-succeeded"] * 2


def test_a_failure(worker: Worker) -> None:
    request = worker.request()
    request.on_success((True, raised(LookupError("no")), 1.5))
    assert worker.counts() == {"received_total": 1, "failed_total": 1}
    (failed,) = [each for each in worker.tally.samples() if each.label("exception")]
    assert failed.label("exception") == "LookupError"


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (Retry(exc=LookupError("no")), {"retried_total": 1}),
        (Reject("no", requeue=True), {"rejected_total": 1}),
        (Ignore(), {}),
    ],
)
def test_other_ends(worker: Worker, error: BaseException, counted: dict[str, float]) -> None:
    request = worker.request()
    request.on_success((True, raised(error), 1.5))
    assert worker.counts() == {"received_total": 1, **counted}


def test_a_revoked_task(worker: Worker) -> None:
    request = worker.request()
    request._announce_revoked("revoked", False, None, False)
    assert worker.counts() == {"received_total": 1, "revoked_total": 1}


def test_what_is_disconnected_counts_no_more(worker: Worker) -> None:
    worker.observer.disconnect()
    worker.request()
    assert worker.counts() == {}


@pytest.mark.parametrize(
    ("representation", "expected"),
    [
        ("LookupError('no')", "LookupError"),
        ("<Strange error>", "UnknownException"),
        (None, "UnknownException"),
    ],
)
def test_the_class_of_an_exception(representation: object, expected: str) -> None:
    assert exception_class(representation) == expected
