import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from celery.app.control import Control
from hypothesis import given
from kombu.compression import compress
from kombu.serialization import dumps

from celery_aws.core.control_messages import (
    ControlCommand,
    control_command,
    heard_by,
    is_control_exchange,
    is_reply_exchange,
    reply_oid,
)
from tests.unit.core.controlling import JSON_VALUES, binding
from tests.unit.core.publishing import SERIALIZERS, Publisher

Send = Callable[[Control], Any]


def sent(send: Send, serializer: str = "json") -> ControlCommand:
    """Return what is read in the message that ``send`` publishes."""
    publisher = Publisher(task_serializer=serializer, accept_content=[serializer])
    message = publisher.sent(lambda: send(publisher.app.control))
    return control_command(message)


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
def test_the_ids_of_what_control_sends(send: Send, ids: list[str], serializer: str) -> None:
    assert list(sent(send, serializer).task_ids) == ids


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    ("send", "command"),
    [
        (
            lambda control: control.enable_events(),
            ControlCommand(method="enable_events", for_all=True),
        ),
        (
            lambda control: control.enable_events(destination=["a@h", "b@h"]),
            ControlCommand(method="enable_events", destination=frozenset({"a@h", "b@h"})),
        ),
        (
            lambda control: control.cancel_consumer("q", destination=("a@h",)),
            ControlCommand(method="cancel_consumer", destination=frozenset({"a@h"})),
        ),
        (
            lambda control: control.pool_grow(2, destination=[]),
            ControlCommand(method="pool_grow", for_all=True),
        ),
        (
            lambda control: control.shutdown(pattern="a*", matcher="glob"),
            ControlCommand(method="shutdown"),
        ),
        # kombu looks at a pattern only if it is told how to.
        (
            lambda control: control.broadcast("shutdown", pattern="a*", matcher=None),
            ControlCommand(method="shutdown", for_all=True),
        ),
    ],
)
def test_whom_a_command_is_for(send: Send, command: ControlCommand, serializer: str) -> None:
    assert sent(send, serializer) == command


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize(
    "send",
    [
        lambda control: control.ping(["w@h"], timeout=0.01),
        lambda control: control.inspect(["w@h"], timeout=0.01).ping(),
    ],
)
def test_who_waits_for_replies(send: Send, serializer: str) -> None:
    command = sent(send, serializer)

    # kombu makes a UUID for each mailbox.
    assert str(UUID(command.reply_to)) == command.reply_to
    assert (command.method, command.destination) == ("ping", frozenset({"w@h"}))


def test_a_compressed_command_is_read() -> None:
    body, method = compress(b'{"method": "revoke", "arguments": {"task_id": "a"}}', "zlib")

    command = control_command({**of({}), "body": body, "headers": {"compression": method}})

    assert command.task_ids == ("a",)


class Nodes(list[str]):
    """Some names, in a class of somebody's own; JSON does not tell, a pickle does."""


def test_names_in_a_class_that_is_not_looked_into_are_left_to_the_nodes() -> None:
    command = sent(lambda control: control.shutdown(destination=Nodes(["a@h"])), "pickle")
    bound = [binding(queue="a@h.celery.pidbox"), binding(queue="b@h.celery.pidbox")]

    assert heard_by(command, "celery.pidbox", bound) == bound
    assert not command.for_all


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_task_commands_nothing(protocol: int) -> None:
    arguments = {"method": "revoke", "arguments": {"task_id": "a"}}
    publisher = Publisher(task_protocol=protocol)

    message = publisher.sent(lambda: publisher.app.send_task("shop.mail", kwargs=arguments))

    assert control_command(message) == ControlCommand()


def test_the_headers_say_that_it_is_a_task() -> None:
    body = {"method": "revoke", "arguments": {"task_id": "a"}}

    assert control_command(of(body)).task_ids == ("a",)
    assert control_command({**of(body), "headers": {"task": "shop.mail"}}) == ControlCommand()


@pytest.mark.parametrize(
    "body",
    [
        "method",
        ["method"],
        {"method": ["revoke"], "arguments": {"task_id": "a"}},
        {"method": None},
        {"arguments": {"method": "revoke"}},
    ],
)
@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_what_is_no_command_is_an_empty_one(body: Any, serializer: str) -> None:
    assert control_command(of(body, serializer)) == ControlCommand()


@pytest.mark.parametrize(
    "message",
    [
        {"body": "method {", "content-type": "application/json"},
        {"body": b"method \xff", "content-type": "application/x-msgpack"},
        {"body": b"\x80method", "content-type": "application/x-python-serialize"},
        {"body": "- method: [", "content-type": "application/x-yaml"},
        # Celery's `auth`, and what nobody has registered.
        {"body": '{"method": "revoke"}', "content-type": "application/data"},
        {"body": '{"method": "revoke"}', "content-type": None},
        {"body": None, "content-type": "application/json"},
        {},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_heard_by_all(message: dict[str, Any]) -> None:
    command = control_command(message)
    bound = [binding(queue="a@h.celery.pidbox"), binding(queue="b@h.celery.pidbox")]

    assert command == ControlCommand()
    assert heard_by(command, "celery.pidbox", bound) == bound


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["task_id"], ()),
        ("task_id", ()),
        ({"task_id": 7}, ()),
        ({"task_id": {"a": 1}}, ()),
        ({"task_id": ["a", 7, None, ["b"]]}, ("a",)),
        (None, ()),
    ],
)
def test_ids_that_are_none_revoke_nothing(arguments: Any, ids: tuple[str, ...]) -> None:
    assert control_command(of({"method": "revoke", "arguments": arguments})).task_ids == ids
    assert control_command(of({"method": "revoke", "task_id": "a"})).task_ids == ()


