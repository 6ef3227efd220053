"""The redrives of the in-memory double that SQS carries out by itself.

No lock and no clock, like :mod:`celery_aws.testing.memory_queue`. Facts: StartMessageMoveTask,
ListMessageMoveTasks and CancelMessageMoveTask in the SQS API reference; "Troubleshoot dead-letter
queue and DLQ redrive issues" in the developer guide (CouldNotDetermineMessageSource). Where they
name no code, the one that SQS answers with is used.
"""

from dataclasses import dataclass, field
from itertools import count

from celery_aws.aws.message_moves import MoveStatus, MoveTask
from celery_aws.core.dead_letters import REDRIVE_POLICY, redrive_policy
from celery_aws.core.queue_names import is_fifo
from celery_aws.names import QueueArn
from celery_aws.testing.memory_account import MemoryAccount
from celery_aws.testing.memory_queue import MemoryQueue
from celery_aws.testing.memory_rules import RefusedError

#: Messages that a task moves in a second.
MOVED_A_SECOND = 500.0

_NO_SOURCE = "CouldNotDetermineMessageSource"


@dataclass(kw_only=True)
class _Task:
    handle: str
    source: QueueArn
    destination: QueueArn | None
    started_at: float
    to_move: int
    status: MoveStatus = MoveStatus.RUNNING
    moved: int = 0
    failure: str | None = None


@dataclass(kw_only=True)
class MemoryMoves:
    """The move tasks of an account; they go on whenever somebody asks for them.

    Attributes:
        account: whose queues they are.
        moved_a_second: how fast they are.
    """

    account: MemoryAccount
    moved_a_second: float = MOVED_A_SECOND
    _tasks: list[_Task] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def start(self, source: QueueArn, destination: QueueArn | None, now: float) -> str:
        """Start a task, or refuse it, and return its handle."""
        self._go_on(now)
        queue = self._dead_letter_queue(source)
        self._check_destination(source, destination)
        if any(task.source == source and _is_active(task) for task in self._tasks):
            raise RefusedError(
                "InvalidParameterValue",
                "There is already a task running. Only one active task is allowed for a source "
                "queue arn at a given time.",
            )
        task = _Task(
            handle=f"move-{next(self._numbers)}",
            source=source,
            destination=destination,
            started_at=now,
            to_move=len(queue.receivable(now)),
        )
        self._tasks.insert(0, task)
        return task.handle

    def of(self, source: QueueArn, now: float) -> list[tuple[MoveTask, float]]:
        """Return the tasks of a queue, the last one first, and when each was started."""
        self._queue(source)
        self._go_on(now)
        return [(_told(task), task.started_at) for task in self._tasks if task.source == source]

    def cancel(self, handle: str, now: float) -> int:
        """Cancel a task and return how many messages it has moved."""
        self._go_on(now)
        for task in self._tasks:
            if task.handle == handle and _is_active(task):
                task.status = MoveStatus.CANCELLED
                return task.moved
        raise RefusedError("ResourceNotFoundException", "Task does not exist.")

    def _go_on(self, now: float) -> None:
        for task in self._tasks:
            if _is_active(task):
                self._move(task, now)

    def _move(self, task: _Task, now: float) -> None:
        by_now = int((now - task.started_at) * self.moved_a_second)
        due = min(by_now, task.to_move) - task.moved
        for message in self._queue(task.source).take(due, now):
            target = self.account.by_arn(task.destination or message.source)
            if target is None:
                self._queue(task.source).put(message, now)
                task.status, task.failure = MoveStatus.FAILED, _NO_SOURCE
                return
            target.put(message, now)
            task.moved += 1
        if by_now >= task.to_move:
            task.status = MoveStatus.COMPLETED

    def _dead_letter_queue(self, arn: QueueArn) -> MemoryQueue:
        queue = self._queue(arn)
        policies = (redrive_policy(each.given.get(REDRIVE_POLICY)) for each in self.account.all())
        if not any(policy is not None and policy.target == arn for policy in policies):
            raise RefusedError(
                "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."
            )
        return queue

    def _check_destination(self, source: QueueArn, destination: QueueArn | None) -> None:
        if destination is None:
            return
        if self.account.by_arn(destination) is None:
            raise RefusedError(
                "ResourceNotFoundException",
                "The resource that you specified for the DestinationArn parameter doesn't exist.",
            )
        if is_fifo(source) != is_fifo(destination):
            raise RefusedError(
                "InvalidParameterValue",
                "The source queue and destination queue must be of the same queue type.",
            )

    def _queue(self, arn: QueueArn) -> MemoryQueue:
        queue = self.account.by_arn(arn)
        if queue is None:
            raise RefusedError(
                "ResourceNotFoundException",
                "The resource that you specified for the SourceArn parameter doesn't exist.",
            )
        return queue


def _is_active(task: _Task) -> bool:
    return task.status is MoveStatus.RUNNING


def _told(task: _Task) -> MoveTask:
    return MoveTask(
        status=task.status,
        source=task.source,
        destination=task.destination,
        moved=task.moved,
        to_move=task.to_move,
        failure=task.failure,
        handle=task.handle if _is_active(task) else None,
    )
