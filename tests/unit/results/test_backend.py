"""The backend as Celery calls it, on the in-memory double."""

import copy
import pickle
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import celery
import pytest
from celery import Celery, states
from celery.exceptions import BackendStoreError
from celery.result import AsyncResult, GroupResult

from celery_aws.core.attributes import number_of
from celery_aws.errors import (
    ConfigurationError,
    InvalidRequestError,
    TableNotFoundError,
    ThrottledError,
)
from celery_aws.results import DynamoDBBackend
from celery_aws.testing.clock import START, FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, URL, MakeBackend, Stock

HAS_5_7_SETTINGS = celery.version_info_t(*celery.VERSION)[:2] >= (5, 7)


def ttl_of(service: MemoryTableService) -> float | None:
    (item,) = service.items(TABLE)
    ends = number_of(item, "ttl")
    return None if ends is None else float(ends) - int(START.timestamp())


def test_a_result_comes_back(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("1", {"answer": 42})
    result = AsyncResult("1", app=app)
    assert (result.state, result.get()) == ("SUCCESS", {"answer": 42})


def test_a_failure_comes_back_with_its_traceback(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_failure("1", KeyError("k"), traceback="Traceback: ...")
    result = AsyncResult("1", app=app)
    assert (result.state, result.traceback) == ("FAILURE", "Traceback: ...")
    with pytest.raises(KeyError):
        result.get()


def test_nothing_stored_is_pending(backend: DynamoDBBackend, app: Celery) -> None:
    assert AsyncResult("1", app=app).state == "PENDING"


def test_each_state_is_one_request(backend: DynamoDBBackend, service: MemoryTableService) -> None:
    backend.mark_as_started("1")
    backend.mark_as_done("1", None)
    assert service.requests == {"PutItem": 2}


def test_a_redelivered_task_does_not_overwrite_a_success(
    backend: DynamoDBBackend, app: Celery
) -> None:
    assert backend.store_result("1", "first", states.SUCCESS) == "first"
    assert backend.store_result("1", "second", states.FAILURE) == "second"
    assert AsyncResult("1", app=app).get() == "first"


def test_the_meta_has_its_task_id(backend: DynamoDBBackend) -> None:
    backend.mark_as_done("1", None)
    assert backend.get_task_meta("1")["task_id"] == "1"


def test_ignored_results_cost_nothing(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    backend.mark_as_done("1", 1, request=SimpleNamespace(ignore_result=True, chord=None))
    assert not service.requests


def test_extended_results(make_backend: MakeBackend) -> None:
    backend = make_backend(result_extended=True)
    request = SimpleNamespace(
        ignore_result=False, chord=None, group="g", task="resize", args=[1], kwargs={}, retries=2,
        hostname="w", parent_id="p", delivery_info={"routing_key": "images"}, children=[],
    )  # fmt: skip
    backend.mark_as_done("1", 1, request=request)
    meta = backend.get_task_meta("1")
    assert {name: meta[name] for name in ("name", "args", "queue", "retries", "group_id")} == {
        "name": "resize",
        "args": [1],
        "queue": "images",
        "retries": 2,
        "group_id": "g",
    }


def test_forget(backend: DynamoDBBackend, app: Celery, service: MemoryTableService) -> None:
    backend.mark_as_done("1", 1)
    AsyncResult("1", app=app).forget()
    assert service.items(TABLE) == []


def test_a_group_is_saved_restored_and_deleted(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    group = GroupResult("g", [AsyncResult(str(n), app=app) for n in range(3)], app=app)
    group.save(backend=backend)
    restored = GroupResult.restore("g", backend=backend, app=app)
    assert [member.id for member in restored] == ["0", "1", "2"]
    restored.delete(backend=backend)
    assert GroupResult.restore("g", backend=backend, app=app) is None
    assert service.requests == {"PutItem": 1, "GetItem": 2, "DeleteItem": 1}


def test_a_group_of_a_hundred_is_read_by_one_request(
    backend: DynamoDBBackend, app: Celery, service: MemoryTableService
) -> None:
    ids = [str(n) for n in range(100)]
    for task_id in ids:
        backend.mark_as_done(task_id, int(task_id))
    service.requests.clear()
    group = GroupResult("g", [AsyncResult(task_id, app=app) for task_id in ids], app=app)
    assert group.get() == list(range(100))
    assert service.requests == {"BatchGetItem": 1}


def test_mget_keeps_order_and_repetition(backend: DynamoDBBackend) -> None:
    backend.set(b"a", "A")
    backend.set(b"b", b"B")
    assert backend.mget([b"b", b"x", b"a", b"b"]) == [b"B", None, b"A", b"B"]


@pytest.mark.parametrize(
    ("query", "expires", "life"),
    [
        ("", timedelta(days=1), 86400),
        ("", 60, 60),
        ("", None, None),
        ("ttl_seconds=5", 60, 5),
        ("ttl_seconds=-1", 60, None),
    ],
)
def test_the_life_of_a_result(
    make_backend: MakeBackend, service: MemoryTableService, query: str, expires: Any, life: Any
) -> None:
    backend = make_backend(query, result_expires=expires)
    backend.mark_as_done("1", 1)
    assert ttl_of(service) == life
    backend.forget("1")
    GroupResult("g", [], app=backend.app).save(backend=backend)
    assert ttl_of(service) == life


@pytest.mark.skipif(not HAS_5_7_SETTINGS, reason="the settings came with Celery 5.7")
def test_the_life_of_failures_and_of_chords(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    backend = make_backend(result_expires=60, result_failure_expires=600, result_chord_expires=6000)
    backend.mark_as_failure("1", KeyError("k"))
    assert ttl_of(service) == 600
    backend.forget("1")
    backend.store_result("1", 1, "SUCCESS", request=SimpleNamespace(chord={"task": "t"}))
    assert ttl_of(service) == 6000


def test_an_expired_result_is_pending(
    backend: DynamoDBBackend, app: Celery, clock: FakeClock
) -> None:
    backend.mark_as_done("1", 1)
    clock.advance(86400 + 2)
    assert AsyncResult("1", app=app).state == "PENDING"


@pytest.mark.skipif(not HAS_5_7_SETTINGS, reason="the setting came with Celery 5.7")
def test_compressed_results(make_backend: MakeBackend, service: MemoryTableService) -> None:
    backend = make_backend(result_compression="gzip")
    backend.mark_as_done("1", "x" * 100_000)
    (item,) = service.items(TABLE)
    assert len(item["result"]["B"]) < 2_000
    assert backend.get_result("1") == "x" * 100_000


def test_pickled_results(make_backend: MakeBackend) -> None:
    backend = make_backend(result_serializer="pickle", accept_content=["pickle"])
    backend.mark_as_done("1", {1, 2})
    assert backend.get_result("1") == {1, 2}


@pytest.mark.skipif(not HAS_5_7_SETTINGS, reason="asked for since Celery 5.7")
def test_whether_a_result_exists(backend: DynamoDBBackend, app: Celery) -> None:
    assert not backend.task_result_exists("1")
    backend.store_result("1", None, states.PENDING)
    assert backend.task_result_exists("1")


def test_a_permanent_refusal_is_celerys_store_error(
    backend: DynamoDBBackend, service: MemoryTableService
) -> None:
    service.fail_next("PutItem", InvalidRequestError("no"))
    with pytest.raises(BackendStoreError, match="no") as failure:
        backend.mark_as_done("1", 1)
    assert (failure.value.task_id, failure.value.state) == ("1", "SUCCESS")


SLOW_DOWN = ThrottledError("slow down")


def test_a_store_is_tried_again_as_on_redis(
    backend: DynamoDBBackend, service: MemoryTableService, clock: FakeClock
) -> None:
    for _ in range(3):
        service.fail_next("PutItem", SLOW_DOWN)
    backend.mark_as_done("1", 1)
    assert (backend.get_result("1"), service.requests["PutItem"]) == (1, 4)
    assert clock.sleeps == [0, 1, 1]


def test_a_store_that_is_given_up_says_why(
    backend: DynamoDBBackend, service: MemoryTableService, clock: FakeClock
) -> None:
    for _ in range(100):
        service.fail_next("PutItem", SLOW_DOWN)
    with pytest.raises(ThrottledError, match="slow down"):
        backend.mark_as_done("1", 1)
    assert service.requests["PutItem"] == 21
    group = GroupResult("g", [], app=backend.app)
    with pytest.raises(ThrottledError):
        group.save(backend=backend)
    assert service.requests["PutItem"] == 42


def test_a_read_is_not_tried_again_unless_asked_for(
    make_backend: MakeBackend, service: MemoryTableService, clock: FakeClock
) -> None:
    def ask(backend: DynamoDBBackend) -> None:
        backend.get_state("1")
        backend.mget([b"a"])
        backend.forget("1")

    operations = ("GetItem", "BatchGetItem", "DeleteItem")
    for operation in operations:
        service.fail_next(operation, SLOW_DOWN)
        with pytest.raises(ThrottledError):
            ask(make_backend())
    policy = {"max_retries": 1, "interval_start": 0.5}
    backend = make_backend(result_backend_transport_options={"retry_policy": policy})
    for operation in operations:
        service.fail_next(operation, SLOW_DOWN)
    ask(backend)
    assert clock.sleeps == [0.5] * 3


def test_the_retry_policy_is_that_of_the_transport_options(
    make_backend: MakeBackend, service: MemoryTableService, clock: FakeClock
) -> None:
    policy = {"max_retries": 3, "interval_start": 2, "interval_step": 3, "interval_max": 6}
    backend = make_backend(result_backend_transport_options={"retry_policy": policy})
    for _ in range(4):
        service.fail_next("PutItem", SLOW_DOWN)
    with pytest.raises(ThrottledError):
        backend.mark_as_done("1", 1)
    assert clock.sleeps == [2, 5, 6]


def test_always_retry_tries_again_what_may_succeed(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    backend = make_backend(
        result_backend_always_retry=True, result_backend_base_sleep_between_retries_ms=0
    )
    for operation in ("PutItem", "GetItem"):
        service.fail_next(operation, ThrottledError("slow down"))
    backend.mark_as_done("1", 1)
    assert backend.get_result("1") == 1
    assert service.requests == {"PutItem": 2, "GetItem": 2}
    assert not backend.exception_safe_to_retry(InvalidRequestError("no"))


def test_a_missing_table_is_pending_or_an_error(
    make_backend: MakeBackend, app: Celery, service: MemoryTableService, clock: FakeClock
) -> None:
    missing = "dynamodb://@eu-west-1/missing"
    tolerant = DynamoDBBackend(app=app, url=missing, service=service, clock=clock)
    assert tolerant.get_state("1") == "PENDING"
    strict = DynamoDBBackend(
        app=app, url=f"{missing}?create_table=false", service=service, clock=clock
    )
    with pytest.raises(TableNotFoundError, match="create_table"):
        strict.get_state("1")
    with pytest.raises(BackendStoreError, match="create_table"):
        strict.mark_as_done("1", 1)


def test_a_global_key_prefix(make_backend: MakeBackend, service: MemoryTableService) -> None:
    backend = make_backend(result_backend_transport_options={"global_keyprefix": "blue"})
    backend.mark_as_done("1", 1)
    (item,) = service.items(TABLE)
    assert item["id"] == {"S": "b'blue_celery-task-meta-1'"}


def test_a_wrong_configuration_stops_the_constructor(app: Celery) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'ttl_seconds'"):
        DynamoDBBackend(app=app, url=f"{URL}?ttl_second=1")


def test_making_one_asks_nothing_of_aws(
    make_backend: MakeBackend, service: MemoryTableService
) -> None:
    make_backend()
    assert not service.requests


def test_a_pickled_backend_takes_the_url_of_the_app_that_reads_it(
    app: Celery, service: MemoryTableService
) -> None:
    app.set_current()
    backend = DynamoDBBackend(
        app=app, url="dynamodb://KEY:SECRET@eu-west-1/results", service=service
    )
    pickled = pickle.dumps(backend)
    assert b"SECRET" not in pickled
    assert pickle.loads(pickled).as_uri() == "aws+dynamodb://@eu-west-1/results"
    assert copy.copy(backend).as_uri() == "aws+dynamodb://@eu-west-1/results"


def test_a_state_that_another_serializer_wrote_is_replaced(
    backend: DynamoDBBackend, app: Celery, stock: Stock
) -> None:
    stock.backend.serializer = "pickle"
    stock.store("t", states.STARTED)
    backend.mark_as_done("t", 1)
    assert AsyncResult("t", app=app).result == 1


def test_threads_and_greenlets_share_one_backend() -> None:
    app = Celery("shop", backend=f"aws+{URL}", set_as_current=False)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(app.backend))
    thread.start()
    thread.join()

    assert found == [app.backend]
