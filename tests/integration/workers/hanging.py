"""The app ``proj`` with a worker whose event loop can be hung, by SIGUSR2 to its main process."""

import signal
from typing import Any

from celery.signals import celeryd_after_setup
from proj import app  # type: ignore[import-not-found]  # the worker runs in this folder

__all__ = ["app"]


def hang(*_: Any) -> None:
    """Wait in the main thread, for ever, and not as gevent waits."""
    while True:
        signal.pause()


@celeryd_after_setup.connect
def listen(**_: Any) -> None:
    signal.signal(signal.SIGUSR2, hang)
