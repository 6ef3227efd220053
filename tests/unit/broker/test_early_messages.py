"""What becomes of a message that comes long before its eta, on SQS and DynamoDB in memory."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from celery_aws.broker import early_messages
from celery_aws.broker.message import Receipt
from celery_aws.broker.reception import Received
from celery_aws.broker.status import delivery_status
from celery_aws.core.hop_marks import hop_due, mark_hop
from celery_aws.core.large_messages import dump_pointer
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage, S3Pointer
from celery_aws.core.parked_messages import mark_again, mark_parked
from celery_aws.errors import (
    AccessDeniedError,
    CredentialsError,
    InvalidRequestError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import AmqpQueue, ObjectKey, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.acking import DELETE
from tests.unit.broker.conftest import BUCKET, NAME, PATIENCE_SECONDS, QUEUE, Bench
from tests.unit.broker.early import TASK, due_in, envelope, parked, send

FIFO = AmqpQueue("orders.fifo")
HOUR_SECONDS = 3_600
SEND = "SendMessage"

MakeDesk = Callable[..., "Desk"]


class Desk:
    """A bench with a reception, and what it hands on: at once, or after it could not be put off."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.reception = bench.new_reception()
        self.kept: list[tuple[ReceivedMessage, Receipt]] = []

    def receive(self, queue: AmqpQueue = QUEUE, *, settle: bool = True) -> Received:
        received = self.reception.receive(
            queue,
            max_messages=10,
            wait_seconds=0,
            on_kept=lambda message, receipt: self.kept.append((message, receipt)),
        )
        if settle:
            assert self.bench.acker.flush(PATIENCE_SECONDS)
        return received

    def delivered(self, queue: AmqpQueue = QUEUE) -> list[str]:
        """Receive, and return the bodies of all that is for the worker."""
        received = self.receive(queue)
        return [message.body for message, _ in [*received.messages, *self.kept]]

    def asked(self, operation: str) -> int:
        return self.bench.sqs.count(operation)


@pytest.fixture
def new_desk(clock: FakeClock, sqs: MemorySqs) -> Iterator[MakeDesk]:
    made: list[Bench] = []

    def make(**options: Any) -> Desk:
        made.append(Bench(clock, sqs, **options))
        return Desk(made[-1])

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def desk(new_desk: MakeDesk) -> Desk:
    return new_desk()


@pytest.fixture
def hopper(new_desk: MakeDesk) -> Desk:
    """One without a coordination table."""
    return new_desk(coordination_table=False)


