import base64
import logging
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from celery_aws.core.attributes import Item, binary
from celery_aws.core.schedule import STANDARD
from celery_aws.errors import (
    AccessDeniedError,
    ExpiredCredentialsError,
    InvalidRequestError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.schedule.outbox import REST_SECONDS
from celery_aws.testing.clock import FakeClock
from tests.unit.schedule.conftest import (
    FIFO_QUEUE,
    QUEUE,
    TABLE,
    Process,
    World,
    again,
    task_ids,
)

OTHER = AmqpQueue("mails")
URL_OF_QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/celery"


def send(process: Process, world: World, *, entries: list[Item] | None = None) -> int:
    """Let the outbox have what is parked, as a mover does."""
    given = world.entries() if entries is None else entries
    return process.outbox.send(given, go_on=lambda: True)


def test_what_was_sent_is_removed(process: Process, world: World) -> None:
    names = world.park(25)

    assert send(process, world) == 25

    assert world.copies() == dict.fromkeys(names, 1)
    assert world.entries() == []
    assert process.queues.log == ["send_batch"] * 3
    assert process.tables.log == ["write_batch"] * 3


def test_the_delay_is_what_is_left_now(process: Process, world: World, clock: FakeClock) -> None:
    world.park(1, due_seconds=1_000)
    clock.advance(100)
    send(process, world)
    world.park(1, due_seconds=1_000)
    clock.advance(400)
    send(process, world)

    delays = [each.visible_at - each.sent_at for each in world.sent()]
    assert delays == [899, 599]


def test_a_task_that_is_late_is_not_held_by_a_delay_of_the_queue_itself(
    process: Process, world: World, clock: FakeClock
) -> None:
    world.sqs.create_queue(QueueName("slow"), {"DelaySeconds": "300"}, {})
    world.park(1, queue=AmqpQueue("slow"))
    clock.advance(5_000)
    send(process, world)

    (message,) = world.sent(AmqpQueue("slow"))
    assert message.visible_at == clock.monotonic()


def test_a_queue_has_a_batch_of_its_own(process: Process, world: World) -> None:
    world.new_queue(OTHER)
    names = world.park(3), world.park(4, queue=OTHER)

    assert send(process, world) == 7

    assert (task_ids(world.sent()), task_ids(world.sent(OTHER))) == names
    assert process.queues.log == ["send_batch"] * 2


def test_batches_end_where_sqs_ends_them(process: Process, world: World) -> None:
    world.park(5, body="x" * 300_000)

    assert send(process, world) == 5
    assert process.queues.log == ["send_batch"] * 2


def test_who_may_not_go_on_sends_nothing(process: Process, world: World) -> None:
    world.park(30)
    answers = iter([True, False])

    assert process.outbox.send(world.entries(), go_on=lambda: next(answers)) == 10
    assert len(world.entries()) == 20


# What SQS may do.


def test_what_has_no_answer_is_sent_again_and_says_so(
    process: Process, world: World, clock: FakeClock
) -> None:
    names = world.park(3)
    world.sqs.faults.lose_reply("SendMessageBatch")

    assert send(process, world) == 0
    assert len(world.entries()) == 3
    assert not process.outbox.settled
    clock.advance(30)

    assert send(process, world) == 3
    assert world.copies() == dict.fromkeys(names, 2)
    assert again(world.sent()) == names  # the second three, not the first
    assert process.outbox.settled


def test_what_sqs_accepted_is_not_sent_again_because_it_cannot_be_removed(
    process: Process, world: World
) -> None:
    names = world.park(3)
    world.tables.fail_next("BatchWriteItem", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        send(process, world)
    assert not process.outbox.settled

    assert send(process, world) == 0

    assert world.copies() == dict.fromkeys(names, 1)
    assert world.entries() == []
    assert process.outbox.settled


def test_entries_that_sqs_did_not_take_for_now_are_tried_again(
    process: Process, world: World
) -> None:
    names = world.park(4)
    world.sqs.faults.refuse_entries("SendMessageBatch", entries=2)

    assert send(process, world) == 2
    assert send(process, world) == 2

    assert world.copies() == dict.fromkeys(names, 1)
    assert again(world.sent()) == names[:2]  # an internal error does not tell


def test_an_entry_that_sqs_refuses_rests_and_the_others_go_on(
    process: Process, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    names = world.park(4)
    world.sqs.faults.refuse_entries(
        "SendMessageBatch", entries=1, code="InvalidMessageContents", sender_fault=True
    )
    assert send(process, world) == 3
    assert f"refuses the parked task shop.mail[{names[0]}]" in caplog.text

    clock.advance(REST_SECONDS - 1)
    assert send(process, world) == 0
    assert process.queues.log == ["send_batch"]

    clock.advance(1)
    assert send(process, world) == 1
    assert again(world.sent()) == []  # SQS said that it does not have it


def test_a_message_for_which_sqs_refuses_the_whole_batch_does_not_stop_the_others(
    process: Process, world: World
) -> None:
    names = world.park(4)
    refused = InvalidRequestError("one of them is wrong")
    world.sqs.faults.fail("SendMessageBatch", refused, times=2)

    assert send(process, world) == 3

    assert task_ids(world.sent()) == names[1:]
    assert len(world.entries()) == 1


def test_a_queue_that_is_gone_is_made_again(process: Process, world: World) -> None:
    names = world.park(2, queue=OTHER)

    assert send(process, world) == 2

    assert world.copies(OTHER) == dict.fromkeys(names, 1)


def test_a_queue_that_may_not_be_made_rests_and_others_go_on(
    world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(world, "worker", creates_queues=False)
    gone, names = world.park(12, queue=OTHER), world.park(2)

    assert send(process, world) == 2
    assert world.copies() == dict.fromkeys(names, 1)
    assert "queue mails: parked tasks cannot be sent to it" in caplog.text

    world.new_queue(OTHER)
    assert send(process, world) == 0
    clock.advance(REST_SECONDS)
    assert send(process, world) == 12
    assert world.copies(OTHER) == dict.fromkeys(gone, 1)
    assert again(world.sent(OTHER)) == []


def test_a_queue_that_is_not_there_a_moment_after_it_was_made_is_asked_again(
    process: Process, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = world.park(2, queue=OTHER)
    service, url = process.destinations.service, URL_OF_QUEUE.replace("celery", "mails")
    with monkeypatch.context() as patch:
        patch.setattr(process.destinations, "destination_lost", lambda _: (service, url))
        assert send(process, world) == 0
    world.new_queue(OTHER)

    assert send(process, world) == 2
    assert world.copies(OTHER) == dict.fromkeys(names, 1)


def test_a_queue_that_refuses_us_rests(
    process: Process, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.park(30)
    world.sqs.faults.fail("SendMessageBatch", AccessDeniedError("not for you"))

    assert send(process, world) == 0
    assert process.queues.log == ["send_batch"]
    assert "wait for another 600 s" in caplog.text

    clock.advance(REST_SECONDS)
    assert send(process, world) == 30


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("no answer"),
        ThrottledError("slow down"),
        ExpiredCredentialsError("the token of that queue's own credentials has expired"),
    ],
)
def test_a_queue_that_does_not_answer_does_not_keep_the_others_waiting(
    process: Process, world: World, error: Exception
) -> None:
    world.new_queue(OTHER)
    world.park(20)
    names = world.park(3, queue=OTHER)
    world.sqs.faults.fail("SendMessageBatch", error)

    assert send(process, world) == 3
    assert world.copies(OTHER) == dict.fromkeys(names, 1)


def test_a_queue_that_does_not_answer_is_asked_less_and_less(
    process: Process, world: World, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    world.park(1)
    world.sqs.faults.fail("SendMessageBatch", ThrottledError("slow down"), times=100)
    asked_at: list[float] = []
    for _ in range(200):
        before = len(process.queues.log)
        send(process, world)
        if len(process.queues.log) > before:
            asked_at.append(clock.monotonic())
        clock.advance(1)

    pauses = [after - before for before, after in pairwise(asked_at)]
    assert pauses == [1, 2, 4, 8, 16, *[30] * (len(pauses) - 5)]
    assert len(caplog.messages) == 4  # the first, second, fourth and eighth


# What may be in the table.


def test_what_cannot_be_read_is_left_and_the_others_go_on(
    process: Process, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    names = world.park(2)
    broken, fine = world.entries()
    broken = {**broken, "message": binary(b"no message")}

    assert send(process, world, entries=[broken, fine]) == 1

    assert len(world.entries()) == 1
    assert "cannot be read and is left where it is" in caplog.text
    assert task_ids(world.sent()) == names[1:]


def test_a_large_message_comes_from_its_parts_and_takes_them_along(
    process: Process, world: World
) -> None:
    body = incompressible(1_000_000)
    world.park(1, body=body)
    assert len(world.items()) == 5  # three parts, the entry, the marker

    assert send(process, world) == 1

    assert [message.body for message in world.sent()] == [body]
    assert len(world.items()) == 1


def test_an_entry_whose_parts_are_gone_was_sent_and_is_removed(
    process: Process, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    (task_id,) = world.park(1, body=incompressible(1_000_000))
    for item in world.items():
        if item["pk"]["S"].startswith("part#"):
            world.tables.delete_item(TABLE, {"pk": item["pk"], "sk": item["sk"]})

    assert send(process, world) == 0
    assert (world.sent(), world.entries()) == ([], [])
    assert f"the message of parked task {task_id} is gone" in caplog.text


def test_an_entry_that_was_there_when_another_leader_died_says_so(
    process: Process, world: World, clock: FakeClock
) -> None:
    old, new = world.park(2, due_seconds=1_000), world.park(2, due_seconds=1_100)
    taken_over_at = clock.now() + timedelta(seconds=150)
    clock.advance(300)

    process.outbox.send(world.entries(), go_on=lambda: True, again_before=taken_over_at)

    assert again(world.sent()) == old
    assert task_ids(world.sent()) == old + new


def test_a_fifo_queue_gets_no_delay(process: Process, world: World) -> None:
    world.new_queue(FIFO_QUEUE)
    task = world.task("task", world.clock.now() + timedelta(seconds=1), queue=FIFO_QUEUE)
    world.publisher.schedule.park(task, STANDARD)

    assert send(process, world) == 1
    assert [message.group for message in world.sent(FIFO_QUEUE)] == ["group"]


def test_a_repeated_publish_that_met_another_shard_is_found_to_be_one(
    process: Process, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (name,) = world.park(1)
    (entry,) = world.entries()
    copy = {**entry, "pk": {"S": entry["pk"]["S"] + "x"}}
    world.tables.put_item(TABLE, copy)
    world.tables.fail_next("BatchWriteItem", ThrottledError("slow down"))
    with pytest.raises(ThrottledError):
        send(process, world, entries=[entry])

    send(process, world, entries=[entry, copy])

    assert world.copies() == {name: 1}


def test_a_message_with_the_largest_body_goes_alone(process: Process, world: World) -> None:
    body = "x" * 1_040_000
    world.park(2, body=body)

    assert send(process, world) == 2
    assert process.queues.log == ["send_batch"] * 2
    assert all(replace(each, body="") for each in world.sent(QUEUE))


def test_no_more_than_a_few_large_messages_are_in_memory(process: Process, world: World) -> None:
    world.park(40, body="x" * 1_000_000)
    read: list[Item] = []

    def entries() -> Iterator[Item]:
        for entry in world.entries():
            read.append(entry)
            yield entry

    ahead: list[int] = []
    process.queues.on_boundary = lambda _, __: ahead.append(len(read) - len(world.sent()))

    assert process.outbox.send(entries(), go_on=lambda: True) == 40

    assert max(ahead) <= 5


def incompressible(count: int) -> str:
    """Return so many characters of base64 that look like noise."""
    return base64.b64encode(random.Random(4).randbytes(count)).decode()[:count]
