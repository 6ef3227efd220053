"""A backend on the in-memory double, an app that does not touch AWS, and stock's own items."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from celery import Celery
from celery.backends.dynamodb import DynamoDBBackend as StockBackend

from celery_aws.aws.s3 import ObjectService
from celery_aws.core.attributes import Item
from celery_aws.names import TableName
from celery_aws.results.backend import DynamoDBBackend
from celery_aws.results.items import table_spec
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.passing_time import PassingClock

URL = "dynamodb://@eu-west-1/results"
TABLE = TableName("results")

MakeBackend = Callable[..., DynamoDBBackend]


class FrozenApp(Celery):
    """An app whose ``date_done`` and result backend are the test's."""

    clock: FakeClock
    made_backend: DynamoDBBackend

    def _get_backend(self) -> DynamoDBBackend:
        return self.made_backend

    def now(self) -> datetime:
        return self.clock.now()


@pytest.fixture
def clock() -> PassingClock:
    return PassingClock()


@pytest.fixture
def app(clock: FakeClock) -> FrozenApp:
    app = FrozenApp("tests", set_as_current=False, broker="memory://")
    app.clock = clock
    app.conf.result_backend = f"aws+{URL}"
    return app


@pytest.fixture
def service(clock: FakeClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    service.requests.clear()
    return service


@pytest.fixture
def make_backend(app: FrozenApp, service: MemoryTableService, clock: FakeClock) -> MakeBackend:
    def make(query: str = "", objects: ObjectService | None = None, **conf: Any) -> DynamoDBBackend:
        app.conf.update(conf)
        backend = DynamoDBBackend(
            app=app, url=f"{URL}?{query}", service=service, objects=objects, clock=clock
        )
        app.made_backend = backend
        return backend

    return make


@pytest.fixture
def backend(make_backend: MakeBackend) -> DynamoDBBackend:
    return make_backend()


class Stock:
    """Writes what Celery's own backend would write, by Celery's own code."""

    def __init__(self, app: Celery, service: MemoryTableService) -> None:
        self.backend = StockBackend(app=app, url=URL)
        self._service = service

    def store(self, task_id: str, status: str, result: Any = None) -> None:
        meta = {"status": status, "result": result, "traceback": None, "children": []}
        self.put(self.backend.get_key_for_task(task_id), meta)

    def put(self, key: bytes, meta: dict[str, Any]) -> None:
        request = self.backend._prepare_put_request(str(key), self.backend.encode(meta))
        self._service.put_item(TABLE, self.as_boto3_sends(request["Item"]))

    @staticmethod
    def as_boto3_sends(item: Item) -> Item:
        # boto3 takes text for a binary attribute and sends its bytes.
        return {
            name: {"B": value["B"].encode()} if isinstance(value.get("B"), str) else value
            for name, value in item.items()
        }


@pytest.fixture
def stock(app: FrozenApp, service: MemoryTableService) -> Stock:
    return Stock(app, service)
