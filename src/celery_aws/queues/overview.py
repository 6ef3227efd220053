"""How many messages are where, for each of Celery's queues of an app.

Nothing is created, and nothing is asked of workers here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from celery_aws.aws.sqs import QueueService
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.core.dead_letters import REDRIVE_POLICY, owner_and_name, redrive_policy
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, QueueDepth, queue_depth
from celery_aws.core.queue_names import name_of_url
from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import Deployment
from celery_aws.errors import AccessDeniedError, QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueArn, QueueName


@dataclass(frozen=True, kw_only=True)
class SqsQueue:
    """One SQS queue of a queue of Celery's.

    Attributes:
        name: on AWS.
        depth: its messages.
        dead_letters: the ARN of its dead-letter queue; None if it has none.
        service: asks SQS for it.
    """

    name: QueueName
    depth: QueueDepth
    dead_letters: QueueArn | None
    service: QueueService


@dataclass(frozen=True, kw_only=True)
class QueueOverview:
    """What is known of a queue of Celery's.

    Attributes:
        queue: its name.
        steps: its SQS queues that are there, one for each priority.
        dead_letters: messages of its dead-letter queues; None if it has none, or they cannot be
            seen.
    """

    queue: AmqpQueue
    steps: tuple[SqsQueue, ...]
    dead_letters: int | None

    @property
    def depth(self) -> QueueDepth | None:
        """Its messages, of all priorities; None if it is not there (yet)."""
        return sum((step.depth for step in self.steps), QueueDepth()) if self.steps else None


class Overview:
    """Asks SQS about the queues of one app, again and again.

    Args:
        deployment: of the app.
        directory: of its broker.
    """

    def __init__(self, deployment: Deployment, directory: QueueDirectory) -> None:
        self._directory = directory
        self._steps: dict[AmqpQueue, list[AmqpQueue]] = {}
        for planned in deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY):
            self._steps.setdefault(planned.serves, []).append(planned.step or planned.serves)
        self._dead_letters: dict[QueueArn, QueueAddress | None] = {}

    def queues(self, *, dead_letters: bool = True) -> Iterator[QueueOverview]:
        """Yield what is known of each queue now.

        Args:
            dead_letters: count those too.

        Raises:
            AwsError: SQS did not answer, or refused.

        Costs one GetQueueAttributes for each SQS queue and each dead-letter queue; the first time
        also one GetQueueUrl for each.
        """
        counted: dict[QueueArn, int | None] = {}
        for queue, steps in self._steps.items():
            found = [step for each in steps if (step := self._step(each)) is not None]
            targets = {step.dead_letters: step for step in found} if dead_letters else {}
            for arn, step in targets.items():
                if arn is not None and arn not in counted:
                    counted[arn] = self._count(step.service, arn)
            known = [count for arn in targets if arn and (count := counted[arn]) is not None]
            yield QueueOverview(
                queue=queue, steps=tuple(found), dead_letters=sum(known) if known else None
            )

    def _step(self, queue: AmqpQueue) -> SqsQueue | None:
        address = self._directory.existing(queue)
        if address is None:
            return None
        wanted = [*DEPTH_ATTRIBUTES, REDRIVE_POLICY]
        try:
            attributes = address.service.queue_attributes(address.url, wanted)
        except QueueNotFoundError:
            self._directory.forget(queue)
            return None
        policy = redrive_policy(attributes.get(REDRIVE_POLICY))
        return SqsQueue(
            name=name_of_url(address.url),
            depth=queue_depth(attributes),
            dead_letters=None if policy is None else policy.target,
            service=address.service,
        )

    def _count(self, service: QueueService, arn: QueueArn) -> int | None:
        if arn not in self._dead_letters:
            self._dead_letters[arn] = _address(service, arn)
        address = self._dead_letters[arn]
        if address is None:
            return None
        try:
            found = address.service.queue_attributes(address.url, DEPTH_ATTRIBUTES)
        except (AccessDeniedError, QueueNotFoundError):
            return None
        return queue_depth(found).messages


def _address(service: QueueService, arn: QueueArn) -> QueueAddress | None:
    try:
        owner, name = owner_and_name(arn)
        return QueueAddress(url=service.queue_url(name, owner=owner), service=service)
    except (AccessDeniedError, QueueNotFoundError, ValueError):
        return None
