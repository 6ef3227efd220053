"""What the coordination table says of the deployment: workers, parked tasks, bindings, inboxes.

What nobody needs any more is found here too; `celery aws cleanup` removes it.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timezone

from celery_aws.core.durations import duration_text
from celery_aws.core.inboxes import inbox_name
from celery_aws.core.queue_names import queue_name
from celery_aws.doctor.examined import ExaminedTable
from celery_aws.doctor.facts import Facts
from celery_aws.doctor.finding import Finding, notice, warning
from celery_aws.names import AmqpQueue, InboxId, QueueName

#: How late a parked task is when somebody should know: a mover that was killed is replaced in three
#: minutes, and a million tasks of one moment need some more.
LATE_SECONDS = 900

_INBOX_ID = re.compile(r"[0-9a-f]{32}")

#: In SQS's spelling: events, replies, and mailboxes of Celery's own transport (celery/events,
#: kombu/pidbox.py; kombu/transport/SQS/__init__.py ``canonical_queue_name``).
_STOCK = re.compile(r"celeryev-[0-9a-f-]{36}|[0-9a-f-]{36}-reply-celery-pidbox|.+-celery-pidbox")

LATE = warning(
    "parked-tasks-late",
    "Tasks whose eta is over are still parked: no worker runs that moves them, or none may send to "
    "their queue.",
    "Start a worker on this broker; if one runs, its log says why it does not move them",
)
PARKED_UNPROTECTED = notice(
    "parked-tasks-unprotected",
    "Tasks are parked in a table that can be deleted by one call, and cannot be restored.",
    "Switch on deletion protection, or point-in-time recovery: `aws dynamodb update-table "
    "--table-name TABLE --deletion-protection-enabled`",
)
NO_WORKERS = warning(
    "messages-without-workers",
    "Messages wait, and no worker with remote control is there.",
    "Start workers, and look at the log of the last ones; nothing has to be done if they are "
    "started on demand, or run with worker_enable_remote_control = False",
)
NO_QUEUE = warning(
    "binding-without-queue",
    "A queue is bound to an exchange and does not exist: what is published to the exchange fails "
    "for it, or makes it again.",
    "Remove the binding with `celery -A proj aws cleanup`, or make the queue",
)
ORPHANS = notice(
    "inboxes-orphaned",
    "Inboxes are not in the registry: their processes were killed, or belong to an app with the "
    "same prefix and another coordination table. They cost nothing.",
    "Remove them with `celery -A proj aws cleanup`, which shows what it would delete",
)
STOCK = notice(
    "stock-queues-left",
    "Queues of remote control or events of Celery's own sqs:// are there. Nothing here uses them, "
    "and AWS never deletes them. They cost nothing.",
    "Remove them with `celery -A proj aws cleanup`, when no process on sqs:// is left",
)

KINDS = (LATE, PARKED_UNPROTECTED, NO_WORKERS, NO_QUEUE, ORPHANS, STOCK)

#: Names that a finding lists; of more it says how many.
_SHOWN = 3


def parked_tasks(facts: Facts) -> Iterator[Finding]:
    """Look at what is parked."""
    first = next(iter(facts.shared.parked.answer or ()), None)
    table = facts.table("coordination")
    if first is None or table is None:
        return
    now = datetime.fromtimestamp(facts.now_epoch_seconds, timezone.utc)
    late_seconds = (now - first.due).total_seconds()
    if late_seconds > LATE_SECONDS:
        evidence = (
            f"task {first.task_id} of queue {first.queue} was due {duration_text(late_seconds)} ago"
        )
        yield LATE.found(table.what, evidence)
    if not _is_protected(table):
        evidence = f"the first one is due at {first.due:%Y-%m-%d %H:%M} UTC"
        yield PARKED_UNPROTECTED.found(table.what, evidence)


def workers(facts: Facts) -> Iterator[Finding]:
    """Compare what waits with who is there."""
    nodes = facts.shared.workers.answer
    waiting = {
        queue.name: messages
        for queue in facts.queues
        if (messages := queue.number("ApproximateNumberOfMessages") or 0)
    }
    controlled = facts.celery.settings.get("worker_enable_remote_control") is not False
    if nodes is not None and not nodes and waiting and controlled:
        parts = [f"{messages:,} in {name}" for name, messages in waiting.items()]
        yield NO_WORKERS.found("workers", _some(parts))


def bindings(facts: Facts) -> Iterator[Finding]:
    """Look for bindings of queues that are gone."""
    for each in facts.shared.bindings.answer or ():
        if each.exists is False:
            evidence = f"it is bound to exchange {each.binding.exchange!r}"
            yield NO_QUEUE.found(f"queue {each.queue}", evidence)


def leftovers(facts: Facts) -> Iterator[Finding]:
    """Look for queues that nobody needs any more."""
    options, names = facts.deployment.options, facts.queue_names.answer
    if options is None or names is None:
        return
    prefix = options.queue_name_prefix
    spelt = queue_name(AmqpQueue(prefix))
    stock = [name for name in names if _STOCK.fullmatch(name.removeprefix(spelt))]
    if stock:
        yield STOCK.found(f"{len(stock)} queue(s)", _some(stock))
    known = facts.shared.inboxes.answer
    orphans = [name for name in names if known is not None and _is_orphan(name, prefix, known)]
    if orphans:
        yield ORPHANS.found(f"{len(orphans)} queue(s)", _some(orphans))


def _is_protected(table: ExaminedTable) -> bool:
    details = table.details.answer
    unknown = details is None or table.recovery.answer is None
    return unknown or bool(details and details.deletion_protection) or bool(table.recovery.answer)


def _is_orphan(name: QueueName, prefix: str, known: frozenset[InboxId]) -> bool:
    # By the name that its process would give it: a prefix may be the beginning of another one.
    ids = _INBOX_ID.findall(name)
    own = bool(ids) and inbox_name(prefix, ids[-1]) == name
    return own and InboxId(ids[-1]) not in known


def _some(names: list[QueueName] | list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


CHECKS = (parked_tasks, workers, bindings, leftovers)
