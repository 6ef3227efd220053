"""One request's worth of settlements, without thread or pauses: ask, and sort what failed.

What cannot be settled is logged with its message's fate: it is delivered again when its
visibility timeout ends. Facts: DeleteMessageBatch and ChangeMessageVisibilityBatch in the SQS
API reference ("Failed" entries of a request that succeeded).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from celery_aws.aws.sqs import BatchFailure
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.errors import AwsError, StaleReceiptError, TemporaryError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What shall become of one received message."""

    receipt: Receipt
    #: None deletes it; a number lets its queue hand it out again after so many seconds.
    visible_in_seconds: int | None = None


#: Told the receipts of messages whose deletion SQS has confirmed, in the acker's thread.
OnDeleted = Callable[[Sequence[Receipt]], None]


def settle_once(
    address: QueueAddress,
    batch: list[Settlement],
    *,
    last: bool,
    on_deleted: OnDeleted | None = None,
) -> list[list[Settlement]]:
    """Settle a batch of one queue.

    Args:
        address: the queue.
        batch: up to 10 settlements, all deletes or all give-backs.
        last: it is not tried again; what fails is logged.
        on_deleted: is told of the messages that are deleted.

    Returns:
        The batches to try again: the whole one after a temporary error, single entries after
        AWS refused them.

    Costs one request.
    """
    try:
        failures = _request(address, batch)
    except AwsError as error:
        if isinstance(error, TemporaryError) and not last:
            return [batch]
        _log_unsettled(batch, error)
        return []
    deleted = _deleted(batch, failures)
    if deleted and on_deleted is not None:
        on_deleted(deleted)
    # Singly: what AWS has against one of them is no reason to hold up another.
    return [[each] for each in _worth_retrying(batch, failures, last=last)]


def _request(address: QueueAddress, batch: Sequence[Settlement]) -> list[BatchFailure]:
    timeouts = [
        (each.receipt.handle, each.visible_in_seconds)
        for each in batch
        if each.visible_in_seconds is not None
    ]
    if timeouts:
        return address.service.change_visibility_batch(address.url, timeouts)
    return address.service.delete_batch(address.url, [each.receipt.handle for each in batch])


def _deleted(batch: Sequence[Settlement], failures: Sequence[BatchFailure]) -> list[Receipt]:
    failed = {failure.receipt_handle for failure in failures}
    return [
        each.receipt
        for each in batch
        if each.visible_in_seconds is None and each.receipt.handle not in failed
    ]


def _worth_retrying(
    batch: Sequence[Settlement], failures: Sequence[BatchFailure], *, last: bool
) -> list[Settlement]:
    by_handle = {settlement.receipt.handle: settlement for settlement in batch}
    again = []
    for failure in failures:
        settlement = by_handle[failure.receipt_handle]
        if failure.sender_fault or last:
            _log_unsettled([settlement], failure.error)
        else:
            again.append(settlement)
    return again


def _log_unsettled(batch: Sequence[Settlement], error: AwsError) -> None:
    deleted = sum(settlement.visible_in_seconds is None for settlement in batch)
    if isinstance(error, StaleReceiptError):
        hint = "their visibility timeout ended before; another worker may have them"
    else:
        hint = "they are delivered again when their visibility timeout ends"
    logger.error(
        "queue %s: %s message(s) could not be deleted and %s not given back: %s; %s",
        batch[0].receipt.queue,
        deleted,
        len(batch) - deleted,
        error,
        hint,
    )
