"""What is in the coordination table."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from celery_aws.aws.access import Access
from celery_aws.broker.coordination import Coordination
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.parked_tasks import ParkedTask
from celery_aws.core.queue_names import queue_name
from celery_aws.core.routing import Binding
from celery_aws.doctor.facts import ExaminedBinding, Shared
from celery_aws.doctor.gathering.queues import exists
from celery_aws.doctor.look import Look, look
from celery_aws.names import QueueName
from celery_aws.schedule.queries import ScheduleQueries

#: Of the first task that is parked it can be told whether any is late.
_FIRST = 1


def shared_of(
    coordination: Coordination,
    options: BrokerOptions,
    access: Access,
    *,
    mailboxes: str,
    queues: Iterable[QueueName],
) -> Shared:
    """Read what the processes of a deployment say of themselves.

    Args:
        coordination: of the broker.
        options: of the broker.
        access: to the broker's queues.
        mailboxes: the exchange that workers bind their mailboxes to.
        queues: that are known to exist.

    Costs a Query for each of inboxes, bindings and lanes of the schedule, and one for each shard
    with the first parked task; a GetQueueUrl for each other queue that is bound to an
    exchange.
    """
    bindings = look(coordination.bindings.all)
    found = Shared(
        inboxes=look(lambda: frozenset(each.inbox for each in coordination.inboxes.all())),
        bindings=Look(error=bindings.error),
        parked=look(lambda: _parked(coordination)),
    )
    if bindings.answer is None:
        return found
    return replace(
        found,
        bindings=Look(answer=tuple(_on_sqs(bindings.answer, options, access, queues))),
        workers=Look(answer=_workers(bindings.answer, mailboxes)),
    )


def _on_sqs(
    bindings: Iterable[Binding],
    options: BrokerOptions,
    access: Access,
    queues: Iterable[QueueName],
) -> Iterator[ExaminedBinding]:
    known: dict[QueueName, bool | None] = dict.fromkeys(queues, True)
    for binding in bindings:
        if binding.transient or options.predefined_queues:
            continue  # a predefined queue is looked at by its URL
        name = queue_name(binding.queue, options.queue_name_prefix)
        if name not in known:
            known[name] = exists(access, name)
        yield ExaminedBinding(binding=binding, queue=name, exists=known[name])


def _workers(bindings: Iterable[Binding], mailboxes: str) -> frozenset[str]:
    return frozenset(each.queue for each in bindings if each.exchange == mailboxes)


def _parked(coordination: Coordination) -> tuple[ParkedTask, ...]:
    page = ScheduleQueries(coordination.schedule).page(limit=_FIRST)
    return tuple(page.tasks)
