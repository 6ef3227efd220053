"""What results say went wrong."""

from collections.abc import Iterator

import pytest
from celery import Celery

from celery_aws.dlq.result_errors import ResultErrors


@pytest.fixture
def app() -> Iterator[Celery]:
    app = Celery("shop", set_as_current=False, broker="memory://", backend="cache+memory://")
    yield app
    app.close()


def test_exceptions_by_type_and_words(app: Celery) -> None:
    app.backend.store_result("failed", KeyError("order"), "FAILURE")
    app.backend.store_result("again", OSError("no route"), "RETRY")
    app.backend.store_result("done", 7, "SUCCESS")

    assert ResultErrors(app)(["failed", "again", "done", "unknown"]) == {
        "failed": "KeyError: 'order'",
        "again": "OSError: no route",
    }


def test_without_a_result_backend_nothing_is_known() -> None:
    app = Celery("shop", set_as_current=False, broker="memory://")

    assert ResultErrors(app)(["one"]) == {}


def test_nothing_is_asked_for_no_tasks(app: Celery) -> None:
    assert ResultErrors(app)([]) == {}
