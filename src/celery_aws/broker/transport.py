"""The kombu transport: one connection's options, threads and way into the event loop.

Facts: kombu/transport/virtual/base.py; celery/worker/consumer/consumer.py ``connect``,
celery/worker/loops.py; the identity tests that Celery makes are listed where it matters.
"""

import _thread
import logging
import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from kombu.transport import virtual

from celery_aws._version import __version__
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.s3 import S3ObjectService
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.broker.acker import Acker
from celery_aws.broker.celery_worker import CeleryWorker
from celery_aws.broker.channel import Channel
from celery_aws.broker.connection_info import hide_secrets_in_info
from celery_aws.broker.connection_url import broker_url
from celery_aws.broker.control_planes import control_plane
from celery_aws.broker.coordination import (
    Coordination,
    TableServiceFactory,
    coordination,
)
from celery_aws.broker.declarations import Declarations
from celery_aws.broker.delivery import DeliveryBuffer
from celery_aws.broker.departures import Departures
from celery_aws.broker.directory import (
    QueueDirectory,
    ServiceFactory,
    broker_access,
    queue_directory,
)
from celery_aws.broker.early_messages import EarlyMessages
from celery_aws.broker.large_messages import LargeMessages, large_messages
from celery_aws.broker.last_polls import LAST_POLL_SECONDS, LastPolls
from celery_aws.broker.leases import Leases
from celery_aws.broker.loop_life import LoopLife
from celery_aws.broker.message import Receipt
from celery_aws.broker.migrated_messages import MigratedMessages
from celery_aws.broker.mingling import let_mingle
from celery_aws.broker.movers import Movers
from celery_aws.broker.object_store import ObjectServiceFactory
from celery_aws.broker.receiver import Receiver
from celery_aws.broker.reception import Reception
from celery_aws.broker.rejections import Rejections
from celery_aws.broker.revoked_tasks import RevokedTasks
from celery_aws.broker.transient_consumers import TransientDelivery
from celery_aws.broker.worker_start import note_workers, worker_connects
from celery_aws.clock import Clock, SystemClock
from celery_aws.config.broker import options_without_effect, parse_broker_options
from celery_aws.control.control_plane import FLUSH_SECONDS, ControlPlane
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import AwsError, ReceiverFailedError, TemporaryError
from celery_aws.groups import batch_celerys_groups
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

batch_celerys_groups()

#: Messages delivered in one turn of the event loop, so that timers and the pool get theirs.
DELIVERIES_PER_TURN = 50

#: Seconds that closing a connection takes at most, however long AWS does not answer, unless it has
#: longer to wait for polls; a container has 30 s by default.
CLOSE_SECONDS = 25.0


#: The kinds of exchange that need no coordination table.
_WITHOUT_TABLE = frozenset(["direct", "topic"])