class TestWhere:
    def test_up_to_900_s_sqs_delays_it(self, desk: Desk) -> None:
        body = send(desk.bench, 600)

        assert desk.delivered() == []

        assert (desk.bench.bodies(), desk.bench.visible()) == ([body], [])
        desk.bench.clock.advance(598)
        assert desk.bench.visible() == []
        desk.bench.clock.advance(1.5)
        assert desk.delivered() == [body]

    def test_beyond_it_is_parked(self, desk: Desk) -> None:
        due = due_in(desk.bench, HOUR_SECONDS)
        body = send(desk.bench, HOUR_SECONDS)

        assert desk.delivered() == []

        assert desk.bench.bodies() == []
        (task,) = parked(desk.bench)
        assert (task.task, task.task_id, task.due) == (TASK, "task-1", due)
        assert (task.queue, task.message.body) == (QUEUE, body)
        assert "CeleryAwsParked" in task.message.message_attributes

    def test_without_a_table_it_goes_in_steps(self, hopper: Desk) -> None:
        due = due_in(hopper.bench, HOUR_SECONDS)
        body = send(hopper.bench, HOUR_SECONDS)

        for _ in range(4):
            assert hopper.delivered() == []
            (message,) = hopper.bench.sqs.messages(NAME)
            assert hopper.bench.visible() == []
            hopper.bench.clock.advance(message.visible_at - hopper.bench.clock.monotonic())

        assert hopper.delivered() == [body]
        left = (due - hopper.bench.clock.now()).total_seconds()
        assert 0.5 <= left <= 1.5
        # The first is the stock publisher's.
        assert hopper.asked(SEND) == 1 + 4

    def test_a_step_is_marked_but_for_the_last(self, hopper: Desk) -> None:
        due = due_in(hopper.bench, 1_000)
        send(hopper.bench, 1_000)

        hopper.delivered()
        (first,) = hopper.bench.sqs.messages(NAME)
        hopper.bench.clock.advance(900)
        hopper.delivered()
        (last,) = hopper.bench.sqs.messages(NAME)

        assert hop_due(first.attributes) == due
        assert hop_due(last.attributes) is None

    def test_of_a_fifo_queue_it_is_parked_under_a_new_deduplication_id(self, desk: Desk) -> None:
        """SQS would drop it under its own, which the queue knows for five minutes."""
        body = send(
            desk.bench, 60, queue=FIFO, message_group_id="g", message_deduplication_id="task-1"
        )

        assert desk.delivered(FIFO) == []

        (task,) = parked(desk.bench)
        assert (task.message.body, task.message.message_group_id) == (body, "g")
        assert task.message.message_deduplication_id not in (None, "task-1")
        desk.bench.sqs.send(desk.bench.address(FIFO).url, task.message)
        assert desk.bench.bodies(QueueName(FIFO)) == [body]

    def test_of_a_fifo_queue_without_a_table_it_is_the_workers(self, hopper: Desk) -> None:
        how = {"message_group_id": "g", "message_deduplication_id": "1"}
        body = send(hopper.bench, HOUR_SECONDS, queue=FIFO, **how)

        received = hopper.receive(FIFO)

        assert [message.body for message, _ in received.messages] == [body]
        assert hopper.asked(SEND) == 1

    def test_its_attributes_and_group_go_along(self, desk: Desk) -> None:
        tenant = {"tenant": {"DataType": "String", "StringValue": "7"}}
        send(desk.bench, 600, message_group_id="g", message_attributes=tenant)

        desk.delivered()

        (message,) = desk.bench.sqs.messages(NAME)
        assert (message.group, message.attributes) == ("g", tenant)

    def test_it_takes_its_object_along(self, new_desk: MakeDesk) -> None:
        """As it is: no pointer to a pointer, however little may go through SQS."""
        desk = new_desk(large_message_bucket=BUCKET, large_message_threshold_bytes=1)
        key = ObjectKey("k")
        content = envelope(due_in(desk.bench, HOUR_SECONDS)).encode()
        desk.bench.s3.put(BUCKET, key, content)
        pointer = dump_pointer(S3Pointer(bucket=BUCKET, key=key))
        desk.bench.send(pointer)

        assert desk.delivered() == []

        (task,) = parked(desk.bench)
        assert (task.task_id, task.message.body) == ("task-1", pointer)
        assert desk.bench.s3.objects(BUCKET) == {key: content}


