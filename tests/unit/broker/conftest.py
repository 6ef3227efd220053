"""A broker's parts on SQS in memory, with a clock that the test moves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import celery
import pytest
from celery import Celery
from kombu import Connection, Consumer, Exchange, Queue

from celery_aws.aws.access import Access
from celery_aws.broker import Transport
from celery_aws.broker.acker import Acker
from celery_aws.broker.coordination import Coordination
from celery_aws.broker.delivery import Delivery, DeliveryBuffer
from celery_aws.broker.departures import Departures
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.early_messages import EarlyMessages
from celery_aws.broker.large_messages import LargeMessages
from celery_aws.broker.leases import Leases
from celery_aws.broker.message import Receipt, SqsMessage
from celery_aws.broker.migrated_messages import MigratedMessages
from celery_aws.broker.qos import SqsQoS
from celery_aws.broker.receiver import CreditSource, Receiver
from celery_aws.broker.reception import Reception
from celery_aws.broker.revoked_tasks import RevokedTasks
from celery_aws.clock import Clock, SystemClock
from celery_aws.config.broker import parse_broker_options
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.names import AmqpQueue, BucketName, QueueName, TableName
from celery_aws.table.coordination import CoordinationTable
from celery_aws.testing.clock import FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.processes import Processes

QUEUE = AmqpQueue("celery")
NAME = QueueName("celery")
BUCKET = BucketName("payloads")
COORDINATION = TableName("celery-coordination")
TASKS = Queue("celery", Exchange("celery", type="direct"), routing_key="celery")

#: Nobody listens there: whatever does not go to the double fails at once.
URL = "aws+sqs://AKIAKEY:very%2Fsecret@localhost:1"

#: Real seconds for which a test waits for another thread before it fails.
PATIENCE_SECONDS = 10.0


class Bench:
    """The parts of one connection, put together as the transport does; ends what it started."""

    def __init__(self, clock: FakeClock, sqs: MemorySqs, **options: Any) -> None:
        self.clock = clock
        self.sqs = sqs
        self.directory = self.new_directory(**options)
        self.s3 = MemoryS3(BUCKET)
        self.large_messages = LargeMessages(self.directory.options, self.s3, clock)
        self.tables = MemoryTableService(clock=clock)
        self.coordination = self.new_coordination()
        self.departures = Departures(
            self.directory.options, self.large_messages, self.coordination, clock
        )
        #: A Celery worker consumes here.
        self.worker_present = True
        self.buffer = DeliveryBuffer()
        self.leases = Leases(
            timeout_seconds=self.directory.options.visibility_timeout,
            clock=clock,
            jitter=lambda: 0.1,
        )
        self.acker = self.new_acker()
        self.delivered: list[ReceivedMessage] = []
        self._receivers: list[Receiver] = []

    def new_directory(self, **options: Any) -> QueueDirectory:
        return QueueDirectory(
            parse_broker_options(options),
            Access(region="eu-west-1"),
            lambda _: self.sqs,
            self.clock,
        )

    def new_coordination(self) -> Coordination | None:
        if self.directory.options.coordination_table is False:
            return None
        return Coordination.on(
            CoordinationTable(
                service=self.tables, name=COORDINATION, creates=True, clock=self.clock
            )
        )

    def new_acker(self, *, linger_seconds: float = 0.0) -> Acker:
        return Acker(
            linger_seconds=linger_seconds,
            clock=self.clock,
            leases=self.leases,
            on_deleted=self.large_messages.remove,
            jitter=lambda: 0.1,
        )

    def new_qos(self, prefetch_count: int = 0) -> SqsQoS:
        return SqsQoS(None, self.acker, prefetch_count)

    def new_early_messages(self) -> EarlyMessages:
        return EarlyMessages(
            directory=self.directory,
            departures=self.departures,
            worker_present=lambda: self.worker_present,
            valid=self.leases.valid,
            clock=self.clock,
        )

    def new_revoked_tasks(self) -> RevokedTasks:
        return RevokedTasks(
            self.coordination, worker_present=lambda: self.worker_present, clock=self.clock
        )

    def new_reception(self) -> Reception:
        return Reception(
            directory=self.directory,
            acker=self.acker,
            leases=self.leases,
            large_messages=self.large_messages,
            early_messages=self.new_early_messages(),
            revoked_tasks=self.new_revoked_tasks(),
            migrated_messages=MigratedMessages(self.coordination, clock=self.clock),
            clock=self.clock,
        )

    def new_receiver(
        self,
        credit_source: CreditSource,
        queue: AmqpQueue = QUEUE,
        higher: Sequence[Receiver] = (),
        *,
        puts_off: bool = True,
    ) -> Receiver:
        receiver = Receiver(
            queue=queue,
            reception=self.new_reception(),
            credit_source=credit_source,
            buffer=self.buffer,
            higher=higher,
            puts_off=puts_off,
            deliver=lambda delivery: self.delivered.append(delivery.message),
            jitter=lambda: 0.1,
        )
        self._receivers.append(receiver)
        return receiver

    def address(self, queue: AmqpQueue = QUEUE) -> QueueAddress:
        return self.directory.address(queue)

    def send(self, *bodies: str, queue: AmqpQueue = QUEUE) -> None:
        for body in bodies:
            self.sqs.send(self.address(queue).url, OutgoingMessage(body=body))

    def receive(
        self, count: int, *, queue: AmqpQueue = QUEUE, hidden_seconds: int = 30
    ) -> list[Receipt]:
        """Send and receive ``count`` messages, and return their receipts."""
        self.send(*map(str, range(count)), queue=queue)
        return self.receive_again(count, queue=queue, hidden_seconds=hidden_seconds)

    def receive_again(
        self, count: int, *, queue: AmqpQueue = QUEUE, hidden_seconds: int = 30
    ) -> list[Receipt]:
        """Receive ``count`` messages that are visible, and return their receipts."""
        address = self.address(queue)
        receipts: list[Receipt] = []
        while len(receipts) < count:
            messages = address.service.receive(
                address.url,
                max_messages=10,
                wait_seconds=0,
                visibility_timeout_seconds=hidden_seconds,
            )
            receipts += [Receipt.of(message, queue=queue, address=address) for message in messages]
        return receipts

    def bodies(self, name: QueueName = NAME) -> list[str]:
        """Return what the queue keeps, visible or not."""
        return [message.body for message in self.sqs.messages(name)]

    def visible(self, name: QueueName = NAME) -> list[str]:
        """Return what somebody could receive now."""
        now = self.clock.monotonic()
        return [each.body for each in self.sqs.messages(name) if each.visible_at <= now]

    def poll_begins(self, polls: int = 1) -> bool:
        """Wait until so many long polls are under way."""
        return self.sqs.wait_until(lambda: self.sqs.polls_under_way == polls)

    def close(self) -> None:
        for receiver in self._receivers:
            receiver.stop(0)
        self.sqs.close()
        for receiver in self._receivers:
            assert receiver.stop(PATIENCE_SECONDS)
        assert self.acker.stop(PATIENCE_SECONDS)
        assert self.leases.stop(PATIENCE_SECONDS)
        self.buffer.close()


def take(buffer: DeliveryBuffer, most: int) -> list[Delivery]:
    """Take up to ``most`` messages in one turn, as the transport does."""
    buffer.begin_turn()
    taken = [buffer.take() for _ in range(most)]
    buffer.end_turn()
    return [delivery for delivery in taken if isinstance(delivery, Delivery)]


def message_of(receipt: Receipt, delivery_tag: str) -> SqsMessage:
    payload = {"body": "[]", "properties": {"delivery_tag": delivery_tag, "delivery_info": {}}}
    return SqsMessage(payload, receipt=receipt)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqs(clock: FakeClock) -> Iterator[MemorySqs]:
    double = MemorySqs(clock)
    yield double
    double.close()


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3(BUCKET)


@pytest.fixture
def bench(clock: FakeClock, sqs: MemorySqs) -> Iterator[Bench]:
    made = Bench(clock, sqs)
    yield made
    made.close()


class Connect:
    """Makes kombu connections on the double, with one factory of services as in life."""

    def __init__(self) -> None:
        self._made: list[Connection] = []

    def __call__(self, url: str = URL, **options: Any) -> Connection:
        # Without the table: its movers would run on a clock that moves when they wait.
        given = {
            "region": "eu-west-1",
            "ack_linger_seconds": 0.0,
            "coordination_table": False,
            **options,
        }
        connection = Connection(url, transport_options=given)
        self._made.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._made:
            connection.close()


@pytest.fixture
def tables(clock: FakeClock) -> MemoryTableService:
    return MemoryTableService(clock=clock)


@contextmanager
def connecting(
    sqs: MemorySqs,
    s3: MemoryS3,
    tables: MemoryTableService,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Connect]:
    monkeypatch.setattr(Transport, "services", staticmethod(lambda _: sqs))
    monkeypatch.setattr(Transport, "table_services", staticmethod(lambda _: tables))
    monkeypatch.setattr(Transport, "object_services", staticmethod(lambda _: s3))
    monkeypatch.setattr(Transport, "clock", clock)
    made = Connect()
    yield made
    sqs.close()
    made.close()


@pytest.fixture
def connect(
    sqs: MemorySqs,
    s3: MemoryS3,
    tables: MemoryTableService,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Connect]:
    with connecting(sqs, s3, tables, clock, monkeypatch) as made:
        yield made


@pytest.fixture
def processes(s3: MemoryS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Processes with a coordination table in common, and all the time of the world."""
    clock = SystemClock()
    sqs, tables = MemorySqs(clock), MemoryTableService(clock=clock)
    with connecting(sqs, s3, tables, clock, monkeypatch) as made:
        several = Processes(made, sqs, tables)
        yield several
        several.close()


