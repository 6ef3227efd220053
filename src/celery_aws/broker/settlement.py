"""One request's worth of settlements, without thread or pauses: ask, and sort what failed.

What was rejected is disposed of first (:mod:`celery_aws.broker.dead_letters`). What cannot be
settled is logged with its message's fate: it is delivered again when its visibility timeout ends.
Facts: DeleteMessageBatch and ChangeMessageVisibilityBatch in the SQS API reference ("Failed"
entries of a request that succeeded).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from celery_aws.aws.sqs import BatchFailure
from celery_aws.broker.dead_letters import DeadLetters, Disposal, Rejected
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.message import Receipt
from celery_aws.errors import AwsError, CredentialsError, StaleReceiptError, TemporaryError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What shall become of one received message."""

    receipt: Receipt
    #: None deletes it; a number lets its queue hand it out again after so many seconds.
    visible_in_seconds: int | None = None
    #: Set, it is deleted only once it is disposed of.
    rejected: Rejected | None = None
    #: Its place in the order of submission, from 1; 0 if it was not submitted to a thread.
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch; every settlement of it is in one of these."""

    settled: Sequence[Settlement] = ()
    #: Rejected and left to the queue's redrive policy.
    left: Sequence[Settlement] = ()
    #: Batches to try again, because of this.
    again: Sequence[list[Settlement]] = ()
    because: AwsError | None = None
    #: Never to be settled; logged.
    given_up: Sequence[Settlement] = field(default=())


def settle_once(
    address: QueueAddress, batch: list[Settlement], dead_letters: DeadLetters
) -> Outcome:
    """Settle a batch of one queue.

    Args:
        address: the queue.
        batch: up to 10 settlements, all deletes, all give-backs or all rejected.
        dead_letters: where rejected messages go before they are deleted.

    Returns:
        What became of it. To be tried again are the whole batch after a temporary error, and
        single entries after AWS refused them for now: what AWS has against one of them is no
        reason to hold up another.

    Costs one request, and for what was rejected that of :meth:`DeadLetters.dispose`.
    """
    disposed = _disposed(batch, dead_letters)
    ready = list(disposed.settled)
    if not ready:
        return disposed
    asked = _asked(address, ready)
    return replace(
        asked,
        left=disposed.left,
        again=[*disposed.again, *asked.again],
        because=asked.because or disposed.because,
    )


def _disposed(batch: Sequence[Settlement], dead_letters: DeadLetters) -> Outcome:
    """Return as settled what is to be asked of the queue now."""
    ready: list[Settlement] = []
    left: list[Settlement] = []
    again: list[list[Settlement]] = []
    because = None
    for each in batch:
        if each.rejected is None:
            ready.append(each)
            continue
        try:
            disposal = dead_letters.dispose(each.receipt, each.rejected)
        except TemporaryError as error:
            because = error
            again.append([each])
            continue
        if disposal is Disposal.LEFT:
            left.append(each)
        else:
            ready.append(_to_delete(each, disposal))
    return Outcome(settled=ready, left=left, again=again, because=because)


def _to_delete(rejected: Settlement, disposal: Disposal) -> Settlement:
    # It is disposed of once: from now on it is a delete like any other. What was moved takes
    # along what it points to.
    receipt = rejected.receipt
    if disposal is Disposal.MOVED:
        receipt = replace(receipt, pointer=None)
    return replace(rejected, receipt=receipt, rejected=None)


def _asked(address: QueueAddress, batch: list[Settlement]) -> Outcome:
    try:
        failures = _request(address, batch)
    except (TemporaryError, CredentialsError) as error:
        # Wrong credentials too: they were right when the message was received.
        return Outcome(again=[batch], because=error)
    except AwsError as error:
        _log_unsettled(batch, error)
        return Outcome(given_up=batch)
    return _outcome(batch, failures)


def _request(address: QueueAddress, batch: Sequence[Settlement]) -> list[BatchFailure]:
    timeouts = [
        (each.receipt.handle, each.visible_in_seconds)
        for each in batch
        if each.visible_in_seconds is not None
    ]
    if timeouts:
        return address.service.change_visibility_batch(address.url, timeouts)
    return address.service.delete_batch(address.url, [each.receipt.handle for each in batch])


def _outcome(batch: Sequence[Settlement], failures: Sequence[BatchFailure]) -> Outcome:
    by_handle = {failure.receipt_handle: failure for failure in failures}
    settled, again, given_up = [], [], []
    for settlement in batch:
        failure = by_handle.get(settlement.receipt.handle)
        if failure is None:
            settled.append(settlement)
        elif failure.sender_fault:
            _log_unsettled([settlement], failure.error)
            given_up.append(settlement)
        else:
            again.append([settlement])
    because = failures[0].error if again else None
    return Outcome(settled=settled, again=again, because=because, given_up=given_up)


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
