"""One queue of the in-memory double: its messages, and what happens to them with time.

No lock and no clock: :class:`~celery_aws.testing.memory_sqs.MemorySqs` holds its own lock and
says what time it is, in seconds. Facts: the SQS developer guide ("Visibility timeout", "FIFO
queue delivery logic", "Using dead-letter queues").
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from celery_aws import limits
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.names import QueueArn, QueueName, QueueUrl, ReceiptHandle
from celery_aws.testing.memory_rules import (
    RefusedError,
    check_message,
    check_visibility,
    redrive_policy_of,
)
from celery_aws.testing.memory_visibility import Visibility

_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(limits.SQS_MESSAGE_BYTES),
    "MessageRetentionPeriod": str(limits.SQS_RETENTION_SECONDS_DEFAULT),
    "ReceiveMessageWaitTimeSeconds": "0",
    "VisibilityTimeout": str(limits.SQS_VISIBILITY_TIMEOUT_SECONDS_DEFAULT),
}


#: Of messages and receives; those of AWS are unique beyond one queue as well.
_NUMBERS = count(1)


@dataclass(eq=False, kw_only=True)
class StoredMessage:
    """A message in a queue; a change of it is seen by nobody but its queue."""

    message_id: str
    body: str
    group: str | None
    #: In SQS's form.
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sent_at: float
    #: When it can be received (again).
    visible_at: float
    #: In the order of its queue.
    place: int = 0
    received_at: float | None = None
    receive_count: int = 0
    first_received_at: float | None = None
    #: The handle of its last receive; earlier ones are stale.
    handle: ReceiptHandle | None = None
    #: The queue that it was moved from as a dead letter.
    source: QueueArn | None = None

    def in_flight(self, now: float) -> bool:
        """Tell whether somebody received it and its visibility timeout still runs."""
        return self.received_at is not None and self.visible_at > now


class MemoryQueue:
    """The messages of one queue, in the order in which they were sent.

    A standard queue of AWS may change that order and hand a message out twice; here it does
    the second when a test asks for it, and never the first.
    """

    def __init__(
        self,
        *,
        name: QueueName,
        url: QueueUrl,
        arn: QueueArn,
        attributes: Mapping[str, str],
        tags: Mapping[str, str],
        created_at: float,
    ) -> None:
        self.name = name
        self.url = url
        self.arn = arn
        self.given = {**_DEFAULTS, **attributes}
        self.tags = dict(tags)
        self.created_at = created_at
        self.purged_at: float | None = None
        self._messages: dict[str, StoredMessage] = {}
        self._visibility = Visibility(self._keeps)
        #: None of the messages was sent before.
        self._sent_from = 0.0
        self._by_handle: dict[ReceiptHandle, StoredMessage] = {}
        #: By group, if ids are compared within one, and deduplication id: when, and which message.
        self._seen: dict[tuple[str | None, str], tuple[float, str]] = {}

    def attributes(self, now: float) -> dict[str, str]:
        """Return what GetQueueAttributes tells."""
        in_flight = sum(each.in_flight(now) for each in self._messages.values())
        visible = sum(each.visible_at <= now for each in self._messages.values())
        return {
            **self.given,
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesDelayed": str(len(self._messages) - visible - in_flight),
            "ApproximateNumberOfMessagesNotVisible": str(in_flight),
            "QueueArn": self.arn,
        }

    def messages(self) -> list[StoredMessage]:
        """Return what the queue keeps, oldest first."""
        return list(self._messages.values())

    def send(self, message: OutgoingMessage, now: float) -> str:
        """Store a message and return its id; a FIFO duplicate gets the id of the first."""
        check_message(message, self.given)
        key = self._deduplication_key(message)
        if key is not None and key in self._seen:
            sent_at, message_id = self._seen[key]
            if now - sent_at < limits.SQS_DEDUPLICATION_SECONDS:
                return message_id
        delay = message.delay_seconds
        if delay is None:
            delay = int(self.given["DelaySeconds"])
        stored = StoredMessage(
            message_id=f"{self.name}-message-{next(_NUMBERS)}",
            body=message.body,
            group=message.message_group_id,
            attributes=message.message_attributes,
            sent_at=now,
            visible_at=now + delay,
        )
        self._keep(stored)
        if key is not None:
            self._seen[key] = (now, stored.message_id)
        return stored.message_id

    def add(self, message: StoredMessage, source: QueueArn, now: float) -> None:
        """Take in a message of a queue whose dead-letter queue this is."""
        message.received_at, message.receive_count, message.handle = None, 0, None
        message.source = source
        if self._fifo:
            message.sent_at = now
        self._keep(message)

    def take(self, most: int, now: float) -> list[StoredMessage]:
        """Take out up to ``most`` messages that can be received, for SQS to move."""
        taken = self.receivable(now)[:most]
        for message in taken:
            del self._messages[message.message_id]
        return taken

    def put(self, message: StoredMessage, now: float) -> None:
        """Take in a message that SQS has moved: a new one, with the same contents."""
        self._keep(
            StoredMessage(
                message_id=f"{self.name}-message-{next(_NUMBERS)}",
                body=message.body,
                group=message.group,
                attributes=message.attributes,
                sent_at=now,
                visible_at=now,
            )
        )

    @property
    def dead_letter_arn(self) -> QueueArn | None:
        """ARN of the dead-letter queue, if one is set."""
        policy = redrive_policy_of(self.given)
        return policy.target if policy else None

    def take_dead(self, now: float) -> list[StoredMessage]:
        """Take out what was received too often for the redrive policy."""
        policy = redrive_policy_of(self.given)
        if policy is None:
            return []
        most = policy.max_receive_count
        dead = [m for m in self._visibility.visible(now) if m.receive_count >= most]
        for message in dead:
            del self._messages[message.message_id]
        return dead

    def receive(
        self, most: int, visibility_seconds: int | None, now: float, *, twice: int = 0
    ) -> list[tuple[ReceivedMessage, float]]:
        """Hand out up to ``most`` messages; the first ``twice`` of them stay visible.

        Returns:
            The messages, and when each was sent, by the clock that ``now`` is of.
        """
        if visibility_seconds is None:
            visibility_seconds = int(self.given["VisibilityTimeout"])
        received = []
        for number, message in enumerate(self.receivable(now)[:most]):
            seconds = 0 if number < twice else visibility_seconds
            received.append((self._hand_out(message, now, seconds), message.sent_at))
        return received

    def receivable(self, now: float) -> list[StoredMessage]:
        """Return what a receive may hand out now."""
        self._expire(now)
        visible = self._visibility.visible(now)
        if not self._fifo:
            return visible
        blocked = {each.group for each in self._messages.values() if each.in_flight(now)}
        return [each for each in visible if each.group not in blocked]

    def next_visible_at(self, now: float) -> float | None:
        """Return when the next hidden message becomes visible, or None."""
        return self._visibility.next_visible_at(now)

    def delete(self, handle: ReceiptHandle, now: float) -> None:
        """Delete a message; a stale handle is accepted and deletes nothing."""
        message = self._received(handle)
        if message.handle != handle:
            return
        if self._fifo and self._keeps(message) and not message.in_flight(now):
            raise RefusedError(
                "InvalidParameterValue", "Value is invalid. Reason: The receipt handle has expired"
            )
        self._messages.pop(message.message_id, None)

    def change_visibility(self, handle: ReceiptHandle, seconds: int, now: float) -> None:
        """Let a message in flight stay hidden for ``seconds`` from now."""
        check_visibility(seconds)
        message = self._received(handle)
        if message.handle != handle or not self._keeps(message):
            raise RefusedError(
                "InvalidParameterValue",
                "Value is invalid. Reason: Message does not exist or is not available for "
                "visibility timeout change",
            )
        if message.received_at is None or not message.in_flight(now):
            raise RefusedError("MessageNotInflight", "The message is not in flight")
        if now + seconds > message.received_at + limits.SQS_VISIBILITY_TIMEOUT_SECONDS_MAX:
            raise RefusedError(
                "InvalidParameterValue",
                "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            )
        message.visible_at = now + seconds
        self._visibility.changed(message)

    def purge(self, now: float) -> None:
        """Delete everything, once in 60 s."""
        if self.purged_at is not None and now - self.purged_at < limits.SQS_PURGE_INTERVAL_SECONDS:
            raise RefusedError(
                "AWS.SimpleQueueService.PurgeQueueInProgress",
                "Only one PurgeQueue operation is allowed every 60 seconds",
            )
        self.purged_at = now
        self._messages.clear()

    @property
    def _fifo(self) -> bool:
        return self.given.get("FifoQueue") == "true"

    def _keep(self, message: StoredMessage) -> None:
        message.place = next(_NUMBERS)
        self._messages[message.message_id] = message
        self._sent_from = min(self._sent_from, message.sent_at)
        self._visibility.changed(message)

    def _keeps(self, message: StoredMessage) -> bool:
        return message.message_id in self._messages

    def _hand_out(self, message: StoredMessage, now: float, seconds: int) -> ReceivedMessage:
        message.receive_count += 1
        message.received_at = now
        if message.first_received_at is None:
            message.first_received_at = now
        message.visible_at = now + seconds
        self._visibility.changed(message)
        message.handle = ReceiptHandle(f"{message.message_id}-receive-{next(_NUMBERS)}")
        self._by_handle[message.handle] = message
        return ReceivedMessage(
            message_id=message.message_id,
            body=message.body,
            receipt_handle=message.handle,
            receive_count=message.receive_count,
            message_group_id=message.group,
            message_attributes=message.attributes,
        )

    def _received(self, handle: ReceiptHandle) -> StoredMessage:
        try:
            return self._by_handle[handle]
        except KeyError:
            raise RefusedError(
                "ReceiptHandleIsInvalid", "The input receipt handle is invalid"
            ) from None

    def _expire(self, now: float) -> None:
        oldest = now - int(self.given["MessageRetentionPeriod"])
        if self._sent_from >= oldest:
            return
        self._messages = {
            each.message_id: each for each in self._messages.values() if each.sent_at >= oldest
        }
        self._sent_from = min((each.sent_at for each in self._messages.values()), default=now)

    def _deduplication_key(self, message: OutgoingMessage) -> tuple[str | None, str] | None:
        if not self._fifo:
            return None
        by_group = self.given.get("DeduplicationScope") == "messageGroup"
        deduplication_id = message.message_deduplication_id
        if deduplication_id is None:
            deduplication_id = hashlib.sha256(message.body.encode()).hexdigest()
        return message.message_group_id if by_group else None, deduplication_id
