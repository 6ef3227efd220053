import logging
import os
import threading

import pytest

from celery_aws.background import BackgroundThread

DEADLINE_SECONDS = 5


class Waiting(BackgroundThread):
    """Waits until it is woken, and counts how often it ran."""

    def __init__(self) -> None:
        super().__init__("celery-aws-test")
        self.runs = 0
        self.running = threading.Event()
        self.woken = threading.Event()

    def run(self) -> None:
        self.runs += 1
        self.running.set()
        self.woken.wait()

    def wake(self) -> None:
        self.woken.set()


class Failing(BackgroundThread):
    def run(self) -> None:
        raise RuntimeError("a bug")


class Deaf(Waiting):
    def wake(self) -> None:
        """Not heard."""


def test_a_thread_starts_once_and_stops_once() -> None:
    thread = Waiting()
    assert not thread.alive
    thread.start()
    thread.start()
    assert thread.running.wait(DEADLINE_SECONDS)
    assert thread.alive
    assert thread.stop(DEADLINE_SECONDS)
    assert thread.stop(DEADLINE_SECONDS)
    assert (thread.alive, thread.stopping, thread.runs) == (False, True, 1)


def test_a_stopped_thread_does_not_start_again() -> None:
    thread = Waiting()
    assert thread.stop(0)
    thread.start()
    assert not thread.alive


def test_a_thread_that_does_not_end_is_told() -> None:
    thread = Deaf()
    thread.start()
    assert not thread.stop(0)
    thread.woken.set()
    assert thread.stop(DEADLINE_SECONDS)


def test_a_thread_may_stop_itself() -> None:
    class Leaving(BackgroundThread):
        ended = False

        def run(self) -> None:
            Leaving.ended = self.stop(DEADLINE_SECONDS)

    thread = Leaving("celery-aws-test")
    thread.start()
    assert thread.stop(DEADLINE_SECONDS)
    assert Leaving.ended


def test_a_thread_that_dies_of_a_bug_says_so(caplog: pytest.LogCaptureFixture) -> None:
    thread = Failing("celery-aws-receiver")
    with caplog.at_level(logging.CRITICAL):
        thread.start()
        assert thread.stop(DEADLINE_SECONDS)
    assert "celery-aws-receiver ended by a bug" in caplog.text
    assert "RuntimeError: a bug" in caplog.text


def test_a_forked_child_starts_a_thread_of_its_own() -> None:
    thread = Waiting()
    thread.start()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        before = thread.alive
        thread.start()
        after = thread.alive
        ended = thread.stop(DEADLINE_SECONDS)
        os.write(writing, f"{before} {after} {ended}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "False True True"
    assert thread.alive
    assert thread.stop(DEADLINE_SECONDS)
