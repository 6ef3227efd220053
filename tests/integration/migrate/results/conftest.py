"""An app whose results are in a Redis, one whose results are in a table, and what they store."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, states
from kombu.utils.uuid import uuid

from celery_aws.core.attributes import Item
from celery_aws.results import our_backend
from celery_aws.testing.fixtures import AwsEnvironment
from tests.servers import RedisServer


def app_of(result_backend: str, **conf: Any) -> Any:
    app = Celery("results", set_as_current=False, broker="memory://")
    app.conf.update(result_backend=result_backend, **conf)
    return app


def forget_redis(app: Any) -> None:
    """Let results that are deleted later not say goodbye to a Redis that is gone."""
    app.backend.result_consumer.subscribed_to.clear()


@pytest.fixture(autouse=True)
def own_backends(aws_environment: AwsEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    # It would win over what each app says.
    monkeypatch.delenv("CELERY_RESULT_BACKEND", raising=False)


@pytest.fixture
def old(redis: RedisServer) -> Iterator[Any]:
    app = app_of(redis.url(1))
    yield app
    forget_redis(app)


@pytest.fixture
def new(aws_environment: AwsEnvironment) -> Any:
    return app_of(aws_environment.celery_config()["result_backend"])


def store(app: Any, result: Any, state: str = states.SUCCESS, **more: Any) -> str:
    task_id = str(uuid())
    app.backend.store_result(task_id, result, state, **more)
    return task_id


def item_of(app: Any, task_id: str) -> Item:
    ours = our_backend(app)
    assert ours is not None
    found = ours.store.item(ours.get_key_for_task(task_id))
    assert found is not None
    return found
