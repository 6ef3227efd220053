"""The backend on the local AWS: what it costs, and that a fork and threads do it no harm."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.result import AsyncResult, GroupResult

from celery_aws.errors import TableNotFoundError, UnreachableError
from celery_aws.results import DynamoDBBackend
from tests.contract.results.conftest import Spent, an_app


def test_one_request_a_state_and_one_a_read(ours: DynamoDBBackend, spent: Spent) -> None:
    spent()
    ours.mark_as_started("1")
    ours.mark_as_done("1", 42)
    assert spent() == {"dynamodb.PutItem": 2}
    assert AsyncResult("1", app=ours.app).state == "SUCCESS"
    assert spent() == {"dynamodb.GetItem": 1}


def test_a_group_of_a_hundred_is_read_by_one_request(ours: DynamoDBBackend, spent: Spent) -> None:
    ids = [f"task-{number}" for number in range(100)]
    for number, task_id in enumerate(ids):
        ours.mark_as_done(task_id, number)
    group = GroupResult("g", [AsyncResult(task_id, app=ours.app) for task_id in ids], app=ours.app)
    spent()
    assert group.get() == list(range(100))
    assert spent() == {"dynamodb.BatchGetItem": 1}


def test_making_a_backend_costs_no_request(url: str, spent: Spent) -> None:
    spent()
    DynamoDBBackend(app=an_app(url), url=url)
    assert spent() == {}


def test_a_missing_table(url: str, spent: Spent) -> None:
    spent()
    assert DynamoDBBackend(app=an_app(url), url=url).get_state("1") == "PENDING"
    assert spent() == {"dynamodb.GetItem": 1}
    strict = DynamoDBBackend(app=an_app(url), url=f"{url}?create_table=false")
    with pytest.raises(TableNotFoundError, match="create_table"):
        strict.get_state("1")


def test_nobody_there(url: str) -> None:
    app = an_app(url)
    once = {"client-config": {"retries": {"total_max_attempts": 1}}}
    app.conf.result_backend_transport_options = once
    backend = DynamoDBBackend(app=app, url="dynamodb://k:s@127.0.0.1:1/results")
    with pytest.raises(UnreachableError, match="Check the endpoint") as failure:
        backend.get_state("1")
    assert backend.exception_safe_to_retry(failure.value)


def store_some(backend: DynamoDBBackend, first: int) -> None:
    for number in range(first, first + 20):
        backend.mark_as_done(f"task-{number}", number)
        if backend.get_result(f"task-{number}") != number:
            raise AssertionError(number)


def test_forked_children_share_the_backend_object(ours: DynamoDBBackend) -> None:
    store_some(ours, 0)  # the parent's client is open now
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=store_some, args=(ours, n * 20)) for n in (1, 2, 3)]
    for child in children:
        child.start()
    store_some(ours, 80)
    for child in children:
        child.join(30)
    assert [child.exitcode for child in children] == [0, 0, 0]
    keys = [ours.get_key_for_task(f"task-{number}") for number in range(100)]
    assert None not in ours.mget(keys)


def test_threads_share_the_backend_object(ours: DynamoDBBackend) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(store_some, ours, n * 20) for n in range(8)]:
            done.result()
