"""Which SQS queues a broker's options and Celery's queues ask for, and with which attributes.

One place says it for whoever makes queues: the transport at their first use, and the operator
before. Facts: CreateQueue in the SQS API reference; "Using dead-letter queues in Amazon SQS" in the
SQS developer guide.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from celery_aws.config.broker import BrokerOptions, PredefinedQueue
from celery_aws.core.dead_letters import (
    ENCRYPTION_ATTRIBUTES,
    REDRIVE_POLICY,
    dead_letter_name,
    is_dead_letter_name,
)
from celery_aws.core.priorities import Priorities, steps_up_to
from celery_aws.core.queue_names import is_fifo, name_of_url, queue_name
from celery_aws.limits import SQS_RETENTION_SECONDS_DEFAULT, SQS_RETENTION_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueName, QueueUrl


class QueueRole(Enum):
    """What an SQS queue is there for."""

    #: One of Celery's queues.
    TASKS = "tasks"
    #: The messages of such a queue that have a higher step of priority.
    PRIORITY = "priority"
    #: What SQS, or a worker that rejects for good, moves there.
    DEAD_LETTERS = "dead letters"


@dataclass(frozen=True, kw_only=True)
class CeleryQueue:
    """A queue by Celery's name, as the app declares it.

    Attributes:
        name: Celery's.
        max_priority: its ``x-max-priority``, or None.
    """

    name: AmqpQueue
    max_priority: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedQueue:
    """A queue that shall be there.

    Attributes:
        name: on AWS.
        role: what it is there for.
        serves: Celery's queue that it belongs to.
        step: Celery's name of the queue itself, the step of a priority included; None for a
            dead-letter queue, which has none.
        attributes: that it is created with, without the redrive policy that ``dead_letter_queue``
            stands for.
        dead_letter_queue: where SQS moves a message after ``max_receive_count`` receives; None is
            nowhere, or where a ``RedrivePolicy`` among the attributes says.
        max_receive_count: receives; 0 without a dead-letter queue.
        tags: that it is created with.
        predefined: what the options say of a queue that somebody else makes; such a queue is never
            created or changed, and has no attributes here.
    """

    name: QueueName
    role: QueueRole
    serves: AmqpQueue
    step: AmqpQueue | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    dead_letter_queue: QueueName | None = None
    max_receive_count: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    predefined: PredefinedQueue | None = None

    @property
    def url(self) -> QueueUrl | None:
        """Where it is, if the options say so."""
        return None if self.predefined is None else QueueUrl(self.predefined.url)

    @property
    def fifo(self) -> bool:
        """True for a FIFO queue."""
        return is_fifo(self.name)


def planned_queues(options: BrokerOptions, queues: Iterable[CeleryQueue]) -> list[PlannedQueue]:
    """Return the SQS queues of Celery's queues, each once.

    A dead-letter queue comes before those that lead to it, and the steps of a queue come in the
    order in which they are received from.

    Args:
        options: of the broker.
        queues: Celery's; a name that comes again counts once.
    """
    planned: dict[QueueName, PlannedQueue] = {}
    for queue in queues:
        for each in _queues_of(options, queue):
            planned.setdefault(each.name, each)
    return list(planned.values())


def wants_dead_letters(name: QueueName, options: BrokerOptions) -> bool:
    """Tell whether a queue is created with a dead-letter queue of ours."""
    return (
        options.max_receive_count > 0
        and REDRIVE_POLICY not in options.sqs_creation_attributes
        and not is_dead_letter_name(name)
    )


def queue_attributes(name: QueueName, options: BrokerOptions) -> dict[str, str]:
    """Return what a queue of Celery's is created with, its redrive policy aside."""
    attributes = {"VisibilityTimeout": str(options.visibility_timeout)}
    if is_fifo(name):
        attributes["FifoQueue"] = "true"
    attributes.update(options.sqs_creation_attributes)
    return attributes


def longest_message_life_seconds(options: BrokerOptions) -> int:
    """Return for how long SQS may keep a message, from the moment it is sent.

    In its queue, and then in the dead-letter queue. SQS counts the time in both from the send; a
    worker that rejects a message, and a FIFO queue, begin anew with the second. Sent back from
    there it is another message.
    """
    given = options.sqs_creation_attributes
    text = given.get("MessageRetentionPeriod", "")
    seconds = int(text) if text.isdecimal() else SQS_RETENTION_SECONDS_DEFAULT
    dead_letters = options.max_receive_count > 0 or REDRIVE_POLICY in given
    return seconds + (SQS_RETENTION_SECONDS_MAX if dead_letters else 0)


def dead_letter_attributes(name: QueueName, options: BrokerOptions) -> dict[str, str]:
    """Return what a dead-letter queue is created with."""
    given = options.sqs_creation_attributes
    attributes = {key: given[key] for key in given if key in ENCRYPTION_ATTRIBUTES}
    # As long as SQS keeps a message at all: it is there for people to look at.
    attributes["MessageRetentionPeriod"] = str(SQS_RETENTION_SECONDS_MAX)
    if is_fifo(name):
        attributes["FifoQueue"] = "true"
    return attributes


def priorities_of(queue: CeleryQueue, options: BrokerOptions) -> Priorities:
    """Return the steps of a queue, by its declaration and the options."""
    if is_dead_letter_name(queue_name(queue.name, options.queue_name_prefix)):
        return Priorities()
    steps = options.priority_steps or Priorities().steps
    if queue.max_priority is not None:
        steps = steps_up_to(options.priority_steps, queue.max_priority)
    return Priorities(steps=steps, highest=options.highest_priority)


def _queues_of(options: BrokerOptions, queue: CeleryQueue) -> list[PlannedQueue]:
    steps = priorities_of(queue, options).queues(queue.name)
    if options.predefined_queues:
        return [found for step in steps if (found := _predefined(options, queue, step))]
    served = queue_name(queue.name, options.queue_name_prefix)
    dead_letters = dead_letter_name(served) if wants_dead_letters(served, options) else None
    planned = [
        PlannedQueue(
            name=(name := queue_name(step, options.queue_name_prefix)),
            role=QueueRole.TASKS if step == queue.name else QueueRole.PRIORITY,
            serves=queue.name,
            step=step,
            attributes=queue_attributes(name, options),
            dead_letter_queue=dead_letters,
            max_receive_count=0 if dead_letters is None else options.max_receive_count,
            tags=options.queue_tags,
        )
        for step in steps
    ]
    if dead_letters is None:
        return planned
    first = PlannedQueue(
        name=dead_letters,
        role=QueueRole.DEAD_LETTERS,
        serves=queue.name,
        attributes=dead_letter_attributes(dead_letters, options),
        tags=options.queue_tags,
    )
    return [first, *planned]


def _predefined(options: BrokerOptions, queue: CeleryQueue, step: AmqpQueue) -> PlannedQueue | None:
    known = options.predefined_queues
    found = known.get(step) or known.get(queue_name(step, options.queue_name_prefix))
    if found is None:
        return None
    return PlannedQueue(
        name=name_of_url(QueueUrl(found.url)),
        role=QueueRole.TASKS if step == queue.name else QueueRole.PRIORITY,
        serves=queue.name,
        step=step,
        predefined=found,
    )
