"""Contenders for one lease: each has a monotonic clock of its own, and may be stopped anywhere."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from celery_aws.aws.dynamodb import TableService
from celery_aws.core.schedule import STANDARD
from celery_aws.errors import UnreachableError
from celery_aws.names import TableName
from celery_aws.table.coordination import SPEC, CoordinationTable
from celery_aws.table.leases import LeaderLease
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.watched import Watched

TABLE = TableName("celery-coordination")
DURATION_SECONDS = STANDARD.lease_seconds
RENEW_SECONDS = STANDARD.renew_seconds


class OwnClock:
    """The time of everybody, counted from another start."""

    def __init__(self, clock: FakeClock, offset_seconds: float) -> None:
        self._clock = clock
        self._offset_seconds = offset_seconds

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._offset_seconds

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        self._clock.wait(condition, seconds)


class Contender:
    """One process.

    Attributes:
        before: called with the operation before each of its requests, and once more after it took
            effect; what it raises, the request raises.
    """

    def __init__(
        self, name: str, clock: FakeClock, service: MemoryTableService, *, offset_seconds: float = 0
    ) -> None:
        self.name = name
        self.service = Watched(service)
        self.lease = LeaderLease(
            CoordinationTable(
                service=cast("TableService", self.service),
                name=TABLE,
                creates=True,
                clock=OwnClock(clock, offset_seconds),
            ),
            "mover-standard",
            owner=name,
            duration_seconds=DURATION_SECONDS,
            renew_seconds=RENEW_SECONDS,
        )

    def meets(
        self, *, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None
    ) -> None:
        """Let something happen before its next request reaches AWS, or after it took effect."""
        self.service.meets(before=before, after=after)

    def contend(self) -> bool:
        """Contend; an answer that is lost is no more than that."""
        try:
            return self.lease.contend()
        except UnreachableError:
            return self.lease.leads


def lose_it() -> None:
    """Raise as if an answer, or the request, were lost."""
    raise UnreachableError("no answer")


def new_service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, SPEC)
    return service
