"""Consumers of what is not on SQS: of a transient queue, or of the replies to control commands.

They put what comes into the connection's delivery buffer, as the receivers of SQS queues do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery_aws.broker.delivery import DeliveryBuffer
from celery_aws.control.replies import ReplyReader
from celery_aws.control.transient_queues import TransientQueue

#: Seconds for which cancelling waits until the replies that were read are removed.
_REMOVAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class TransientDelivery:
    """A message of a transient queue, and the consumer that it came through."""

    receiver: "TransientConsumer"
    message: Mapping[str, Any]


class TransientConsumer:
    """A consumer of a transient queue.

    Args:
        queue: the queue; None for replies, which nobody gives back.
        buffer: where to put what comes.
        deliver: hands one message to Celery; called by :meth:`deliver`.
    """

    def __init__(
        self,
        queue: TransientQueue | None,
        buffer: DeliveryBuffer,
        deliver: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.queue = queue
        self._buffer = buffer
        self._deliver = deliver
        self._cancelled = False

    def accept(self, message: Mapping[str, Any]) -> None:
        """Take a message; from any thread."""
        self._buffer.put([TransientDelivery(receiver=self, message=message)])

    def deliver(self, delivery: TransientDelivery) -> None:
        """Hand one message to Celery, or back to the queue if the consumer is gone."""
        if not self._cancelled:
            self._deliver(delivery.message)
        elif self.queue is not None:
            self.queue.put_back([delivery.message])

    def start(self) -> None:
        """Take what waits, and what comes."""
        if self.queue is not None:
            self.queue.add_consumer(self)

    def cancel(self) -> bool:
        """Take nothing more; tell whether the queue has no other consumer."""
        self._cancelled = True
        last = self.queue is None or self.queue.remove_consumer(self)
        left: Sequence[Any] = self._buffer.discard(self)
        if self.queue is not None and left:
            self.queue.put_back(each.message for each in left)
        return last


class ReplyConsumer(TransientConsumer):
    """A consumer of the replies to one client.

    Args:
        reader: makes the thread that reads them; it is told who takes them.
        buffer: where to put what comes.
        deliver: hands one message to Celery.
    """

    def __init__(
        self,
        reader: Callable[[Callable[[Mapping[str, Any]], None]], ReplyReader],
        buffer: DeliveryBuffer,
        deliver: Callable[[Mapping[str, Any]], None],
    ) -> None:
        super().__init__(None, buffer, deliver)
        self._reader = reader(self.accept)

    def start(self) -> None:
        """Begin to read."""
        self._reader.start()

    def cancel(self) -> bool:
        """Read no more, and remove what was read."""
        self._reader.stop(_REMOVAL_SECONDS)
        return super().cancel()
