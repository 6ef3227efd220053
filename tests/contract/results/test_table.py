"""Threads and processes that make one table at once, on the local AWS."""

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from celery_aws.results import DynamoDBBackend, create_table
from celery_aws.table.creation import TableReport
from tests.contract.results.conftest import an_app


def create(url: str) -> TableReport:
    return create_table(an_app(url))


def store_first(url: str, number: int) -> str:
    backend = DynamoDBBackend(app=an_app(url), url=url)
    backend.mark_as_done(f"task-{number}", number)
    return str(backend.get_state(f"task-{number}"))


def executor(kind: str) -> Executor:
    if kind == "threads":
        return ThreadPoolExecutor(8)
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_one_of_many_makes_the_table(url: str, kind: str) -> None:
    with executor(kind) as pool:
        reports = list(pool.map(create, [url] * 8))
    assert sum(report.created for report in reports) == 1
    assert all(report.on_demand for report in reports)
    again = create(url)
    assert (again.created, again.ttl_enabled) == (False, False)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_many_first_results_at_once_are_all_stored(url: str, kind: str) -> None:
    with executor(kind) as pool:
        states = list(pool.map(store_first, [url] * 8, range(8)))
    assert states == ["SUCCESS"] * 8
    assert not create(url).ttl_enabled
