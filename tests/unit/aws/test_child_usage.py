"""Processes forked here, which end in all the ways that a pool's do."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from celery_aws import children_usage
from celery_aws.aws import child_usage, meter, usage_ledger
from celery_aws.aws.meter import process_meter
from celery_aws.core.request_usage import RequestUsage


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Follow what is forked, in this test only."""
    monkeypatch.setattr(child_usage, "_children", None)
    meter._meter.forget()
    child_usage.follow_children()
    yield
    meter._meter.forget()


class Child:
    """A process that has done something and waits for its end."""

    def __init__(self, work: Callable[[], None]) -> None:
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                work()
                os.write(writing, b"done")
                signal.pause()
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read(4) == b"done"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def send(times: int = 1, queue: str = "celery") -> Callable[[], None]:
    def work() -> None:
        for _ in range(times):
            process_meter().count("sqs", "SendMessage", queue)
            process_meter().add_units("sqs", "SendMessage", queue, 2.0)

    return work


def living() -> int:
    assert child_usage._children is not None
    return child_usage._children.living


def test_a_living_childs_counts_are_read() -> None:
    child = Child(send(3))
    try:
        assert (children_usage().requests, children_usage().sqs_units) == (3, 6.0)
        assert process_meter().usage() == RequestUsage()
    finally:
        child.kill()


def test_a_killed_childs_counts_stay_and_its_memory_goes() -> None:
    for _ in range(3):
        Child(send(2)).kill()
        assert living() == 0
    other = Child(send(1, "other"))
    try:
        assert living() == 1
        rows = children_usage().rows
        assert [(row.resource, row.requests) for row in rows] == [("celery", 6), ("other", 1)]
    finally:
        other.kill()


def test_nothing_is_counted_twice() -> None:
    child = Child(send(2))
    assert children_usage().requests == 2
    child.kill()
    assert children_usage().requests == 2
    assert children_usage().requests == 2


def test_a_child_starts_at_zero() -> None:
    send(5)()
    child = Child(send(1))
    try:
        assert children_usage().requests == 1
        assert process_meter().usage().requests == 5
    finally:
        child.kill()


def test_a_childs_own_children_are_not_counted() -> None:
    def work() -> None:
        send(1)()
        grandchild = os.fork()
        if grandchild == 0:
            send(100)()
            os._exit(0 if usage_ledger.own_ledger() is None else 1)
        assert os.waitpid(grandchild, 0)[1] == 0
        send(1)()
        assert children_usage() == RequestUsage()

    child = Child(work)
    try:
        assert children_usage().requests == 2
    finally:
        child.kill()


def test_a_child_with_thousands_of_queues_loses_no_request() -> None:
    def work() -> None:
        for number in range(1_000):
            send(1, f"queue-{number}")()

    child = Child(work)
    child.kill()
    assert children_usage().requests == 1_000
    assert len(children_usage().rows) <= usage_ledger.LEDGER_ROWS


def test_ended_children_are_a_bounded_number_of_rows() -> None:
    for child in range(2):

        def work(first: int = 200 * child) -> None:
            for number in range(first, first + 200):
                send(1, f"queue-{number}")()

        Child(work).kill()
    usage = children_usage()
    assert usage.requests == 400
    assert len(usage.rows) <= meter.MOST_ROWS + 1


def test_a_process_that_follows_nobody_has_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_usage, "_children", None)
    child = Child(send(1))
    child.kill()
    assert children_usage() == RequestUsage()


def test_without_memory_for_it_a_child_is_forked_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_memory() -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(child_usage, "UsageLedger", no_memory)
    Child(send(1)).kill()
    assert children_usage() == RequestUsage()
    assert "Cannot allocate memory" in caplog.text