class TestWhose:
    """Whether it is put off."""

    @pytest.mark.parametrize(("seconds", "early"), [(6.9, False), (7.1, True)])
    def test_what_is_due_shortly_is_the_workers(
        self, desk: Desk, seconds: float, early: bool
    ) -> None:
        body = send(desk.bench, seconds)

        assert desk.delivered() == ([] if early else [body])

    @pytest.mark.parametrize("eta", [None, "soon", "2020-01-01T00:00:00+00:00"])
    def test_what_has_no_eta_ahead_is_the_workers(self, desk: Desk, eta: str | None) -> None:
        desk.bench.send(envelope(eta), "no task")

        assert desk.delivered() == [envelope(eta), "no task"]

    def test_others_than_workers_are_handed_what_they_receive(self, desk: Desk) -> None:
        desk.bench.worker_present = False
        body = send(desk.bench, HOUR_SECONDS)

        assert desk.delivered() == [body]

    def test_but_for_what_is_on_its_way_in_steps(self, desk: Desk) -> None:
        """Whatever its form: this one cannot be read."""
        desk.bench.worker_present = False
        due = due_in(desk.bench, HOUR_SECONDS)
        step = mark_hop(OutgoingMessage(body="pickled"), due)
        desk.bench.sqs.send(desk.bench.address().url, step)

        assert desk.delivered() == []

        (task,) = parked(desk.bench)
        assert (task.due, task.task, task.message.body) == (due, None, "pickled")
        assert hop_due(task.message.message_attributes) is None

    def test_one_whose_object_is_missing_is_reported_now(self, new_desk: MakeDesk) -> None:
        desk = new_desk(large_message_bucket=BUCKET)
        pointer = dump_pointer(S3Pointer(bucket=BUCKET, key=ObjectKey("gone")))
        step = mark_hop(OutgoingMessage(body=pointer), due_in(desk.bench, HOUR_SECONDS))
        desk.bench.sqs.send(desk.bench.address().url, step)

        assert desk.delivered() == [pointer]

    def test_a_get_is_handed_everything(self, desk: Desk) -> None:
        step = mark_hop(OutgoingMessage(body="pickled"), due_in(desk.bench, HOUR_SECONDS))
        desk.bench.sqs.send(desk.bench.address().url, step)

        received = desk.reception.receive(QUEUE, max_messages=1, wait_seconds=0)

        assert [message.body for message, _ in received.messages] == ["pickled"]

    def test_what_is_early_keeps_nobody_from_the_rest(self, desk: Desk) -> None:
        send(desk.bench, HOUR_SECONDS, task_id="1")
        desk.bench.send(envelope(None, "2"))
        send(desk.bench, HOUR_SECONDS, task_id="3")

        assert desk.delivered() == [envelope(None, "2")]
        assert {task.task_id for task in parked(desk.bench)} == {"1", "3"}

    def test_it_is_counted(self, desk: Desk) -> None:
        before = delivery_status().put_off
        send(desk.bench, HOUR_SECONDS)

        desk.delivered()

        assert delivery_status().put_off - before == 1


class TestParkedBefore:
    """It left the schedule by a clock that is ahead; parked again, it would be back at once."""

    def test_it_is_delayed_by_sqs(self, desk: Desk) -> None:
        body = envelope(due_in(desk.bench, 60))
        message = mark_again(mark_parked(OutgoingMessage(body=body), "task-1"))
        desk.bench.sqs.send(desk.bench.address().url, message)

        assert desk.delivered() == []

        (sent,) = desk.bench.sqs.messages(NAME)
        assert sent.attributes == message.message_attributes
        assert desk.bench.visible() == []

    def test_of_a_fifo_queue_it_is_the_workers(self, desk: Desk) -> None:
        body = envelope(due_in(desk.bench, 60))
        message = OutgoingMessage(body=body, message_group_id="g", message_deduplication_id="1")
        desk.bench.sqs.send(desk.bench.address(FIFO).url, mark_parked(message, "task-1"))

        assert desk.delivered(FIFO) == [body]
        assert desk.asked(SEND) == 1


class TestOnce:
    def test_a_delete_that_fails_sends_nothing_twice(self, desk: Desk) -> None:
        desk.bench.sqs.faults.fail(DELETE, ThrottledError("slow down"), times=3)
        body = send(desk.bench, 600)

        desk.delivered()

        assert desk.bench.bodies() == [body]
        assert desk.asked(SEND) == 2

    def test_a_delete_that_is_refused_sends_nothing_twice(self, desk: Desk) -> None:
        """It would double, and each of the two again."""
        desk.bench.sqs.faults.fail(DELETE, AccessDeniedError("not yours"), times=2)
        send(desk.bench, 600)
        for _ in range(3):
            assert desk.delivered() == []
            desk.bench.clock.advance(desk.reception.options.visibility_timeout)

        assert desk.asked(SEND) == 2
        assert len(desk.bench.bodies()) == 1

    @pytest.mark.parametrize(
        "error", [ThrottledError("slow down"), CredentialsError("renewed in a moment")]
    )
    def test_it_is_tried_until_it_is_safe(
        self, desk: Desk, error: ThrottledError | CredentialsError
    ) -> None:
        desk.bench.address()
        body = send(desk.bench, 600)
        desk.bench.sqs.faults.fail(SEND, error, times=3)

        assert desk.delivered() == []

        assert desk.bench.bodies() == [body]

    def test_a_message_that_somebody_else_has_is_not_sent_on(self, desk: Desk) -> None:
        body = send(desk.bench, 600)
        desk.bench.acker = desk.bench.new_acker(linger_seconds=HOUR_SECONDS)
        desk = Desk(desk.bench)
        desk.receive(settle=False)

        desk.bench.clock.advance(desk.reception.options.visibility_timeout)
        assert desk.bench.acker.flush(PATIENCE_SECONDS)

        assert desk.asked(SEND) == 1
        assert (desk.bench.visible(), desk.bench.leases.held) == ([body], 0)


