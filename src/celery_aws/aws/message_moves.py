"""Redrives that SQS carries out by itself: start one, see how far it is, cancel it.

Facts: StartMessageMoveTask, ListMessageMoveTasks and CancelMessageMoveTask in the SQS API
reference; "Dead-letter queue redrive" and "Troubleshoot dead-letter queue and DLQ redrive issues"
in the SQS developer guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.aws.sqs import moment_of
from celery_aws.limits import SQS_MOVE_TASK_LIST_COUNT
from celery_aws.names import QueueArn


class MoveStatus(Enum):
    """Where a task is in its life."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class MoveTask:
    """A redrive by SQS; its numbers are approximate.

    Attributes:
        status: where it is.
        source: the dead-letter queue.
        destination: where the messages go; None is where each came from.
        moved: messages so far.
        to_move: messages that there were at its start; None if SQS does not say.
        failure: why it failed.
        started_at: when; None if SQS does not say.
        handle: to cancel it by; only while it runs.
    """

    status: MoveStatus
    source: QueueArn
    destination: QueueArn | None = None
    moved: int = 0
    to_move: int | None = None
    failure: str | None = None
    started_at: datetime | None = None
    handle: str | None = None

    @property
    def active(self) -> bool:
        """True while no other task of its queue can be started."""
        return self.status in (MoveStatus.RUNNING, MoveStatus.CANCELLING)


class MessageMoveService(Protocol):
    """What is asked of SQS. Each method is one request, and raises :class:`AwsError`."""

    def start_move(self, source: QueueArn, destination: QueueArn | None) -> str:
        """Start to move all messages of a dead-letter queue (StartMessageMoveTask).

        Args:
            source: a queue that is the dead-letter queue of another, and has no active task.
            destination: of the same type; None is where SQS moved each from. A message that
                somebody sent to the dead-letter queue came from nowhere, and fails the task.

        Returns:
            The handle to cancel it by.
        """

    def moves(self, source: QueueArn) -> list[MoveTask]:
        """Return the latest tasks of a queue, the last one first (ListMessageMoveTasks)."""

    def cancel_move(self, handle: str) -> int:
        """Cancel a running task and return how many messages it has moved.

        What was moved stays moved (CancelMessageMoveTask).
        """


class SqsMessageMoveService:
    """:class:`MessageMoveService` on boto3."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def start_move(self, source: QueueArn, destination: QueueArn | None) -> str:
        """Start to move all messages of a dead-letter queue."""
        request = {"SourceArn": source}
        if destination is not None:
            request["DestinationArn"] = destination
        with translated("sqs", "StartMessageMoveTask", source):
            answer = self._client().start_message_move_task(**request)
            return str(member_of(answer, "TaskHandle"))

    def moves(self, source: QueueArn) -> list[MoveTask]:
        """Return the latest tasks of a queue."""
        with translated("sqs", "ListMessageMoveTasks", source):
            answer = self._client().list_message_move_tasks(
                SourceArn=source, MaxResults=SQS_MOVE_TASK_LIST_COUNT
            )
        return [_task(source, result) for result in answer.get("Results", ())]

    def cancel_move(self, handle: str) -> int:
        """Cancel a running task."""
        with translated("sqs", "CancelMessageMoveTask"):
            answer = self._client().cancel_message_move_task(TaskHandle=handle)
        return int(answer.get("ApproximateNumberOfMessagesMoved", 0))

    def _client(self) -> Any:
        return client_for("sqs", self.access)


def _task(source: QueueArn, result: Mapping[str, Any]) -> MoveTask:
    destination, to_move = (
        result.get("DestinationArn"),
        result.get("ApproximateNumberOfMessagesToMove"),
    )
    started = result.get("StartedTimestamp")
    return MoveTask(
        status=MoveStatus(result["Status"]),
        source=source,
        destination=None if destination is None else QueueArn(destination),
        moved=int(result.get("ApproximateNumberOfMessagesMoved", 0)),
        to_move=None if to_move is None else int(to_move),
        failure=result.get("FailureReason"),
        started_at=None if started is None else moment_of(str(started)),
        handle=result.get("TaskHandle"),
    )
