"""AWS in the simulated world, and the line of a process to it, on which a request takes time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from celery_aws.aws.sqs import SendFailure
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.core.parked_messages import maybe_sent_before, parked_task_id
from celery_aws.names import QueueName, QueueUrl
from celery_aws.testing.memory_dynamodb import MemoryTableService
from celery_aws.testing.memory_sqs import MemorySqs
from tests.simulation.clocks import WorldClock
from tests.simulation.world import Process, World

if TYPE_CHECKING:
    from typing_extensions import Self

#: From when a process wants to ask until the request cannot be called back.
BEGIN_SECONDS = 0.001

_OPERATIONS = {
    "queue_url": "GetQueueUrl",
    "create_queue": "CreateQueue",
    "delete_queue": "DeleteQueue",
    "send": "SendMessage",
    "send_batch": "SendMessageBatch",
    "delete_batch": "DeleteMessageBatch",
    "change_visibility_batch": "ChangeMessageVisibilityBatch",
    "put_item": "PutItem",
    "get_item": "GetItem",
    "delete_item": "DeleteItem",
    "batch_get": "BatchGetItem",
    "write_batch": "BatchWriteItem",
    "query": "Query",
}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A message of a parked task that SQS has accepted.

    Attributes:
        sender: name of the process.
        again: it says that it may have been sent before.
    """

    task_id: str
    at_seconds: float
    sender: str
    again: bool


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """A queue that was deleted, when and by which process."""

    url: QueueUrl
    at_seconds: float
    sender: str


class WorldSqs(MemorySqs):
    """SQS, with a record of the parked tasks that were sent to it.

    Attributes:
        sent: the record.
        sender: the process whose request is being served.
        makers: which process has made each queue.
        deleted: the queues that were deleted.
    """

    def __init__(self, world: World) -> None:
        super().__init__(WorldClock(world))
        self.sent: list[Sent] = []
        self.sender = ""
        self.makers: dict[QueueUrl, str] = {}
        self.deleted: list[Deleted] = []
        self._world = world

    def send(self, url: QueueUrl, message: OutgoingMessage) -> str:
        """Send one message."""
        message_id = super().send(url, message)
        self._world.signal(url)
        return message_id

    def send_batch(self, url: QueueUrl, messages: Sequence[OutgoingMessage]) -> list[SendFailure]:
        """Send up to 10 messages."""
        failures = super().send_batch(url, messages)
        failed = {failure.index for failure in failures}
        for index, message in enumerate(messages):
            task_id = parked_task_id(message.message_attributes)
            if task_id is not None and index not in failed:
                again = maybe_sent_before(message.message_attributes)
                self.sent.append(
                    Sent(
                        task_id=task_id,
                        at_seconds=self._world.seconds,
                        sender=self.sender,
                        again=again,
                    )
                )
        self._world.signal(url)
        return failures

    def create_queue(
        self, name: QueueName, attributes: Mapping[str, str], tags: Mapping[str, str]
    ) -> QueueUrl:
        """Create a queue."""
        url = super().create_queue(name, attributes, tags)
        self.makers[url] = self.sender
        return url

    def delete_queue(self, url: QueueUrl) -> None:
        """Delete a queue."""
        super().delete_queue(url)
        self.deleted.append(Deleted(url=url, at_seconds=self._world.seconds, sender=self.sender))
        self._world.signal(url)

    def urls(self) -> list[QueueUrl]:
        """Return the URLs of all queues."""
        return [queue.url for queue in self._account._queues.values()]

    def next_visible_at(self, url: QueueUrl) -> float | None:
        """Return when there is a message to receive: now, or when the next becomes visible."""
        queue, now = self._account.at(url), self._world.seconds
        return now if queue.receivable(now) else queue.next_visible_at(now)


@dataclass(kw_only=True)
class Cloud:
    """The services, without the way to them.

    Attributes:
        request_seconds: how long a request and its answer take, at least and at most.
    """

    world: World
    sqs: WorldSqs
    tables: MemoryTableService
    request_seconds: tuple[float, float] = (0.01, 0.03)

    @classmethod
    def of(cls, world: World) -> "Self":
        tables = MemoryTableService(clock=WorldClock(world))
        return cls(world=world, sqs=WorldSqs(world), tables=tables)

    def line(self, process: Process, service: Any) -> Any:
        """Return a service as a process reaches it."""
        return Line(self, process, service)


@dataclass
class _Answer:
    """What comes back: nothing yet, a value or an error."""

    value: Any = None
    error: BaseException | None = None

    def take(self, ask: Callable[[], Any]) -> None:
        try:
            self.value = ask()
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            self.error = error

    def get(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass
class Line:
    """A service, asked by one process: each request takes its time, and may be its last.

    What is on the wire takes effect, whatever becomes of the process.
    """

    cloud: Cloud
    process: Process
    service: Any

    def __getattr__(self, method: str) -> Any:
        """Return the method of the service, on the line."""
        found = getattr(self.service, method)
        operation = _OPERATIONS.get(method)
        if operation is None or self.cloud.world.here() is None:
            return found
        return lambda *args, **kwargs: self._request(operation, partial(found, *args, **kwargs))

    def receive(self, url: QueueUrl, **how: Any) -> list[ReceivedMessage]:
        """Long-poll until a message is there: those polls that would end empty are one."""
        world = self.cloud.world
        while True:
            how["wait_seconds"] = 0
            ask = partial(self.service.receive, url, **how)
            received: list[ReceivedMessage] = self._request("ReceiveMessage", ask)
            if received:
                return received
            visible_at = self.cloud.sqs.next_visible_at(url)
            seconds = inf if visible_at is None else visible_at - world.seconds
            world.wait(seconds, about=url)

    def _request(self, operation: str, ask: Callable[[], Any]) -> Any:
        world, process = self.cloud.world, self.process
        process.reached(operation, "begun")
        world.sleep(BEGIN_SECONDS)
        answer = _Answer()
        seconds = world.random.uniform(*self.cloud.request_seconds)

        def arrives() -> None:
            self.cloud.sqs.sender = process.name
            answer.take(ask)
            process.reached(operation, "done")

        world.at(world.seconds + seconds / 2, arrives)
        world.sleep(seconds)
        return answer.get()
