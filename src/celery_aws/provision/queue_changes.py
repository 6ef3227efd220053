"""Makes a queue, or changes it. Done again, it does nothing more.

Facts: CreateQueue in the SQS API reference (it finds a queue with the same attributes; one second
until it can be used; ``QueueDeletedRecently`` for 60 s).
"""

from celery_aws.aws.queue_administration import ALL_ATTRIBUTES, QueueAdministration
from celery_aws.broker.creation import once_known
from celery_aws.clock import Clock
from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.errors import AlreadyExistsError, ThrottledError
from celery_aws.limits import SQS_NAME_REUSE_SECONDS
from celery_aws.names import QueueArn, QueueName, QueueUrl
from celery_aws.provision.found import FoundQueue
from celery_aws.provision.outcomes import Say
from celery_aws.provision.queue_steps import attributes_of, queue_step
from celery_aws.provision.services import Services
from celery_aws.provision.steps import QueueStep
from celery_aws.provision.tags import tags_to_set

_DELETED_RECENTLY = "QueueDeletedRecently"

#: Seconds for which a name that was deleted is asked for again, and between two tries.
_REUSE_DEADLINE_SECONDS = SQS_NAME_REUSE_SECONDS + 10.0
_REUSE_PAUSE_SECONDS = 5.0


def bring_about_queue(
    step: QueueStep, services: Services, sources: list[QueueName], say: Say
) -> None:
    """Do what a step says.

    Args:
        step: to create or to change a queue.
        services: ask AWS.
        sources: the queues of which it is the dead-letter queue.
        say: told why it takes long.

    Raises:
        AwsError: AWS refused.

    Costs up to two requests for a change. To create one costs CreateQueue, GetQueueAttributes and
    ListQueueTags, with a dead-letter queue two more.
    """
    service = services.queues(step.access)
    if step.found is not None:
        _change(step, service, step.found)
        return
    url = _create(step.planned, service, services.clock, say)
    # It is usable once it answers; and somebody may have made it meanwhile, in another way.
    attributes = once_known(lambda: service.queue_attributes(url, ALL_ATTRIBUTES), services.clock)
    made = FoundQueue(url=url, attributes=attributes, tags=service.queue_tags(url))
    again = queue_step(step.planned, made, step.access, sources=sources)
    if not again.conflicts:
        _change(again, service, made)


def _create(
    planned: PlannedQueue, service: QueueAdministration, clock: Clock, say: Say
) -> QueueUrl:
    target = planned.dead_letter_queue
    # It may have been made a moment ago.
    arn = QueueArn("") if target is None else once_known(lambda: _arn(service, target), clock)
    attributes = attributes_of(planned, arn)
    deadline = clock.monotonic() + _REUSE_DEADLINE_SECONDS
    while True:
        try:
            return once_known(
                lambda: service.create_queue(planned.name, attributes, planned.tags), clock
            )
        except AlreadyExistsError:
            return service.queue_url(planned.name)
        except ThrottledError as error:
            if not error.code.endswith(_DELETED_RECENTLY) or clock.monotonic() >= deadline:
                raise
        say(f"{planned.name} was deleted less than {SQS_NAME_REUSE_SECONDS} s ago: waiting")
        clock.sleep(_REUSE_PAUSE_SECONDS)


def _arn(service: QueueAdministration, name: QueueName) -> QueueArn:
    return QueueArn(service.queue_attributes(service.queue_url(name), ["QueueArn"])["QueueArn"])


def _change(step: QueueStep, service: QueueAdministration, found: FoundQueue) -> None:
    if step.attributes:
        service.set_queue_attributes(found.url, step.attributes)
    tags = tags_to_set(step.planned.tags, step.changed)
    if tags:
        service.tag_queue(found.url, tags)
