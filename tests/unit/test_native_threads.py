import logging
import os
import queue
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import pytest

from celery_aws.native_threads import NativeThread, start_native_thread, unpatched

PATIENCE_SECONDS = 10.0

#: The main greenlet never gives way, and the thread runs all the same.
HANGING = """
import sys, time
{patch}
import threading
from celery_aws.native_threads import NativeThread, unpatched
assert time.sleep is not unpatched("time", "sleep")
sleep = unpatched("time", "sleep")

class Counter(NativeThread):
    turns = 0
    def run(self):
        while self.pause(0.01):
            self.turns += 1

thread = Counter("counter")
thread.start()
deadline = time.monotonic() + 10
while thread.turns < 5 and time.monotonic() < deadline:
    sleep(0.01)
print(thread.turns >= 5, thread.stop(5), thread.alive)
"""


class Ticking(NativeThread):
    """Counts until it is told to end."""

    def __init__(self) -> None:
        super().__init__("ticking")
        self.ticked = threading.Event()
        self.threads: list[int] = []

    def run(self) -> None:
        while self.pause(0.001):
            self.threads.append(threading.get_ident())
            self.ticked.set()


def test_it_runs_until_it_is_stopped_and_again() -> None:
    thread = Ticking()
    assert not thread.alive
    assert thread.stop(0), "it never ran"
    for _ in range(2):
        thread.ticked.clear()
        thread.start()
        thread.start()
        assert thread.ticked.wait(PATIENCE_SECONDS)
        assert thread.alive
        assert thread.stop(PATIENCE_SECONDS)
        assert thread.stop(PATIENCE_SECONDS)
        assert not thread.alive
    assert threading.get_ident() not in thread.threads


def test_a_stop_does_not_wait_for_longer_than_it_may() -> None:
    goes_on = threading.Event()

    class Slow(NativeThread):
        def run(self) -> None:
            assert goes_on.wait(PATIENCE_SECONDS)

    thread = Slow("slow")
    thread.start()
    began = time.monotonic()
    assert not thread.stop(0.01)
    assert time.monotonic() - began < PATIENCE_SECONDS
    goes_on.set()
    assert thread.stop(PATIENCE_SECONDS)


def test_a_forked_child_has_none() -> None:
    thread = Ticking()
    thread.start()
    pid = os.fork()
    if pid == 0:
        os._exit(int(thread.alive or not thread.stop(1)))
    assert os.waitpid(pid, 0)[1] == 0
    assert thread.alive
    assert thread.stop(PATIENCE_SECONDS)


def test_a_bug_is_logged() -> None:
    logged: queue.Queue[str] = queue.Queue()

    class Watching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.put(record.getMessage())

    def fails() -> None:
        raise LookupError("a bug")

    logger, handler = logging.getLogger("celery_aws.native_threads"), Watching()
    logger.addHandler(handler)
    try:
        start_native_thread("broken", fails)
        message = logged.get(timeout=PATIENCE_SECONDS)
    finally:
        logger.removeHandler(handler)
    assert message == "thread broken ended by a bug in celery-aws"


def test_what_nobody_patched_is_pythons_own() -> None:
    assert unpatched("time", "sleep") is time.sleep


@pytest.mark.parametrize(
    ("library", "patch"),
    [
        ("gevent", "from gevent import monkey; monkey.patch_all()"),
        ("eventlet", "import eventlet; eventlet.monkey_patch()"),
    ],
)
def test_it_runs_while_greenlets_hang(library: str, patch: str) -> None:
    if find_spec(library) is None:  # Not imported: here, eventlet would warn of every fork.
        pytest.skip(f"{library} is not installed")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HANGING.format(patch=patch)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "True True False\n", ended.stderr
