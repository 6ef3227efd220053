"""Queues as they are."""

from collections.abc import Iterator
from dataclasses import replace

from celery_aws.aws.access import Access
from celery_aws.aws.key_examination import KeyState, KmsKeyExamination
from celery_aws.aws.queue_administration import SqsQueueAdministration
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.core.dead_letters import (
    REDRIVE_POLICY,
    owner_and_name,
    redrive_policy,
)
from celery_aws.core.queue_names import name_of_url, queue_name
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.deployment import Deployment
from celery_aws.doctor.examined import Attributes, DeadLetterTarget, ExaminedQueue
from celery_aws.doctor.look import Look, look
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue, QueueArn, QueueName

_ALL = ("All",)

#: AWS's own keys are called so; nobody can switch them off.
_AWS_KEY = "alias/aws/"


def queues_of(deployment: Deployment) -> Iterator[ExaminedQueue]:
    """Examine the queues that Celery uses, with the dead-letter queues that they point to.

    Costs a GetQueueUrl and a GetQueueAttributes for each, and the same again for its dead-letter
    queue; a DescribeKey for a key of KMS.
    """
    seen: dict[QueueArn, Look[Attributes]] = {}
    for planned in deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY):
        found = _examined(planned, deployment.access_of(planned))
        yield replace(found, dead_letters=_dead_letters(found, seen))


def queue_names(deployment: Deployment) -> Look[tuple[QueueName, ...]]:
    """Return the names of all queues with the prefix. One ListQueues for each 1,000."""
    if deployment.broker is None or deployment.options is None:
        return Look()
    prefix = queue_name(AmqpQueue(deployment.options.queue_name_prefix))
    service = SqsQueueAdministration(deployment.broker)
    return look(lambda: tuple(map(name_of_url, service.queues_named(prefix))))


def exists(access: Access, name: QueueName) -> bool | None:
    """Tell whether there is a queue of a name; None if it may not be known. One GetQueueUrl."""
    found = look(lambda: SqsQueueService(access).queue_url(name))
    if found.error is None:
        return True
    return False if isinstance(found.error, QueueNotFoundError) else None


def _examined(planned: PlannedQueue, access: Access) -> ExaminedQueue:
    service = SqsQueueService(access)
    url = look(lambda: planned.url or service.queue_url(planned.name))
    if url.answer is None:
        return ExaminedQueue(planned=planned, access=access, attributes=Look(error=url.error))
    found = url.answer
    attributes: Look[Attributes] = look(lambda: service.queue_attributes(found, _ALL))
    key = (attributes.answer or {}).get("KmsMasterKeyId")
    return ExaminedQueue(
        planned=planned,
        access=access,
        url=found,
        attributes=attributes,
        key=_key(key, access),
    )


def _dead_letters(
    queue: ExaminedQueue, seen: dict[QueueArn, Look[Attributes]]
) -> DeadLetterTarget | None:
    policy = redrive_policy((queue.attributes.answer or {}).get(REDRIVE_POLICY))
    if policy is None:
        return None
    if policy.target not in seen:
        seen[policy.target] = _attributes_at(policy.target, SqsQueueService(queue.access))
    return DeadLetterTarget(
        arn=policy.target,
        max_receive_count=policy.max_receive_count,
        attributes=seen[policy.target],
    )


def _attributes_at(arn: QueueArn, service: SqsQueueService) -> Look[Attributes]:
    try:
        owner, name = owner_and_name(arn)
    except ValueError:
        return Look(error=QueueNotFoundError("it is no queue's ARN", resource=arn))
    return look(lambda: service.queue_attributes(service.queue_url(name, owner=owner), _ALL))


def _key(key: str | None, access: Access) -> Look[KeyState]:
    if not key or key.startswith(_AWS_KEY):
        return Look()
    return look(lambda: KmsKeyExamination(access).state(key))
