"""What any process of the package can tell of itself: its requests, and its broker's threads.

Both are in memory; nothing here asks AWS.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from celery_aws.aws.child_usage import children_usage
from celery_aws.aws.meter import request_usage
from celery_aws.broker.status import DeliveryStatus, delivery_status
from celery_aws.core.metered_names import metered_name
from celery_aws.core.request_usage import RequestUsage
from celery_aws.metrics import catalog
from celery_aws.metrics.samples import Sample
from celery_aws.names import TableName

#: What writes a task's state.
_STORES: Final = ("dynamodb", "PutItem")


class UsageSource:
    """Requests and billing units of this process, and of those of its pool.

    Args:
        results_table: where results are stored; None if nowhere, or not in DynamoDB.
        usage: tells them.
    """

    def __init__(
        self,
        results_table: TableName | None = None,
        usage: Callable[[], RequestUsage] = lambda: request_usage() + children_usage(),
    ) -> None:
        self._results_table = results_table
        self._usage = usage

    def samples(self) -> Iterable[Sample]:
        """Return what was asked so far."""
        usage = self._usage()
        for row in usage.rows:
            yield Sample(catalog.REQUESTS, row.key, float(row.requests))
            yield Sample(catalog.BILLING_UNITS, row.key, row.units)
        if self._results_table is not None:
            yield Sample(catalog.RESULTS_STORED, (), float(_stored(usage, self._results_table)))


class DeliverySource:
    """What the broker's threads of this process did and hold.

    Args:
        status: tells it.
    """

    def __init__(self, status: Callable[[], DeliveryStatus] = delivery_status) -> None:
        self._status = status

    def samples(self) -> Iterable[Sample]:
        """Return what is known now."""
        return _of_status(self._status())


def _stored(usage: RequestUsage, table: TableName) -> int:
    key = (*_STORES, metered_name(table))
    return sum(row.requests for row in usage.rows if row.key == key)


def _of_status(status: DeliveryStatus) -> Iterator[Sample]:
    for queue, last in status.last_polls.items():
        moment = 0.0 if last is None else last.timestamp()
        yield Sample(catalog.LAST_POLL, (queue,), moment)
    for metric, value in (
        (catalog.MESSAGES_HELD, status.held),
        (catalog.POLLS, status.polls),
        (catalog.EMPTY_POLLS, status.empty_polls),
        (catalog.MESSAGES_RECEIVED, status.received),
        (catalog.MESSAGES_DELETED, status.deleted),
        (catalog.MESSAGES_GIVEN_BACK, status.given_back),
        (catalog.MESSAGES_DISCARDED, status.discarded),
        (catalog.MESSAGES_KNOWN, status.known),
        (catalog.MESSAGES_EXPIRED, status.expired),
        (catalog.MESSAGES_PUT_OFF, status.put_off),
        (catalog.MESSAGES_DUPLICATE, status.duplicates),
        (catalog.MESSAGES_MOVED, status.moved),
        (catalog.LEASES_EXTENDED, status.extended),
        (catalog.LEASES_LOST, status.leases_lost),
        (catalog.ACKS_FAILED, status.unsettled),
        (catalog.ACKS_RETRIED, status.settled_later),
        (catalog.EVENTS_DROPPED, status.events_dropped),
    ):
        yield Sample(metric, (), float(value))
