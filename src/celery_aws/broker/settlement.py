"""One request's worth of settlements, without thread or pauses: ask, and sort what failed.

Errands are run first (:mod:`celery_aws.broker.errands`). What cannot be settled is logged with its
message's fate: it is delivered again when its visibility timeout ends. Facts: DeleteMessageBatch
and ChangeMessageVisibilityBatch in the SQS API reference ("Failed" entries of a request that
succeeded).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from celery_aws.aws.sqs import BatchFailure
from celery_aws.broker.directory import QueueAddress
from celery_aws.broker.errands import Disposal, Errand
from celery_aws.broker.message import Receipt
from celery_aws.core.batching import batches
from celery_aws.errors import AwsError, CredentialsError, StaleReceiptError, TemporaryError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What shall become of one received message."""

    receipt: Receipt
    #: None deletes it; a number lets its queue hand it out again after so many seconds.
    visible_in_seconds: int | None = None
    #: Set, it is deleted only once this is run.
    errand: Errand | None = None
    #: Told the receipt if the errand comes to nothing, and the message has to be worked on here.
    on_kept: Callable[[Receipt], None] | None = None
    #: Its place in the order of submission, from 1; 0 if it was not submitted to a thread.
    number: int = 0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Up to 10 settlements of one queue: all deletes, all give-backs or all with errands."""

    address: QueueAddress
    settlements: list[Settlement]
    #: How often it was tried.
    attempt: int = 0
    #: Not to be asked before; by the clock's ``monotonic``.
    due_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a batch; every settlement of it is in one of these."""

    settled: Sequence[Settlement] = ()
    #: Left in their queue.
    left: Sequence[Settlement] = ()
    #: To be worked on here after all.
    kept: Sequence[Settlement] = ()
    #: Batches to try again, because of this.
    again: Sequence[list[Settlement]] = ()
    because: AwsError | None = None
    #: Never to be settled; logged.
    given_up: Sequence[Settlement] = field(default=())


def batches_of(settlements: Sequence[Settlement]) -> list[Batch]:
    """Return settlements by queue and kind, ten to a batch, in the order to ask for them."""
    changes, deletes, errands = [], [], []
    for each in settlements:
        if each.visible_in_seconds is not None:
            changes.append((each.receipt.address, each))
        elif each.errand is None:
            deletes.append((each.receipt.address, each))
        else:
            errands.append((each.receipt.address, each))
    # What is given back comes first: somebody may wait for it. Errands come last: each takes a
    # request, or more.
    return [
        Batch(address=address, settlements=of_one_queue)
        for address, of_one_queue in batches(changes) + batches(deletes) + batches(errands)
    ]


def settle_once(address: QueueAddress, batch: list[Settlement]) -> Outcome:
    """Settle a batch of one queue.

    Args:
        address: the queue.
        batch: up to 10 settlements, all deletes, all give-backs or all with errands.

    Returns:
        What became of it. To be tried again are the whole batch after a temporary error, and
        single entries after AWS refused them for now: what AWS has against one of them is no
        reason to hold up another.

    Costs one request, and what the errands cost.
    """
    disposed = _disposed(batch)
    ready = list(disposed.settled)
    if not ready:
        return disposed
    asked = _asked(address, ready)
    return replace(
        asked,
        left=disposed.left,
        kept=disposed.kept,
        again=[*disposed.again, *asked.again],
        because=asked.because or disposed.because,
    )


def _disposed(batch: Sequence[Settlement]) -> Outcome:
    """Return as settled what is to be asked of the queue now."""
    ready: list[Settlement] = []
    left: list[Settlement] = []
    kept: list[Settlement] = []
    again: list[list[Settlement]] = []
    because = None
    for each in batch:
        if each.errand is None:
            ready.append(each)
            continue
        try:
            disposal = each.errand(each.receipt)
        except (TemporaryError, CredentialsError) as error:
            because = error
            again.append([each])
            continue
        if disposal is Disposal.LEFT:
            left.append(each)
        elif disposal is Disposal.KEPT:
            kept.append(each)
        else:
            ready.append(_to_delete(each, disposal))
    return Outcome(settled=ready, left=left, kept=kept, again=again, because=because)


def _to_delete(disposed: Settlement, disposal: Disposal) -> Settlement:
    # It is disposed of once: from now on it is a delete like any other. What was moved takes
    # along what it points to.
    receipt = disposed.receipt
    if disposal is Disposal.MOVED:
        receipt = replace(receipt, pointer=None)
    return replace(disposed, receipt=receipt, errand=None, on_kept=None)


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
