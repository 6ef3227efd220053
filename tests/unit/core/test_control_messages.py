import json
from collections.abc import Callable
from typing import Any

import pytest
from celery.app.control import Control

from celery_aws.core.control_messages import is_control_exchange, revoked_ids
from tests.unit.core.publishing import SERIALIZERS, Publisher


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("send", "ids"),
    [
        (lambda control: control.revoke("a"), ["a"]),
        (lambda control: control.revoke(["a", "b", "a"]), ["a", "b"]),
        (lambda control: control.revoke(("a", "b")), ["a", "b"]),
        (lambda control: control.revoke("a", terminate=True, signal="SIGKILL"), ["a"]),
        (lambda control: control.revoke("a", destination=["w@h"]), ["a"]),
        (lambda control: control.revoke("a", reply=True, timeout=0.01), ["a"]),
        (lambda control: control.terminate("a"), ["a"]),
        (lambda control: control.app.AsyncResult("a").revoke(), ["a"]),
        # As `celery control terminate` sends it.
        (
            lambda control: control.broadcast("terminate", {"signal": "KILL", "task_id": ["a"]}),
            ["a"],
        ),
        (lambda control: control.revoke([]), []),
        (lambda control: control.revoke(None), []),
        (lambda control: control.revoke_by_stamped_headers({"task_id": ["a"]}), []),
        (lambda control: control.rate_limit("task_id", "1/s"), []),
        (lambda control: control.ping(timeout=0.01), []),
    ],
)
def test_the_ids_of_what_control_sends(
    send: Callable[[Control], Any], ids: list[str], serializer: str
) -> None:
    publisher = Publisher(task_serializer=serializer, accept_content=[serializer])

    message = publisher.sent(lambda: send(publisher.app.control))

    assert revoked_ids(message) == ids


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_task_revokes_nothing(protocol: int) -> None:
    arguments = {"method": "revoke", "arguments": {"task_id": "a"}}
    publisher = Publisher(task_protocol=protocol)

    message = publisher.sent(lambda: publisher.app.send_task("shop.mail", kwargs=arguments))

    assert revoked_ids(message) == []


def test_the_headers_say_that_it_is_a_task() -> None:
    body = {"method": "revoke", "arguments": {"task_id": "a"}}

    assert revoked_ids(_message(body)) == ["a"]
    assert revoked_ids({**_message(body), "headers": {"task": "shop.mail"}}) == []


@pytest.mark.parametrize(
    "body",
    [
        "task_id",
        ["task_id"],
        {"method": ["revoke"], "arguments": {"task_id": "a"}},
        {"method": "revoke", "arguments": ["task_id"]},
        {"method": "revoke", "arguments": {"task_id": 7}},
        {"method": "revoke", "arguments": {"task_id": {"a": 1}}},
        {"method": "revoke", "task_id": "a"},
    ],
)
def test_what_is_no_command_revokes_nothing(body: Any) -> None:
    assert revoked_ids(_message(body)) == []


@pytest.mark.parametrize(
    ("exchange", "is_control"),
    [("celery.pidbox", True), ("shop.pidbox", True), ("reply.celery.pidbox", False), ("", False)],
)
def test_control_commands_go_through_an_exchange_of_their_own(
    exchange: str, is_control: bool
) -> None:
    assert is_control_exchange(exchange) is is_control


def _message(body: Any) -> dict[str, Any]:
    return {"body": json.dumps(body), "content-type": "application/json", "headers": {}}
