"""SQS as the broker that is entered: what a message becomes there, and what becomes of it."""

import base64
import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from kombu import Queue

from celery_aws.broker.coordination import Coordination
from celery_aws.core.envelope import decode_body, load_envelope
from celery_aws.core.migration_marks import migration_mark
from celery_aws.core.schedule import STANDARD
from celery_aws.errors import AccessDeniedError, ThrottledError, UnreachableError
from celery_aws.migrate.messages import Answer, Carried, Refused, Sent, Unsent
from celery_aws.migrate.sqs_target import SqsTarget, key_of_mark
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.testing.memory_queue import StoredMessage
from tests.unit.cli.conftest import BUCKET, Shop

JSON = json.dumps([["you"], {"copy": "Ä"}, {"callbacks": None, "chord": None}], ensure_ascii=False)


def message(
    key: str = "m",
    *,
    body: str | bytes = JSON,
    queue: str = "celery",
    priority: int | None = None,
    eta: datetime | None = None,
    headers: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    **parts: Any,
) -> Carried:
    """Return a message as kombu's Redis transport stores it."""
    raw = body.encode() if isinstance(body, str) else body
    found = {
        "id": f"id-{key}",
        "task": "shop.mail",
        "lang": "py",
        "eta": eta and eta.isoformat(),
        "retries": 0,
        **(headers or {}),
    }
    return Carried(
        key=key,
        queue=AmqpQueue(queue),
        priority=priority,
        envelope={
            "body": base64.b64encode(raw).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": found,
            "properties": {
                "correlation_id": found["id"],
                "reply_to": "here",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "celery"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "tag",
                "expiration": "7200000",
                **(properties or {}),
            },
            **parts,
        },
    )


@pytest.fixture
def target(shop: Shop) -> SqsTarget:
    return new_target(shop)


def new_target(shop: Shop, **options: Any) -> SqsTarget:
    """Return a target with some broker_transport_options."""
    shop.options(**options)
    numbers = count()
    return SqsTarget(shop.app, "run-0", passage="first", new_id=lambda: f"copy-{next(numbers)}")


def there(shop: Shop, name: str = "celery") -> list[StoredMessage]:
    return shop.sqs.messages(QueueName(name))


def sent(*numbers: int) -> list[Answer]:
    return [Sent(message_id=f"copy-{number}") for number in numbers]


def test_a_message_arrives_as_it_was_but_for_how_it_is_encoded(
    shop: Shop, target: SqsTarget
) -> None:
    before = message(headers={"stamps": {"a": ["b"]}, "unknown": [1, None]})

    assert target.send([before]) == sent(0)

    (arrived,) = there(shop)
    after = load_envelope(arrived.body)
    properties = {**before.envelope["properties"], "body_encoding": "utf-8"}
    assert after == {**before.envelope, "body": JSON, "properties": properties}


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (b"\x80\x04 pickled", {"content-type": "application/x-python-serialize",
                               "content-encoding": "binary"}),
        (b'"\xff"', {}),
        ("[[], {}]".encode("utf-16"), {"content-encoding": "utf-16"}),
        (b"x\x9c compressed", {"headers": {"compression": "application/x-gzip"}}),
        (b"", {}),
        ("\x00\uffff\N{GRINNING FACE}".encode(), {}),
    ],
)  # fmt: skip
def test_bytes_of_any_body_are_the_same(
    shop: Shop, target: SqsTarget, body: bytes, parts: dict[str, Any]
) -> None:
    assert target.send([message(body=body, **parts)]) == sent(0)

    after = load_envelope(there(shop)[0].body)
    decoded = decode_body(after["body"], after["properties"]["body_encoding"])
    assert (decoded.encode() if isinstance(decoded, str) else decoded) == body


