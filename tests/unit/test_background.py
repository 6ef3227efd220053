import logging
import os
import threading

import pytest

from celery_aws.background import BackgroundThread

PATIENCE_SECONDS = 10.0


class Waiting(BackgroundThread):
    """Runs until it is woken, and counts what happens to it."""

    def __init__(self) -> None:
        super().__init__("waiting")
        self.runs = 0
        self.woken = threading.Event()

    def run(self) -> None:
        self.runs += 1
        self.woken.wait()

    def wake(self) -> None:
        self.woken.set()


class Broken(BackgroundThread):
    def run(self) -> None:
        raise ZeroDivisionError("a bug")


def test_starting_and_stopping_twice_is_once() -> None:
    thread = Waiting()
    thread.start()
    thread.start()
    assert thread.alive

    assert thread.stop(PATIENCE_SECONDS)
    assert thread.stop(PATIENCE_SECONDS)

    assert not thread.alive
    assert thread.runs == 1


def test_it_does_not_start_once_stopped() -> None:
    thread = Waiting()
    assert thread.stop(0)

    thread.start()

    assert not thread.alive
    assert thread.runs == 0


def test_stopping_only_asks_without_a_timeout() -> None:
    release = threading.Event()

    class Slow(BackgroundThread):
        def run(self) -> None:
            release.wait()

    thread = Slow("slow")
    thread.start()

    assert not thread.stop(0)

    assert thread.stopping
    release.set()
    assert thread.stop(PATIENCE_SECONDS)


def test_a_bug_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    thread = Broken("broken")

    thread.start()
    thread.stop(PATIENCE_SECONDS)

    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "broken" in record.getMessage()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_neither_stops_nor_wakes_its_parents_thread() -> None:
    """The child's copy of a lock may be held for ever by a thread that it does not have."""
    thread = Waiting()
    thread.start()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child is not measured
        stopped = thread.stop(PATIENCE_SECONDS)
        os._exit(0 if stopped and not thread.woken.is_set() and not thread.alive else 1)

    assert os.waitpid(pid, 0)[1] == 0
    assert thread.alive
    assert thread.stop(PATIENCE_SECONDS)


def test_a_thread_may_stop_itself() -> None:
    class Leaving(BackgroundThread):
        ended = False

        def run(self) -> None:
            Leaving.ended = self.stop(PATIENCE_SECONDS)

    thread = Leaving("celery-aws-test")
    thread.start()
    assert thread.stop(PATIENCE_SECONDS)
    assert Leaving.ended


def test_a_forked_child_starts_a_thread_of_its_own() -> None:
    thread = Waiting()
    thread.start()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = thread.alive
        thread.start()
        after = thread.alive
        ended = thread.stop(PATIENCE_SECONDS)
        os.write(writing, f"{before} {after} {ended}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "False True True"
    assert thread.alive
    assert thread.stop(PATIENCE_SECONDS)
