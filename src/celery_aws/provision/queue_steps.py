"""What becomes of queues."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from celery_aws.aws.access import Access
from celery_aws.core.dead_letters import REDRIVE_POLICY, RedrivePolicy
from celery_aws.core.queue_names import name_problem
from celery_aws.core.queue_plan import PlannedQueue, QueueRole
from celery_aws.deployment import Deployment
from celery_aws.names import QueueArn, QueueName
from celery_aws.provision.found import FoundQueue
from celery_aws.provision.queue_attributes import (
    FIFO_QUEUE,
    REDRIVE_ALLOW_POLICY,
    allowing,
    beside,
    different,
    shown,
    to_set,
)
from celery_aws.provision.steps import Difference, QueueStep
from celery_aws.provision.tags import different_tags

_PURPOSES = {
    QueueRole.TASKS: "tasks of {queue}",
    QueueRole.PRIORITY: "tasks of {queue} with a higher priority",
    QueueRole.DEAD_LETTERS: "dead letters of {queue}",
}

_PREDEFINED_MISSING = (
    "it does not exist, and predefined queues are never made here: make it, or mend its URL in "
    "predefined_queues"
)


def queue_steps(
    deployment: Deployment, found: Mapping[QueueName, FoundQueue]
) -> Iterator[QueueStep]:
    """Yield what becomes of each queue, dead-letter queues before those that lead to them."""
    for planned in deployment.queues:
        there = found.get(planned.name)
        access = deployment.access_of(planned)
        if planned.predefined is not None:
            yield _looked_at(planned, there, access)
        else:
            yield queue_step(planned, there, access, sources=sources_of(planned, deployment))


def sources_of(planned: PlannedQueue, deployment: Deployment) -> list[QueueName]:
    """Return the queues of which a queue is the dead-letter queue."""
    return [each.name for each in deployment.queues if each.dead_letter_queue == planned.name]


def queue_step(
    planned: PlannedQueue,
    found: FoundQueue | None,
    access: Access,
    *,
    sources: list[QueueName],
) -> QueueStep:
    """Return what becomes of a queue that is ours to make.

    Args:
        planned: how it shall be.
        found: how it is; None if it is missing.
        access: how it is reached.
        sources: the queues of which it is the dead-letter queue.
    """
    step = QueueStep(
        name=planned.name,
        region=access.region,
        purpose=_purpose(planned),
        exists=found is not None,
        conflicts=tuple(_conflicts(planned, found, sources)),
        access=access,
        planned=planned,
        found=found,
    )
    if step.conflicts:
        return step
    return _new(step) if found is None else _existing(step, found, sources)


def attributes_of(planned: PlannedQueue, arn: QueueArn) -> dict[str, str]:
    """Return the attributes that a queue shall have, its redrive policy among them.

    Args:
        planned: the queue.
        arn: of a queue in the same account and region: of itself, or of its dead-letter queue.
    """
    attributes = dict(planned.attributes)
    if planned.dead_letter_queue is not None:
        attributes[REDRIVE_POLICY] = RedrivePolicy(
            target=beside(arn, planned.dead_letter_queue),
            max_receive_count=planned.max_receive_count,
        ).text()
    return attributes


def _new(step: QueueStep) -> QueueStep:
    # Only to be shown: in which account its dead-letter queue is, nobody knows yet.
    attributes = attributes_of(step.planned, QueueArn("arn:aws:sqs:::"))
    tags = different_tags(step.planned.tags, {})
    return replace(step, differences=(*_shown(attributes, {}), *tags))


def _existing(step: QueueStep, found: FoundQueue, sources: list[QueueName]) -> QueueStep:
    attributes = different(attributes_of(step.planned, found.arn), found.attributes)
    allowed = _allowing(found, sources)
    if allowed is not None:
        attributes[REDRIVE_ALLOW_POLICY] = allowed
    tags = different_tags(step.planned.tags, found.tags)
    return replace(
        step,
        differences=(*_shown(attributes, found.attributes), *tags),
        attributes=to_set(attributes, found.attributes),
    )


def _allowing(found: FoundQueue, sources: list[QueueName]) -> str | None:
    arns = [beside(found.arn, name) for name in sources]
    return allowing(found.attributes.get(REDRIVE_ALLOW_POLICY), arns)


def _shown(attributes: Mapping[str, str], found: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(
            name=name, found=shown(name, found.get(name)), wanted=shown(name, value) or "nothing"
        )
        for name, value in attributes.items()
    ]


def _conflicts(
    planned: PlannedQueue, found: FoundQueue | None, sources: list[QueueName]
) -> Iterator[str]:
    problem = name_problem(planned.name)
    if problem is not None:
        yield problem
    wanted = planned.attributes.get(FIFO_QUEUE, "false").lower() == "true"
    if wanted != planned.fifo:
        yield (
            f"{FIFO_QUEUE} is {str(wanted).lower()} in sqs-creation-attributes, and SQS goes by "
            "the name, which ends in .fifo or not: rename the queue, or leave the attribute out"
        )
    if found is None:
        return
    try:
        _allowing(found, sources)
    except ValueError:
        yield (
            f"its {REDRIVE_ALLOW_POLICY} lets no queue move dead letters here: set it to allowAll, "
            "or max_receive_count to 0"
        )


def _looked_at(planned: PlannedQueue, found: FoundQueue | None, access: Access) -> QueueStep:
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ("predefined: only looked at",)
    if found is None:
        conflicts = (_PREDEFINED_MISSING,)
    elif found.refusal is not None:
        notes = (f"predefined, and may not be looked at: {found.refusal}",)
    return QueueStep(
        name=planned.name,
        region=access.region,
        purpose=_purpose(planned),
        exists=found is not None,
        conflicts=conflicts,
        notes=notes,
        access=access,
        planned=planned,
        found=found,
    )


def _purpose(planned: PlannedQueue) -> str:
    return _PURPOSES[planned.role].format(queue=planned.serves)
