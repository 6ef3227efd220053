"""Flower's own server, in this process, for an app whose broker is a double."""

import asyncio
import json
import logging
import re
from types import SimpleNamespace
from typing import Any

import pytest
from flower.app import Flower
from flower.options import default_options
from flower.urls import settings
from kombu import Queue
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from celery_aws.cli.broker import broker_of
from celery_aws.cli.flower_broker import BrokerQueues, add_broker_pages
from celery_aws.core.messages import OutgoingMessage
from celery_aws.errors import AccessDeniedError, UnreachableError
from celery_aws.names import QueueName
from tests.unit.cli.conftest import Shop

LENGTHS = "/api/queues/length"
ASK, FIND = "GetQueueAttributes", "GetQueueUrl"


class Monitor:
    """A Flower for a shop.

    Attributes:
        options: of Flower.
        consumed: queues that workers consume, by worker.
    """

    def __init__(self, shop: Shop) -> None:
        self.options = {**default_options.as_dict(), "basic_auth": [], "persistent": False}
        self.consumed: dict[str, list[str]] = {}
        self._app = shop.app

    def get(self, path: str, **request: Any) -> HTTPResponse:
        """Return the answer to a request."""
        return asyncio.run(self._get(path, request))

    def rows(self, path: str = LENGTHS) -> dict[str, dict[str, Any]]:
        """Return what the API tells of each queue, in its order."""
        answer = json.loads(self.get(path).body)
        return {row.pop("name"): row for row in answer["active_queues"]}

    async def _get(self, path: str, request: dict[str, Any]) -> HTTPResponse:
        built = Flower(
            capp=self._app,
            options=SimpleNamespace(**self.options),
            io_loop=IOLoop.current(),
            **settings,
        )
        for worker, queues in self.consumed.items():
            built.workers[worker] = {"active_queues": [{"name": name} for name in queues]}
        with broker_of(self._app) as broker:
            add_broker_pages(built, BrokerQueues(self._app, broker.directory))
        socket, port = bind_unused_port()
        server = HTTPServer(built)
        server.add_socket(socket)
        client = AsyncHTTPClient(force_instance=True)
        try:
            url = f"http://127.0.0.1:{port}{path}"
            return await client.fetch(url, raise_error=False, **request)
        finally:
            client.close()
            server.stop()
            await server.close_all_connections()


def cells(page: HTTPResponse) -> list[list[str]]:
    """Return the table of the page, as one reads it."""
    rows = re.findall(r"<tr id=.*?</tr>", page.body.decode(), re.DOTALL)
    return [
        [re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row)] for row in rows
    ]


@pytest.fixture
def monitor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", "true")
    return Monitor(shop)


def test_the_page_shows_what_is_ready_in_flight_and_delayed(shop: Shop, monitor: Monitor) -> None:
    shop.send(0)
    shop.send(0, task_id="two")
    shop.send(300, task_id="later")
    url = shop.sqs.queue_url(QueueName("celery"))
    shop.sqs.receive(url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=30)

    page = monitor.get("/broker")

    assert page.code == 200
    queue, messages, unacknowledged, ready, *_ = cells(page)[0]
    assert (queue, messages, unacknowledged, ready) == ("celery", "3", "1", "1")
    assert monitor.rows() == {
        "celery": {
            "messages": 3,
            "messages_ready": 1,
            "messages_unacknowledged": 1,
            "messages_delayed": 1,
        }
    }


def test_the_page_says_which_broker_it_is_and_no_secret(monitor: Monitor) -> None:
    text = monitor.get("/broker").body.decode()

    assert "aws+sqs://KEY:**@localhost:1" in text
    assert "secret" not in text


