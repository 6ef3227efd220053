"""The seam between what is parked and the broker that sends it."""

from typing import Protocol

from celery_aws.core.schedule import ScheduledTask


class ParkedMessages(Protocol):
    """What a broker can do with the messages of parked tasks, wherever their bodies are."""

    def envelope(self, task: ScheduledTask) -> str:
        """Return what the publisher wrote.

        Raises:
            CeleryAwsError: it is in S3, and cannot be read there.

        Costs nothing, or one GetObject.
        """

    def send(self, task: ScheduledTask, envelope: str) -> None:
        """Send ``envelope`` in place of what the publisher wrote, without a delay.

        Raises:
            CeleryAwsError: SQS has not got it, or may not have got it.

        Costs one SendMessage, and one PutObject if it is too large for its queue.
        """

    def discard(self, task: ScheduledTask) -> None:
        """Delete what was kept in S3 for a message that nobody will send; one DeleteObjects."""
