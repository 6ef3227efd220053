"""What operators ask of SQS, on the queues of a :class:`~celery_aws.testing.memory_sqs.MemorySqs`.

A double of the services of :mod:`celery_aws.aws.operators`; it runs the same contract suite.
"""

from dataclasses import replace

from celery_aws.aws.message_moves import MoveTask
from celery_aws.aws.queue_listing import QueuePage
from celery_aws.core.buried_message import BuriedMessage
from celery_aws.core.dead_letters import REDRIVE_POLICY, redrive_policy
from celery_aws.core.messages import ReceivedMessage
from celery_aws.core.queue_names import name_of_url
from celery_aws.limits import SQS_LISTED_QUEUE_COUNT, SQS_MOVE_TASK_LIST_COUNT
from celery_aws.names import QueueArn, QueueUrl
from celery_aws.testing.memory_account import MemoryAccount
from celery_aws.testing.memory_moves import MemoryMoves
from celery_aws.testing.memory_queue import StoredMessage
from celery_aws.testing.memory_sqs import MemorySqs


class MemoryOperators:
    """Dead letters, moves and lists in memory; thread-safe.

    Args:
        sqs: has the queues, the clock and the faults.

    Attributes:
        most_listed: queues on one page of a list.
    """

    def __init__(self, sqs: MemorySqs) -> None:
        self.most_listed = SQS_LISTED_QUEUE_COUNT
        self._sqs = sqs
        self._moves: MemoryMoves | None = None

    def look(
        self,
        url: QueueUrl,
        *,
        max_messages: int,
        wait_seconds: int,
        visibility_timeout_seconds: int,
    ) -> list[BuriedMessage]:
        """Receive up to 10 messages."""
        received = self._sqs.receive(
            url,
            max_messages=max_messages,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=visibility_timeout_seconds,
        )
        stored = {each.message_id: each for each in self._sqs.messages(name_of_url(url))}
        return [self._buried(each, stored[each.message_id]) for each in received]

    def start_move(self, source: QueueArn, destination: QueueArn | None) -> str:
        """Start to move all messages of a dead-letter queue."""
        with self._sqs.account("StartMessageMoveTask", source) as (account, now):
            return self._moves_of(account).start(source, destination, now)

    def moves(self, source: QueueArn) -> list[MoveTask]:
        """Return the latest tasks of a queue."""
        with self._sqs.account("ListMessageMoveTasks", source) as (account, now):
            tasks = self._moves_of(account).of(source, now)[:SQS_MOVE_TASK_LIST_COUNT]
            return [replace(task, started_at=self._sqs.wall_time(at)) for task, at in tasks]

    def cancel_move(self, handle: str) -> int:
        """Cancel a running task."""
        with self._sqs.account("CancelMessageMoveTask", handle) as (account, now):
            return self._moves_of(account).cancel(handle, now)

    def queues(self, prefix: str, after: str | None = None) -> QueuePage:
        """Return queues whose names begin with ``prefix``."""
        with self._sqs.account("ListQueues", prefix) as (account, _):
            urls = [each.url for each in account.all() if each.name.startswith(prefix)]
        return self._page(urls, after)

    def dead_letter_sources(self, url: QueueUrl, after: str | None = None) -> QueuePage:
        """Return queues whose redrive policy names this dead-letter queue."""
        with self._sqs.account("ListDeadLetterSourceQueues", url) as (account, _):
            arn = account.at(url).arn
            policies = [
                (each.url, redrive_policy(each.given.get(REDRIVE_POLICY))) for each in account.all()
            ]
        urls = [each for each, policy in policies if policy is not None and policy.target == arn]
        return self._page(urls, after)

    def _moves_of(self, account: MemoryAccount) -> MemoryMoves:
        if self._moves is None:
            self._moves = MemoryMoves(account=account)
        return self._moves

    def _page(self, urls: list[QueueUrl], after: str | None) -> QueuePage:
        start = 0 if after is None else int(after)
        end = start + self.most_listed
        return QueuePage(urls=tuple(urls[start:end]), after=str(end) if end < len(urls) else None)

    def _buried(self, message: ReceivedMessage, stored: StoredMessage) -> BuriedMessage:
        first = stored.first_received_at
        return BuriedMessage(
            message=message,
            source=stored.source,
            first_received_at=None if first is None else self._sqs.wall_time(first),
        )