def test_queues_are_those_of_the_workers_and_of_the_app(shop: Shop, monitor: Monitor) -> None:
    shop.app.conf.task_queues = [Queue("mail"), Queue("celery")]
    monitor.consumed = {"one@lab": ["mail", "video"], "two@lab": ["audio"]}
    for queue in ("audio", "mail", "video"):
        shop.send(0, queue=queue)

    rows = monitor.rows()

    assert list(rows) == ["audio", "celery", "mail", "video"]
    assert [row.get("messages") for row in rows.values()] == [1, None, 1, 1]


def test_a_queue_with_priorities_is_one_row(shop: Shop, monitor: Monitor) -> None:
    shop.app.conf.task_queues = [Queue("celery"), Queue("mail", max_priority=9)]
    for name in ("celery", "mail", "mail-priority-3", "mail-priority-9"):
        url = shop.sqs.create_queue(QueueName(name), {}, {})
        shop.sqs.send(url, OutgoingMessage(body="sent by somebody else"))

    rows = monitor.rows()

    assert {name: row["messages"] for name, row in rows.items()} == {"celery": 1, "mail": 3}


def test_priorities_of_all_queues_are_those_of_a_workers_queue_too(
    shop: Shop, monitor: Monitor
) -> None:
    shop.app.conf.task_queue_max_priority = 9
    monitor.consumed = {"one@lab": ["video"]}
    shop.sqs.calls.clear()

    monitor.rows()

    asked = {call.resource for call in shop.sqs.calls}
    assert asked == {
        f"{queue}{step}"
        for queue in ("celery", "video")
        for step in ("", "-priority-3", "-priority-6", "-priority-9")
    }


def test_a_look_costs_one_request_a_queue(shop: Shop, monitor: Monitor) -> None:
    shop.send(0)
    shop.sqs.calls.clear()

    for path in ("/broker", LENGTHS):
        monitor.get(path)

    assert [call.operation for call in shop.sqs.calls] == [ASK, ASK]


def test_nothing_is_created(shop: Shop, monitor: Monitor) -> None:
    assert monitor.rows() == {"celery": {}}
    assert [call.operation for call in shop.sqs.calls] == [FIND]
    assert cells(monitor.get("/broker"))[0][0] == "celery"


@pytest.mark.parametrize("error", [AccessDeniedError("not yours"), UnreachableError("no answer")])
def test_a_queue_that_cannot_be_seen_does_not_hide_the_others(
    shop: Shop, monitor: Monitor, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    for queue in ("celery", "mail"):
        shop.send(0, queue=queue)
    monitor.consumed = {"one@lab": ["mail"]}
    shop.sqs.faults.fail(ASK, error)

    with caplog.at_level(logging.WARNING, "celery_aws"):
        rows = monitor.rows()

    assert sorted(len(row) for row in rows.values()) == [0, 4]
    (record,) = caplog.records
    assert str(error) in record.getMessage()


def test_a_prefix_is_in_front(shop: Shop, monitor: Monitor) -> None:
    monitor.options["url_prefix"] = "/flower/"
    shop.send(0)

    assert monitor.rows(f"/flower{LENGTHS}")["celery"]["messages"] == 1
    assert cells(monitor.get("/flower/broker"))[0][:2] == ["celery", "1"]
    assert monitor.get("/broker").code == 404


@pytest.mark.parametrize("path", ["/broker", LENGTHS])
def test_authentication_is_flowers(monitor: Monitor, path: str) -> None:
    monitor.options["basic_auth"] = ["ann:open"]

    assert monitor.get(path).code == 401
    assert monitor.get(path, auth_username="ann", auth_password="wrong").code == 401
    assert monitor.get(path, auth_username="ann", auth_password="open").code == 200


def test_the_api_is_closed_as_flowers_is(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWER_UNAUTHENTICATED_API")

    assert monitor.get(LENGTHS).code == 401


def test_other_pages_are_flowers(monitor: Monitor) -> None:
    assert monitor.get("/healthcheck").body == b"OK"
    assert monitor.get("/api/queues").code == 404
    assert b"/broker" in monitor.get("/workers").body