def test_a_worker_gets_it(shop: Shop, target: SqsTarget) -> None:
    target.send([message()])

    with shop.app.connection_for_read() as connection:
        received = connection.default_channel.basic_get("celery")

    assert received.payload == [["you"], {"copy": "Ä"}, {"callbacks": None, "chord": None}]
    assert received.headers["id"] == "id-m"


def test_ten_go_in_one_request_and_each_says_which_copy_it_is(
    shop: Shop, target: SqsTarget
) -> None:
    assert target.send([message(str(number)) for number in range(10)]) == sent(*range(10))

    assert shop.sqs.count("SendMessageBatch") == 1
    assert shop.sqs.count("SendMessage") == 0
    marks = [migration_mark(each.attributes) for each in there(shop)]
    assert [mark and mark.copy_id for mark in marks] == [f"copy-{n}" for n in range(10)]
    assert marks[3] is not None
    assert marks[3].task_key == key_of_mark("3", "id-3", passage="first")


def test_each_try_and_each_passage_has_other_marks(shop: Shop, target: SqsTarget) -> None:
    shop.sqs.faults.lose_reply("SendMessageBatch")
    target.send([message()])
    target.send([message()])

    first, second = [migration_mark(each.attributes) for each in there(shop)]
    assert first is not None
    assert second is not None
    assert first.task_key == second.task_key != key_of_mark("m", "id-m", passage="second")
    assert first.copy_id != second.copy_id


@pytest.mark.parametrize(
    ("highest", "priority", "arrives", "number"),
    [(0, 0, "celery", 0), (0, 4, "celery-priority-3", 4), (9, 0, "celery-priority-9", 9),
     (9, 9, "celery", 0), (0, None, "celery", 0)],
)  # fmt: skip
def test_what_is_first_there_is_first_here(
    shop: Shop, highest: int, priority: int | None, arrives: str, number: int
) -> None:
    target = new_target(shop, priority_steps=[0, 3, 6, 9], highest_priority=highest)

    target.send([message(priority=priority)])

    (arrived,) = there(shop, arrives)
    assert load_envelope(arrived.body)["properties"]["priority"] == number


def test_priorities_that_a_queue_declares_count(shop: Shop) -> None:
    shop.app.conf.task_queues = [Queue("celery", max_priority=9)]
    target = new_target(shop)

    target.send([message(priority=9)])

    assert len(there(shop, "celery-priority-9")) == 1


def test_a_delay_or_the_schedule_waits_for_an_eta(shop: Shop, target: SqsTarget) -> None:
    now = shop.app.now()
    soon, far = now + timedelta(seconds=600), now + timedelta(days=3)

    answers = target.send([message("soon", eta=soon), message("far", eta=far), message("now")])

    assert answers == [
        Sent(message_id="copy-0"),
        Sent(message_id="copy-1", parked=True),
        Sent(message_id="copy-2"),
    ]
    assert [each.visible_at - each.sent_at for each in there(shop)] == [599, 0]
    (parked,) = shop.schedule_json("list")["tasks"]
    assert parked["id"] == "id-far"


def test_the_eta_of_protocol_1_counts_too(shop: Shop, target: SqsTarget) -> None:
    eta = shop.app.now() + timedelta(days=3)
    body = {"task": "shop.mail", "id": "old", "args": [], "kwargs": {}, "eta": eta.isoformat()}
    old = message(body=json.dumps(body))
    form: dict[str, Any] = {
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
    }
    pickled = message(body=pickle.dumps({**body, "id": "pickled"}), **form)
    for each in (old, pickled):
        each.envelope["headers"].clear()

    assert [answer.parked for answer in target.send([old, pickled]) if isinstance(answer, Sent)] \
        == [True, True]  # fmt: skip


def test_what_was_parked_keeps_its_mark(shop: Shop, target: SqsTarget) -> None:
    target.send([message(eta=shop.app.now() + timedelta(days=3))])

    with shop.app.connection_for_write() as connection:
        shared: Coordination = connection.transport.coordination
        (marker,) = shared.schedule.markers(STANDARD)
        ((entry,),) = shared.schedule.entries(marker.shard)
        task = shared.schedule.task_of(entry)

    assert task is not None
    mark = migration_mark(task.message.message_attributes)
    assert mark is not None
    assert mark.copy_id == "copy-0"


