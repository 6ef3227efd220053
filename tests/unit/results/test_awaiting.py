"""Results awaited by asyncio code, in real time: the double's tasks end when they are looked at."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import pytest
from celery import Celery, states
from celery.exceptions import ChordError
from celery.exceptions import TimeoutError as ResultTimeoutError
from celery.result import AsyncResult, EagerResult, GroupResult, ResultSet, denied_join_result

from celery_aws.aws.dynamodb import BatchGot
from celery_aws.core.attributes import Item
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend, aget
from celery_aws.results.items import table_spec
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.conftest import TABLE, URL, FrozenApp
from tests.unit.results.passing_time import PassingClock
from tests.unit.results.test_parents import a_group

PATIENCE_SECONDS = 30

T = TypeVar("T")


class WatchedService(MemoryTableService):
    """A double that does something before a read, once for each number of reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.before: dict[int, Callable[[], object]] = {}

    def get_item(self, table: TableName, key: Item, *, consistent: bool) -> Item | None:
        self._read()
        return super().get_item(table, key, consistent=consistent)

    def batch_get(self, table: TableName, keys: Sequence[Item], *, consistent: bool) -> BatchGot:
        self._read()
        return super().batch_get(table, keys, consistent=consistent)

    def _read(self) -> None:
        with self._lock:
            self.reads += 1
            action = self.before.get(self.reads)
        if action is not None:
            action()


@pytest.fixture
def service() -> WatchedService:
    service = WatchedService()
    service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    service.requests.clear()
    return service


@pytest.fixture
def app(clock: PassingClock) -> FrozenApp:
    app = FrozenApp("tests", set_as_current=False, broker="memory://")
    app.clock = clock
    return app


@pytest.fixture
def backend(app: FrozenApp, service: WatchedService) -> DynamoDBBackend:
    app.made_backend = DynamoDBBackend(app=app, url=URL, service=service)
    return app.made_backend


def run(awaitable: Awaitable[T]) -> T:
    async def with_patience() -> T:
        return await asyncio.wait_for(awaitable, PATIENCE_SECONDS)

    return asyncio.run(with_patience())


def test_a_value(backend: DynamoDBBackend, app: Celery, service: WatchedService) -> None:
    service.before[3] = partial(backend.mark_as_done, "1", 42)
    result = AsyncResult("1", app=app)
    assert run(aget(result)) == 42
    assert run(aget(result)) == 42
    assert service.requests == {"GetItem": 3, "PutItem": 1}


