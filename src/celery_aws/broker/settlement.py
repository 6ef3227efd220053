"""One request's worth of settlements, without thread or pauses: ask, and sort what failed.

What cannot be settled is logged with its message's fate: it is delivered again when its
visibility timeout ends. Facts: DeleteMessageBatch and ChangeMessageVisibilityBatch in the SQS
API reference ("Failed" entries of a request that succeeded).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from celery_aws.aws.sqs import BatchFailure
from celery_aws.broker.dead_letters import DeadLetters, Disposal, Rejected
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
    #: Set, it is deleted only once it is disposed of.
    rejected: Rejected | None = None


def settle_once(
    address: QueueAddress, batch: list[Settlement], dead_letters: DeadLetters, *, last: bool
) -> list[list[Settlement]]:
    """Settle a batch of one queue.

    Args:
        address: the queue.
        batch: up to 10 settlements, all deletes or all give-backs.
        dead_letters: where rejected messages go before they are deleted.
        last: it is not tried again; what fails is logged.

    Returns:
        The batches to try again: the whole one after a temporary error, single entries after
        AWS refused them.

    Costs one request, and for what was rejected that of :meth:`DeadLetters.dispose`.
    """
    batch, again = _disposed(batch, dead_letters, last=last)
    if not batch:
        return again
    try:
        failures = _request(address, batch)
    except AwsError as error:
        if isinstance(error, TemporaryError) and not last:
            return [*again, batch]
        _log_unsettled(batch, error)
        return again
    # Singly: what AWS has against one of them is no reason to hold up another.
    return again + [[each] for each in _worth_retrying(batch, failures, last=last)]


def _disposed(
    batch: Sequence[Settlement], dead_letters: DeadLetters, *, last: bool
) -> tuple[list[Settlement], list[list[Settlement]]]:
    """Return what is to be asked of the queue now, and what to try again."""
    ready: list[Settlement] = []
    again: list[list[Settlement]] = []
    for each in batch:
        if each.rejected is None:
            ready.append(each)
            continue
        try:
            if dead_letters.dispose(each.receipt, each.rejected) is not Disposal.LEFT:
                # It is moved once: from now on it is a delete like any other.
                ready.append(replace(each, rejected=None))
        except TemporaryError as error:
            if last:
                _log_unsettled([each], error)
            else:
                again.append([each])
    return ready, again


def _request(address: QueueAddress, batch: Sequence[Settlement]) -> list[BatchFailure]:
    timeouts = [
        (each.receipt.handle, each.visible_in_seconds)
        for each in batch
        if each.visible_in_seconds is not None
    ]
    if timeouts:
        return address.service.change_visibility_batch(address.url, timeouts)
    return address.service.delete_batch(address.url, [each.receipt.handle for each in batch])


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
