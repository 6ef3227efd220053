"""Waiting for groups."""

from functools import partial
from typing import Any

import pytest
from celery import Celery, states
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult, EagerResult, GroupResult, ResultSet

from celery_aws.errors import ThrottledError
from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import MakeBackend
from tests.unit.results.passing_time import PassingClock
from tests.unit.results.test_parents import a_group, reads


def end_one_by_one(
    backend: DynamoDBBackend, clock: PassingClock, ids: list[str], seconds: float
) -> None:
    for number, task_id in enumerate(ids):
        clock.at(
            seconds * (number + 1) / len(ids),
            partial(backend.mark_as_done, task_id, number),
        )


@pytest.mark.parametrize("seconds", [0.5, 1, 2, 3])
def test_a_group_of_a_hundred_is_read_ten_times_at_most(
    backend: DynamoDBBackend,
    app: Celery,
    clock: PassingClock,
    service: MemoryTableService,
    seconds: float,
) -> None:
    group = a_group(app, 100)
    end_one_by_one(backend, clock, [member.id for member in group], seconds)
    assert group.get() == list(range(100))
    assert set(service.requests) == {"BatchGetItem", "PutItem"}
    assert reads(service) <= 10
    assert clock.monotonic() <= seconds + 0.5


def test_members_come_as_they_end(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    end_one_by_one(backend, clock, ["h2", "h0", "h1"], 3)
    assert [task_id for task_id, _ in a_group(app, 3).iter_native()] == ["h2", "h0", "h1"]


def test_the_first_error_ends_the_join(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    clock.at(0.5, lambda: backend.mark_as_failure("h1", KeyError("h1")))
    with pytest.raises(KeyError):
        a_group(app, 3).get()
    assert clock.monotonic() < 1


def test_errors_are_returned_on_request(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("h0", 0)
    backend.mark_as_failure("h1", KeyError("h1"))
    value, error = a_group(app, 2).get(propagate=False)
    assert value == 0
    assert isinstance(error, KeyError)


def test_joined_results_know_their_state(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 30)
    for member in group:
        backend.mark_as_done(member.id, 1)
    group.get()
    service.requests.clear()
    assert group.successful()
    assert group.get() == [1] * 30
    assert not service.requests


def test_callbacks_of_joined_results_are_called(backend: DynamoDBBackend, app: Celery) -> None:
    group = a_group(app, 2)
    ended: list[str] = []
    group[0].then(lambda result: ended.append(result.id))
    backend.mark_as_done("h0", 0)
    backend.mark_as_done("h1", 1)
    group.get()
    assert ended == ["h0"]


def a_nest(app: Celery) -> GroupResult:
    inner = GroupResult("deep", [a_group(app, 20, "x"), AsyncResult("y", app=app)], app=app)
    return GroupResult("g", [inner, AsyncResult("z", app=app), a_group(app, 20, "w")], app=app)


def test_nested_groups_are_waited_for_together(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    ids = ["z", "y", *(f"{name}{number}" for name in "wx" for number in range(20))]
    end_one_by_one(backend, clock, ids, 2)
    nested = [[*range(22, 42)], 1]
    assert a_nest(app).get() == [nested, 0, [*range(2, 22)]]
    assert set(service.requests) == {"BatchGetItem", "PutItem"}
    assert reads(service) <= 10


def test_a_nested_group_is_no_longer_waited_for_than_the_timeout(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock
) -> None:
    backend.mark_as_done("z", 1)
    with pytest.raises(ResultTimeoutError):
        a_nest(app).get(timeout=2)
    assert clock.monotonic() == pytest.approx(2)


def test_an_error_in_a_nested_group_does_not_wait_for_those_behind_it(
    backend: DynamoDBBackend, app: Celery
) -> None:
    backend.mark_as_done("x0", 0)
    backend.mark_as_failure("x1", KeyError("x1"))
    with pytest.raises(KeyError, match="x1"):
        a_nest(app).get(timeout=60)


def test_empty_groups(backend: DynamoDBBackend, app: Celery, service: MemoryTableService) -> None:
    assert GroupResult("g", [a_group(app, 0)], app=app).get() == [[]]
    assert not list(backend.iter_native(ResultSet([], app=app)))
    assert not service.requests


def test_eager_results_and_repetitions(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("a", 1)
    done = EagerResult("eager", 2, states.SUCCESS)
    results = ResultSet([AsyncResult("a", app=app), done, AsyncResult("a", app=app)], app=app)
    assert [meta["result"] for _, meta in results.iter_native()] == [2, 1, 1]


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 0), (0.3, 0.3)])
def test_the_timeout_of_many(
    backend: DynamoDBBackend, clock: PassingClock, timeout: float, seconds: float
) -> None:
    backend.mark_as_done("a", 1)
    found: list[Any] = []
    with pytest.raises(ResultTimeoutError):
        found.extend(backend.get_many({"a", "b"}, timeout=timeout))
    assert clock.monotonic() == pytest.approx(seconds)
    assert [task_id for task_id, _ in backend.get_many({"a"}, timeout=0)] == ["a"]


def test_ids_may_be_bytes(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("a", 1)
    assert ResultSet([AsyncResult(b"a", app=app)], app=app).join_native() == [1]


def test_the_callers_ids_are_left_alone(backend: DynamoDBBackend) -> None:
    backend.mark_as_done("a", 1)
    ids = {"a"}
    assert list(backend.get_many(ids))
    assert ids == {"a"}


def test_a_number_of_looks(
    backend: DynamoDBBackend, clock: PassingClock, service: MemoryTableService
) -> None:
    backend.mark_as_done("a", 1)
    assert len(list(backend.get_many(["a", "b"], max_iterations=1))) == 1
    assert (service.requests["BatchGetItem"], clock.sleeps) == (1, [])
    assert not list(backend.get_many(["b"], max_iterations=3, interval=None))
    assert service.requests["BatchGetItem"] == 4


def test_what_is_told_of_many(backend: DynamoDBBackend, clock: PassingClock) -> None:
    end_one_by_one(backend, clock, ["a", "b"], 1)
    messages: list[dict[str, Any]] = []
    intervals: list[None] = []
    list(
        backend.get_many(
            ["a", "b"], on_message=messages.append, on_interval=lambda: intervals.append(None)
        )
    )
    assert [meta["task_id"] for meta in messages] == ["a", "b"]
    assert len(intervals) == len(clock.sleeps)


def test_other_states_can_be_waited_for(backend: DynamoDBBackend) -> None:
    backend.mark_as_started("a")
    ((task_id, meta),) = backend.get_many(["a"], READY_STATES={states.STARTED}, timeout=1)
    assert (task_id, meta["status"]) == ("a", "STARTED")


def test_cached_results_are_not_read(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    backend = make_backend(result_cache_max=100)
    for task_id in ("a", "b"):
        backend.mark_as_done(task_id, 1)
    assert len(list(backend.get_many(["a"]))) == 1
    assert sorted(task_id for task_id, _ in backend.get_many(["a", "b"])) == ["a", "b"]
    assert len(list(backend.get_many(["a", "b"]))) == 2
    assert service.requests["BatchGetItem"] == 2


def test_always_retry_holds_for_batches(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    backend = make_backend(
        result_backend_always_retry=True, result_backend_base_sleep_between_retries_ms=0
    )
    if not hasattr(backend, "_ensure_retryable"):
        pytest.skip("came with Celery 5.7")
    backend.mark_as_done("a", 1)
    service.fail_next("BatchGetItem", ThrottledError("slow down"))
    assert len(list(backend.get_many(["a"]))) == 1


def test_who_waits_for_a_group_is_told_that_a_task_before_it_failed(
    backend: DynamoDBBackend, app: Celery
) -> None:
    first, second = AsyncResult("first", app=app), AsyncResult("second", app=app)
    second.parent = first
    members = [AsyncResult(f"member-{n}", app=app) for n in range(2)]
    group = GroupResult("g", [members[0], GroupResult("h", members[1:], app=app)], app=app)
    group.parent = second
    backend.mark_as_done("first", 1)
    backend.mark_as_failure("second", KeyError("k"))
    with pytest.raises(KeyError):
        group.get(timeout=10)
    values = group.get(timeout=10, propagate=False)
    assert [type(value) for value in values] == [KeyError, KeyError]
    assert members[0].state == "PENDING"


def test_the_parents_of_a_group_are_read_together_and_not_at_every_look(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    header = [AsyncResult(f"header-{n}", app=app) for n in range(50)]
    group = GroupResult("g", [AsyncResult("member", app=app)], app=app)
    group.parent = GroupResult("header", header, app=app)
    service.requests.clear()
    with pytest.raises(ResultTimeoutError):
        group.get(timeout=10)
    looks = service.requests["BatchGetItem"]
    service.requests.clear()
    group.parent = None
    with pytest.raises(ResultTimeoutError):
        group.get(timeout=10)
    assert looks <= service.requests["BatchGetItem"] + 16


def test_an_outage_while_parents_are_read_does_not_end_the_wait(
    backend: DynamoDBBackend, app: Celery, clock: PassingClock, service: MemoryTableService
) -> None:
    group = a_group(app, 2)
    group.parent = AsyncResult("before", app=app)
    for _ in range(3):
        service.fail_next("BatchGetItem", ThrottledError("slower", service="dynamodb"))
    end_one_by_one(backend, clock, [member.id for member in group], 3)
    assert group.get(timeout=10) == [0, 1]


def test_the_parents_of_a_group_are_read_with_its_members(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 2)
    group.parent = AsyncResult("before", app=app)
    backend.mark_as_failure("before", KeyError("k"))
    service.requests.clear()
    with pytest.raises(KeyError):
        group.get(timeout=10)
    assert service.requests == {"BatchGetItem": 1}
