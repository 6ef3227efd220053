"""Workers that stop before each of their AWS requests and after it, until a test lets them go on.

Each is a greenlet of its own with a result backend of its own, so that any number of them are at
any place of their work at the same time, and which goes on next is the test's.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from celery import Task
from greenlet import getcurrent, greenlet

from celery_aws.errors import ConditionFailedError, ThrottledError, UnreachableError
from celery_aws.results import DynamoDBBackend
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import URL, FrozenApp
from tests.watched import KilledError

GOES_ON, LOST, FAILS, KILLED = "goes on", "lost", "fails", "killed"

#: A worker's work, until it acknowledges its message.
Work: TypeAlias = Callable[["Worker"], None]


class Worker:
    """One process: idle, or stopped somewhere in its work.

    Args:
        clock: everybody's.
        double: the table.
        on_request: called with the worker, the request's name and its arguments when it took
            effect.
        on_publish: called with the worker and what the body is sent with, when it is sent.
        on_error: called with the worker when a chord's error is told.
    """

    def __init__(
        self,
        clock: FakeClock,
        double: MemoryTableService,
        *,
        on_request: Callable[["Worker", str, dict[str, Any]], None],
        on_publish: Callable[["Worker", str, Any, dict[str, Any]], None],
        on_error: Callable[["Worker"], None],
    ) -> None:
        self.clock = clock
        self.double = double
        self.app = FrozenApp("stepped", set_as_current=False, broker="memory://")
        self.app.clock = clock
        self.app.conf.result_backend = f"aws+{URL}"
        self.app.register_task(_body(self, on_publish))
        self.backend = _Backend(
            app=self.app,
            url=URL,
            service=_SteppedService(self, on_request),
            clock=_SteppedClock(self),
        )
        self.backend.on_error = lambda: on_error(self)
        self.app.made_backend = self.backend
        self.wakes_at = 0.0
        #: When it came to where it is.
        self.stopped_at = 0.0
        #: Where it is: a request's name or another place, and whether it is behind that.
        self.place: tuple[str, str] | None = None
        #: Counts what it was given to do, so that two jobs of it are told apart.
        self.job = 0
        self._work: greenlet | None = None

    @property
    def is_idle(self) -> bool:
        return self._work is None

    @property
    def is_asleep(self) -> bool:
        return self.wakes_at > self.clock.monotonic()

    def begin(self, work: Work) -> None:
        """Take on work, and stop before the first of it."""
        self.job += 1
        self._work = greenlet(lambda _: work(self))

    def step(self, fate: str = GOES_ON) -> None:
        """Go on to the next place where it stops, or meet what happens to it here."""
        if self._work is None or (self.is_asleep and fate != KILLED):
            return
        try:
            if fate == KILLED:
                self._work.throw(KilledError)
            else:
                self.place = self._work.switch(fate)
        except KilledError:
            pass
        if self._work.dead:
            self._work, self.place, self.wakes_at = None, None, 0.0

    def stop(self, name: str, where: str) -> str:
        """Stop here, and return what the test wants to happen."""
        self.stopped_at = self.clock.monotonic()
        fate: str = getcurrent().parent.switch((name, where))
        return fate


class _SteppedService:
    """A worker's way to the table, on which answers get lost and requests fail."""

    def __init__(
        self, worker: Worker, on_effect: Callable[[Worker, str, dict[str, Any]], None]
    ) -> None:
        self._worker = worker
        self._on_effect = on_effect

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._worker.double, name)

        def request(*args: Any, **named: Any) -> Any:
            fate = LOST
            while fate == LOST:
                # botocore sends a request again if its answer was lost.
                if self._worker.stop(name, "before") == FAILS:
                    raise ThrottledError("slow down")
                answer, refusal = None, None
                try:
                    answer = asked(*args, **named)
                    self._on_effect(self._worker, name, {"args": args, **named})
                except ConditionFailedError as refused:
                    refusal = refused
                fate = self._worker.stop(name, "after")
            if fate == FAILS:
                raise UnreachableError("no answer")
            if refusal is not None:
                raise refusal
            return answer

        return request


class _SteppedClock:
    """Everybody's time; who sleeps stops until the test has let so much of it pass."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def now(self) -> datetime:
        return self._worker.clock.now()

    def monotonic(self) -> float:
        return self._worker.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._worker.wakes_at = self.monotonic() + seconds
        self._worker.stop("sleep", "before")

    def wait(self, condition: Any, seconds: float) -> None:
        raise AssertionError("nothing of a chord waits on a condition")


class _Backend(DynamoDBBackend):
    on_error: Callable[[], None]

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        self.on_error()
        return super().chord_error_from_stack(callback, exc)


def _body(worker: Worker, on_publish: Callable[[Worker, str, Any, dict[str, Any]], None]) -> Task:
    class Body(Task):
        name = "body"

        def apply_async(
            self, args: Any = None, kwargs: Any = None, task_id: Any = None, **options: Any
        ) -> None:
            if worker.stop("publish", "before") == FAILS:
                raise UnreachableError("no broker")
            on_publish(worker, task_id, args[0], options)
            worker.stop("publish", "after")

    return Body()
