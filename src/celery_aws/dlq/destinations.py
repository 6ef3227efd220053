"""Where dead letters go back to: the queue that each came from, or one that somebody names.

SQS says where it moved a message from. It does not know that of a message that a worker rejected
for good and moved itself; then it is the queue that leads here, and of several the one of Celery's
queue that the message was published to, by its priority. Nothing is guessed: what is still not
known stays.
"""

from dataclasses import dataclass

from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.dead_letters import owner_and_name
from celery_aws.core.queue_names import is_fifo, name_of_url
from celery_aws.dlq.letters import Letter
from celery_aws.dlq.queues import DeadLetterQueue, SourceQueue
from celery_aws.errors import ConfigurationError, QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueArn, QueueName


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """It is not known where a message goes.

    Attributes:
        reason: why, and what to do about it.
    """

    reason: str


class Destinations:
    """Where the messages of one dead-letter queue go.

    Args:
        queue: the dead-letter queue.
        directory: of the app's broker.
        to: the queue that all of them go to, by Celery's name; None is where each came from.
    """

    def __init__(
        self, queue: DeadLetterQueue, directory: QueueDirectory, to: AmqpQueue | None = None
    ) -> None:
        self._queue = queue
        self._directory = directory
        self._to = to
        self._by_arn: dict[QueueArn, QueueAddress | Unknown] = {}

    @property
    def only_one(self) -> QueueAddress | None:
        """The queue that all messages go to, whatever they say; None if they decide.

        Raises:
            QueueNotFoundError: there is no such queue.

        Costs nothing, or one GetQueueUrl.
        """
        if self._to is not None:
            steps = self._directory.priority_queues(self._to)
            return self._named(self._to) if len(steps) == 1 else None
        if len(self._queue.sources) == 1 and self._queue.sources_known:
            return self._at(self._queue.sources[0])
        return None

    def of(self, letter: Letter) -> QueueAddress | Unknown:
        """Return where a dead letter goes.

        Raises:
            QueueNotFoundError: the queue that somebody named is not there.
            AwsError: SQS did not answer, or refused.

        Costs a GetQueueUrl for each queue, once.
        """
        if self._to is not None:
            priorities = self._directory.priorities(self._to)
            return self._named(priorities.queue_for(self._to, letter.priority))
        if letter.buried.source is not None:
            return self._by_source(letter.buried.source)
        return self._by_contents(letter)

    def _named(self, queue: AmqpQueue) -> QueueAddress:
        address = self._directory.existing(queue)
        if address is None:
            raise QueueNotFoundError("there is no such queue", service="sqs", resource=queue)
        if is_fifo(address.url) != self._queue.fifo:
            raise ConfigurationError(
                f"{queue!r} and {self._queue.name!r} must both be FIFO queues, or neither",
                where="--to",
            )
        return address

    def _by_source(self, arn: QueueArn) -> QueueAddress | Unknown:
        if arn not in self._by_arn:
            self._by_arn[arn] = self._look_up(arn)
        return self._by_arn[arn]

    def _look_up(self, arn: QueueArn) -> QueueAddress | Unknown:
        try:
            owner, name = owner_and_name(arn)
            url = self._queue.service.queue_url(name, owner=owner)
        except (QueueNotFoundError, ValueError):
            return Unknown(reason=f"the queue that it came from is gone ({arn}); name one by --to")
        return QueueAddress(url=url, service=self._queue.service)

    def _by_contents(self, letter: Letter) -> QueueAddress | Unknown:
        sources = self._queue.sources
        if len(sources) > 1:
            served = self._served(letter)
            step = None if served is None else self._step(served, letter.priority)
            sources = tuple(each for each in sources if each.name == step)
        if len(sources) != 1:
            return Unknown(
                reason="a worker rejected it, so SQS does not say where it came from; name a queue "
                "by --to"
            )
        return self._at(sources[0])

    def _served(self, letter: Letter) -> AmqpQueue | None:
        served = self._queue.serves
        others = [each for each in self._queue.sources if each.serves is None]
        if len(served) == 1 and not others:
            return served[0]
        return letter.published_to if letter.published_to in served else None

    def _step(self, served: AmqpQueue, priority: int | None) -> QueueName:
        step = self._directory.priorities(served).queue_for(served, priority)
        address = self._directory.existing(step)
        return self._directory.name(step) if address is None else name_of_url(address.url)

    def _at(self, source: SourceQueue) -> QueueAddress:
        return QueueAddress(url=source.url, service=self._queue.service)
