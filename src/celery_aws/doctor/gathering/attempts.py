"""Whether the role may do what it does, as far as that can be tried without doing it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from celery_aws.aws.harmless_requests import try_queue, try_table
from celery_aws.deployment import PlannedTable
from celery_aws.doctor.examined import Attempt, ExaminedQueue, Outcome
from celery_aws.doctor.facts import Role
from celery_aws.doctor.look import look
from celery_aws.errors import AccessDeniedError, TemporaryError

#: What is tried on each queue.
_ON_QUEUES: Final[Mapping[Role, tuple[str, ...]]] = {
    "worker": ("DeleteMessage", "ChangeMessageVisibility"),
    "producer": (),
    "monitor": (),
}

#: What is tried on each table, and the partition it is tried in.
_ON_TABLES: Final[Mapping[tuple[Role, str], tuple[tuple[str, str], ...]]] = {
    ("worker", "results"): (
        ("GetItem", "celery-aws-doctor"),
        ("PutItem", "celery-aws-doctor"),
        ("UpdateItem", "celery-aws-doctor"),
        ("DeleteItem", "celery-aws-doctor"),
    ),
    ("worker", "coordination"): (
        ("GetItem", "lease#celery-aws-doctor"),
        ("PutItem", "lease#celery-aws-doctor"),
        ("DeleteItem", "lease#celery-aws-doctor"),
        ("Query", "schedule#celery-aws-doctor"),
    ),
    ("producer", "results"): (("GetItem", "celery-aws-doctor"),),
    ("producer", "coordination"): (("PutItem", "schedule#celery-aws-doctor"),),
    ("monitor", "coordination"): (("Query", "binding"), ("PutItem", "reply#celery-aws-doctor")),
}


def attempts_of(
    role: Role, queues: Iterable[ExaminedQueue], tables: Iterable[PlannedTable]
) -> Iterator[Attempt]:
    """Try what a role does.

    Args:
        role: whose rights are tried.
        queues: those that exist.
        tables: those that exist.

    Costs up to two requests a queue, and four requests of one unit a table.
    """
    for queue in queues:
        for action in _ON_QUEUES[role]:
            yield _on_queue(queue, action)
    for table in tables:
        for action, partition in _ON_TABLES.get((role, table.kind), ()):
            yield _on_table(table, action, partition)


def _on_queue(queue: ExaminedQueue, action: str) -> Attempt:
    url = queue.url
    if url is None:
        return Attempt(action=f"sqs:{action}", resource=queue.what, outcome=Outcome.UNKNOWN)
    return _attempt(f"sqs:{action}", queue.what, lambda: try_queue(action, queue.access, url))


def _on_table(table: PlannedTable, action: str, partition: str) -> Attempt:
    key = {each.name: {"S": partition} for each in table.spec.key}
    return _attempt(
        f"dynamodb:{action}",
        f"{table.kind} table {table.name}",
        lambda: try_table(action, table.access, table.name, key),
    )


def _attempt(action: str, resource: str, ask: Callable[[], None]) -> Attempt:
    failure = look(ask).error
    if isinstance(failure, AccessDeniedError):
        return Attempt(
            action=action, resource=resource, outcome=Outcome.DENIED, reason=failure.reason
        )
    answered = failure is None or not isinstance(failure, TemporaryError)
    return Attempt(
        action=action,
        resource=resource,
        outcome=Outcome.ALLOWED if answered else Outcome.UNKNOWN,
    )
