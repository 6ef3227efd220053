"""What there is of a deployment that could be taken away, and what speaks against it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from celery_aws.aws.access import Access
from celery_aws.aws.queue_administration import QueueAdministration
from celery_aws.core.inboxes import INBOX_ID_CHARACTERS, inbox_name, is_inbox_name
from celery_aws.core.queue_names import FIFO_SUFFIX, name_of_url, name_problem
from celery_aws.core.queue_plan import QueueRole
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.errors import QueueNotFoundError, TableNotFoundError
from celery_aws.names import BucketName, QueueName, QueueUrl, TableName
from celery_aws.provision.bucket_rules import rules_of, without_rules
from celery_aws.provision.services import Services
from celery_aws.provision.table_steps import is_of_others

_COUNTS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


@dataclass(frozen=True, kw_only=True)
class RemainingQueue:
    """A queue, and about how many messages it has.

    Attributes:
        name: on AWS.
        url: where it is.
        purpose: a role, or ``inbox``.
        visible: messages that can be received.
        in_flight: messages that somebody has received.
        delayed: messages that cannot be received yet.
        access: how it is reached.
    """

    name: QueueName
    url: QueueUrl
    purpose: str
    visible: int
    in_flight: int
    delayed: int
    access: Access

    @property
    def messages(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


@dataclass(frozen=True, kw_only=True)
class RemainingTable:
    """A table.

    Attributes:
        name: of the table.
        kind: what is kept in it.
        items: about how many, some hours ago.
        has_items: there is one now.
        is_protected: DeleteTable is refused.
        is_ending: somebody has deleted it already.
        access: how it is reached.
    """

    name: TableName
    kind: Literal["results", "coordination"]
    items: int
    has_items: bool
    is_protected: bool
    is_ending: bool
    access: Access


@dataclass(frozen=True, kw_only=True)
class RemainingBucket:
    """A bucket.

    Attributes:
        name: of the bucket.
        rules: ids of the lifecycle rules that are ours.
        has_objects: there is something in it.
        has_other_rules: it has lifecycle rules of others.
        access: how it is reached.
    """

    name: BucketName
    rules: tuple[str, ...]
    has_objects: bool
    has_other_rules: bool
    access: Access

    @property
    def goes(self) -> bool:
        """True if the bucket itself is deleted: it is empty, and nobody else has rules in it."""
        return not self.has_objects and not self.has_other_rules


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What there is, in the order in which it is taken away."""

    queues: tuple[RemainingQueue, ...] = ()
    tables: tuple[RemainingTable, ...] = ()
    buckets: tuple[RemainingBucket, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to take away."""
        buckets = any(each.goes or each.rules for each in self.buckets)
        return not self.queues and not self.tables and not buckets

    def refusals(self, *, with_messages: bool) -> list[str]:
        """Return why it must not be taken away.

        Args:
            with_messages: what is not empty may go too.
        """
        return [*self._protected(), *([] if with_messages else self._not_empty())]

    def _protected(self) -> Iterator[str]:
        for table in self.tables:
            if table.is_protected and not table.is_ending:
                yield (
                    f"the table {table.name} has deletion protection: switch that off in the "
                    "console, or with aws dynamodb update-table --no-deletion-protection-enabled"
                )

    def _not_empty(self) -> Iterator[str]:
        for queue in self.queues:
            if queue.messages:
                yield f"the queue {queue.name} has about {queue.messages} messages"
        for table in self.tables:
            if table.has_items and not table.is_ending:
                yield f"the table {table.name} has items, about {max(1, table.items)}"


def read_remains(deployment: Deployment, services: Services) -> Remains:
    """Return what there is of a deployment.

    Predefined queues, and tables that are named by their ARN, are not ours and left out.

    Costs two requests for each queue, two for each table, three for each bucket, ListQueues for the
    inboxes and one request for each of them.
    """
    return Remains(
        queues=tuple(_queues(deployment, services)),
        tables=tuple(_tables(deployment, services)),
        buckets=tuple(_buckets(deployment, services)),
    )


def _queues(deployment: Deployment, services: Services) -> Iterator[RemainingQueue]:
    if deployment.broker is None:
        return
    service = services.queues(deployment.broker)
    ours = [queue for queue in deployment.queues if queue.predefined is None]
    # Those that lead to dead-letter queues first.
    for queue in sorted(ours, key=lambda each: each.role is QueueRole.DEAD_LETTERS):
        if name_problem(queue.name) is None:
            yield from _queue(service, deployment.broker, queue.name, queue.role.value)
    if deployment.remote_control and deployment.options is not None:
        prefix = _inbox_prefix(deployment.options.queue_name_prefix)
        for url in service.queues_named(prefix):
            name = name_of_url(url)
            if is_inbox_name(name):
                # Not by its name: on inboxes nobody needs GetQueueUrl for this.
                yield from _queue(service, deployment.broker, name, "inbox", url)


def _inbox_prefix(prefix: str) -> str:
    """Return what the names of a deployment's inboxes begin with."""
    digits = "0" * INBOX_ID_CHARACTERS
    return inbox_name(prefix, digits).removesuffix(f"{digits}{FIFO_SUFFIX}")


def _queue(
    service: QueueAdministration,
    access: Access,
    name: QueueName,
    purpose: str,
    known: QueueUrl | None = None,
) -> Iterator[RemainingQueue]:
    try:
        url = known or service.queue_url(name)
        found = service.queue_attributes(url, list(_COUNTS.values()))
    except QueueNotFoundError:
        return
    yield RemainingQueue(name=name, url=url, purpose=purpose, access=access, **_counted(found))


def _counted(attributes: Mapping[str, str]) -> dict[str, int]:
    return {key: int(attributes.get(name, 0)) for key, name in _COUNTS.items()}


def _tables(deployment: Deployment, services: Services) -> Iterator[RemainingTable]:
    for planned in deployment.tables:
        if not is_of_others(planned):
            yield from _table(planned, services)


def _table(planned: PlannedTable, services: Services) -> Iterator[RemainingTable]:
    service = services.tables(planned.access)
    try:
        details = service.details(planned.name)
        is_ending = details.status == "DELETING"
        has_items = not is_ending and service.has_items(planned.name)
    except TableNotFoundError:
        return
    yield RemainingTable(
        name=planned.name,
        kind=planned.kind,
        items=details.items,
        has_items=has_items,
        is_protected=details.deletion_protection,
        is_ending=is_ending,
        access=planned.access,
    )


def _buckets(deployment: Deployment, services: Services) -> Iterator[RemainingBucket]:
    accesses = {each.name: each.access for each in deployment.buckets}
    for name, rules in rules_of(deployment.buckets).items():
        access = accesses[name]
        service = services.buckets(access)
        if service.region(name) != access.region:
            continue
        present = service.lifecycle(name).rules
        others = without_rules(present, [rule.id for rule in rules])
        ids = {str(rule.get("ID")) for rule in present}
        yield RemainingBucket(
            name=name,
            rules=tuple(rule.id for rule in rules if rule.id in ids),
            has_objects=service.has_objects(name),
            has_other_rules=bool(others),
            access=access,
        )
