"""The queues of the in-memory double: their names, URLs, and who is whose dead-letter queue.

No lock and no clock, like :mod:`celery_aws.testing.memory_queue`. Facts: CreateQueue and
DeleteQueue in the SQS API reference.
"""

from collections.abc import Mapping

from celery_aws.limits import SQS_NAME_REUSE_SECONDS
from celery_aws.names import AccountId, QueueArn, QueueName, QueueUrl
from celery_aws.testing.memory_queue import MemoryQueue
from celery_aws.testing.memory_rules import (
    RefusedError,
    check_dead_letter_queue,
    check_queue_attributes,
    check_queue_name,
    redrive_policy_of,
)

_ACCOUNT = AccountId("000000000000")


class MemoryAccount:
    """The queues of one account in one region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._queues: dict[QueueName, MemoryQueue] = {}
        self._deleted_at: dict[QueueName, float] = {}

    def named(self, name: QueueName, owner: AccountId | None = None) -> MemoryQueue:
        """Return the queue of this name; nobody else (``owner``) has any."""
        if name not in self._queues or owner not in (None, _ACCOUNT):
            raise _missing()
        return self._queues[name]

    def at(self, url: QueueUrl) -> MemoryQueue:
        """Return the queue of this URL."""
        for queue in self._queues.values():
            if queue.url == url:
                return queue
        raise _missing()

    def create(
        self, name: QueueName, attributes: Mapping[str, str], tags: Mapping[str, str], now: float
    ) -> MemoryQueue:
        """Create a queue, or return the one with the same attributes."""
        check_queue_name(name)
        check_queue_attributes(name, attributes)
        self.check_dead_letter_queue(name, attributes)
        existing = self._queues.get(name)
        if existing is not None:
            _check_same_attributes(existing, attributes)
            return existing
        self._check_not_deleted_recently(name, now)
        queue = MemoryQueue(
            name=name,
            url=QueueUrl(f"https://sqs.{self._region}.amazonaws.com/{_ACCOUNT}/{name}"),
            arn=QueueArn(f"arn:aws:sqs:{self._region}:{_ACCOUNT}:{name}"),
            attributes=attributes,
            tags=tags,
            created_at=now,
        )
        self._queues[name] = queue
        return queue

    def delete(self, url: QueueUrl, now: float) -> None:
        """Delete a queue with its messages and block its name."""
        queue = self.at(url)
        del self._queues[queue.name]
        self._deleted_at[queue.name] = now

    def all(self) -> list[MemoryQueue]:
        """Return every queue, in the order in which they were created."""
        return list(self._queues.values())

    def redrive(self, queue: MemoryQueue, now: float) -> None:
        """Move what was received too often to the dead-letter queue, if there is one."""
        target = self.by_arn(queue.dead_letter_arn)
        if target is not None:
            for message in queue.take_dead(now):
                target.add(message, queue.arn, now)

    def by_arn(self, arn: QueueArn | None) -> MemoryQueue | None:
        """Return the queue of this ARN, or None."""
        return next((queue for queue in self._queues.values() if queue.arn == arn), None)

    def check_dead_letter_queue(self, name: QueueName, attributes: Mapping[str, str]) -> None:
        """Refuse attributes of a queue that lead to a dead-letter queue which cannot be one."""
        policy = redrive_policy_of(attributes)
        if policy is not None:
            target = self.by_arn(policy.target)
            check_dead_letter_queue(name, None if target is None else target.name)

    def _check_not_deleted_recently(self, name: QueueName, now: float) -> None:
        deleted_at = self._deleted_at.get(name)
        if deleted_at is not None and now - deleted_at < SQS_NAME_REUSE_SECONDS:
            raise RefusedError(
                "QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another "
                "with the same name",
            )


def _check_same_attributes(queue: MemoryQueue, attributes: Mapping[str, str]) -> None:
    for key, value in attributes.items():
        if queue.given.get(key) != value:
            raise RefusedError(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for {key}",
            )


def _missing() -> RefusedError:
    return RefusedError(
        "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist"
    )
