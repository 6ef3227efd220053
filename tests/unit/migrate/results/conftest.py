"""A backend that reads two: ours on a table in memory, and Celery's own in the process's memory."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from celery_aws.core.attributes import Item
from celery_aws.migrate import ResultBackend
from celery_aws.migrate.results.sides import Side, SideApp, side_of
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend
from celery_aws.results.items import table_spec
from celery_aws.testing.memory_dynamodb import MemoryTableService
from tests.unit.results.passing_time import PassingClock

OURS = "aws+dynamodb://@eu-west-1/results"
THEIRS = "cache+memory://"
TABLE = TableName("results")

MakeTwo = Callable[..., ResultBackend]


class TwoApp(Celery):
    """An app whose result backend is the test's."""

    made_backend: Any

    def _get_backend(self) -> Any:
        return self.made_backend


@pytest.fixture
def clock() -> PassingClock:
    return PassingClock()


@pytest.fixture
def app() -> TwoApp:
    app = TwoApp("tests", set_as_current=False, broker="memory://")
    app.conf.result_backend = "celery_aws.migrate:ResultBackend"
    return app


@pytest.fixture
def service(clock: PassingClock) -> MemoryTableService:
    service = MemoryTableService(clock=clock)
    service.create_table(TABLE, table_spec(read_capacity=None, write_capacity=None))
    service.requests.clear()
    return service


@pytest.fixture
def make_two(app: TwoApp, service: MemoryTableService, clock: PassingClock) -> MakeTwo:
    def make_side(app: Any, name: Any, url: str, options: Any, settings: Any) -> Side:
        if url != OURS:
            return side_of(app, name, url, options, settings)
        view = SideApp(app, {**settings, "result_backend_transport_options": dict(options)})
        own_url = url.removeprefix("aws+")
        backend = DynamoDBBackend(app=view, url=own_url, service=service, clock=clock)
        return Side(name=name, backend=backend)

    def make(*, backwards: bool = False, **options: Any) -> ResultBackend:
        new, old = (THEIRS, OURS) if backwards else (OURS, THEIRS)
        app.conf.result_backend_transport_options = {
            "new_backend": new,
            "old_backend": old,
            **options,
        }
        app.made_backend = ResultBackend(app, make_side=make_side, clock=clock)
        made: ResultBackend = app.made_backend
        return made

    return make


def stored(service: MemoryTableService, key: bytes) -> Item | None:
    """Return an item of the table."""
    return service.get_item(TABLE, {"id": {"S": repr(key)}}, consistent=True)
