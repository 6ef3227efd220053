"""A redrive that SQS carries out by itself, started and watched from here."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from celery_aws.aws.message_moves import MoveTask
from celery_aws.aws.operators import OperatorServices
from celery_aws.clock import Clock
from celery_aws.dlq.queues import DeadLetterQueue
from celery_aws.errors import (
    AccessDeniedError,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from celery_aws.names import QueueArn

#: Seconds between two questions how far a task is.
ASK_SECONDS: Final = 2.0

#: Questions after which a task that was started and is not told of is given up.
_UNLISTED_ASKS: Final = 10


class RedriveTask:
    """The redrives of one dead-letter queue by SQS.

    Args:
        queue: the dead-letter queue.
        clock: for the pauses between two questions.
    """

    def __init__(self, queue: DeadLetterQueue, clock: Clock) -> None:
        self._queue = queue
        self._moves = OperatorServices.moves(queue.access)
        self._clock = clock
        #: When the latest task was started that was there before.
        self._before: datetime | None = None

    def running(self) -> MoveTask | None:
        """Return the task that is active, or None; also where SQS has no such tasks, or tells not.

        Costs one ListMessageMoveTasks.
        """
        try:
            tasks = self._moves.moves(self._queue.arn)
        except (AccessDeniedError, InvalidRequestError, NotFoundError):
            return None
        self._before = tasks[0].started_at if tasks else None
        return next((task for task in tasks if task.active), None)

    def start(self, destination: QueueArn) -> None:
        """Start to move everything to one queue.

        Raises:
            UnsupportedError: SQS does not do that here, or not for who asks; nothing was moved.
            AwsError: SQS did not answer.

        Costs one StartMessageMoveTask.
        """
        try:
            self._moves.start_move(self._queue.arn, destination)
        except (AccessDeniedError, InvalidRequestError, NotFoundError) as error:
            raise UnsupportedError(str(error)) from error

    def watch(self, tell: Callable[[MoveTask], None], *, stopped: Callable[[], bool]) -> MoveTask:
        """Ask how far the latest task is until it has ended, and return it.

        Args:
            tell: hears of it each time.
            stopped: tells whether to watch no longer; the task goes on.

        Raises:
            UnsupportedError: SQS does not list the task; it goes on.
            AwsError: SQS did not answer; the task goes on.

        Costs one ListMessageMoveTasks every two seconds.
        """
        unlisted = 0
        while True:
            task = next(iter(self._moves.moves(self._queue.arn)), None)
            if task is None or task.started_at == self._before:
                # SQS does not list a new one everywhere at once.
                unlisted += 1
                if unlisted == _UNLISTED_ASKS:
                    raise UnsupportedError(
                        f"SQS has begun a redrive of {self._queue.name} and does not tell how far "
                        "it is: look again by `dlq list`"
                    )
                self._clock.sleep(ASK_SECONDS)
                continue
            tell(task)
            if not task.active or stopped():
                return task
            self._clock.sleep(ASK_SECONDS)

    def cancel(self) -> MoveTask | None:
        """Cancel the task that is active; what was moved stays moved.

        Returns:
            The task as it was; None if none is active.

        Costs one ListMessageMoveTasks and one CancelMessageMoveTask.
        """
        task = self.running()
        if task is not None and task.handle is not None:
            self._moves.cancel_move(task.handle)
        return task