class Client:
    """One connection with the few words that these tests need."""

    def __init__(self, connection: Connection, sqs: MemorySqs, clock: FakeClock) -> None:
        self.connection = connection
        self.sqs = sqs
        self.clock = clock
        self.channel = connection.default_channel
        self.messages: list[Any] = []

    def publish(self, body: Any = "task", *, queue: str = "celery", **options: Any) -> None:
        self.connection.Producer(self.channel).publish(body, routing_key=queue, **options)

    def consume(self, *, prefetch_count: int = 0, no_ack: bool = False) -> Consumer:
        self.channel.basic_qos(0, prefetch_count, False)
        consumer = Consumer(self.channel, [TASKS], on_message=self.messages.append, no_ack=no_ack)
        consumer.consume()
        return consumer

    def drain(self, count: int = 1) -> None:
        while len(self.messages) < count:
            self.connection.drain_events(timeout=PATIENCE_SECONDS)

    def buffered(self) -> None:
        """Wait until something was received, and was not delivered."""
        self.connection.transport._start_receivers()
        assert self.connection.transport.buffer.wait(PATIENCE_SECONDS)

    def raw(self, body: str) -> None:
        """Put a body on the queue as somebody else would."""
        self.sqs.send(self.channel.directory.address("celery").url, OutgoingMessage(body=body))

    def settled(self) -> None:
        assert self.connection.transport.acker.flush(PATIENCE_SECONDS)

    def kept(self, name: QueueName = NAME) -> int:
        return len(self.sqs.messages(name))

    def visible(self, name: QueueName = NAME) -> int:
        now = self.clock.monotonic()
        return sum(message.visible_at <= now for message in self.sqs.messages(name))


@pytest.fixture
def client(connect: Connect, sqs: MemorySqs, clock: FakeClock) -> Client:
    return Client(connect(), sqs, clock)


@pytest.fixture
def shop() -> Iterator[Celery]:
    """The app of this process; it knows the task ``shop.mail``."""
    before = celery._state._tls.current_app
    app = Celery("shop", set_as_current=False)

    @app.task(name="shop.mail", shared=False)
    def mail() -> None: ...

    app.set_current()
    yield app
    celery._state._set_current_app(before)
    app.close()
