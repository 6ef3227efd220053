import atexit
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from celery_aws.control.at_exit import close_at_exit
from tests.unit.control.conftest import PATIENCE_SECONDS


class Closable:
    closed = 0

    def close(self) -> None:
        Closable.closed += 1


@pytest.fixture(autouse=True)
def _nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Closable, "closed", 0)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    found: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", found.append)
    return found


def test_it_is_closed_when_the_process_ends() -> None:
    program = (
        "from celery_aws.control.at_exit import close_at_exit\n"
        "class Plane:\n"
        "    def close(self):\n"
        "        print('closed')\n"
        "plane = Plane()\n"
        "close_at_exit(plane)\n"
        "print('ends')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"ends", b"closed"]


def test_what_nobody_has_any_more_is_not_kept_for_it(registered: list[Callable[[], None]]) -> None:
    closable = Closable()
    close_at_exit(closable)
    registered[0]()
    assert Closable.closed == 1
    del closable
    gc.collect()
    registered[0]()
    assert Closable.closed == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_close_it(registered: list[Callable[[], None]]) -> None:
    closable = Closable()
    close_at_exit(closable)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(int(PATIENCE_SECONDS))
            registered[0]()
            status = 0 if Closable.closed == 0 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
