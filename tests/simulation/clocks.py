"""The clock of a machine of the simulated world."""

import threading
from datetime import datetime, timedelta

from celery_aws.testing.clock import START
from tests.simulation.waiting import WorldCondition
from tests.simulation.world import World


class WorldClock:
    """A :class:`celery_aws.clock.Clock`; whoever sleeps by it lets others run.

    Args:
        world: has the time.
        ahead_seconds: by how much this machine's time of day is wrong.
    """

    def __init__(self, world: World, *, ahead_seconds: float = 0.0) -> None:
        self._world = world
        self._ahead_seconds = ahead_seconds

    def now(self) -> datetime:
        """Return the time of day, as far as this machine knows it."""
        return START + timedelta(seconds=self._world.seconds + self._ahead_seconds)

    def monotonic(self) -> float:
        """Return the seconds since the world began."""
        return self._world.seconds

    def sleep(self, seconds: float) -> None:
        """Let others run."""
        self._world.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Let others run, until somebody signals if it is a condition of the world."""
        if isinstance(condition, WorldCondition):
            condition.wait(seconds)
            return
        condition.release()
        try:
            self._world.sleep(seconds)
        finally:
            condition.acquire()
