"""A FIFO queue of the cloud: the order of each message group, and no message twice.

What is in flight keeps the rest of its group back. Facts: "FIFO queue delivery logic" and
"Exactly-once processing" in the SQS developer guide.
"""

from hashlib import sha256
from itertools import count

from bench.cloud.answers import RefusedError
from bench.cloud.messages import Message
from bench.cloud.queues import Queue

_REMEMBERED_SECONDS = 300.0


class FifoQueue(Queue):
    """A FIFO queue."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sequence = count(1)
        self._known: dict[str, tuple[float, Message]] = {}

    def add(self, message: Message, delay_seconds: float) -> Message:
        """Take a message; return it, or the one that was sent with the same id before."""
        if message.group is None:
            raise RefusedError("MissingParameter", "The request must contain a MessageGroupId.")
        if message.deduplication is None:
            message.deduplication = self._deduplication(message)
        now = self.loop.time()
        until, earlier = self._known.get(message.deduplication, (0.0, message))
        if now < until:
            return earlier
        message.sequence = next(self._sequence)
        self._known[message.deduplication] = now + _REMEMBERED_SECONDS, message
        return super().add(message, delay_seconds)

    def take(self, most: int, visibility_seconds: float) -> list[Message]:
        """Return up to so many messages whose groups are not kept back, in their order."""
        self._visible.clear()
        kept_back: set[str | None] = set()
        found: list[Message] = []
        for message in self._messages.values():
            if message.hidden:
                kept_back.add(message.group)
            elif message.group not in kept_back:
                found.append(message)
                if len(found) == most:
                    break
        for message in found:
            self._receive(message, visibility_seconds)
        return found

    def delete(self, handle: str) -> None:
        """Delete a message; what it kept back goes to those who wait."""
        super().delete(handle)
        self.serve()

    def _deduplication(self, message: Message) -> str:
        if self.attributes.get("ContentBasedDeduplication") != "true":
            raise RefusedError(
                "InvalidParameterValue",
                "The queue should either have ContentBasedDeduplication enabled or "
                "MessageDeduplicationId provided explicitly",
            )
        return sha256(message.written_body.encode()).hexdigest()
