"""Groups that are looked at one result at a time."""

import threading
from collections.abc import Callable

import pytest
from celery import Celery
from celery.result import AsyncResult, GroupResult

from celery_aws.results import DynamoDBBackend
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import URL, FrozenApp
from tests.unit.results.large_scene import noise
from tests.unit.results.passing_time import PassingClock
from tests.unit.results.test_parents import a_group, reads

Scan = Callable[[GroupResult], object]


@pytest.mark.parametrize(
    ("scan", "stored"),
    [
        (lambda group: group.ready(), 100),
        (lambda group: group.successful(), 100),
        (lambda group: group.failed(), 0),
        (lambda group: group.completed_count(), 0),
        (lambda group: group.completed_count(), 50),
        (lambda group: group.waiting(), 100),
        (lambda group: [result.state for result in group], 30),
        (lambda group: group.maybe_throw(), 0),
    ],
)
def test_a_scan_over_a_hundred_costs_a_few_reads(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, scan: Scan, stored: int
) -> None:
    group = a_group(app, 100)
    for member in group.results[:stored]:
        backend.mark_as_done(member.id, 1)
    scan(group)
    assert 1 < reads(service) <= 6


def test_a_restored_group_is_read_ahead_too(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, clock: PassingClock
) -> None:
    group = a_group(app, 100)
    group.save(backend=backend)
    for member in group.results:
        backend.mark_as_done(member.id, 1)
    service.requests.clear()
    elsewhere = FrozenApp("elsewhere", set_as_current=False, broker="memory://")
    elsewhere.made_backend = DynamoDBBackend(app=elsewhere, url=URL, service=service, clock=clock)
    assert GroupResult.restore("h", app=elsewhere).completed_count() == 100
    assert reads(service) <= 7


def test_an_order_that_the_backend_was_told(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    ids = [f"t{number}" for number in range(21)]
    backend.read_ahead.remember(ids)
    for task_id in ids:
        backend.get_state(task_id)
    assert reads(service) == 3


def test_polls_of_a_group_read_what_is_unfinished(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 100)
    a_group(app, 100, "other")
    for member in group.results[::2]:
        backend.mark_as_done(member.id, 1)
    group.completed_count()
    service.requests.clear()
    service.read_units = 0
    for _ in range(10):
        assert group.completed_count() == 50
    assert reads(service) == 10 * 4
    assert service.read_units == 10 * 50


def test_a_single_state_is_one_read(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 9)
    for number in (0, 4, 2, 2, 8):
        assert group[number].state == "PENDING"
    assert service.requests == {"GetItem": 5}
    assert service.read_units == 5


def test_what_this_thread_stores_is_read_back(backend: DynamoDBBackend, app: Celery) -> None:
    group = a_group(app, 9)
    assert [group[0].state, group[1].state] == ["PENDING", "PENDING"]
    backend.mark_as_done("h2", 1)
    assert group[2].state == "SUCCESS"
    group[3].forget()
    assert group[3].state == "PENDING"


def test_what_another_read_has_found_is_not_denied(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    elsewhere = DynamoDBBackend(app=app, url=URL, service=service)
    group = a_group(app, 9)
    assert [group[0].state, group[1].state] == ["PENDING", "PENDING"]
    elsewhere.mark_as_done("h2", 1)
    assert [task_id for task_id, _ in backend.get_many(["h2"])] == ["h2"]
    assert group[2].state == "SUCCESS"


def test_who_pauses_gets_what_is_stored_now(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService, clock: PassingClock
) -> None:
    elsewhere = DynamoDBBackend(app=app, url=URL, service=service)
    group = a_group(app, 9)
    assert [group[0].state, group[1].state] == ["PENDING", "PENDING"]
    elsewhere.mark_as_done("h2", 1)
    clock.advance(0.003)
    assert group[2].state == "SUCCESS"


def test_a_result_that_is_reloaded_is_read(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    elsewhere = DynamoDBBackend(app=app, url=URL, service=service)
    group = a_group(app, 9)
    assert [group[0].state, group[1].state] == ["PENDING", "PENDING"]
    elsewhere.mark_as_done("h2", 1)
    assert backend.get_task_meta("h2", cache=False)["status"] == "SUCCESS"


def test_threads_do_not_see_what_others_have_read(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 9)
    assert [group[0].state, group[1].state] == ["PENDING", "PENDING"]
    assert service.requests == {"GetItem": 1, "BatchGetItem": 1}
    thread = threading.Thread(target=lambda: group[2].state)
    thread.start()
    thread.join()
    assert service.requests == {"GetItem": 2, "BatchGetItem": 1}
    assert group[2].state == "PENDING"
    assert service.requests == {"GetItem": 2, "BatchGetItem": 1}


def test_what_is_offered_is_told_once_and_only_meanwhile(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    backend.mark_as_done("a", 1)
    payloads = backend.read_payloads(["a", "b"])
    service.requests.clear()
    with backend.offering({**payloads, "c": None}):
        assert backend.get_state("a") == "SUCCESS"
        assert backend.get_state("b") == "PENDING"
        assert not service.requests
        backend.get_state("a")
        assert service.requests == {"GetItem": 1}
    backend.get_state("c")
    assert service.requests == {"GetItem": 2}
    assert AsyncResult("a", app=app).get() == 1


def test_large_results_are_not_read_ahead(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 60)
    values = [number if number < 22 else noise(400_000, number).hex() for number in range(60)]
    for member, value in zip(group.results, values, strict=True):
        backend.mark_as_done(member.id, value)
    service.requests.clear()
    assert all(member.ready() for member in group.results[:22])
    assert service.requests == {"GetItem": 1, "BatchGetItem": 3}
    assert [member.result for member in group.results] == values


def test_a_scan_over_large_results_reads_each_once(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = a_group(app, 20)
    for number, member in enumerate(group.results):
        backend.mark_as_done(member.id, noise(400_000, number).hex())
    service.requests.clear()
    assert group.completed_count() == 20
    # Each of them its head and its pieces; and one or two heads in vain, at first.
    assert reads(service) <= 2 * 20 + 2
