"""Waiting for one result: how often it is read, and how late it is seen."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import ImproperlyConfigured
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult, ResultSet

from celery_aws import batch
from celery_aws.errors import AccessDeniedError, ThrottledError
from celery_aws.results import DynamoDBBackend, aget
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import MakeBackend
from tests.unit.results.passing_time import PassingClock


class LateBackend(DynamoDBBackend):
    """A backend whose task ends at some look."""

    def __init__(self, app: Celery, clock: PassingClock, *, ends_at_look: int) -> None:
        super().__init__(app, "dynamodb://@eu-west-1/tasks", clock=clock)
        self.looks = 0
        self.state = states.SUCCESS
        self._ends_at_look = ends_at_look

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        self.looks += 1
        ended = self.looks >= self._ends_at_look
        return {"status": self.state if ended else states.PENDING, "task_id": task_id}


def test_a_result_that_is_there_costs_one_look(app: Celery, clock: PassingClock) -> None:
    backend = LateBackend(app, clock, ends_at_look=1)
    assert backend.wait_for("t")["status"] == states.SUCCESS
    assert (backend.looks, clock.sleeps) == (1, [])


def test_waits_are_a_share_of_what_was_waited(app: Celery, clock: PassingClock) -> None:
    LateBackend(app, clock, ends_at_look=9).wait_for("t", interval=0.5)
    expected = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.0105]
    assert clock.sleeps == pytest.approx(expected)


def test_a_shorter_interval_is_kept(app: Celery, clock: PassingClock) -> None:
    LateBackend(app, clock, ends_at_look=4).wait_for("t", interval=0.008)
    assert clock.sleeps == pytest.approx([0.008, 0.008, 0.008])


@pytest.mark.parametrize("interval", [0, -1])
def test_no_interval_is_a_short_one(app: Celery, clock: PassingClock, interval: float) -> None:
    LateBackend(app, clock, ends_at_look=4).wait_for("t", interval=interval)
    assert clock.sleeps == pytest.approx([0.005] * 3)


@pytest.mark.parametrize(("timeout", "sleeps"), [(0, []), (0.025, [0.01, 0.01, 0.005])])
def test_the_timeout_is_kept_to(
    app: Celery, clock: PassingClock, timeout: float, sleeps: list[float]
) -> None:
    backend = LateBackend(app, clock, ends_at_look=99)
    with pytest.raises(ResultTimeoutError, match=f"timed out \\({timeout} s\\)"):
        backend.wait_for("t", timeout=timeout)
    assert clock.sleeps == pytest.approx(sleeps)


def test_every_look_that_finds_nothing_is_told(app: Celery, clock: PassingClock) -> None:
    told: list[None] = []
    LateBackend(app, clock, ends_at_look=3).wait_for("t", on_interval=lambda: told.append(None))
    assert len(told) == 2


def test_a_failure_is_told_too(app: Celery, clock: PassingClock) -> None:
    backend = LateBackend(app, clock, ends_at_look=1)
    backend.state = states.FAILURE
    told: list[None] = []
    backend.wait_for("t", on_interval=lambda: told.append(None))
    assert len(told) == 1


@pytest.mark.parametrize("task_seconds", [0.05, 0.1, 0.3])
def test_a_fast_task_is_seen_within_30_ms_of_its_store(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, task_seconds: float
) -> None:
    chance = random.Random(1)
    late = []
    for number in range(50):
        task_id = str(number)
        ends = clock.monotonic() + task_seconds * chance.uniform(0.8, 1.2)
        clock.at(ends, partial(backend.mark_as_done, task_id, 1))
        AsyncResult(task_id, app=app).get()
        late.append(clock.monotonic() - ends)
    assert median(late) <= 0.03


@pytest.mark.parametrize(("task_seconds", "reads"), [(0.1, 11), (1, 29), (10, 50), (600, 250)])
def test_the_reads_of_a_wait(
    backend: DynamoDBBackend,
    app: Celery,
    clock: PassingClock,
    service: MemoryTableService,
    task_seconds: float,
    reads: int,
) -> None:
    clock.at(task_seconds, lambda: backend.mark_as_done("1", 1))
    assert AsyncResult("1", app=app).get() == 1
    assert set(service.requests) == {"GetItem", "PutItem"}
    assert service.requests["GetItem"] <= reads


def test_a_value_is_handed_to_the_callback(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("1", 42)
    got: list[tuple[str, int]] = []
    AsyncResult("1", app=app).get(callback=lambda task_id, value: got.append((task_id, value)))
    assert got == [("1", 42)]


def test_an_error_is_raised_or_returned(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_failure("1", KeyError("k"))
    with pytest.raises(KeyError):
        AsyncResult("1", app=app).get()
    assert isinstance(AsyncResult("1", app=app).get(propagate=False), KeyError)


def test_messages_are_not_supported_as_with_every_backend_that_polls(
    backend: DynamoDBBackend, app: Celery
) -> None:
    with pytest.raises(ImproperlyConfigured):
        AsyncResult("1", app=app).get(on_message=print)


GETS: list[Callable[..., Any]] = [
    lambda result, **wait: result.get(**wait),
    lambda result, **wait: ResultSet([result]).join_native(**wait)[0],
    lambda result, **wait: asyncio.run(aget(result, **wait)),
]


def fail_reads(service: MemoryTableService, times: int) -> None:
    for operation in ("GetItem", "BatchGetItem"):
        for _ in range(times):
            service.fail_next(operation, ThrottledError("slow down"))


@pytest.mark.parametrize("get", GETS)
@pytest.mark.parametrize("timeout", [None, 20])
def test_an_outage_is_waited_out_and_told_of_once(
    backend: DynamoDBBackend,
    app: Celery,
    service: MemoryTableService,
    caplog: pytest.LogCaptureFixture,
    get: Callable[..., Any],
    timeout: float | None,
) -> None:
    backend.mark_as_done("1", 1)
    fail_reads(service, 5)
    assert get(AsyncResult("1", app=app), timeout=timeout) == 1
    assert len([each for each in caplog.records if "cannot be read" in each.message]) == 1


@pytest.mark.parametrize("get", GETS[:2])
@pytest.mark.parametrize(("timeout", "ends_after"), [(0, 0), (7, 7), (100, 100), (None, 30)])
def test_an_outage_ends_the_wait_when_its_time_is_up(
    app: Celery,
    make_backend: MakeBackend,
    service: MemoryTableService,
    clock: PassingClock,
    get: Callable[..., Any],
    timeout: float | None,
    ends_after: float,
) -> None:
    make_backend().mark_as_done("1", 1)
    fail_reads(service, 1_000)
    began = clock.monotonic()
    with pytest.raises(ThrottledError):
        get(AsyncResult("1", app=app), timeout=timeout)
    assert clock.monotonic() - began == pytest.approx(ends_after, abs=1)


@pytest.mark.parametrize("get", GETS)
def test_what_is_no_outage_ends_the_wait_at_once(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, get: Callable[..., Any]
) -> None:
    backend.mark_as_done("1", 1)
    for operation in ("GetItem", "BatchGetItem"):
        service.fail_next(operation, AccessDeniedError("not yours"))
    with pytest.raises(AccessDeniedError):
        get(AsyncResult("1", app=app), timeout=9)


def test_a_failed_task_is_told_though_its_parents_cannot_be_read_at_first(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    backend.mark_as_failure("2", ValueError("wrong"))
    service.fail_next("BatchGetItem", ThrottledError("slow down"))
    result = AsyncResult("2", app=app, parent=AsyncResult("1", app=app))
    with pytest.raises(ValueError, match="wrong"):
        result.get(timeout=9)


class Collected:
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1

    end = flush


@pytest.mark.parametrize("how", ["one", "many", "asyncio"])
def test_who_waits_in_a_batch_has_it_sent_first(
    app: Celery, make_backend: MakeBackend, how: str
) -> None:
    make_backend().store_result("t", 1, states.SUCCESS)
    backend = make_backend()
    collected = Collected()
    with batch(app) as scope:
        scope.batch(lambda _: collected)
        if how == "one":
            backend.wait_for("t")
        elif how == "many":
            assert len(list(backend.get_many(["t"]))) == 1
        else:
            asyncio.run(aget(AsyncResult("t", backend=backend, app=app)))
        assert collected.flushes == 1
