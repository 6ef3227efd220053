import base64
import json
import struct
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import amqp
import pytest
from celery import Celery
from kombu import Exchange, Queue
from kombu.serialization import loads

from celery_aws.core.envelope import dump_envelope, load_envelope
from celery_aws.errors import BrokerLostError, ConfigurationError
from celery_aws.migrate.amqp import line
from celery_aws.migrate.amqp.envelopes import message_of_raw
from celery_aws.migrate.messages import Carried, Unreadable
from celery_aws.migrate.old_app import old_app
from celery_aws.migrate.sides import Claim, left_behind
from celery_aws.names import AmqpQueue
from tests.integration.migrate.amqp.conftest import (
    MakeApp,
    MakeSource,
    drain,
    ids,
    quorum,
    ready,
    wait_until,
)
from tests.integration.migrate.conftest import VirtualHost


def carried(claim: Claim) -> Carried:
    assert isinstance(claim.message, Carried), claim.message
    return claim.message


def body_of(message: Carried) -> Any:
    envelope = load_envelope(dump_envelope(message.envelope))
    content = base64.b64decode(envelope["body"])
    accept = {envelope["content-type"]}
    return loads(content, envelope["content-type"], envelope["content-encoding"], accept=accept)


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_task_is_carried_as_celery_wrote_it(
    make_app: MakeApp, make_source: MakeSource, serializer: str
) -> None:
    app = make_app()
    sent = app.send_task(
        "mail.send", [1, "café"], {"to": "x"}, serializer=serializer, expires=7200, priority=3
    )
    claims = drain(make_source(app, "celery"))
    message = carried(claims[0])
    assert len(claims) == 1
    assert not claims[0].seen_before
    assert message.task_id == sent.id
    assert message.queue == "celery"
    assert message.priority == 6
    assert list(body_of(message))[:2] == [[1, "café"], {"to": "x"}]
    assert message.envelope["headers"]["task"] == "mail.send"
    assert message.envelope["properties"]["expiration"] == "7200000"
    assert message.envelope["properties"]["correlation_id"] == sent.id
    assert message.envelope["properties"]["delivery_mode"] == 2
    assert ready(app, "celery") == 0


def test_protocol_1_and_compression_are_carried(make_app: MakeApp, make_source: MakeSource) -> None:
    app = make_app(task_protocol=1)
    first = app.send_task("one", [1])
    second = app.send_task("two", [2], compression="zlib")
    found = [carried(claim) for claim in drain(make_source(app, "celery"))]
    assert [each.task_id for each in found] == [first.id, second.id]
    assert body_of(found[0])["task"] == "one"
    assert found[1].envelope["headers"]["compression"] == "application/x-gzip"


def test_the_highest_priority_comes_first_and_is_0(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app(task_queues=[Queue("celery", max_priority=10)])
    sent = {p: app.send_task("t", priority=p).id for p in (0, 5, 9, 2)}
    none = app.send_task("t").id
    claims = drain(make_source(app, "celery"))
    assert ids(claims) == [sent[9], sent[5], sent[2], sent[0], none]
    assert [carried(claim).priority for claim in claims] == [0, 4, 7, 9, 9]


@pytest.mark.parametrize("knows", ["its app", "rabbitmq"])
def test_without_priorities_a_message_has_none(
    rabbit: VirtualHost, make_app: MakeApp, make_source: MakeSource, knows: str
) -> None:
    app = make_app(**({"task_queues": [Queue("celery")]} if knows == "its app" else {}))
    app.send_task("t", priority=5)
    url = rabbit.server.management_url if knows == "rabbitmq" else None
    [claim] = drain(make_source(app, "celery", management_url=url))
    assert carried(claim).priority is None
    assert "priority" not in carried(claim).envelope["properties"]


def test_only_the_named_queues_are_touched_and_renamed(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    for queue in ("celery", "other", "celery@web.celery.pidbox"):
        app.send_task("t", queue=queue)
    names = {
        AmqpQueue("celery"): AmqpQueue("new"),
        AmqpQueue("celery@web.celery.pidbox"): AmqpQueue("x"),
        AmqpQueue("not-there"): AmqpQueue("y"),
    }
    claims = drain(make_source(app, queues=names))
    assert [each.message.queue for each in claims] == ["new"]
    assert ready(app, "other") == ready(app, "celery@web.celery.pidbox") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-queue-type": "quorum", "x-single-active-consumer": True},
        {"x-queue-type": "stream"},
    ],
    ids=["single-active-consumer", "stream"],
)
def test_a_queue_that_gives_no_single_message_stays_and_stops_no_other(
    make_app: MakeApp, make_source: MakeSource, arguments: dict[str, Any]
) -> None:
    app = make_app(task_queues=[Queue("celery"), Queue("odd", queue_arguments=arguments)])
    odd, plain = app.send_task("t", queue="odd"), app.send_task("t")
    source = make_source(app, "odd", "celery")
    wait_until(lambda: ready(app, "odd") == 1)
    assert ids(drain(source)) == [plain.id], odd.id
    assert left_behind(source) == 1


