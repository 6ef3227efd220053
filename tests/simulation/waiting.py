"""Threads of the package, and what they wait on, in the simulated world."""

import os
import threading
from collections.abc import Callable
from math import inf
from types import ModuleType, SimpleNamespace, TracebackType
from typing import TypeVar
from uuid import UUID

import pytest

from celery_aws.background import BackgroundThread
from celery_aws.control import (
    control_plane,
    courier,
    event_sender,
    inbox,
    inbox_keeper,
    inbox_receiver,
)
from celery_aws.control import replies as control_replies
from celery_aws.schedule import mover
from tests.simulation import together
from tests.simulation.world import World

T = TypeVar("T")

#: Modules whose threads wait on conditions.
_MODULES: tuple[ModuleType, ...] = (
    event_sender,
    inbox_keeper,
    inbox_receiver,
    control_replies,
    mover,
)


class WorldCondition(threading.Condition):
    """A condition; nobody else runs while it is held, unless who holds it waits for something."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __enter__(self) -> bool:
        return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        """Let others run until one of them signals."""
        return self._world.wait(inf if timeout is None else timeout, about=self)

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Let others run until something holds."""
        until = self._world.seconds + (inf if timeout is None else timeout)
        while not (found := predicate()) and self._world.seconds < until:
            self.wait(until - self._world.seconds)
        return found

    def notify_all(self) -> None:
        """Wake who waits."""
        self._world.signal(self)


class _Thread(SimpleNamespace):
    """What the package takes for a thread."""

    def is_alive(self) -> bool:
        return True


def put_threads_on(world: World, patch: pytest.MonkeyPatch) -> None:
    """Let the background threads of the package be threads of the process that starts them."""

    def start(thread: BackgroundThread) -> None:
        process = world.here()
        assert process is not None, "only a process of the world starts threads"
        if not thread.alive and not thread.stopping:
            thread._pid = os.getpid()
            thread._thread = _Thread()  # type: ignore[assignment]
            world.spawn(process, thread._run_logged)

    def stop(thread: BackgroundThread, timeout_seconds: float) -> bool:
        thread._stopping.set()
        thread.wake()
        until = world.seconds + timeout_seconds
        while thread.alive and world.seconds < until:
            world.sleep(together.LOOK_SECONDS)
        return not thread.alive

    patch.setattr(BackgroundThread, "start", start)
    patch.setattr(BackgroundThread, "stop", stop)
    patch.setattr(control_plane, "close_at_exit", lambda _: None)
    # The order of what is read depends on it.
    patch.setattr(inbox, "uuid4", lambda: UUID(int=world.random.getrandbits(128), version=4))
    for module in _MODULES:
        patch.setattr(module, "threading", SimpleNamespace(Condition=lambda: WorldCondition(world)))
    for module in (mover, courier):
        patch.setattr(
            module,
            "ThreadPoolExecutor",
            lambda count, *_, **__: together.WorldExecutor(world, count),
        )