def test_a_queue_with_another_name_is_the_one_that_retries_go_to(
    shop: Shop, target: SqsTarget
) -> None:
    exchange = {"delivery_info": {"exchange": "media", "routing_key": "media.video"}}
    target.send([message(queue="new"), message(queue="new", properties=exchange)])

    infos = [load_envelope(each.body)["properties"]["delivery_info"] for each in there(shop, "new")]
    assert infos == [{"exchange": "", "routing_key": "new"}, exchange["delivery_info"]]


def test_fifo_queues_have_groups_and_know_second_copies(shop: Shop, target: SqsTarget) -> None:
    grouped = message(
        "b", queue="orders.fifo", properties={"MessageGroupId": "g"}, headers={"id": None}
    )

    target.send([message("a", queue="orders.fifo"), grouped])
    target.send([message("a", queue="orders.fifo"), grouped])

    found = there(shop, "orders.fifo")
    assert [each.group for each in found] == ["default", "g"]


def test_a_fifo_queue_drops_second_copies_and_no_other_message_of_the_same_task(
    shop: Shop, target: SqsTarget
) -> None:
    queue = AmqpQueue("orders.fifo")
    one = message("a", queue=queue)
    of_another_list = replace(one, key="b")
    chosen = message("c", queue=queue, properties={"MessageDeduplicationId": "chosen"})

    target.send([one, of_another_list, chosen])
    target.send([one, of_another_list, chosen])
    assert len(there(shop, queue)) == 3

    # Moved back and moved again, within five minutes.
    shop.sqs.purge_queue(shop.sqs.queue_url(QueueName(queue)))
    SqsTarget(shop.app, "run-1", passage="third").send([one, of_another_list, chosen])
    assert len(there(shop, queue)) == 3


@pytest.mark.parametrize(
    "attributes", [{"a": 3}, [1], {"a": {"DataType": 5, "StringValue": "x"}}, {"a": {}}]
)
def test_attributes_that_sqs_does_not_take_are_refused_alone(
    shop: Shop, target: SqsTarget, attributes: object
) -> None:
    poison = message("poison", properties={"message_attributes": attributes})

    answers = target.send([message("a"), poison, message("b")])

    assert [type(answer) for answer in answers] == [Sent, Refused, Sent]
    assert len(there(shop)) == 2


def test_what_is_too_large_is_refused_with_size_and_remedy(shop: Shop, target: SqsTarget) -> None:
    answers = target.send([message("small"), message("large", body="x" * 1_100_000)])

    assert answers[0] == Sent(message_id="copy-0")
    assert isinstance(answers[1], Refused)
    assert "SQS takes 1048576" in answers[1].reason
    assert "large_message_bucket" in answers[1].reason
    assert len(there(shop)) == 1


def test_with_a_bucket_it_goes_through_s3(shop: Shop) -> None:
    target = new_target(shop, large_message_bucket=str(BUCKET))

    assert target.send([message("large", body="x" * 1_100_000)]) == sent(0)

    (arrived,) = there(shop)
    assert "s3Key" in arrived.body
    assert migration_mark(arrived.attributes) is not None


def test_batches_stay_below_what_sqs_takes_together(shop: Shop, target: SqsTarget) -> None:
    large = [message(str(number), body="x" * 400_000) for number in range(5)]

    assert target.send(large) == sent(*range(5))
    assert shop.sqs.count("SendMessageBatch") == 3


def test_what_cannot_be_written_or_read_is_refused(shop: Shop, target: SqsTarget) -> None:
    broken = message("broken")
    broken.envelope["properties"]["body_encoding"] = "rot13"
    unwritable = message("unwritable", headers={"x": object()})

    answers = target.send([broken, message("fine"), unwritable])

    assert isinstance(answers[0], Refused)
    assert "rot13" in answers[0].reason
    assert isinstance(answers[2], Refused)
    assert len(there(shop)) == 1


