"""What a receive makes of messages that a migration sent, on SQS and DynamoDB in memory."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from celery_aws.broker.message import Receipt
from celery_aws.broker.migrated_messages import OUTAGE_SECONDS
from celery_aws.broker.reception import Received
from celery_aws.broker.status import delivery_status
from celery_aws.core.large_messages import dump_pointer
from celery_aws.core.messages import ReceivedMessage, S3Pointer
from celery_aws.core.migration_marks import migration_mark
from celery_aws.core.outgoing import message_sent_on
from celery_aws.core.parked_messages import mark_copy
from celery_aws.errors import (
    AccessDeniedError,
    AwsError,
    CredentialsError,
    TableNotFoundError,
    ThrottledError,
    UnreachableError,
)
from celery_aws.names import ObjectKey, QueueArn, QueueName
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_operators import MemoryOperators
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import (
    BUCKET,
    COORDINATION,
    NAME,
    PATIENCE_SECONDS,
    QUEUE,
    Bench,
    Client,
    Connect,
)
from tests.unit.broker.early import due_in, envelope, parked
from tests.unit.broker.migrating import copy_of, migrate

WRITE = "PutItem"
DEAD = QueueName("celery-dead-letter")

MakeDesk = Callable[..., "Desk"]


class Desk:
    """A bench with a reception, and what it hands on: at once, or after it could not be put off."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.reception = bench.new_reception()
        self.kept: list[tuple[ReceivedMessage, Receipt]] = []
        if bench.coordination is not None:
            bench.coordination.table.ensure()
        bench.tables.requests.clear()

    def receive(self) -> Received:
        received = self.reception.receive(
            QUEUE,
            max_messages=10,
            wait_seconds=0,
            on_kept=lambda message, receipt: self.kept.append((message, receipt)),
        )
        assert self.bench.acker.flush(PATIENCE_SECONDS)
        return received

    def delivered(self) -> list[str]:
        """Receive, and return the bodies of what is delivered."""
        return [message.body for message, _ in self.receive().messages]

    def give_back_all(self, received: Received) -> None:
        self.reception.give_back([receipt for _, receipt in received.messages])
        assert self.bench.acker.flush(PATIENCE_SECONDS)

    def claims(self) -> int:
        return self.bench.tables.requests[WRITE]


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


