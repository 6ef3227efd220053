"""Groups, chords' parents and awaited results on the local AWS: what waiting for them costs."""

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from celery.exceptions import ChordError
from celery.result import AsyncResult, GroupResult

from celery_aws.results import DynamoDBBackend, aget
from tests.contract.results.conftest import Spent, an_app

PATIENCE_SECONDS = 60


def a_group(backend: DynamoDBBackend, size: int, name: str = "h") -> GroupResult:
    members = [AsyncResult(f"{name}{number}", app=backend.app) for number in range(size)]
    return GroupResult(name, members, app=backend.app)


@contextmanager
def storing(url: str, task_ids: list[str], *, seconds: float) -> Iterator[None]:
    """Let the tasks end one after another, from a thread with a backend of its own."""
    backend = DynamoDBBackend(app=an_app(url), url=url)
    began = time.monotonic()
    stopped = threading.Event()

    def store() -> None:
        for number, task_id in enumerate(task_ids):
            due = began + seconds * (number + 1) / len(task_ids)
            if stopped.wait(max(0.0, due - time.monotonic())):
                return
            backend.mark_as_done(task_id, number)

    thread = threading.Thread(target=store)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(PATIENCE_SECONDS)


def reads(spent: dict[str, int]) -> int:
    return spent.get("dynamodb.GetItem", 0) + spent.get("dynamodb.BatchGetItem", 0)


def test_a_group_of_a_hundred_that_ends_meanwhile(
    ours: DynamoDBBackend, url: str, spent: Spent
) -> None:
    group = a_group(ours, 100)
    spent()
    with storing(url, [member.id for member in group], seconds=1.5):
        assert group.get(timeout=PATIENCE_SECONDS) == list(range(100))
    assert reads(spent()) <= 10


def test_the_body_of_a_chord_of_fifty(ours: DynamoDBBackend, url: str, spent: Spent) -> None:
    header = a_group(ours, 50)
    body = AsyncResult("body", app=ours.app, parent=header)
    spent()
    with storing(url, [*(member.id for member in header), "body"], seconds=1):
        assert body.get(timeout=PATIENCE_SECONDS) == 50
    assert reads(spent()) <= 14


def test_the_error_of_a_header_of_many_batches(ours: DynamoDBBackend, spent: Spent) -> None:
    header = a_group(ours, 250)
    ours.mark_as_failure("h249", KeyError("header"))
    ours.mark_as_failure("body", ChordError("dependency raised"))
    spent()
    with pytest.raises(KeyError, match="header"):
        AsyncResult("body", app=ours.app, parent=header).get(timeout=PATIENCE_SECONDS)
    assert reads(spent()) <= 10


def test_a_scan_over_a_group(ours: DynamoDBBackend, spent: Spent) -> None:
    group = a_group(ours, 100)
    for member in group.results[:60]:
        ours.mark_as_done(member.id, 1)
    spent()
    assert group.completed_count() == 60
    # 5, or more if this machine pauses in the middle of the scan.
    assert reads(spent()) <= 30


def test_an_awaited_group(ours: DynamoDBBackend, url: str, spent: Spent) -> None:
    group = a_group(ours, 100)
    spent()
    with storing(url, [member.id for member in group], seconds=1.5):
        values = asyncio.run(asyncio.wait_for(aget(group), PATIENCE_SECONDS))
    assert values == list(range(100))
    assert reads(spent()) <= 10


def scan(backend: DynamoDBBackend, name: str) -> None:
    group = a_group(backend, 40, name)
    for count in range(5):
        backend.mark_as_done(f"{name}{count}", count)
        if group.completed_count() != count + 1:
            raise AssertionError(name, count)
    for number in range(5, 40):
        backend.mark_as_done(f"{name}{number}", number)
    if group.get(timeout=PATIENCE_SECONDS) != list(range(40)):
        raise AssertionError(name)


def test_threads_and_forked_children_share_a_backend_object(ours: DynamoDBBackend) -> None:
    scan(ours, "before")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=scan, args=(ours, f"child{n}")) for n in range(2)]
    for child in children:
        child.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(scan, [ours] * 8, [f"thread{n}" for n in range(8)]))
    for child in children:
        child.join(PATIENCE_SECONDS)
    assert [child.exitcode for child in children] == [0, 0]
