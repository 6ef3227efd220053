"""Looks at queues: how many messages wait in each, and in its dead-letter queue.

Facts: GetQueueAttributes in the SQS API reference. Where a queue's dead letters go, its own answer
says, in the same request; so the dead-letter queues of somebody else's making are seen too.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from celery_aws.aws.queue_ages import QueueAgeService
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.dead_letters import REDRIVE_POLICY, owner_and_name, redrive_policy
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth
from celery_aws.core.queue_names import name_of_url
from celery_aws.errors import CeleryAwsError, QueueNotFoundError
from celery_aws.metrics import catalog
from celery_aws.metrics.reader import Look
from celery_aws.metrics.samples import Sample
from celery_aws.names import AmqpQueue, QueueArn, QueueUrl

_ASKED: Final = (*DEPTH_ATTRIBUTES, REDRIVE_POLICY)


class QueueLook:
    """Looks at the queues of a broker; for one thread.

    Args:
        directory: where the queues are.
        queues: returns Celery's names of those to look at.
        derive: makes more samples of each queue's depth, from what somebody else knows.
    """

    def __init__(
        self,
        directory: QueueDirectory,
        queues: Callable[[], Iterable[str]],
        derive: Callable[[str, QueueDepth], Iterable[Sample]],
    ) -> None:
        self._directory = directory
        self._queues = queues
        self._derive = derive
        self._dead_letters: dict[QueueArn, QueueUrl] = {}
        #: Of one look.
        self._failures: list[Exception] = []

    def __call__(self) -> Look:
        """Look once.

        Raises:
            AwsError: no queue could be looked at; what is wrong with the first.

        Costs one GetQueueAttributes for each SQS queue (each priority is one) and for each
        dead-letter queue, and a GetQueueUrl for each the first time.
        """
        self._failures = []
        found = [self._try(AmqpQueue(name)) for name in sorted(set(self._queues()))]
        seen = [samples for samples in found if samples is not None]
        failure = self._failures[0] if self._failures else None
        if failure is not None and not seen:
            raise failure
        return Look(samples=tuple(chain.from_iterable(seen)), failure=failure)

    def _try(self, queue: AmqpQueue) -> list[Sample] | None:
        try:
            return list(self._of_queue(queue))
        except CeleryAwsError as error:
            self._failures.append(error)
            return None

    def _of_queue(self, queue: AmqpQueue) -> Iterator[Sample]:
        depth, policies = QueueDepth(), set[QueueArn]()
        address: QueueAddress | None = None
        for step in self._directory.priority_queues(queue):
            found = self._ask(step)
            if found is not None:
                address, attributes = found
                depth += queue_depth(attributes)
                policy = redrive_policy(attributes.get(REDRIVE_POLICY))
                policies |= set() if policy is None else {policy.target}
        if address is None:
            return
        yield Sample(catalog.QUEUE_LENGTH, (queue,), float(depth.visible))
        yield Sample(catalog.MESSAGES_VISIBLE, (queue,), float(depth.visible))
        yield Sample(catalog.MESSAGES_IN_FLIGHT, (queue,), float(depth.in_flight))
        yield Sample(catalog.MESSAGES_DELAYED, (queue,), float(depth.delayed))
        yield from self._derive(queue, depth)
        if policies:
            dead = [self._dead_letters_in(address, arn) for arn in sorted(policies)]
            if None not in dead:
                yield Sample(catalog.DEAD_LETTERS, (queue,), float(sum(filter(None, dead))))

    def _ask(self, step: AmqpQueue) -> tuple[QueueAddress, dict[str, str]] | None:
        address = self._directory.existing(step)
        if address is None:
            return None
        try:
            return address, address.service.queue_attributes(address.url, _ASKED)
        except QueueNotFoundError:
            self._directory.forget(step)
            return None

    def _dead_letters_in(self, address: QueueAddress, arn: QueueArn) -> int | None:
        """Return how many messages a dead-letter queue has, or None if it cannot be seen.

        The queue before it is seen all the same. It is looked for anew each time: it may be made,
        or allowed, later.
        """
        try:
            url = self._dead_letters.get(arn) or _url(address, arn)
            depth = queue_depth(address.service.queue_attributes(url, DEPTH_ATTRIBUTES))
        except (CeleryAwsError, ValueError) as error:
            self._dead_letters.pop(arn, None)
            self._failures.append(error)
            return None
        self._dead_letters[arn] = url
        return depth.messages


class AgeLook:
    """Asks CloudWatch how old the oldest message of each queue is.

    Args:
        directory: where the queues are.
        queues: returns Celery's names of those to look at.
        ages: asks.
    """

    def __init__(
        self,
        directory: QueueDirectory,
        queues: Callable[[], Iterable[str]],
        ages: QueueAgeService,
    ) -> None:
        self._directory = directory
        self._queues = queues
        self._ages = ages

    def __call__(self) -> Look:
        """Look once.

        Raises:
            AwsError: CloudWatch refused, or did not answer.

        Costs one GetMetricStatistics for each SQS queue.
        """
        samples = []
        for name in sorted(set(self._queues())):
            ages = [self._age(step) for step in self._directory.priority_queues(AmqpQueue(name))]
            known = [age for age in ages if age is not None]
            if known:
                samples.append(Sample(catalog.OLDEST_AGE, (name,), max(known)))
        return Look(samples=tuple(samples))

    def _age(self, step: AmqpQueue) -> float | None:
        address = self._directory.existing(step)
        return None if address is None else self._ages.oldest_seconds(name_of_url(address.url))


def _url(address: QueueAddress, arn: QueueArn) -> QueueUrl:
    owner, name = owner_and_name(arn)
    return address.service.queue_url(name, owner=owner)
