import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery
from celery._state import pop_current_task, push_current_task
from celery.app.task import Context

from celery_aws.broker.current_task import group_of_current_task
from celery_aws.names import QueueName
from tests.unit.broker.conftest import Client

GROUP = {"MessageGroupId": "tenant-7"}
MINE = {"id": "task-1"}


@contextmanager
def running(app: Celery, properties: Any) -> Iterator[None]:
    """Let this thread run a task, as celery/app/trace.py does."""
    task = app.tasks["shop.mail"]
    push_current_task(task)
    task.request_stack.push(Context(id="task-1", properties=properties))
    yield
    task.request_stack.pop()
    pop_current_task()


def test_what_a_task_publishes_of_itself_stays_in_its_group(shop: Celery) -> None:
    with running(shop, GROUP):
        assert group_of_current_task(MINE) == "tenant-7"


def test_what_it_publishes_of_others_does_not(shop: Celery) -> None:
    with running(shop, GROUP):
        assert group_of_current_task({"id": "task-2"}) is None
        assert group_of_current_task({}) is None


@pytest.mark.parametrize("properties", [None, {}, {"MessageGroupId": 7}])
def test_a_task_without_a_group_has_none(shop: Celery, properties: Any) -> None:
    with running(shop, properties):
        assert group_of_current_task(MINE) is None


def test_nobody_runs_a_task_here(shop: Celery) -> None:
    assert group_of_current_task(MINE) is None


def test_a_task_that_is_called_as_a_function_is_no_message(shop: Celery) -> None:
    push_current_task(shop.tasks["shop.mail"])
    assert group_of_current_task({"id": None}) is None
    pop_current_task()


def test_without_celery_there_are_no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "celery")

    assert group_of_current_task(MINE) is None


def test_the_channel_publishes_it_so(client: Client, shop: Celery) -> None:
    with running(shop, GROUP):
        client.publish(queue="orders.fifo", headers={**MINE, "retries": 1})

    (message,) = client.sqs.messages(QueueName("orders.fifo"))
    assert message.group == "tenant-7"
