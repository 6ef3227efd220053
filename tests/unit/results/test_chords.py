"""Chords on a backend whose table is in memory, with a body that goes to a queue in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, states
from celery.app.task import Context
from celery.canvas import Signature
from celery.exceptions import ChordError
from celery.result import AsyncResult, GroupResult
from celery.utils.functional import regen

from celery_aws.core.chords import Layout, Part
from celery_aws.errors import AccessDeniedError, ThrottledError
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_ledger import CLAIM_SECONDS, Claim
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE
from tests.unit.results.passing_time import PassingClock

Bodies = Callable[[], list[Any]]


def total(numbers: list[int]) -> int:
    return sum(numbers)


@pytest.fixture
def body(app: Celery) -> Signature:
    app.task(total, name="body", shared=False)
    body: Signature = app.signature("body", task_id="the-body")
    return body


@pytest.fixture
def sent(app: Celery) -> Iterator[Bodies]:
    """Return the arguments of the bodies that were sent since the last look."""
    with app.connection() as connection, connection.SimpleQueue("celery") as queue:
        queue.clear()

        def since() -> list[Any]:
            return [queue.get(timeout=1).payload[0][0] for _ in range(queue.qsize())]

        yield since


def header(app: Celery, size: int) -> list[AsyncResult]:
    return [AsyncResult(f"task-{n}", app=app) for n in range(size)]


def returned(body: Signature, index: int | None, task_id: str, **more: Any) -> Context:
    more.setdefault("ignore_result", False)
    return Context(id=task_id, group="g", group_index=index, chord=dict(body), **more)


def begin(backend: DynamoDBBackend, body: Signature, results: Any, size: int) -> None:
    backend.apply_chord(("g", results), body)
    backend.set_chord_size("g", size)


def done(backend: DynamoDBBackend, body: Signature, index: int, **more: Any) -> None:
    request = returned(body, index, f"task-{index}", **more)
    backend.mark_as_done(f"task-{index}", index, request=request)


@pytest.mark.parametrize("size", [1, 3, 64, 65, 200])
def test_the_body_is_sent_once_with_the_results_in_the_order_of_the_header(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies, size: int
) -> None:
    begin(backend, body, header(app, size), size)
    for index in reversed(range(size)):
        assert sent() == []
        done(backend, body, index)
    assert sent() == [list(range(size))]


@pytest.mark.parametrize("size", [1, 64, 65, 200])
def test_a_generator_is_not_unrolled(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies, size: int
) -> None:
    unrolled: list[AsyncResult] = []

    def lazily() -> Iterator[AsyncResult]:
        for each in header(app, size):
            unrolled.append(each)
            yield each

    backend.apply_chord(("g", regen(lazily())), body)
    for index in range(size - 1):
        done(backend, body, index)
    backend.set_chord_size("g", size)
    assert sent() == []
    done(backend, body, size - 1)
    assert sent() == [list(range(size))]
    assert unrolled == []


def test_a_part_of_a_chord_costs_one_request_more_than_a_task(
    backend: DynamoDBBackend, app: Celery, body: Signature, service: MemoryTableService
) -> None:
    service.requests.clear()
    begin(backend, body, header(app, 50), 50)
    assert service.requests == {"PutItem": 1}
    for index in range(50):
        done(backend, body, index)
    # The chord, 50 results, 50 parts, the claim and its end, and all results at once.
    assert service.requests == {"PutItem": 52, "UpdateItem": 51, "BatchGetItem": 1}


@pytest.mark.parametrize("size", [3, 100])
def test_a_redelivered_part_does_not_count_twice(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies, size: int
) -> None:
    begin(backend, body, header(app, size), size)
    for index in range(size - 1):
        done(backend, body, index)
        done(backend, body, index)
    assert sent() == []
    done(backend, body, size - 1)
    for index in range(size):
        done(backend, body, index)
    assert sent() == [list(range(size))]


def test_what_ignores_its_result_still_hands_it_to_the_body(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    begin(backend, body, header(app, 3), 3)
    for index in range(3):
        done(backend, body, index, ignore_result=True)
    assert sent() == [[0, 1, 2]]
    assert AsyncResult("task-0", app=app).state == states.PENDING


def test_a_failed_part_is_the_error_of_the_body(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    begin(backend, body, header(app, 2), 2)
    backend.mark_as_failure("task-0", KeyError("k"), request=returned(body, 0, "task-0"))
    done(backend, body, 1)
    assert sent() == []
    with pytest.raises(ChordError, match=r"Dependency task-0 raised KeyError\('k'\)"):
        AsyncResult("the-body", app=app).get(timeout=0)


def test_a_part_that_failed_and_runs_again_does_not_keep_the_chord_waiting(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    begin(backend, body, header(app, 2), 2)
    backend.mark_as_failure("task-0", KeyError("k"), request=returned(body, 0, "task-0"))
    backend.mark_as_started("task-0")
    done(backend, body, 1)
    assert sent() == []
    assert AsyncResult("the-body", app=app).state == states.FAILURE


def test_groups_in_the_header_keep_their_structure(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    tasks = header(app, 4)
    begin(backend, body, [tasks[0], GroupResult("inner", tasks[1:3], app=app), tasks[3]], 4)
    # Members of a group in a chain have places of their own, which others have too.
    for index, place in enumerate([0, 0, 1, 2]):
        request = returned(body, place, f"task-{index}")
        backend.mark_as_done(f"task-{index}", index, request=request)
    assert sent() == [[0, [1, 2], 3]]


def test_tasks_in_groups_of_a_large_header_may_share_their_places(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    tasks = header(app, 100)
    groups = [GroupResult(f"g{n}", tasks[n : n + 10], app=app) for n in range(0, 100, 10)]
    begin(backend, body, groups, 100)
    for index in range(100):
        assert sent() == []
        request = returned(body, index % 10, f"task-{index}")
        backend.mark_as_done(f"task-{index}", index, request=request)
    assert sent() == [[list(range(n, n + 10)) for n in range(0, 100, 10)]]


def test_a_task_that_is_added_is_waited_for(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    begin(backend, body, header(app, 2), 2)
    backend.add_to_chord("g", AsyncResult("more", app=app))
    backend.add_to_chord("g", AsyncResult("more", app=app))
    done(backend, body, 0)
    done(backend, body, 1)
    assert sent() == []
    backend.mark_as_done("more", 7, request=returned(body, 0, "more"))
    assert sent() == [[7, 0, 1]]


def test_a_task_twice_in_the_header_is_two_parts(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    begin(backend, body, header(app, 1) * 2, 2)
    for index in range(2):
        assert sent() == []
        backend.mark_as_done("task-0", 5, request=returned(body, index, "task-0"))
    assert sent() == [[5, 5]]


def test_nothing_is_left_of_a_chord_but_its_end(
    backend: DynamoDBBackend, app: Celery, body: Signature, service: MemoryTableService
) -> None:
    begin(backend, body, header(app, 200), 200)
    for index in range(200):
        done(backend, body, index, ignore_result=index % 2 == 0)
    left = [item for item in service.items(TABLE) if "status" not in item]
    assert [set(item) for item in left] == [
        {"id", "chord_format", "chord_size", "done", "timestamp", "ttl"}
    ]
    assert len(service.items(TABLE)) == 1 + 100


def test_a_chord_that_has_expired_is_told_of(
    backend: DynamoDBBackend,
    app: Celery,
    body: Signature,
    sent: Bodies,
    caplog: pytest.LogCaptureFixture,
) -> None:
    done(backend, body, 0)
    assert sent() == []
    assert "the chord is not known" in caplog.text


def test_nothing_is_added_to_a_chord_that_is_over(
    backend: DynamoDBBackend, app: Celery, body: Signature
) -> None:
    begin(backend, body, header(app, 1), 1)
    done(backend, body, 0)
    with pytest.raises(NotImplementedError, match="it is finished"):
        backend.add_to_chord("g", AsyncResult("more", app=app))


def test_a_chord_may_be_sent_again(
    backend: DynamoDBBackend, app: Celery, body: Signature, sent: Bodies
) -> None:
    for _ in range(2):
        begin(backend, body, header(app, 2), 2)
        done(backend, body, 0)
        done(backend, body, 1)
    assert sent() == [[0, 1], [0, 1]]


def test_a_part_that_cannot_be_recorded_is_the_error_of_the_body(
    backend: DynamoDBBackend,
    app: Celery,
    body: Signature,
    sent: Bodies,
    service: MemoryTableService,
    caplog: pytest.LogCaptureFixture,
) -> None:
    begin(backend, body, header(app, 2), 2)
    done(backend, body, 0)
    service.fail_next("UpdateItem", AccessDeniedError("no", service="dynamodb"))
    done(backend, body, 1)
    assert AsyncResult("task-1", app=app).state == states.SUCCESS
    assert AsyncResult("the-body", app=app).state == states.FAILURE
    assert "could not be recorded" in caplog.text
    # Its message comes again.
    done(backend, body, 1)
    assert sent() == [[0, 1]]


def test_a_part_is_recorded_after_throttling(
    backend: DynamoDBBackend,
    app: Celery,
    body: Signature,
    sent: Bodies,
    service: MemoryTableService,
) -> None:
    begin(backend, body, header(app, 1), 1)
    for operation in ("UpdateItem", "UpdateItem", "BatchGetItem", "PutItem"):
        service.fail_next(operation, ThrottledError("slower", service="dynamodb"))
    done(backend, body, 0)
    assert sent() == [[0]]


@pytest.mark.parametrize("operation", ["GetItem", "UpdateItem"])
@pytest.mark.parametrize("failures", [1, 5])
def test_a_chord_is_taken_over_though_aws_fails_meanwhile(
    backend: DynamoDBBackend,
    body: Signature,
    sent: Bodies,
    app: Celery,
    service: MemoryTableService,
    clock: PassingClock,
    operation: str,
    failures: int,
) -> None:
    begin(backend, body, header(app, 1), 1)
    key = backend.get_key_for_chord("g")
    of_the_dead = backend.ledger.record(key, Part(index=0, task_id="task-0"), Layout())
    assert isinstance(of_the_dead, Claim)

    def fail() -> None:
        for _ in range(failures):
            service.fail_next(operation, ThrottledError("slow down"))

    clock.at(clock.monotonic() + CLAIM_SECONDS - 0.5, fail)
    done(backend, body, 0)
    assert sent() == [[0]]


def test_a_part_is_recorded_before_its_success_where_that_ends_its_task(
    backend: DynamoDBBackend,
    app: Celery,
    body: Signature,
    sent: Bodies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.conf.worker_deduplicate_successful_tasks = True
    begin(backend, body, header(app, 2), 2)
    done(backend, body, 0)

    def killed(*_: Any, **__: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(backend, "store_result", killed)
        with pytest.raises(SystemExit):
            done(backend, body, 1)
    assert AsyncResult("task-1", app=app).state == states.PENDING
    assert sent() == []
    # So the task that is delivered again runs again, and ends the chord.
    done(backend, body, 1)
    assert sent() == [[0, 1]]
    assert AsyncResult("task-1", app=app).state == states.SUCCESS


@pytest.mark.parametrize("deduplicates", [False, True])
def test_a_result_is_stored_though_its_task_does_not_say_which_chord_it_is_in(
    backend: DynamoDBBackend, app: Celery, body: Signature, deduplicates: bool
) -> None:
    app.conf.worker_deduplicate_successful_tasks = deduplicates
    request = Context(id="task-0", chord=dict(body), ignore_result=False)
    backend.mark_as_done("task-0", 7, request=request)
    assert AsyncResult("task-0", app=app).result == 7
