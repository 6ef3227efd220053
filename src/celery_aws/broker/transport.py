"""The kombu transport: one connection's options, threads and way into the event loop.

Facts: kombu/transport/virtual/base.py; celery/worker/consumer/consumer.py ``connect``,
celery/worker/loops.py; the identity tests that Celery makes are listed where it matters.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from kombu.transport import virtual

from celery_aws._version import __version__
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.broker.acker import Acker
from celery_aws.broker.channel import Channel
from celery_aws.broker.connection_info import hide_secrets_in_info
from celery_aws.broker.delivery import Delivery, DeliveryBuffer
from celery_aws.broker.directory import QueueDirectory, ServiceFactory, queue_directory
from celery_aws.broker.receiver import Receiver
from celery_aws.broker.rejections import Rejections
from celery_aws.clock import Clock, SystemClock
from celery_aws.config.broker import options_without_effect, parse_broker_options
from celery_aws.config.credentials import credentials_or_none
from celery_aws.config.urls import BrokerUrl, Endpoint, looks_like_region, parse_broker_url
from celery_aws.errors import AwsError, ReceiverFailedError, TemporaryError

logger = logging.getLogger(__name__)

#: Messages delivered in one turn of the event loop, so that timers and the pool get theirs.
DELIVERIES_PER_TURN = 50

#: Seconds for which closing a connection waits for polls of a queue that it gave messages
#: back to; another worker may be handed them first, and then the poll goes on.
LAST_POLL_SECONDS = 2.0

#: Seconds for which closing a connection waits for its settlements.
CLOSE_SECONDS = 30.0


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
        asynchronous=True,
        exchange_type=frozenset(["direct", "topic"]),
        heartbeats=False,
    )

    #: Tests put a clock double here.
    clock: Clock = SystemClock()

    #: Makes the services that ask SQS. Tests put one here that returns an in-memory double.
    services: ClassVar[ServiceFactory] = SqsQueueService

    def __init__(self, client: Any, **kwargs: Any) -> None:
        self.url = _broker_url(client)
        self.options = parse_broker_options(client.transport_options or {})
        super().__init__(client, **kwargs)
        hide_secrets_in_info(client, self)
        self.buffer = DeliveryBuffer()
        self.acker = Acker(linger_seconds=self.options.ack_linger_seconds, clock=self.clock)
        self._loop: Any = None
        self._unstarted: list[Receiver] = []
        #: Cancelled receivers, whose last polls may still be under way.
        self._ending: list[Receiver] = []
        self._pid = os.getpid()
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
            self._loop = None
        super().close_connection(connection)
        self._await_last_polls()
        if not self.acker.stop(CLOSE_SECONDS):
            logger.error("settlements were still under way %.0f s after closing", CLOSE_SECONDS)
        self.buffer.close()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:  # noqa: ARG002
        """Let the worker's event loop deliver; called before any channel consumes."""
        self._loop = loop
        loop.add_reader(self.buffer.fileno(), self._deliver_turn)

    def start_soon(self, receiver: Receiver) -> None:
        """Start a receiver when deliveries begin: by then all consumers of a start are known."""
        self._unstarted.append(receiver)
        if self._loop is not None:
            self._loop.call_soon(self._start_receivers)

    def end_soon(self, receiver: Receiver) -> None:
        """Stop a receiver, without waiting for its last poll."""
        receiver.stop(timeout_seconds=0)
        self._ending = [each for each in (*self._ending, receiver) if each.alive]

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # noqa: ARG002
        """Deliver one message, waiting for it if need be.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        self._start_receivers()
        if not self.buffer.wait(timeout):
            raise TimeoutError
        self._deliver_up_to(1)

    def _await_last_polls(self) -> None:
        """Let polls end that may be handed what was just given back.

        Such a poll ends at once, and its receiver gives the message back again; if the process
        ended before, the message would be hidden for a whole visibility timeout.
        """
        if not self.acker.gave_back_to or not self.acker.flush(CLOSE_SECONDS):
            return
        deadline = self.clock.monotonic() + LAST_POLL_SECONDS
        for receiver in self._ending:
            if receiver.queue in self.acker.gave_back_to:
                receiver.stop(max(0.0, deadline - self.clock.monotonic()))

    def _start_receivers(self) -> None:
        unstarted, self._unstarted = self._unstarted, []
        for receiver in unstarted:
            receiver.start()  # does nothing if it was cancelled meanwhile

    def _deliver_turn(self) -> None:
        self._deliver_up_to(DELIVERIES_PER_TURN)

    def _deliver_up_to(self, most: int) -> None:
        left = deque(self.buffer.take(most))
        try:
            while left:
                delivery = left.popleft()
                delivery.receiver.deliver(delivery.message)
        finally:
            self._put_back(left)

    def _put_back(self, left: Iterable[Delivery]) -> None:
        """Keep what comes after a message at which Celery raised."""
        waiting = []
        for delivery in left:
            if delivery.receiver.stopping:
                delivery.receiver.give_back([delivery.message])
            else:
                waiting.append(delivery)
        if waiting:
            self.buffer.put_back(waiting)


def _broker_url(client: Any) -> BrokerUrl:
    """Return what a kombu connection's URL says.

    The URL arrives whole in ``hostname``, without the ``aws+`` that kombu cuts off; the parts
    of an alternate arrive parsed (``Connection.switch``), and so do those of a connection
    that was made from parts. ``userid`` and ``password`` (Celery's ``broker_user`` and
    ``broker_password``) may come beside a URL that has none.
    """
    parts = credentials_or_none(client.userid, client.password, where="broker_url")
    if client.hostname and "://" in client.hostname:
        scheme = f"{client.uri_prefix}+sqs" if client.uri_prefix else None
        url = parse_broker_url(client.hostname, scheme=scheme)
        return url if url.credentials is not None else replace(url, credentials=parts)
    host = client.hostname
    region = host if host and client.port is None and looks_like_region(host) else None
    endpoint = Endpoint(host=host, port=client.port) if host and region is None else None
    return BrokerUrl(
        scheme="aws+sqs",
        credentials=parts,
        endpoint=endpoint,
        region=region,
    )