class TestKept:
    """Nothing but the worker can wait for its eta."""

    def keeps(self, desk: Desk, body: str) -> None:
        assert desk.delivered() == [body]
        assert all(desk.reception.valid(receipt) for _, receipt in desk.kept)
        assert desk.bench.bodies() == [body]

    def test_the_table_is_refused(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        desk.bench.tables.fail_next("PutItem", AccessDeniedError("not yours"))
        body = send(desk.bench, HOUR_SECONDS)

        self.keeps(desk, body)

        assert "held by the worker" in caplog.text
        assert "dynamodb:PutItem" in caplog.text

    def test_then_others_are_not_tried_for_a_while(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.bench.tables.fail_next("PutItem", AccessDeniedError("not yours"))
        self.keeps(desk, send(desk.bench, HOUR_SECONDS))
        desk.kept.clear()
        caplog.clear()
        body = send(desk.bench, HOUR_SECONDS)

        received = desk.receive()
        assert [message.body for message, _ in received.messages] == [body]

        desk.bench.clock.advance(early_messages.REFUSED_SECONDS)
        send(desk.bench, HOUR_SECONDS)
        assert desk.delivered() == []
        assert "held by the worker" not in caplog.text

    def test_sqs_does_not_take_it(self, desk: Desk) -> None:
        body = send(desk.bench, 600)
        desk.bench.sqs.faults.fail(SEND, InvalidRequestError("too much of something"))

        self.keeps(desk, body)

        send(desk.bench, 600, task_id="2")
        assert desk.receive().messages == [], "others may be taken"

    def test_aws_is_away_until_it_is_due(self, desk: Desk) -> None:
        body = send(desk.bench, 60)
        desk.bench.sqs.faults.fail(SEND, UnreachableError("no route"), times=1_000)

        self.keeps(desk, body)

        # By the clock that the pauses between the tries moved.
        assert 53 < desk.bench.clock.monotonic() < 54

    def test_an_aws_that_is_away_is_not_asked_for_each(self, desk: Desk) -> None:
        for number in range(5):
            send(desk.bench, 600, task_id=str(number))
        desk.bench.sqs.faults.fail(SEND, UnreachableError("no route"), times=3)

        desk.delivered()

        # Without a rest, the five would find the three failures at once.
        assert desk.bench.clock.monotonic() > 3 * early_messages.OUTAGE_SECONDS
        assert len(desk.bench.bodies()) == 5

    def test_a_bug_takes_up_no_room(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(early_messages, "WAITING_MAX", 1)
        monkeypatch.setattr(early_messages, "ROOM_SECONDS", 0.0)
        desk.bench.address()
        send(desk.bench, 600, task_id="1")
        desk.bench.sqs.faults.fail(SEND, ZeroDivisionError("a bug"))
        assert desk.delivered() == []
        assert "by a bug in celery-aws" in caplog.text

        send(desk.bench, 600, task_id="2")

        assert desk.delivered() == []

    def test_too_many_wait(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(early_messages, "WAITING_MAX", 2)
        monkeypatch.setattr(early_messages, "ROOM_SECONDS", 0.0)
        desk.bench.acker = desk.bench.new_acker(linger_seconds=HOUR_SECONDS)
        desk = Desk(desk.bench)
        for number in range(3):
            send(desk.bench, 600, task_id=str(number))

        assert len(desk.receive(settle=False).messages) == 1

        assert desk.bench.acker.flush(PATIENCE_SECONDS)
        send(desk.bench, 600, task_id="later")
        assert desk.receive().messages == []
