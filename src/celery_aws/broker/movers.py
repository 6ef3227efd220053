"""The movers of parked tasks that one connection of a worker runs, and the way to its queues."""

import os
import socket
from functools import partial

from celery_aws.aws.sqs import QueueService
from celery_aws.broker.coordination import Coordination
from celery_aws.broker.directory import QueueDirectory
from celery_aws.broker.reaper import Reaper
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock
from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.core.inboxes import is_inbox_name
from celery_aws.core.queue_names import name_of_url
from celery_aws.core.schedule import FIFO, STANDARD, Lane
from celery_aws.errors import AccessDeniedError
from celery_aws.names import AmqpQueue, QueueName, QueueUrl
from celery_aws.schedule.mover import Mover
from celery_aws.schedule.outbox import Outbox
from celery_aws.table.leases import LeaderLease


class Movers:
    """Up to two threads; one for FIFO queues only in a worker that consumes one.

    Args:
        coordination: where tasks are parked; None if that is off, then nothing is ever started.
        directory: where their queues are.
        clock: for the movers.
    """

    def __init__(
        self, coordination: Coordination | None, directory: QueueDirectory, clock: Clock
    ) -> None:
        self._coordination = coordination
        self._directory = directory
        self._destinations = DirectoryDestinations(directory)
        self._clock = clock
        self._movers: dict[Lane, Mover] = {}
        self._stopped = False

    def start(self, *, fifo: bool) -> None:
        """Start what is not started: the one for standard queues, and that for FIFO if wanted.

        Nothing is started any more after a stop.
        """
        if self._coordination is None or self._stopped:
            return
        for lane in (STANDARD, FIFO) if fifo else (STANDARD,):
            if lane not in self._movers:
                self._movers[lane] = self._mover(lane, self._coordination)
            self._movers[lane].start()

    def stop(self, timeout_seconds: float) -> None:
        """End them, each after the batch that it is sending; others take over at once.

        Args:
            timeout_seconds: how long to wait for that, for each; 0 only asks.
        """
        self._stopped = True
        for mover in list(self._movers.values()):
            mover.stop(timeout_seconds)

    def _mover(self, lane: Lane, coordination: Coordination) -> Mover:
        lease = LeaderLease(
            coordination.table,
            f"mover-{lane.name}",
            owner=f"{socket.gethostname()}:{os.getpid()}",
            duration_seconds=lane.lease_seconds,
            renew_seconds=lane.renew_seconds,
        )
        schedule = coordination.schedule
        return Mover(
            lane=lane,
            schedule=schedule,
            lease=lease,
            outbox=Outbox(schedule, self._destinations, self._clock),
            clock=self._clock,
            chores=[self._reaper(coordination)] if lane is STANDARD else (),
            on_moved=partial(delivery_record().count, "moved"),
        )

    def _reaper(self, coordination: Coordination) -> Reaper:
        options = self._directory.options
        return Reaper(
            inboxes=coordination.inboxes,
            bindings=coordination.bindings,
            queue=InboxQueue(
                self._directory.service,
                prefix=options.queue_name_prefix,
                tags=options.queue_tags,
            ),
            every_seconds=options.inbox_lease_seconds,
            clock=self._clock,
        )


class DirectoryDestinations:
    """:class:`~celery_aws.schedule.outbox.Destinations` from the queues that a broker knows."""

    def __init__(self, directory: QueueDirectory) -> None:
        self._directory = directory

    def destination(self, queue: AmqpQueue, url: QueueUrl) -> tuple[QueueService, QueueUrl]:
        """Return who sends to a queue that had this URL when a task was parked for it.

        Raises:
            AccessDeniedError: it is an inbox.
        """
        _refuse_inbox(name_of_url(url))
        address = self._directory.at(queue, url)
        return address.service, address.url

    def destination_lost(self, queue: AmqpQueue) -> tuple[QueueService, QueueUrl]:
        """Return the same after SQS said that there is no such queue; it may be created.

        Raises:
            AccessDeniedError: it is an inbox.
            QueueNotFoundError: it is missing, and may not be created.
        """
        _refuse_inbox(self._directory.name(queue))
        self._directory.forget(queue)
        address = self._directory.address(queue)
        return address.service, address.url


def _refuse_inbox(name: QueueName) -> None:
    """Refuse what only who may send to inboxes may do: a worker's rights are not the parker's.

    Raises:
        AccessDeniedError: the queue is an inbox.
    """
    if is_inbox_name(name):
        raise AccessDeniedError(
            "tasks are not sent to inboxes, whose messages are control commands",
            service="sqs",
            operation="SendMessageBatch",
            resource=name,
            remedy="Find out who has parked it, and take it out: celery aws schedule",
        )
