import sys

import pytest
from celery import Celery

from celery_aws.broker.known_tasks import is_known_task


def test_the_tasks_of_the_app_are_known(shop: Celery) -> None:
    assert is_known_task("shop.mail")
    assert not is_known_task("shop.new")
    assert not is_known_task(None)


def test_without_celery_whoever_rejects_a_message_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "celery")

    assert is_known_task(None)
