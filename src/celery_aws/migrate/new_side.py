"""The side that is entered, as a plan needs it: which queues there are, and what they take.

Nothing is created or changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery_aws.broker import Transport
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.queue_attributes import queue_attributes
from celery_aws.core.priorities import Priorities
from celery_aws.core.queue_facts import QueueFacts
from celery_aws.core.queue_names import is_fifo
from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import (
    Deployment,
    declare_priorities,
    deployment_of,
    is_ours,
)
from celery_aws.errors import (
    AccessDeniedError,
    ConfigurationError,
    QueueNotFoundError,
)
from celery_aws.names import AmqpQueue, QueueName
from celery_aws.results import result_backend_of

#: Where the result backend of two sides is.
_DUAL_BACKEND = "celery_aws.migrate"


@dataclass(frozen=True, kw_only=True)
class NewQueue:
    """A queue that messages go to.

    Attributes:
        queue: Celery's name.
        names: on AWS, by Celery's names of the queues of its priorities, those first that come
            first.
        priorities: that it has.
        named: the app names it; else nobody knows whether a worker consumes it.
        missing: those of `names` that SQS does not have.
        unseen: those that may not be looked for.
        facts: the strictest of what its queues say; None if there is none to ask.
        problem: why it cannot be there at all; None if it can.
    """

    queue: AmqpQueue
    names: Mapping[AmqpQueue, QueueName]
    priorities: Priorities = field(default_factory=Priorities)
    named: bool = True
    missing: tuple[QueueName, ...] = ()
    unseen: tuple[QueueName, ...] = ()
    facts: QueueFacts | None = None
    problem: str | None = None

    @property
    def fifo(self) -> bool:
        """True for a FIFO queue."""
        return is_fifo(self.queue)

    @property
    def exists(self) -> bool:
        """True if SQS has all of it."""
        return not self.missing and self.problem is None


@dataclass(frozen=True, kw_only=True)
class NewSide:
    """What is entered.

    Attributes:
        region: of the queues.
        queues: by Celery's name.
        creates_queues: those that are missing, when the first message is sent.
        parks: there is a schedule for etas that are far away.
        deduplicates: workers keep a message that was moved twice from running twice.
        bucket: for bodies that are too large for SQS; None if there is none.
        results: the table; None if results go elsewhere.
        reads_both: the result backend looks on the old side, too.
    """

    region: str | None
    queues: Mapping[AmqpQueue, NewQueue]
    creates_queues: bool = True
    parks: bool = True
    deduplicates: bool = True
    bucket: str | None = None
    results: str | None = None
    reads_both: bool = False


def read_new_side(app: Any, queues: Iterable[AmqpQueue]) -> NewSide:
    """Return what an app's new side is.

    Args:
        app: whose ``broker_write_url``, or ``broker_url``, is ours.
        queues: Celery's names of queues that messages shall go to.

    Raises:
        ConfigurationError: the broker is another one, or a setting is wrong.
        AwsError: AWS did not answer, or refused for another reason than a missing right.

    Costs one GetQueueUrl and one GetQueueAttributes for each SQS queue.
    """
    with app.connection_for_write() as connection:
        if not is_ours(connection):
            raise ConfigurationError(
                f"the new broker is {connection.transport_cls!r}, and has to be aws+sqs://: the "
                "app (-A) is the new one, and the old one is named by --from or --from-config",
                where="broker_url",
            )
        deployment = deployment_of(app)
        transport: Transport = connection.transport
        declare_priorities(app, transport.directory)
        served = {each.serves for each in deployment.with_role(QueueRole.TASKS, QueueRole.PRIORITY)}
        found = {
            queue: _queue(transport, queue, named=queue in served)
            for queue in dict.fromkeys(queues)
        }
        return _side(app, deployment, transport.directory, found)


def _side(
    app: Any,
    deployment: Deployment,
    directory: QueueDirectory,
    queues: Mapping[AmqpQueue, NewQueue],
) -> NewSide:
    options = directory.options
    parks = options.coordination_table is not False
    results = deployment.table("results")
    return NewSide(
        region=None if deployment.broker is None else deployment.broker.region,
        queues=queues,
        creates_queues=options.create_missing_queues and not options.predefined_queues,
        parks=parks,
        deduplicates=parks and options.migration_deduplication,
        bucket=options.large_message_bucket,
        results=None if results is None else results.name,
        reads_both=type(result_backend_of(app)).__module__.startswith(_DUAL_BACKEND),
    )


def _queue(transport: Transport, queue: AmqpQueue, *, named: bool) -> NewQueue:
    directory = transport.directory
    priorities = directory.priorities(queue)
    steps = directory.priority_queues(queue)
    names = {step: directory.name(step) for step in steps}
    try:
        directory.check(queue)
    except (ConfigurationError, QueueNotFoundError) as error:
        return NewQueue(
            queue=queue, names=names, priorities=priorities, named=named, problem=str(error)
        )
    found = {step: _look(directory, step) for step in steps}
    there = [each for each in found.values() if isinstance(each, QueueAddress)]
    facts = [queue_attributes(transport.clock).facts(each) for each in there]
    return NewQueue(
        queue=queue,
        names=names,
        priorities=priorities,
        named=named,
        missing=tuple(names[step] for step, each in found.items() if each is None),
        unseen=tuple(
            names[step] for step, each in found.items() if isinstance(each, AccessDeniedError)
        ),
        facts=strictest(facts),
    )


def strictest(facts: Iterable[QueueFacts]) -> QueueFacts | None:
    """Return what all of some queues take and keep; None of none."""
    known = list(facts)
    if not known:
        return None
    return QueueFacts(
        max_message_bytes=min(each.max_message_bytes for each in known),
        retention_seconds=min(each.retention_seconds for each in known),
        delay_seconds=max(each.delay_seconds for each in known),
        refusal=next((each.refusal for each in known if each.refusal), None),
    )


def _look(directory: QueueDirectory, queue: AmqpQueue) -> QueueAddress | AccessDeniedError | None:
    try:
        return directory.find(queue)
    except AccessDeniedError as error:
        return error
