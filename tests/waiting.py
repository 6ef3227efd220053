"""Signals that a test can wait for instead of sleeping."""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager


class Watch:
    """Tells when a process that is not our child has ended (Linux)."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def ended_within(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        return bool(ready)


@contextmanager
def watching(pid: int) -> Iterator[Watch]:
    """Watch ``pid``; begin while it lives, so that no other process can have taken the number."""
    descriptor = os.pidfd_open(pid)
    try:
        yield Watch(descriptor)
    finally:
        os.close(descriptor)