def test_a_queue_that_appears_later_is_found(make_app: MakeApp, make_source: MakeSource) -> None:
    app = make_app()
    source = make_source(app, "celery")
    assert source.claim(10) == []
    app.send_task("t")
    assert len(source.claim(10)) == 1


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_a_message_says_through_which_exchange_it_came(
    make_app: MakeApp, make_source: MakeSource, kind: str
) -> None:
    app = make_app(
        task_queues=[Queue("video", Exchange("media", type=kind), routing_key="media.video")]
    )
    app.send_task("t", queue="video")
    [claim] = drain(make_source(app, "video"))
    info = carried(claim).envelope["properties"]["delivery_info"]
    expected = {
        "topic": {"exchange": "media", "routing_key": "media.video"},
        # Celery sends to the queue itself.
        "direct": {"exchange": "", "routing_key": "video"},
    }
    assert info == expected[kind]


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_what_is_given_back_comes_again_in_its_order(
    make_app: MakeApp, make_source: MakeSource, queue_type: str
) -> None:
    queue = (
        quorum("work", "work", key="work", kind="direct")
        if queue_type == "quorum"
        else Queue("work")
    )
    app = make_app(task_queues=[queue])
    sent = [app.send_task("t", queue="work").id for _ in range(6)]
    source = make_source(app, "work")
    claims = source.claim(4)
    source.give_back(claims)
    source.give_back(claims)
    again = drain(source)
    # A quorum queue puts it behind the others.
    assert ids(again) == (sent if queue_type == "classic" else sent[4:] + sent[:4])
    seen = {each.message.key for each in again if each.seen_before}
    assert seen == {each.message.key for each in claims}


