"""SQS as a broker: what this package, and kombu's own transport, use of it in a month."""

from collections.abc import Iterator
from enum import Enum

from celery_aws.core.billing import billed_requests
from celery_aws.core.prices import Quantity, Unit
from celery_aws.cost import request_rates as measured
from celery_aws.cost.bill import Item
from celery_aws.cost.request_rates import OURS, STOCK, RequestRates
from celery_aws.cost.workload import Workload
from celery_aws.limits import SQS_BATCH_ENTRIES

#: Seconds after which a running task's lease is extended: half of the default timeout.
LEASE_SECONDS = 60.0


class QueueKind(Enum):
    """How SQS queues are billed."""

    STANDARD = "standard"
    FIFO = "fifo"
    #: A standard queue whose messages have groups.
    FAIR = "fair"


def stock_items(
    workload: Workload, kind: QueueKind, rates: RequestRates = STOCK
) -> tuple[Item, ...]:
    """Return what kombu's transport uses: sends, receives, deletes, polls."""
    return tuple(_task_items(workload, kind, rates, workload.stock_message_bytes))


def queue_items(
    workload: Workload, kind: QueueKind, rates: RequestRates = OURS
) -> tuple[Item, ...]:
    """Return what this package's transport uses, remote control and monitors included."""
    items = list(_task_items(workload, kind, rates, workload.queue_bytes))
    if workload.by_bucket:
        # Each is written and read once; that it is deleted is free.
        items.append(_requests("large messages, written", "s3.put", workload.tasks))
        items.append(_requests("large messages, read", "s3.get", workload.tasks))
    extensions = workload.tasks * (workload.task_seconds // LEASE_SECONDS)
    items += _of_queue("extensions of leases", kind, extensions)
    items += _coordination(workload)
    # Each worker's inbox gets its own, and they come alone: a send, a receive, a delete.
    copies = 3 * workload.broadcasts * workload.workers
    items.append(_requests("broadcasts to workers", "sqs.fifo", copies))
    if workload.control:
        items += _inboxes(workload)
    if workload.exporter:
        looks = measured.EXPORTER_QUEUE_REQUESTS * workload.hours * workload.queues
        items += _of_queue("the exporter's looks at queues", kind, looks * workload.priorities)
    return tuple(items)


def queue_requests(items: tuple[Item, ...]) -> float:
    """Return how many SQS requests some items are, as billed."""
    kinds = ("sqs.standard", "sqs.fifo")
    return sum(item.quantity.amount for item in items if item.price_key in kinds)


def _task_items(
    workload: Workload, kind: QueueKind, rates: RequestRates, message_bytes: float
) -> Iterator[Item]:
    batched, busy = workload.batched_share, workload.busy
    alone = billed_requests(_whole(message_bytes))
    sends = (1 - batched) * alone + batched * _shared(message_bytes, rates.batched_sends)
    receives = (1 - busy) * alone + busy * _shared(message_bytes, rates.busy_receives)
    deletes = (1 - busy) + busy * rates.busy_deletes
    yield from _of_queue("sends", kind, workload.tasks * sends)
    yield from _of_queue("receives", kind, workload.tasks * receives)
    yield from _of_queue("deletes", kind, workload.tasks * deletes)
    polls = workload.poller_hours * 3_600 / rates.poll_seconds
    yield from _of_queue("polls that bring nothing", kind, polls)


def _shared(message_bytes: float, requests: float) -> float:
    """Return the billed requests of a message that shares one with others.

    Args:
        message_bytes: of each message.
        requests: of a message, if none is larger than 64 KB.
    """
    together = min(SQS_BATCH_ENTRIES, 1 / requests)
    return max(requests, billed_requests(_whole(together * message_bytes)) / together)


def _whole(message_bytes: float) -> int:
    return -int(-message_bytes // 1)


def _of_queue(what: str, kind: QueueKind, requests: float) -> list[Item]:
    key = "sqs.fifo" if kind is QueueKind.FIFO else "sqs.standard"
    items = [_requests(what, key, requests)]
    if kind is QueueKind.FAIR:
        items.append(_requests(f"{what}, surcharge of groups", "sqs.fair", requests))
    return items


def _requests(what: str, key: str, requests: float) -> Item:
    return Item(what=what, price_key=key, quantity=Quantity(requests, Unit.REQUEST))


def _coordination(workload: Workload) -> list[Item]:
    leaders = min(1.0, workload.workers)
    others = workload.workers - leaders
    first = measured.LEADER if workload.control else measured.WITHOUT_CONTROL
    writes = leaders * first.writes + others * measured.OTHER_WORKER.writes
    other_reads = max(measured.OTHER_WORKER.reads, 0 if workload.control else first.reads)
    reads = leaders * first.reads + others * other_reads
    if _monitors(workload):
        reads += workload.workers * measured.WATCHED_READS_AN_HOUR
    if workload.exporter:
        reads += measured.EXPORTER_READS
    return [
        Item(
            what="coordination table, writes",
            price_key="dynamodb.write",
            quantity=Quantity(writes * workload.hours, Unit.WRITE_UNIT),
        ),
        Item(
            what="coordination table, reads",
            price_key="dynamodb.read",
            quantity=Quantity(reads * workload.hours, Unit.READ_UNIT),
        ),
    ]


def _inboxes(workload: Workload) -> list[Item]:
    polls = workload.worker_hours * 3_600 / OURS.poll_seconds
    items = [_requests("polls of inboxes", "sqs.fifo", polls)]
    monitors = _monitors(workload)
    if monitors:
        sent, taken = _bundles_an_hour(workload)
        hours = monitors * workload.hours
        polled = hours * 3_600 / OURS.poll_seconds
        items.append(_requests("events to monitors", "sqs.fifo", sent * hours))
        items.append(_requests("events, by monitors", "sqs.fifo", taken * hours + polled))
    if workload.exporter:
        answers = measured.QUESTION_REQUESTS + measured.ANSWER_REQUESTS * workload.workers
        asked = measured.EXPORTER_QUESTIONS * answers * workload.hours
        items.append(_requests("the exporter's questions", "sqs.fifo", asked))
    return items


def _monitors(workload: Workload) -> float:
    """Return who hears events, of which the exporter is one."""
    return float(workload.monitors + workload.exporter) if workload.control else 0.0


def _bundles_an_hour(workload: Workload) -> tuple[float, float]:
    """Return the requests by which events are sent to a monitor, and taken by it."""
    if not workload.worker_hours:
        return 0.0, 0.0
    tasks = workload.tasks / workload.worker_hours
    each = min(measured.MOST_BUNDLES_AN_HOUR, measured.IDLE_BUNDLES_AN_HOUR + tasks)
    sent = workload.workers * each
    together = measured.MONITOR_REQUESTS_TOGETHER * sent
    apart = measured.MONITOR_REQUESTS_A_SECOND * 3_600
    return sent, min(measured.MONITOR_REQUESTS_ALONE * sent, together + apart)
