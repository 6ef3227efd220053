"""Where messages are that a migration sent: received by a worker, in the schedule, or in a queue.

A worker that receives a message which was migrated claims it (:mod:`celery_aws.table.migrated`), so
each that was received is known by its name. Those in the schedule are known by the id of their
task. What is in a queue cannot be looked at, only counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from celery_aws.aws.sqs import QueueService
from celery_aws.broker import Transport
from celery_aws.core.dead_letters import REDRIVE_POLICY, owner_and_name, redrive_policy
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, queue_depth
from celery_aws.deployment import declare_priorities
from celery_aws.errors import AccessDeniedError, QueueNotFoundError
from celery_aws.limits import DYNAMODB_BATCH_GET_KEYS
from celery_aws.migrate.journal import Entry, Journal
from celery_aws.migrate.messages import Fate
from celery_aws.migrate.sqs_target import key_of_mark
from celery_aws.names import AmqpQueue, QueueArn
from celery_aws.schedule.queries import ScheduleQueries

#: More than any schedule has.
_ALL: Final = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """Where messages are that were sent.

    Attributes:
        begun: how many a worker has received.
        parked: how many are in the schedule.
        unseen: names of the others, which have to be in a queue.
        waiting: how many messages the queues have that they were sent to, whosever they are, their
            dead letters among them.
        followed: False if workers do not say what they have received.
    """

    begun: int = 0
    parked: int = 0
    unseen: tuple[str, ...] = ()
    waiting: int = 0
    followed: bool = True


def whereabouts(journal: Journal, app: Any, transport: Transport) -> Whereabouts:
    """Return where the messages are that the passage under way has sent.

    Args:
        journal: knows them.
        app: the new one.
        transport: of its broker, which is ours.

    Raises:
        AwsError: AWS did not answer, or refused.

    Costs one BatchGetItem for each 100 messages; if some were parked and not received, one Query
    for each MB of the schedule; one GetQueueAttributes for each SQS queue and dead-letter queue.
    """
    shared = transport.coordination
    if shared is None:
        return Whereabouts(followed=False)
    # In the order in which a message goes on: what moves in between is seen twice, and not missed.
    parked_ids = _parked_ids(journal, ScheduleQueries(shared.schedule))
    waiting = _waiting(app, transport, set(journal.counts()))
    passage = "" if (found := journal.passage()) is None else found.name
    claims = shared.migration_claims
    parked, begun = 0, 0
    unseen: list[str] = []
    for entries in _hundreds(journal.entries(Fate.SENT)):
        names = {key_of_mark(each.key, each.task_id, passage=passage): each for each in entries}
        started = claims.started(names)
        begun += len(started)
        rest = [each for name, each in names.items() if name not in started]
        still_parked = [each for each in rest if each.parked and each.task_id in parked_ids]
        parked += len(still_parked)
        known = {each.key for each in still_parked}
        unseen += [each.task_id or each.key for each in rest if each.key not in known]
    return Whereabouts(begun=begun, parked=parked, unseen=tuple(unseen), waiting=waiting)


def _parked_ids(journal: Journal, schedule: ScheduleQueries) -> frozenset[str]:
    if not any(entry.parked for entry in journal.entries(Fate.SENT)):
        return frozenset()
    return frozenset(task.task_id for task in schedule.page(limit=_ALL).tasks)


def _waiting(app: Any, transport: Transport, queues: Iterable[AmqpQueue]) -> int:
    directory = transport.directory
    declare_priorities(app, directory)
    steps = {step for queue in queues for step in directory.priority_queues(queue)}
    found = [address for step in steps if (address := directory.existing(step)) is not None]
    waiting = 0
    dead_letters: dict[QueueArn, QueueService] = {}
    for address in found:
        try:
            wanted = [*DEPTH_ATTRIBUTES, REDRIVE_POLICY]
            attributes = address.service.queue_attributes(address.url, wanted)
        except QueueNotFoundError:
            continue
        waiting += queue_depth(attributes).messages
        policy = redrive_policy(attributes.get(REDRIVE_POLICY))
        if policy is not None:
            dead_letters[policy.target] = address.service
    return waiting + sum(_dead(service, arn) for arn, service in dead_letters.items())


def _dead(service: QueueService, arn: QueueArn) -> int:
    try:
        owner, name = owner_and_name(arn)
        url = service.queue_url(name, owner=owner)
        return queue_depth(service.queue_attributes(url, DEPTH_ATTRIBUTES)).messages
    except (AccessDeniedError, QueueNotFoundError, ValueError):
        return 0


def _hundreds(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, DYNAMODB_BATCH_GET_KEYS)):
        yield batch