@pytest.mark.parametrize("destination", ["w@h", "a", 5, {"w@h": 1}, ["w@h", 5], [["w@h"]], True])
def test_names_that_are_none_are_left_to_the_nodes(destination: Any) -> None:
    command = control_command(of({"method": "ping", "destination": destination}))

    assert command == ControlCommand(method="ping")


@pytest.mark.parametrize(
    "reply_to", [None, "oid", ["oid"], {}, {"routing_key": None}, {"routing_key": ["oid"]}]
)
def test_nobody_is_answered_without_an_oid(reply_to: Any) -> None:
    assert control_command(of({"method": "ping", "reply_to": reply_to})).reply_to is None


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_nothing_makes_reading_raise(
    arguments: Any, destination: Any, reply_to: Any, pattern: Any
) -> None:
    body = {
        "method": "revoke",
        "arguments": arguments,
        "destination": destination,
        "reply_to": reply_to,
        "pattern": pattern,
        "matcher": pattern,
    }
    command = control_command(of(body))

    assert isinstance(command.reply_to, str | None)
    # It is a key of dicts, and so are its parts.
    assert isinstance(hash(command), int)


def test_only_nodes_that_act_on_a_command_hear_it() -> None:
    bound = [binding(queue=f"{node}.celery.pidbox") for node in ("a@h", "b@h", "c@h")]
    for_two = ControlCommand(method="ping", destination=frozenset({"a@h", "c@h", "d@h"}))

    assert heard_by(for_two, "celery.pidbox", bound) == [bound[0], bound[2]]
    assert heard_by(ControlCommand(method="ping"), "celery.pidbox", bound) == bound


def test_every_process_of_a_node_hears_it() -> None:
    # Two workers by mistake, or one that was killed and its successor.
    bound = [binding(queue="a@h.celery.pidbox", inbox=inbox) for inbox in ("i1", "i2", None)]
    command = ControlCommand(method="ping", destination=frozenset({"a@h"}))

    assert heard_by(command, "celery.pidbox", bound) == bound


@pytest.mark.parametrize("exchange", ["celery", "shop", "a.b", "reply.a"])
def test_nodes_are_found_by_the_names_that_celery_gives_their_queues(exchange: str) -> None:
    app = Celery("shop", set_as_current=False, broker="memory://", control_exchange=exchange)
    mailbox = app.control.mailbox
    bound = [binding(mailbox.exchange.name, mailbox.get_queue(node).name) for node in ("a@h", "b")]
    command = ControlCommand(method="ping", destination=frozenset({"a@h"}))

    assert heard_by(command, mailbox.exchange.name, bound) == bound[:1]


@pytest.mark.parametrize(
    ("exchange", "control", "reply"),
    [
        ("celery.pidbox", True, False),
        ("shop.pidbox", True, False),
        ("reply.celery.pidbox", False, True),
        ("celeryev", False, False),
        ("celery", False, False),
        ("pidbox", False, False),
        ("", False, False),
    ],
)
def test_control_commands_and_replies_have_exchanges_of_their_own(
    exchange: str, control: bool, reply: bool
) -> None:
    assert is_control_exchange(exchange) is control
    assert is_reply_exchange(exchange) is reply


@pytest.mark.parametrize("exchange", ["celery", "shop", "a.b"])
def test_a_clients_reply_queue_is_known_by_its_name(exchange: str) -> None:
    app = Celery("shop", set_as_current=False, broker="memory://", control_exchange=exchange)
    mailbox = app.control.mailbox

    assert reply_oid(mailbox.reply_queue.name) == mailbox.oid
    assert is_reply_exchange(mailbox.reply_exchange.name)
    assert is_control_exchange(mailbox.exchange.name)


@pytest.mark.parametrize(
    "queue",
    [
        "celery",
        "w@h.celery.pidbox",
        # A host in a domain of this name.
        "celery@web.reply.example.celery.pidbox",
        "reply.celery.pidbox",
        ".reply.celery.pidbox",
        "oid.reply.celery",
        "",
    ],
)
def test_other_queues_are_no_reply_queues(queue: str) -> None:
    assert reply_oid(queue) is None


def of(body: Any, serializer: str = "json") -> dict[str, Any]:
    """Return a message as a producer hands it to a channel."""
    if serializer == "json":
        # What kombu's encoder would make of types is not in question here.
        return {"body": json.dumps(body), "content-type": "application/json", "headers": {}}
    content_type, _, written = dumps(body, serializer=serializer)
    return {"body": written, "content-type": content_type, "headers": {}}