def test_a_commit_twice_or_of_nothing_is_no_error(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    app.send_task("t")
    source = make_source(app, "celery")
    claims = source.claim(10)
    source.commit(claims)
    source.commit(claims)
    source.commit([])
    assert source.recover(10) == ()
    assert source.claim(10) == []
    source.close()
    assert ready(app, "celery") == 0


def test_closing_gives_back_what_is_not_committed(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    sent = [app.send_task("t").id for _ in range(5)]
    source = make_source(app, "celery")
    claims = source.claim(10)
    source.commit(claims[:2])
    source.close()
    wait_until(lambda: ready(app, "celery") == 3)
    assert ids(drain(make_source(app, "celery"))) == sent[2:]


def test_a_message_keeps_its_key_over_a_kill(make_app: MakeApp, make_source: MakeSource) -> None:
    app = make_app()
    keys_by_id = {app.send_task("t", [n], queue="celery").id: "" for n in range(20)}
    program = """
        import os, signal, sys
        from celery import Celery
        from celery_aws.migrate.amqp.source import AmqpSource
        app = Celery(broker=sys.argv[1])
        source = AmqpSource(app, queues={"celery": "celery"}, run="killed")
        source.claim(5)
        claims = source.claim(10)
        source.commit(claims[:4])
        # An answer to this comes after the acknowledgements.
        source.claim(1)
        for claim in claims:
            print(claim.message.task_id, claim.message.key, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    url = app.conf.broker_url
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    told = dict(line.split() for line in killed.stdout.splitlines())
    wait_until(lambda: ready(app, "celery") == 16)
    claims = drain(make_source(app, "celery"))
    committed = list(told)[:4]
    assert sorted(map(str, ids(claims))) == sorted(keys_by_id.keys() - set(committed))
    assert sum(each.seen_before for each in claims) == 12
    again = {carried(each).task_id: each.message.key for each in claims if each.seen_before}
    assert {task: key for task, key in told.items() if task in again} == {
        task: again[task] for task in told if task not in committed
    }


def test_a_connection_that_is_cut_loses_nothing(
    rabbit: VirtualHost, make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    sent = [app.send_task("t", [n]).id for n in range(25)]
    source = make_source(app, "celery")
    journal: dict[str, str | None] = {}
    doubles = 0
    number = 0
    while claims := source.claim(10):
        for claim in claims:
            known = claim.seen_before and claim.message.key in journal
            doubles += not known and claim.message.key in journal
            journal[claim.message.key] = carried(claim).task_id
        number += 1
        if number == 2:
            # The acknowledgements of this batch go nowhere.
            with source._line.channel() as channel:
                channel.connection.sock.close()
        source.commit(claims)
    assert number > 2
    assert doubles == 0
    assert sorted(map(str, journal.values())) == sorted(sent)
    source.close()
    assert ready(app, "celery") == 0


def test_a_channel_that_rabbitmq_ends_is_opened_again(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    app.send_task("t", queue="one")
    sent = app.send_task("t", queue="two").id
    source = make_source(app, "one", "two")
    first = source.claim(1)
    assert len(first) == 1
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete("one")
    # To take from "one" ends the channel, and with it the claim.
    assert ids(source.claim(10)) == [sent]
    source.commit(first)


def test_a_wrong_password_is_an_error_at_once(rabbit: VirtualHost, make_source: MakeSource) -> None:
    app = old_app(broker_url=rabbit.url.replace("guest:guest", "guest:wrong-secret"))
    with pytest.raises(ConfigurationError, match="ACCESS_REFUSED") as caught:
        make_source(app, "celery").claim(1)
    assert "wrong-secret" not in str(caught.value)


def test_a_virtual_host_that_is_not_there_is_an_error_at_once(
    rabbit: VirtualHost, make_source: MakeSource
) -> None:
    app = old_app(broker_url=rabbit.server.url("no-such"))
    with pytest.raises(ConfigurationError, match="no-such"):
        make_source(app, "celery").claim(1)


def test_no_server_is_an_error_that_names_it_without_secrets(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = old_app(broker_url="amqp://user:secret@127.0.0.1:1//")
    app.conf.broker_connection_timeout = 0.2
    monkeypatch.setattr(line, "_ATTEMPTS", 1)
    source = make_source(app, "celery")
    with pytest.raises(BrokerLostError) as caught:
        source.claim(1)
    assert "127.0.0.1" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_headers_of_other_types_arrive_as_they_were(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    headers = {
        "at": datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - AMQP's have no zone
        "price": Decimal("1.25"),
        "raw": b"\xff\x00",
        "long": 2**40,
        "negative": -(2**40),
        "none": None,
        "float": 1.5,
        "nested": {"list": [1, "two", {"three": True}]},
        "x-mine": "kept",
    }
    publish(app, b"{}", headers=headers, timestamp=1_700_000_000, app_id="billing")
    [claim] = drain(make_source(app, "celery"))
    message = carried(claim)
    assert message.task_id is None
    back = load_envelope(dump_envelope(message.envelope))
    assert back["headers"] == headers
    assert back["properties"]["timestamp"] == 1_700_000_000
    assert back["properties"]["app_id"] == "billing"


def test_a_body_that_is_no_text_stays_as_it_is(make_app: MakeApp, make_source: MakeSource) -> None:
    app = make_app()
    publish(app, b"\xff\xfe\x00", content_type="application/data", content_encoding="binary")
    [claim] = drain(make_source(app, "celery"))
    envelope = carried(claim).envelope
    assert base64.b64decode(envelope["body"]) == b"\xff\xfe\x00"
    assert envelope["content-encoding"] == "binary"
    assert envelope["content-type"] == "application/data"


def test_what_json_cannot_keep_is_unreadable_with_its_bytes(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    headers = {"odd": {"__type__": "nobody's", "__value__": 1}, "id": "x"}
    publish(app, b"content", headers=headers, priority=4)
    good = app.send_task("t").id
    claims = drain(make_source(app, "celery"))
    bad = claims[0].message
    assert isinstance(bad, Unreadable)
    assert "'odd'" in bad.reason
    assert ids(claims)[1] == good
    original = message_of_raw(bad.raw)
    assert original.body == b"content"
    assert original.properties["application_headers"] == headers
    assert original.properties["priority"] == 4


class Written(amqp.Message):
    """A message of another client's, whose properties are written by hand."""

    def __init__(self, properties: bytes) -> None:
        super().__init__(b"whatever")
        self.written = properties

    def _serialize_properties(self) -> bytes:
        return self.written


@pytest.mark.parametrize(
    "properties",
    [
        # A header "at" of Java's: milliseconds, in a field of seconds.
        struct.pack(">HI", 0x2000, 12) + b"\x02atT" + struct.pack(">Q", 1_795_000_000_000),
        # A correlation id that is no text.
        struct.pack(">H", 0x0400) + b"\x02\xff\xfe",
    ],
    ids=["time", "text"],
)
def test_properties_that_cannot_be_read_stop_no_other_message(
    make_app: MakeApp, make_source: MakeSource, properties: bytes
) -> None:
    app = make_app()
    before = app.send_task("t").id
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        channel.basic_publish(Written(properties), routing_key="celery")
    after = app.send_task("t").id
    claims = drain(make_source(app, "celery"))
    assert ids(claims) == [before, None, after]
    bad = claims[1].message
    assert isinstance(bad, Unreadable)
    assert "properties" in bad.reason
    raw = json.loads(bad.raw)
    assert base64.b64decode(raw["properties"]) == properties
    assert base64.b64decode(raw["body"]) == b"whatever"
    assert ready(app, "celery") == 0


def test_headers_of_the_broker_are_left_out(make_app: MakeApp, make_source: MakeSource) -> None:
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "celery"}
    waiting = Queue("waiting", message_ttl=0.01, queue_arguments=arguments)
    app = make_app(task_queues=[Queue("celery"), waiting])
    source = make_source(app, "celery")
    with app.connection_for_write() as connection:
        Queue("celery")(connection.default_channel).declare()
    sent = app.send_task("t", queue="waiting").id
    wait_until(lambda: ready(app, "celery") == 1)
    [claim] = drain(source)
    assert ids([claim]) == [sent]
    assert not [name for name in carried(claim).envelope["headers"] if name.startswith("x-")]
    # It may have been claimed where it was before.
    assert claim.seen_before


def test_an_eta_in_a_plain_queue_is_in_its_headers(
    make_app: MakeApp, make_source: MakeSource
) -> None:
    app = make_app()
    eta = datetime.now(timezone.utc) + timedelta(hours=3)
    app.send_task("t", eta=eta)
    [claim] = drain(make_source(app, "celery"))
    assert carried(claim).envelope["headers"]["eta"] == eta.isoformat()


def publish(app: Celery, body: bytes, *, headers: Any = None, **properties: Any) -> None:
    import amqp

    with app.connection_for_write() as connection:
        channel = connection.default_channel
        Queue("celery", Exchange("celery"), routing_key="celery")(channel).declare()
        message = amqp.Message(body, application_headers=headers or {}, **properties)
        channel.basic_publish_confirm(message, exchange="", routing_key="celery")
