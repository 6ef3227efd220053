"""Ours and Celery's own backend, side by side on one table of what answers for DynamoDB."""

import uuid
from collections.abc import Callable

import pytest
from celery import Celery
from celery.backends.dynamodb import DynamoDBBackend as StockBackend

from celery_aws.aws.meter import request_counts
from celery_aws.names import TableName
from celery_aws.results import DynamoDBBackend, create_table
from tests.contract.conftest import TABLE_SERVERS, table_access

Spent = Callable[[], dict[str, int]]


class BackendApp(Celery):
    """An app on a backend that a test made."""

    made_backend: DynamoDBBackend | StockBackend

    def _get_backend(self) -> DynamoDBBackend | StockBackend:
        return self.made_backend


@pytest.fixture
def table() -> TableName:
    return TableName(f"results-{uuid.uuid4().hex[:12]}")


@pytest.fixture(params=TABLE_SERVERS)
def url(request: pytest.FixtureRequest, table: TableName) -> str:
    host = str(table_access(request).endpoint_url).removeprefix("http://")
    return f"dynamodb://test:test@{host}/{table}"


def an_app(url: str) -> BackendApp:
    app = BackendApp("contract", set_as_current=False, broker="memory://")
    app.conf.result_backend = f"aws+{url}"
    return app


@pytest.fixture
def ours(url: str) -> DynamoDBBackend:
    app = an_app(url)
    create_table(app)
    app.made_backend = DynamoDBBackend(app=app, url=url)
    return app.made_backend


@pytest.fixture
def stock(url: str, ours: DynamoDBBackend) -> StockBackend:
    app = an_app(url)
    app.made_backend = StockBackend(app=app, url=url)
    return app.made_backend


@pytest.fixture
def spent() -> Spent:
    """What this process has asked of AWS since the last look."""
    before = request_counts()

    def since() -> dict[str, int]:
        nonlocal before
        now = request_counts()
        more = {name: now[name] - before.get(name, 0) for name in now}
        before = now
        return {name: n for name, n in more.items() if n}

    return since