class Transport(virtual.Transport):
    """Celery's broker on Amazon SQS.

    Making one parses URL and options and does no I/O; the first connection of a process asks
    AWS one question (:meth:`establish_connection`).
    """

    Channel = Channel

    #: kombu hands the URL on as it is.
    can_parse_url = True

    default_port = None
    driver_type = "aws"
    driver_name = "celery-aws"

    connection_errors = (*virtual.Transport.connection_errors, TemporaryError, ReceiverFailedError)
    channel_errors = (*virtual.Transport.channel_errors, AwsError)
    recoverable_connection_errors = connection_errors
    recoverable_channel_errors: ClassVar[tuple[type[Exception], ...]] = ()

    implements = virtual.Transport.implements.extend(
        # Only where kombu knows of it, which is from 5.7.
        **dict.fromkeys({"batch_publish"} & virtual.Transport.implements.keys(), True),
        asynchronous=True,
        exchange_type=frozenset(["direct", "topic", "fanout"]),
        heartbeats=False,
    )

    #: Tests put a clock double here.
    clock: Clock = SystemClock()

    #: Makes the services that ask SQS. Tests put one here that returns an in-memory double.
    services: ClassVar[ServiceFactory] = SqsQueueService

    #: Makes the service that asks S3. Tests put one here that returns an in-memory double.
    object_services: ClassVar[ObjectServiceFactory] = S3ObjectService

    #: Makes the service that asks DynamoDB. Tests put one here that returns an in-memory double.
    table_services: ClassVar[TableServiceFactory] = DynamoTableService

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.url = broker_url(client)
        self.options = parse_broker_options(client.transport_options or {})
        super().__init__(client, **kwargs)
        hide_secrets_in_info(client, self)
        self.buffer = DeliveryBuffer()
        self.leases = Leases(timeout_seconds=self.options.visibility_timeout, clock=self.clock)
        self.acker = Acker(
            linger_seconds=self.options.ack_linger_seconds,
            clock=self.clock,
            leases=self.leases,
            on_deleted=self._remove_objects,
        )
        self.worker = CeleryWorker(self, self._shutdown_begins, self._start_movers)
        note_workers()
        self._loop_life = LoopLife(self.worker, self.clock)
        #: Queues that end with the connection.
        self.exclusive_queues: set[AmqpQueue] = set()
        if self.options.coordination_table is False:
            # Celery's worker looks here whether there is remote control.
            self.implements = self.implements.extend(exchange_type=_WITHOUT_TABLE)
        let_mingle(gossip=self.options.gossip, control=self.options.coordination_table is not False)
        self._loop: Any = None
        #: The worker's event loop turns: nothing that it calls may wait for AWS.
        self.in_event_loop = False
        self._unstarted: list[Receiver] = []
        self.declarations = Declarations()
        self._last_polls = LastPolls(
            acker=self.acker,
            worker=self.worker,
            clock=self.clock,
            patience_seconds=self.options.last_poll_wait_seconds,
        )
        self._pid = self._plane_pid = os.getpid()
        self._plane: ControlPlane | None = None
        for name in options_without_effect(client.transport_options or {}):
            logger.warning("broker_transport_options[%r] has no effect on aws+sqs://", name)

    @cached_property
    def directory(self) -> QueueDirectory:
        """Where the queues are.

        Not looked for when the transport is made: ``celery report`` makes one of the bare URL,
        without the options that name the region, only to show it (celery/app/utils.py
        ``filter_hidden_settings``).
        """
        return queue_directory(self.url, self.options, type(self).services, self.clock)

    @cached_property
    def rejections(self) -> Rejections:
        """What becomes of rejected messages."""
        return Rejections(self.directory)

    @cached_property
    def large_messages(self) -> LargeMessages:
        """How messages of any size get through."""
        return large_messages(
            self.directory,
            broker_access(self.url, self.options),
            type(self).object_services,
            self.clock,
        )

    @cached_property
    def reception(self) -> Reception:
        """How messages are received."""
        return Reception(
            directory=self.directory,
            acker=self.acker,
            leases=self.leases,
            large_messages=self.large_messages,
            early_messages=EarlyMessages(
                directory=self.directory,
                departures=self.departures,
                worker_present=lambda: self.worker.present,
                valid=self.leases.valid,
                clock=self.clock,
            ),
            revoked_tasks=RevokedTasks(
                self.coordination,
                worker_present=lambda: self.worker.present,
                clock=self.clock,
            ),
            migrated_messages=MigratedMessages(
                self.coordination if self.options.migration_deduplication else None,
                clock=self.clock,
            ),
            clock=self.clock,
        )

    @cached_property
    def coordination(self) -> Coordination | None:
        """What is shared through the coordination table; None if there shall be none."""
        access = broker_access(self.url, self.options)
        return coordination(self.options, access, type(self).table_services, self.clock)

    @property
    def control_plane(self) -> ControlPlane | None:
        """Remote control and events of this process; None without coordination table.

        A web server may fork with its connections open (``gunicorn --preload``), and tells nobody:
        the child has no inbox yet, and hears of no bindings.
        """
        if self._plane is not None and self._plane_pid == os.getpid():
            return self._plane
        if self.coordination is None:
            return None
        self._plane = control_plane(self.directory, self.coordination, self.clock)
        self._plane_pid = os.getpid()
        return self._plane

    @cached_property
    def departures(self) -> Departures:
        """What becomes of published messages."""
        return Departures(self.options, self.large_messages, self.coordination, self.clock)

    @cached_property
    def movers(self) -> Movers:
        """What moves parked tasks to SQS, in a worker."""
        return Movers(self.coordination, self.directory, self.clock)

    @property
    def _plane_in_use(self) -> ControlPlane | None:
        # Not made only to be closed: for that a bare URL, without a region, is not enough.
        return self._plane if self._plane_pid == os.getpid() else None

    def driver_version(self) -> str:
        """Return the version that ``celery report`` shows."""
        return __version__

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:  # noqa: ARG002
        """Return the broker URL for logs, its secret masked."""
        return self.url.as_uri(include_password=include_password, mask=mask)

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """Return no host, or kombu would warn that none was given."""
        return {"port": None}

    def establish_connection(self) -> Any:
        """Make sure that AWS answers, and return the transport as its own connection.

        Raises:
            TemporaryError: no answer; Celery tries again, with one line of log a try.
            CredentialsError: wrong credentials; trying again cannot help.
            ConfigurationError: no region.

        Costs one GetQueueUrl, once a process and again after a request found no answer.
        """
        worker_connects()
        self.directory.prove_reachable()
        return super().establish_connection()

    def close_connection(self, connection: Any) -> None:
        """Stop receiving, give back what is not settled, and finish the settlements.

        In a forked child it does nothing: messages, threads and the loop's poller are the
        parent's.
        """
        if self._pid != os.getpid():
            return
        if self._loop is not None:
            self._loop.remove_reader(self.buffer.fileno())
            self._loop, self.in_event_loop = None, False
        self._loop_life.ends()
        deadline = self.clock.monotonic() + CLOSE_SECONDS
        self.declarations.stop(0)
        self._stop_movers(0)
        super().close_connection(connection)
        self._end_control()
        self._last_polls.wait()
        self._stop_movers(LAST_POLL_SECONDS)
        self.buffer.close()
        running = self.worker.running_messages()
        if running:
            logger.info("%s running task(s) keep their messages", len(running))
            self.leases.retire(lambda: self._end_threads(CLOSE_SECONDS))
        else:
            # At least a moment: what the polls brought is given back now.
            self._end_threads(max(LAST_POLL_SECONDS, deadline - self.clock.monotonic()))

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:  # noqa: ARG002
        """Let the event loop deliver. Celery's worker calls it before any channel consumes."""
        self._loop = loop
        loop.add_reader(self.buffer.fileno(), self._deliver_turn)
        # Only later the loop turns; what is declared until then, Celery's start waits for.
        loop.call_soon(self._begin_turning)

    def start_soon(self, receiver: Receiver) -> None:
        """Start a receiver when deliveries begin: by then all consumers of a start are known."""
        self._unstarted.append(receiver)
        if self._loop is not None:
            self._loop.call_soon(self._start_receivers)

    def end_soon(self, receiver: Receiver) -> None:
        """Stop a receiver, without waiting for its last poll."""
        receiver.stop(timeout_seconds=0)
        self._last_polls.add(receiver)

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # noqa: ARG002
        """Deliver one message, waiting for it if need be.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        self._start_receivers()
        self._loop_life.shows()
        if not self.buffer.wait(timeout):
            raise TimeoutError
        self._deliver_up_to(1)

    def _end_threads(self, seconds: float) -> None:
        if not self.acker.stop(seconds):
            logger.error("settlements were still under way when the connection was closed")
        self.leases.stop(LAST_POLL_SECONDS)

    def _end_control(self) -> None:
        plane, names = self._plane_in_use, self.exclusive_queues
        if plane is None:
            return
        while names:
            queue = plane.queues.find(names.pop())
            if queue is not None:
                plane.drop(queue)
        plane.flush(FLUSH_SECONDS)

    def _remove_objects(self, receipts: Sequence[Receipt]) -> None:
        self.large_messages.remove(receipts)

    def _shutdown_begins(self, cold: bool) -> None:
        """Receive and deliver nothing more; runs in a signal handler, so it waits for nothing.

        A solo pool may work on for long, and a soft shutdown sleep, before Celery cancels the
        consumers.
        """
        for receiver in self._receivers():
            receiver.draining = True
        self._stop_movers(0)
        # Not by threading.Thread, whose start waits: gevent's signal handlers must not.
        _thread.start_new_thread(self._hand_on, (cold,))

    def _hand_on(self, cold: bool) -> None:
        """Give back what was not delivered, and what cannot start any more; let the loop stop.

        Celery's loop looks whether it shall stop when it turns. No signal makes it turn, only a
        message or a timer, for which it waits two seconds (kombu/asynchronous/timer.py).
        """
        for receiver in self._receivers():
            receiver.give_back(self.buffer.discard(receiver))
        for channel in list(self.channels) if cold else ():
            channel.give_back_waiting()
        self.acker.hurry()
        self.buffer.interrupt()

    def _receivers(self) -> list[Receiver]:
        return [each for channel in list(self.channels) for each in channel.receivers]

    def _begin_turning(self) -> None:
        self.in_event_loop = self._loop is not None
        if self._loop is not None:
            self._loop_life.begins(self._loop)
        self._start_receivers()

    def _start_receivers(self) -> None:
        unstarted, self._unstarted = self._unstarted, []
        if unstarted:
            # Not with the first settlement: that may come in a signal handler of gevent's, which
            # must not wait for a thread to start.
            self.acker.start()
        for receiver in unstarted:
            receiver.start()  # does nothing if it was cancelled meanwhile
        if unstarted and (self._loop is not None or self.worker.present):
            self._start_movers()

    def _stop_movers(self, seconds: float) -> None:
        # Not made only to be stopped: for that a bare URL, without a region, is not enough.
        movers: Movers | None = self.__dict__.get("movers")
        if movers is not None:
            movers.stop(seconds)

    def _start_movers(self) -> None:
        """Start what moves parked tasks; only workers do that, and no other consumers."""
        self.movers.start(fifo=any(is_fifo(receiver.queue) for receiver in self._receivers()))

    def _deliver_turn(self) -> None:
        self._deliver_up_to(DELIVERIES_PER_TURN)

    def _deliver_up_to(self, most: int) -> None:
        self.buffer.begin_turn()
        try:
            # One by one: what comes after a message at which Celery raises stays where it is, and
            # a solo pool works on each of them.
            for _ in range(most):
                delivery = None if self.worker.stopping else self.buffer.take()
                if delivery is None:
                    return
                self._loop_life.shows()
                delivery.receiver.deliver(delivery)
                self._loop_life.shows()
                if isinstance(delivery, TransientDelivery):
                    # What one command asks the loop to do is done before the next one: the loop
                    # has no order (kombu/asynchronous/hub.py, ``_ready`` is a set).
                    return
        finally:
            self.buffer.end_turn()
