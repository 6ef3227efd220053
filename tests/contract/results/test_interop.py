"""What Celery's own backend wrote is read by ours, and the other way round."""

from typing import TypeAlias

import pytest
from celery import Celery
from celery.app.task import Context
from celery.backends.dynamodb import DynamoDBBackend as StockBackend
from celery.result import AsyncResult, GroupResult

from celery_aws.results import DynamoDBBackend

Backend: TypeAlias = DynamoDBBackend | StockBackend


@pytest.fixture(params=["ours to stock", "stock to ours"])
def pair(
    request: pytest.FixtureRequest, ours: DynamoDBBackend, stock: StockBackend
) -> tuple[Backend, Backend]:
    return (ours, stock) if request.param == "ours to stock" else (stock, ours)


@pytest.fixture
def writer(pair: tuple[Backend, Backend]) -> Backend:
    return pair[0]


@pytest.fixture
def reader(pair: tuple[Backend, Backend]) -> Backend:
    return pair[1]


def test_a_result(writer: Backend, reader: Backend) -> None:
    writer.mark_as_done("1", {"answer": 42, "text": "é"})
    assert AsyncResult("1", app=reader.app).get() == {"answer": 42, "text": "é"}


def test_a_failure(writer: Backend, reader: Backend) -> None:
    writer.mark_as_failure("1", KeyError("k"), traceback="Traceback: ...")
    result = AsyncResult("1", app=reader.app)
    assert (result.state, result.traceback) == ("FAILURE", "Traceback: ...")
    with pytest.raises(KeyError):
        result.get()


def test_a_task_that_goes_on_elsewhere(writer: Backend, reader: Backend) -> None:
    writer.mark_as_started("1", pid=7)
    assert AsyncResult("1", app=reader.app).state == "STARTED"
    reader.mark_as_done("1", "done")
    assert AsyncResult("1", app=writer.app).get() == "done"


def test_a_success_is_kept_by_both(writer: Backend, reader: Backend) -> None:
    writer.mark_as_done("1", "first")
    reader.mark_as_failure("1", KeyError("late"))
    assert AsyncResult("1", app=reader.app).get() == "first"


def test_a_group(writer: Backend, reader: Backend) -> None:
    for number in range(3):
        writer.mark_as_done(str(number), number)
    members = [AsyncResult(str(number), app=writer.app) for number in range(3)]
    GroupResult("g", members, app=writer.app).save(backend=writer)
    group = GroupResult.restore("g", backend=reader, app=reader.app)
    assert group.join() == [0, 1, 2]
    group.delete(backend=reader)
    assert GroupResult.restore("g", backend=writer, app=writer.app) is None


def test_forgetting(writer: Backend, reader: Backend) -> None:
    writer.mark_as_done("1", 1)
    AsyncResult("1", app=reader.app).forget()
    assert AsyncResult("1", app=writer.app).state == "PENDING"


@pytest.mark.parametrize("last", ["ours", "stock"])
def test_a_chord_of_both(writer: Backend, reader: Backend, last: str) -> None:
    """One starts the chord, both run header tasks, and either may run the body."""
    if isinstance(writer, DynamoDBBackend):
        writer.stock_chords = True
    body = {"writer": app_with_body(writer.app), "reader": app_with_body(reader.app)}
    members = [AsyncResult(str(number), app=writer.app) for number in range(4)]
    signature = body["writer"].signature("body", chord_size=4)
    writer.apply_chord(("g", members), signature)
    order = [writer, reader, reader, writer]
    if isinstance(order[-1], DynamoDBBackend) is not (last == "ours"):
        order = [reader, writer, writer, reader]
    with order[-1].app.connection() as connection, connection.SimpleQueue("celery") as queue:
        queue.clear()
        for number, backend in enumerate(order):
            assert queue.qsize() == 0
            request = Context(id=str(number), group="g", chord=dict(signature))
            backend.mark_as_done(str(number), number, request=request)
        assert queue.get(timeout=1).payload[0] == [[0, 1, 2, 3]]
    assert GroupResult.restore("g", backend=reader, app=reader.app) is None


def total(numbers: list[int]) -> int:
    return sum(numbers)


def app_with_body(app: Celery) -> Celery:
    app.task(total, name="body", shared=False)
    return app
