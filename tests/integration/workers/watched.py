"""The app ``proj`` with an eye on its worker's event loop.

Written down, a line each: every AWS request that the loop makes itself, and the longest time that
it did not turn, which is written when it ends.
"""

import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from proj import app  # type: ignore[import-not-found]  # the worker runs in this folder

from celery_aws.aws.meter import RequestMeter

__all__ = ["app"]

#: Seconds between two looks at the clock.
TICK_SECONDS = 0.05

_count = RequestMeter.count
_pid = os.getpid()
_ticks = [0.0, 0.0]


def note(line: str) -> None:
    with Path(os.environ["PROJ_WATCHED"]).open("a") as file:
        file.write(line + "\n")


def count(self: RequestMeter, service: str, operation: str, resource: str = "") -> None:
    """Note a request that the loop waits for."""
    _count(self, service, operation, resource)
    frames = traceback.extract_stack(sys._getframe())
    if os.getpid() == _pid and any(frame.name == "asynloop" for frame in frames):
        names = [frame.name for frame in frames if "celery" in frame.filename]
        note(f"request {service}.{operation} {' '.join(names)}")


def tick() -> None:
    now = time.monotonic()
    if _ticks[0]:
        _ticks[1] = max(_ticks[1], now - _ticks[0])
    _ticks[0] = now


RequestMeter.count = count  # type: ignore[method-assign]


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    sender.hub.call_repeatedly(TICK_SECONDS, tick)


@worker_shutting_down.connect
def end(**_: Any) -> None:
    note(f"gap {_ticks[1]:.3f}")
