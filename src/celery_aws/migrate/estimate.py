"""What a migration takes: requests, what AWS bills for them, and time. Pure.

Sums are of what the inventory counted, with the average size of a message where it knows sizes, and
:data:`ASSUMED_MESSAGE_BYTES` where it does not. Facts: "Amazon SQS pricing" (64 KB of a batch are
one request), "DynamoDB read and write operations" in the developer guide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from celery_aws.core.billing import billed_requests, read_units, write_units
from celery_aws.limits import (
    DYNAMODB_BATCH_GET_KEYS,
    SQS_BATCH_ENTRIES,
    SQS_MESSAGE_BYTES,
)
from celery_aws.migrate.inventory import QueueCount, ResultCount
from celery_aws.migrate.prices import Prices

#: Bytes of a message whose source does not let anybody look at it: a task with small arguments.
ASSUMED_MESSAGE_BYTES: Final = 1_536

#: What the schedule keeps beside a message: keys, times, the queue's URL.
_ENTRY_EXTRA_BYTES: Final = 400

#: What a result's item has beside the stored bytes: id, status, times.
_RESULT_EXTRA_BYTES: Final = 120

#: Seconds that one thread needs for ten messages, for one parked message, and for one result. Taken
#: for a round trip of 20 ms and 8 ms within a region; they were not measured on AWS.
BATCH_SECONDS: Final = 0.025
PARKED_SECONDS: Final = 0.012
RESULT_SECONDS: Final = 0.008


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests to AWS, and the units in which it bills them.

    Attributes:
        send: SendMessageBatch.
        send_billed: what SQS bills for those, by 64 KB, on standard queues.
        send_billed_fifo: the same on FIFO queues.
        park: PutItem for messages that wait in the schedule.
        park_units: write units of those.
        claim: PutItem by the workers, one for each message, that keep a message from running twice.
        result_look: BatchGetItem that look which results are there already.
        result_look_units: read units of those.
        result_put: PutItem for results, groups and parts of chords.
        result_put_units: write units of those.
        object_put: PutObject for bodies that are too large for SQS.
    """

    send: int = 0
    send_billed: int = 0
    send_billed_fifo: int = 0
    park: int = 0
    park_units: int = 0
    claim: int = 0
    result_look: int = 0
    result_look_units: float = 0
    result_put: int = 0
    result_put_units: int = 0
    object_put: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        names = [each.name for each in fields(self)]
        return Requests(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def total(self) -> int:
        """All requests."""
        asked = self.send + self.park + self.claim + self.object_put
        return asked + self.result_look + self.result_put

    def dollars(self, prices: Prices) -> float:
        """Return what AWS bills for them, without any free tier."""
        return prices.dollars(
            queue_requests=self.send_billed,
            fifo_requests=self.send_billed_fifo,
            write_units=self.park_units + self.claim + self.result_put_units,
            read_units=self.result_look_units,
            object_puts=self.object_put,
        )


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast somebody means to go.

    Attributes:
        threads: that move messages, and then results.
        rate: messages or results a second at most, of all threads; None is no limit.
    """

    threads: int = 1
    rate: float | None = None

    def seconds(self, count: int, thread_seconds: float) -> float:
        """Return how long it takes.

        Args:
            count: of messages, or of results.
            thread_seconds: what one thread alone would need for all of them.
        """
        limited = 0.0 if self.rate is None else count / self.rate
        return max(thread_seconds / self.threads, limited)


def requests_of_queue(
    count: QueueCount,
    *,
    priorities_moved: Sequence[int],
    parked: int,
    stored: int,
    fifo: bool,
    claims: bool,
) -> Requests:
    """Return what it takes to move a queue.

    Args:
        count: what is in it.
        priorities_moved: how many messages go to each of the new queue's SQS queues at once or
            with a delay, those that are parked left out.
        parked: how many go into the schedule.
        stored: how many bodies go through S3.
        fifo: the new queue is a FIFO queue.
        claims: workers claim each message.
    """
    size = message_bytes(count)
    sends = [_sends(each, size) for each in priorities_moved]
    billed = sum(billed for _, billed in sends)
    moved = sum(priorities_moved) + parked
    return Requests(
        send=sum(requests for requests, _ in sends),
        send_billed=0 if fifo else billed,
        send_billed_fifo=billed if fifo else 0,
        park=parked,
        park_units=parked * write_units(size + _ENTRY_EXTRA_BYTES),
        claim=moved if claims else 0,
        object_put=stored,
    )


def requests_of_delayed(count: int, *, parks: bool, claims: bool) -> Requests:
    """Return what it takes to move messages that wait for their eta, for whichever queue."""
    units = write_units(ASSUMED_MESSAGE_BYTES + _ENTRY_EXTRA_BYTES)
    if parks:
        return Requests(park=count, park_units=count * units, claim=count if claims else 0)
    sends, billed = _sends(count, ASSUMED_MESSAGE_BYTES)
    return Requests(send=sends, send_billed=billed, claim=count if claims else 0)


def requests_of_results(found: ResultCount) -> Requests:
    """Return what it takes to copy results, groups, and the parts of chords that run."""
    parts = sum(there for there, _ in found.chords.values())
    items = sum(found.results.values()) + found.groups
    written = items + parts + len(found.chords)
    if not written:
        return Requests()
    size = math.ceil(found.bytes / max(1, items + parts)) + _RESULT_EXTRA_BYTES
    return Requests(
        result_look=-(-items // DYNAMODB_BATCH_GET_KEYS),
        # Nothing is there at first, and a look that finds nothing costs as the smallest item does.
        result_look_units=items * read_units(0, consistent=True),
        result_put=written,
        result_put_units=written * write_units(size),
    )


def message_bytes(count: QueueCount) -> int:
    """Return the size of a message of a queue, on average."""
    waiting = sum(count.waiting.values())
    if count.bytes is None or not waiting:
        return ASSUMED_MESSAGE_BYTES
    return math.ceil(count.bytes / waiting)


def seconds_of(requests: Requests, *, messages: int, results: int, pace: Pace) -> float:
    """Return how long a run takes: first the messages, then the results."""
    sending = requests.send * BATCH_SECONDS + requests.park * PARKED_SECONDS
    copying = requests.result_put * RESULT_SECONDS
    return pace.seconds(messages, sending) + pace.seconds(results, copying)


def _sends(count: int, size: int) -> tuple[int, int]:
    """Return the batches that messages of one size take, and what SQS bills for them."""
    most = max(1, min(SQS_BATCH_ENTRIES, SQS_MESSAGE_BYTES // max(1, size)))
    full, rest = divmod(count, most)
    billed = full * billed_requests(most * size)
    return full + (rest > 0), billed + (billed_requests(rest * size) if rest else 0)
