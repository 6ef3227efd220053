"""Finds what others left behind under an app's prefix, and removes what somebody agrees to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from celery_aws.aws.operators import OperatorServices
from celery_aws.aws.queue_listing import all_queues
from celery_aws.broker.coordination import Coordination
from celery_aws.broker.directory import QueueDirectory, broker_access
from celery_aws.clock import Clock
from celery_aws.config.urls import BrokerUrl
from celery_aws.core.binding_items import sort_key_of
from celery_aws.core.queue_depth import DEPTH_ATTRIBUTES, queue_depth
from celery_aws.core.queue_names import name_of_url, queue_name
from celery_aws.core.routing import Binding
from celery_aws.errors import AccessDeniedError, QueueNotFoundError, TableNotFoundError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue, InboxId, QueueUrl
from celery_aws.queues.leftovers import (
    Kind,
    Leftover,
    inbox_of,
    is_read_all_the_time,
    judge,
    kind_of,
)

_CREATED: Final = "CreatedTimestamp"
_MODIFIED: Final = "LastModifiedTimestamp"


@dataclass(frozen=True, kw_only=True)
class StaleBinding:
    """A binding that leads nowhere.

    Attributes:
        binding: which one.
        reason: why it does.
    """

    binding: Binding
    reason: str


class Cleaning:
    """Looks for leftovers of one app's prefix.

    Args:
        url: of the broker.
        directory: where its queues are.
        coordination: its registry of inboxes, and its bindings; None if it has none.
        clock: tells ages.
    """

    def __init__(
        self,
        *,
        url: BrokerUrl,
        directory: QueueDirectory,
        coordination: Coordination | None,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._coordination = coordination
        self._clock = clock
        self._prefix = directory.options.queue_name_prefix
        self._listing = OperatorServices.listing(broker_access(url, directory.options))

    def queues(self) -> list[Leftover]:
        """Return the queues that may have been left behind, those in use among them.

        Raises:
            AwsError: SQS or DynamoDB did not answer, or refused: sqs:ListQueues is needed on all
                queues.

        Costs one ListQueues for 1,000 queues with the prefix, one Query of the registry, one
        GetQueueAttributes for each queue whose name is that of a leftover, and one ReceiveMessage,
        which hides nothing, for each of the stock transport's with messages.
        """
        prefix = queue_name(AmqpQueue(self._prefix))
        urls = list(all_queues(lambda after: self._listing.queues(prefix, after)))
        # After the list: an inbox is registered before its queue is made, so each that is listed
        # and has a process is among them.
        registered = self._registered()
        found = (self._leftover(each, registered) for each in urls)
        return [each for each in found if each is not None]

    def bindings(self) -> list[StaleBinding]:
        """Return the bindings whose queue, or whose process, is gone.

        Costs one Query for the bindings and one for the registry, and one GetQueueUrl for each
        queue that is bound and not in a process's memory.
        """
        if self._coordination is None:
            return []
        try:
            bindings = self._coordination.bindings.all()
        except TableNotFoundError:
            return []
        # After the bindings: what is bound was registered before.
        registered = self._registered() or frozenset()
        gone = self._gone({each.queue for each in bindings if each.inbox is None})
        stale = []
        for each in bindings:
            if each.inbox is not None and each.inbox not in registered:
                stale.append(StaleBinding(binding=each, reason="its process has no inbox any more"))
            elif each.inbox is None and each.queue in gone:
                stale.append(StaleBinding(binding=each, reason="its queue is gone"))
        return stale

    def remove_queue(self, leftover: Leftover) -> bool:
        """Delete a queue, unless somebody has begun to receive from it.

        Returns:
            False if it was left, or is gone.

        Costs one GetQueueAttributes and one DeleteQueue.
        """
        try:
            if queue_depth(self._attributes(leftover.url, DEPTH_ATTRIBUTES)).in_flight:
                return False
            self._directory.service.delete_queue(leftover.url)
        except QueueNotFoundError:
            return False
        return True

    def remove_bindings(self, stale: Sequence[StaleBinding]) -> list[StaleBinding]:
        """Remove bindings that still lead nowhere, and return them.

        Somebody may have declared the queue anew while somebody else thought about the plan.

        Costs what :meth:`bindings` costs, and one BatchWriteItem for each 25.
        """
        if self._coordination is None or not stale:
            return []
        still = {sort_key_of(each.binding) for each in self.bindings()}
        removed = [each for each in stale if sort_key_of(each.binding) in still]
        self._coordination.bindings.remove(sort_key_of(each.binding) for each in removed)
        return removed

    def _registered(self) -> frozenset[InboxId] | None:
        if self._coordination is None:
            return None
        try:
            return frozenset(each.inbox for each in self._coordination.inboxes.all())
        except TableNotFoundError:
            return frozenset()

    def _leftover(self, url: QueueUrl, registered: frozenset[InboxId] | None) -> Leftover | None:
        name = name_of_url(url)
        kind = kind_of(name, self._prefix)
        if kind is None:
            return None
        try:
            attributes = self._attributes(url, (*DEPTH_ATTRIBUTES, _CREATED, _MODIFIED))
        except QueueNotFoundError:
            return None  # It has gone since, or SQS still lists what was deleted.
        created_at, depth = _moment(attributes[_CREATED]), queue_depth(attributes)
        looked_at = is_read_all_the_time(kind) and depth.visible and not depth.in_flight
        oldest_at = self._oldest_at(url) if looked_at else None
        now = self._clock.now()
        known = None
        if kind is Kind.INBOX and registered is not None:
            known = inbox_of(name) in registered
        return Leftover(
            name=name,
            url=url,
            kind=kind,
            created_at=created_at,
            modified_at=_moment(attributes[_MODIFIED]),
            depth=depth,
            oldest_at=oldest_at,
            judgement=judge(
                kind,
                depth,
                now - created_at,
                unread=None if oldest_at is None else now - oldest_at,
                registered=known,
                # By default the table is as much the prefix's as the queues are.
                only_registry=not self._directory.options.coordination_table,
            ),
        )

    def _gone(self, queues: set[AmqpQueue]) -> set[AmqpQueue]:
        return {queue for queue in queues if self._is_gone(queue)}

    def _is_gone(self, queue: AmqpQueue) -> bool:
        if self._directory.options.predefined_queues:
            return self._directory.predefined(queue) is None
        try:
            return self._directory.find(queue) is None
        except AccessDeniedError:
            return False  # It is not known, so the binding stays.

    def _oldest_at(self, url: QueueUrl) -> datetime | None:
        try:
            # Hidden for no time: whoever reads it does not miss it.
            messages = self._directory.service.receive(
                url,
                max_messages=SQS_BATCH_ENTRIES,
                wait_seconds=0,
                visibility_timeout_seconds=0,
            )
        except (AccessDeniedError, QueueNotFoundError):
            return None
        return min((each.sent_at for each in messages if each.sent_at), default=None)

    def _attributes(self, url: QueueUrl, names: Sequence[str]) -> dict[str, str]:
        return self._directory.service.queue_attributes(url, list(names))


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), timezone.utc)