def test_an_error(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_failure("1", KeyError("k"))
    with pytest.raises(KeyError):
        run(aget(AsyncResult("1", app=app)))
    assert isinstance(run(aget(AsyncResult("1", app=app), propagate=False)), KeyError)


@pytest.mark.parametrize("group", [True, False])
def test_the_time_is_up(
    backend: DynamoDBBackend, app: Celery, service: WatchedService, group: bool
) -> None:
    result = a_group(app, 3) if group else AsyncResult("1", app=app)
    with pytest.raises(ResultTimeoutError):
        run(aget(result, timeout=0))
    assert service.reads == 1
    with pytest.raises(ResultTimeoutError):
        run(aget(result, timeout=0.03))


def test_the_values_of_groups(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    group = GroupResult("g", [a_group(app, 3), AsyncResult("a", app=app)], app=app)
    for number in range(3):
        backend.mark_as_done(f"h{number}", number)
    service.before[3] = partial(backend.mark_as_done, "a", "a")
    assert run(aget(group)) == [[0, 1, 2], "a"]
    assert service.requests == {"BatchGetItem": 3, "PutItem": 4}
    assert run(aget(group)) == [[0, 1, 2], "a"]
    assert run(aget(ResultSet([], app=app))) == []
    assert service.reads == 3


def test_the_errors_of_groups(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    group = a_group(app, 3)
    service.before[2] = partial(backend.mark_as_failure, "h2", KeyError("h2"))
    with pytest.raises(KeyError):
        run(aget(group))
    with pytest.raises(KeyError):
        run(aget(group))
    backend.mark_as_done("h0", 0)
    backend.mark_as_done("h1", 1)
    assert run(aget(group, propagate=False))[:2] == [0, 1]
    assert isinstance(group[2].result, KeyError)


def test_the_errors_of_parents(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    body = AsyncResult("body", app=app, parent=a_group(app, 50))
    backend.mark_as_failure("h7", KeyError("header"))
    with pytest.raises(KeyError, match="header"):
        run(aget(body))
    assert service.requests == {"BatchGetItem": 1, "PutItem": 1}


def test_parents_that_are_not_followed(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    backend.mark_as_failure("h0", KeyError("header"))
    backend.mark_as_failure("body", ChordError("dependency raised"))
    with pytest.raises(ChordError):
        run(aget(AsyncResult("body", app=app, parent=a_group(app, 3)), follow_parents=False))
    body = AsyncResult("body", app=app, parent=a_group(app, 3))
    assert isinstance(run(aget(body, propagate=False)), ChordError)
    assert service.requests == {"GetItem": 2, "PutItem": 2}


def test_no_thread_is_held_between_two_looks(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    ids = [str(number) for number in range(20)]

    def end_all() -> None:
        for task_id in ids:
            backend.mark_as_done(task_id, task_id)

    async def all_of_them() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        return await asyncio.gather(*(aget(AsyncResult(each, app=app)) for each in ids))

    service.before[len(ids)] = end_all
    assert run(all_of_them()) == ids


def test_the_loop_goes_on_during_a_look(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    backend.mark_as_done("1", 1)
    looking, went_on = threading.Event(), threading.Event()

    def hang() -> None:
        looking.set()
        assert went_on.wait(PATIENCE_SECONDS)

    async def while_it_looks() -> Any:
        awaited = asyncio.ensure_future(aget(AsyncResult("1", app=app)))
        await asyncio.to_thread(looking.wait, PATIENCE_SECONDS)
        went_on.set()
        return await awaited

    service.before[1] = hang
    assert run(while_it_looks()) == 1


def test_it_can_be_cancelled(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    looked = threading.Event()
    service.before[3] = looked.set

    async def cancelled() -> AsyncResult:
        result = AsyncResult("1", app=app)
        awaited = asyncio.ensure_future(aget(result))
        await asyncio.to_thread(looked.wait, PATIENCE_SECONDS)
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaited
        return result

    result = run(cancelled())
    reads = service.reads
    backend.mark_as_done("1", 1)
    assert run(aget(result)) == 1
    assert service.reads == reads + 1


def test_results_that_need_no_look(
    backend: DynamoDBBackend, app: Celery, service: WatchedService
) -> None:
    assert run(aget(EagerResult("1", 42, states.SUCCESS))) == 42
    with pytest.raises(KeyError):
        run(aget(EagerResult("1", KeyError("k"), states.FAILURE)))
    ignored = AsyncResult("1", app=app)
    ignored.ignored = True
    assert run(aget(ignored)) is None
    assert not service.requests


def test_results_of_another_backend_are_refused() -> None:
    other = Celery("other", set_as_current=False, backend="cache+memory://")
    with pytest.raises(TypeError, match="belongs to CacheBackend"):
        run(aget(AsyncResult("1", app=other)))


def test_a_task_does_not_wait_for_others(backend: DynamoDBBackend, app: Celery) -> None:
    backend.mark_as_done("1", 1)
    with denied_join_result():
        with pytest.raises(RuntimeError, match="within a task"):
            run(aget(AsyncResult("1", app=app)))
        assert run(aget(AsyncResult("1", app=app), disable_sync_subtasks=False)) == 1


def test_who_awaits_a_group_is_told_that_a_task_before_it_failed(
    backend: DynamoDBBackend, app: Celery
) -> None:
    group = a_group(app, 2)
    group.parent = AsyncResult("before", app=app)
    backend.mark_as_failure("before", KeyError("k"))
    with pytest.raises(KeyError):
        run(aget(group, timeout=10))
    values = run(aget(group, timeout=10, propagate=False))
    assert [type(value) for value in values] == [KeyError, KeyError]


def test_who_awaits_a_group_need_not_look_at_what_was_before_it(
    backend: DynamoDBBackend, app: Celery
) -> None:
    group = a_group(app, 2)
    group.parent = AsyncResult("before", app=app)
    backend.mark_as_failure("before", KeyError("k"))
    with pytest.raises(ResultTimeoutError):
        run(aget(group, timeout=0, follow_parents=False))
