"""A worker's metrics, of a worker that is made up."""

import logging
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from celery_aws.broker.worker_view import WorkerView
from celery_aws.config.broker import parse_broker_options
from celery_aws.health.http import served_pages
from celery_aws.metrics.settings import MetricsSettings
from celery_aws.metrics.worker import WorkerMetrics, results_table, start
from celery_aws.metrics.worker_source import WorkerSource


class Controller:
    """What a view looks at."""

    hostname = "one@host"

    def __init__(self, *queues: str) -> None:
        self.app = Celery("shop", set_as_current=False, broker="memory://")
        self.pool = SimpleNamespace(num_processes=3)
        named = [SimpleNamespace(name=name) for name in queues]
        self.consumer = SimpleNamespace(task_consumer=SimpleNamespace(queues=named))


def test_what_a_worker_tells_of_itself() -> None:
    controller = Controller("celery", "mail")
    values = {
        (each.metric.name, *each.labels): each.value
        for each in WorkerSource(WorkerView(controller)).samples()
    }
    assert values["celery_worker_up", "one@host"] == 1
    assert values["celery_worker_tasks_active", "one@host"] == 0
    for queue in ("celery", "mail"):
        assert values["celery_active_worker_count", queue] == 1
        assert values["celery_active_consumer_count", queue] == 1
        assert values["celery_active_process_count", queue] == 3


@pytest.mark.parametrize("missing", ["consumer", "task_consumer"])
def test_a_worker_that_connects_consumes_nothing(missing: str) -> None:
    controller: Any = Controller("celery")
    if missing == "consumer":
        del controller.consumer
    else:
        controller.consumer.task_consumer = None
    assert WorkerView(controller).queues() == []


def test_where_nobody_is_shown_anything_nothing_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    start(WorkerView(Controller()), parse_broker_options({}))
    assert caplog.text == ""


def test_an_address_that_is_not_this_machines_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = MetricsSettings(port=1, address="192.0.2.1")
    controller = Controller("celery")
    metrics = WorkerMetrics(WorkerView(controller), settings)
    metrics.start()
    metrics.observer.disconnect()
    metrics.stop()
    assert "the worker's metrics are not shown" in caplog.text
    assert any(each.metric.name == "celery_worker_up" for each in metrics.snapshot.samples())


def test_metrics_are_not_on_the_endpoint_for_probes_that_others_may_reach() -> None:
    """One for probes has to listen on all addresses; that one answers nothing about tasks."""
    settings = MetricsSettings(port=0, health_port=8080)
    controller = Controller("celery")
    metrics = WorkerMetrics(WorkerView(controller), settings)
    before = set(served_pages())
    metrics.start()
    metrics.observer.disconnect()
    assert metrics.endpoint is not None
    url = f"http://127.0.0.1:{metrics.endpoint.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"celery_worker_up" in answer.read()
    metrics.stop()
    assert metrics.endpoint.port == 0
    assert set(served_pages()) - before == set()


def test_results_are_those_of_the_table_of_the_app() -> None:
    assert results_table(Controller().app) is None
    app = Celery("shop", set_as_current=False, backend="aws+dynamodb://@eu-west-1/results")
    assert results_table(app) == "results"