@pytest.mark.parametrize(
    "properties",
    [
        {"message_attributes": "none"},
        {"message_attributes": {"a": "b"}},
        {"message_attributes": {f"a{number}": {"DataType": "String", "StringValue": "x"}
                                for number in range(11)}},
        {"delivery_info": 3},
        {"MessageGroupId": 7},
        {"delay_seconds": "soon", "body_encoding": 5},
    ],
)  # fmt: skip
def test_a_message_of_odd_parts_stops_no_other(
    shop: Shop, target: SqsTarget, properties: dict[str, Any]
) -> None:
    answers = target.send([message("odd", properties=properties), message("fine")])

    assert isinstance(answers[0], Refused)
    assert isinstance(answers[1], Sent)
    assert len(there(shop)) == 1


def test_ids_may_be_anything(shop: Shop, target: SqsTarget) -> None:
    odd = [message("half \ud800"), message("nothing \0 behind"), message("é" * 300)]

    assert target.send(odd) == sent(0, 1, 2)
    fifo = target.send([message("half \ud800", queue="orders.fifo", headers={"id": None})])
    assert fifo == sent(3)


def test_one_entry_that_sqs_has_no_time_for_is_told(shop: Shop, target: SqsTarget) -> None:
    target.send([message("before")])
    shop.sqs.faults.refuse_entries("SendMessageBatch", entries=2)

    answers = target.send([message(str(number)) for number in range(4)])

    assert [type(answer) for answer in answers] == [Unsent, Unsent, Sent, Sent]
    assert len(there(shop)) == 3


@pytest.mark.parametrize(
    "error",
    [
        ThrottledError("slower", service="sqs", operation="SendMessageBatch"),
        UnreachableError("gone", service="sqs", operation="SendMessageBatch"),
        AccessDeniedError("not yours", service="sqs", operation="SendMessageBatch"),
    ],
)
def test_a_request_that_fails_is_told_and_made_once(
    shop: Shop, target: SqsTarget, error: Exception
) -> None:
    target.send([message("before", queue="other")])
    shop.sqs.faults.fail("SendMessageBatch", error)

    answers = target.send([message("a"), message("b", queue="other")])

    assert answers == [Unsent(error=error), Sent(message_id="copy-2")]
    assert shop.sqs.count("SendMessageBatch") == 3


def test_what_sqs_refuses_in_a_batch_is_refused_alone(shop: Shop, target: SqsTarget) -> None:
    wrong = message("wrong", properties={"MessageGroupId": "with space"})

    answers = target.send([message("a"), wrong, message("b")])

    assert [type(answer) for answer in answers] == [Sent, Refused, Sent]
    assert len(there(shop)) == 2


def test_a_queue_that_takes_less_than_others_is_believed(shop: Shop, target: SqsTarget) -> None:
    url = shop.sqs.create_queue(QueueName("small"), {"MaximumMessageSize": "2000"}, {})
    assert url

    answers = target.send(
        [message("a", queue="small"), message("b", queue="small", body="x" * 3_000)]
    )

    assert answers[0] == Sent(message_id="copy-0")
    assert isinstance(answers[1], Refused)
    assert "SQS takes 2000" in answers[1].reason


def test_an_object_of_what_was_surely_not_sent_is_removed(shop: Shop) -> None:
    target = new_target(shop, large_message_bucket=str(BUCKET))
    target.send([message("before")])
    shop.sqs.faults.fail(
        "SendMessageBatch", ThrottledError("slower", service="sqs", operation="SendMessageBatch")
    )

    (answer,) = target.send([message("large", body="x" * 1_100_000)])

    assert isinstance(answer, Unsent)
    assert shop.s3.objects(BUCKET) == {}