def test_of_two_copies_one_is_delivered(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    before = delivery_status().duplicates
    migrate(desk.bench, "1", "a", "b")
    migrate(desk.bench, "2", "c")
    first, second, _ = (each.message_id for each in desk.bench.sqs.messages(NAME))

    received = desk.receive()

    assert [message.body for message, _ in received.messages] == ["1/a", "2/c"]
    assert (received.duplicates, received.passed_over) == (1, True)
    assert delivery_status().duplicates - before == 1
    assert desk.bench.bodies() == ["1/a", "2/c"]
    assert desk.bench.leases.held == 2
    (line,) = (each.getMessage() for each in caplog.records if "twice" in each.getMessage())
    assert line == (
        f"task 1 was migrated twice: message {second} is deleted, because message {first} was "
        "received before"
    )


def test_another_worker_knows_it(new_desk: MakeDesk) -> None:
    one, other = new_desk(), new_desk()
    other.bench.tables = one.bench.tables
    other.bench.coordination = one.bench.coordination
    other.reception = other.bench.new_reception()
    migrate(one.bench, "1", "a")
    assert one.delivered() == ["1/a"]

    migrate(one.bench, "1", "b")

    assert other.delivered() == []
    assert one.bench.bodies() == ["1/a"]


def test_the_same_copy_comes_as_often_as_it_likes(desk: Desk) -> None:
    migrate(desk.bench, "1", "a")

    for _ in range(3):
        received = desk.receive()
        assert [message.body for message, _ in received.messages] == ["1/a"]
        desk.give_back_all(received)


def test_what_no_migration_has_sent_costs_nothing(desk: Desk) -> None:
    desk.bench.send("1", "1")

    assert desk.delivered() == ["1", "1"]
    assert desk.claims() == 0


def test_one_task_id_may_be_there_twice(desk: Desk) -> None:
    """Two messages of the source that somebody gave one id, and not one message twice."""
    both = [copy_of("nightly", copy_id) for copy_id in "ab"]
    other = {"StringValue": "nightly#another b", "DataType": "String"}
    both[1] = replace(both[1], message_attributes={"CeleryAwsMigrated": other})
    for each in both:
        desk.bench.sqs.send(desk.bench.address().url, each)

    assert desk.delivered() == ["nightly/a", "nightly/b"]


def test_a_copy_that_is_worked_on_here_is_claimed_once(desk: Desk) -> None:
    desk.bench.sqs.faults.deliver_twice()
    migrate(desk.bench, "1", "a")
    assert desk.delivered() == ["1/a"]

    assert desk.receive().known == 1
    assert desk.claims() == 1


def test_a_deleted_copy_takes_its_own_body_along(new_desk: MakeDesk) -> None:
    desk = new_desk(large_message_bucket=BUCKET)
    for copy_id in "ab":
        pointer = S3Pointer(bucket=BUCKET, key=ObjectKey(copy_id))
        desk.bench.s3.put(BUCKET, pointer.key, b"body of " + copy_id.encode())
        message = copy_of("1", copy_id, dump_pointer(pointer))
        desk.bench.sqs.send(desk.bench.address().url, message)

    received = desk.receive()

    assert [message.envelope for message, _ in received.messages] == ["body of a"]
    assert len(desk.bench.bodies()) == 1
    assert list(desk.bench.s3.objects(BUCKET)) == ["a"]


def test_what_cannot_be_read_is_no_reason_to_delete_what_can(new_desk: MakeDesk) -> None:
    desk = new_desk(large_message_bucket=BUCKET)
    gone = dump_pointer(S3Pointer(bucket=BUCKET, key=ObjectKey("gone")))
    for message in (copy_of("1", "a", gone), copy_of("1", "b")):
        desk.bench.sqs.send(desk.bench.address().url, message)

    received = desk.receive()

    assert [message.error is None for message, _ in received.messages] == [False, True]


def test_with_the_table_off_everything_is_delivered(new_desk: MakeDesk) -> None:
    desk = new_desk(coordination_table=False)
    migrate(desk.bench, "1", "a", "b")

    assert desk.delivered() == ["1/a", "1/b"]


class TestOutage:
    @pytest.mark.parametrize("error", [ThrottledError("slow down"), CredentialsError("expired")])
    def test_what_cannot_be_claimed_comes_again_later(self, desk: Desk, error: AwsError) -> None:
        desk.bench.tables.fail_next(WRITE, error)
        migrate(desk.bench, "1", "a")
        desk.bench.send("2")
        migrate(desk.bench, "3", "a")

        assert desk.delivered() == ["2"]

        assert desk.claims() == 1, "the third was not tried"
        assert (desk.bench.visible(), desk.bench.leases.held) == ([], 1)
        desk.bench.clock.advance(OUTAGE_SECONDS)
        assert desk.delivered() == ["1/a", "3/a"]

    def test_a_claim_without_an_answer_is_one(self, desk: Desk) -> None:
        migrate(desk.bench, "1", "a")
        assert desk.bench.coordination is not None
        key = migration_mark(desk.bench.sqs.messages(NAME)[0].attributes)
        assert key is not None
        desk.bench.coordination.migration_claims.claim(key, "somewhere")
        desk.bench.tables.fail_next(WRITE, UnreachableError("no answer"))
        assert desk.delivered() == []

        desk.bench.clock.advance(OUTAGE_SECONDS)

        assert desk.delivered() == ["1/a"]

    def test_a_long_one_does_not_fill_the_log(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        migrate(desk.bench, "1", "a")
        for _ in range(8):
            desk.bench.tables.fail_next(WRITE, ThrottledError("slow down"))
            assert desk.delivered() == []
            desk.bench.clock.advance(301)

        assert caplog.text.count("given back for a while") == 4
        assert desk.delivered() == ["1/a"]


@pytest.mark.parametrize(
    "error",
    [AccessDeniedError("not yours", resource=COORDINATION), TableNotFoundError("no such table")],
)
def test_if_it_is_refused_everything_is_delivered(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: AwsError
) -> None:
    assert desk.bench.coordination is not None
    for _ in range(4):
        desk.bench.tables.fail_next(WRITE, error)
    migrate(desk.bench, "1", "a", "b")

    assert desk.delivered() == ["1/a", "1/b"]

    assert caplog.text.count("run twice. Grant dynamodb:PutItem on the coordination table") == 1


def sent_on(bench: Bench) -> None:
    """Redrive one dead letter as ``dlq redrive`` does."""
    dead, back = bench.sqs.queue_url(DEAD), bench.address().url
    (letter,) = bench.sqs.receive(
        dead, max_messages=1, wait_seconds=0, visibility_timeout_seconds=30
    )
    bench.sqs.send(back, mark_copy(message_sent_on(letter, back), "1"))


def moved_by_sqs(bench: Bench) -> None:
    dead, back = (
        QueueArn(bench.sqs.queue_attributes(url, ["QueueArn"])["QueueArn"])
        for url in (bench.sqs.queue_url(DEAD), bench.address().url)
    )
    operators = MemoryOperators(bench.sqs)
    operators.start_move(dead, back)
    bench.clock.advance(60)
    assert [each.moved for each in operators.moves(dead)] == [1]


class TestWhereItGoes:
    """Wherever a copy goes, it is the same copy."""

    def test_one_that_is_early_is_claimed_when_it_is_delivered(self, desk: Desk) -> None:
        body = envelope(due_in(desk.bench, 600))
        desk.bench.sqs.send(desk.bench.address().url, copy_of("1", "a", body))

        assert desk.delivered() == []
        assert desk.claims() == 0
        desk.bench.clock.advance(600)
        assert desk.delivered() == [body]
        assert desk.claims() == 1

    def test_one_that_goes_in_steps_keeps_its_mark(self, new_desk: MakeDesk) -> None:
        hopper = new_desk(coordination_table=False)
        body = envelope(due_in(hopper.bench, 1_000))
        copy = copy_of("1", "a", body)
        hopper.bench.sqs.send(hopper.bench.address().url, copy)

        for seconds in (900, 100):
            assert hopper.delivered() == []
            hopper.bench.clock.advance(seconds)

        ((message, _),) = hopper.receive().messages
        assert migration_mark(message.message_attributes) == migration_mark(copy.message_attributes)

    def test_one_that_is_parked_keeps_its_mark(self, desk: Desk) -> None:
        body = envelope(due_in(desk.bench, 3_600))
        copy = copy_of("1", "a", body)
        desk.bench.sqs.send(desk.bench.address().url, copy)

        assert desk.delivered() == []

        (task,) = parked(desk.bench)
        assert migration_mark(task.message.message_attributes) == migration_mark(
            copy.message_attributes
        )

    def test_one_that_nobody_delays_is_claimed_before_it_is_kept(self, desk: Desk) -> None:
        for copy_id in "ab":
            body = envelope(due_in(desk.bench, 600))
            desk.bench.sqs.send(desk.bench.address().url, copy_of("1", copy_id, body))
        desk.bench.sqs.faults.fail("SendMessage", AccessDeniedError("no"), times=2)

        received = desk.receive()
        assert desk.bench.acker.flush(PATIENCE_SECONDS)

        # The second may be found early before it is known that nobody delays the first, or after.
        assert len([*received.messages, *desk.kept]) == 1
        assert (desk.claims(), len(desk.bench.bodies())) == (2, 1)

    def test_one_that_nobody_delays_is_not_kept_unclaimed(self, desk: Desk) -> None:
        body = envelope(due_in(desk.bench, 600))
        desk.bench.sqs.send(desk.bench.address().url, copy_of("1", "a", body))
        desk.bench.sqs.faults.fail("SendMessage", AccessDeniedError("no"))
        desk.bench.tables.fail_next(WRITE, ThrottledError("slow down"))

        assert desk.delivered() == []

        assert desk.kept == []
        assert desk.bench.leases.held == 0
        desk.bench.clock.advance(OUTAGE_SECONDS)
        assert desk.delivered() == [body], "for five minutes nobody tries to delay it again"

    @pytest.mark.parametrize("redriven", [sent_on, moved_by_sqs])
    def test_a_rejected_one_is_delivered_when_it_is_redriven(
        self, desk: Desk, redriven: Callable[[Bench], None]
    ) -> None:
        migrate(desk.bench, "1", "a")
        ((message, receipt),) = desk.receive().messages
        desk.bench.acker.reject(receipt, message, move=True)
        assert desk.bench.acker.flush(PATIENCE_SECONDS)
        assert (desk.bench.bodies(), desk.bench.bodies(DEAD)) == ([], ["1/a"])

        redriven(desk.bench)
        migrate(desk.bench, "1", "b")

        assert desk.delivered() == ["1/a"]

    def test_one_that_sqs_has_taken_for_poison_is_delivered_when_it_is_redriven(
        self, new_desk: MakeDesk
    ) -> None:
        desk = new_desk(max_receive_count=1)
        migrate(desk.bench, "1", "a")
        desk.give_back_all(desk.receive())
        assert (desk.delivered(), desk.bench.bodies(DEAD)) == ([], ["1/a"])

        moved_by_sqs(desk.bench)

        assert desk.delivered() == ["1/a"]


def test_a_synchronous_get_passes_over_doubles(
    connect: Connect, sqs: MemorySqs, clock: FakeClock
) -> None:
    client = getting(connect, sqs, clock)

    got = [client.channel.basic_get("celery", no_ack=True).body for _ in range(2)]
    client.settled()

    assert got == [b"1/a", b"2/c"]
    assert client.kept() == 0


def test_with_the_option_off_everything_is_delivered(
    connect: Connect, sqs: MemorySqs, clock: FakeClock
) -> None:
    client = getting(connect, sqs, clock, migration_deduplication=False)

    got = [client.channel.basic_get("celery", no_ack=True).body for _ in range(3)]

    assert got == [b"1/a", b"1/b", b"2/c"]


def getting(connect: Connect, sqs: MemorySqs, clock: FakeClock, **options: Any) -> Client:
    """Return a client with a table; three messages wait, two of them copies of one."""
    client = Client(connect(coordination_table=COORDINATION, **options), sqs, clock)
    url = client.channel.directory.address("celery").url
    for message in (copy_of("1", "a"), copy_of("1", "b"), copy_of("2", "c")):
        sqs.send(url, message)
    return client
