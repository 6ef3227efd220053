"""One connection to RabbitMQ with one channel, opened when it is needed, and again when it is lost.

What was taken over a channel belongs to that channel: with it, RabbitMQ gives everything back to
its queue by itself. So each opening has a number, and what was taken under an earlier one is
nobody's any more.

Heartbeats come from a thread, because nobody else writes while a batch is on its way to AWS:
without them RabbitMQ closes the connection and hands the batch to a worker; with none agreed, a
machine that lost its power would hold its messages for ever. Facts: amqp/connection.py
``send_heartbeat``, rabbitmq.com/docs/heartbeats.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import (
    AccessRefused,
    AMQPError,
    InvalidPath,
    NotAllowed,
    NotFound,
    ResourceLocked,
)
from kombu import Connection
from kombu.exceptions import OperationalError

from celery_aws.errors import BrokerLostError, CeleryAwsError, ConfigurationError
from celery_aws.migrate.amqp.frames import frame_handler
from celery_aws.migrate.old_app import address
from celery_aws.names import AmqpQueue

#: What py-amqp raises when a connection or a channel is no more.
FAILURES: tuple[type[Exception], ...] = (AMQPError, OSError)

#: A login, a right, or a virtual host.
_REFUSALS = (AccessRefused, NotAllowed, InvalidPath)

#: For an answer of RabbitMQ's, in seconds; py-amqp would wait for ever.
_READ_TIMEOUT_SECONDS = 60

#: To open a connection: with the pauses between them, about 20 seconds.
_ATTEMPTS = 5

#: Heartbeats in the time after which RabbitMQ takes us for dead.
_HEARTBEATS_IN_TIME = 3

_JOIN_SECONDS = 5.0


class LineLostError(Exception):
    """The channel is no more: what was taken over it is back in its queue.

    Attributes:
        refused: RabbitMQ ended it because of a missing right, and will do so again.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.refused = isinstance(cause, _REFUSALS)

    def at(self, address: str) -> CeleryAwsError:
        """Return what to tell the caller.

        Args:
            address: of RabbitMQ, without secrets.
        """
        return _unusable(address, self.__cause__ or self, refused=self.refused)


@dataclass(frozen=True, kw_only=True)
class DeclaredQueue:
    """What a passive declaration says of a queue.

    Attributes:
        ready: messages that no worker has.
        consumers: who consumes it.
    """

    ready: int
    consumers: int


class Line:
    """A connection of one thread's, which sends heartbeats from another one.

    Args:
        make: returns kombu's connection, not yet opened.
        heartbeat_seconds: within which RabbitMQ wants to hear from us; 0 for not at all.
        name: that RabbitMQ's operator sees.
    """

    def __init__(
        self, make: Callable[[], Connection], *, heartbeat_seconds: float = 0, name: str = ""
    ) -> None:
        self._make = make
        self._heartbeat_seconds = heartbeat_seconds
        self._agreed_seconds = 0.0
        self._name = name
        self._connection: Any = None
        self._channel: Any = None
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        # py-amqp's connections may be used by one thread at a time, so it is held while one does.
        self._lock = threading.Lock()
        #: Which opening this is.
        self.generation = 0

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """Give py-amqp's channel to the block, open.

        Raises:
            LineLostError: it was lost in the block; the next use opens another one.
            BrokerLostError: nobody answers.
            ConfigurationError: RabbitMQ does not let us in.
        """
        with self._used():
            yield self._channel

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Give kombu's connection to the block, open.

        Raises:
            LineLostError: as in :meth:`channel`.
            BrokerLostError: as in :meth:`channel`.
            ConfigurationError: as in :meth:`channel`.
        """
        with self._used():
            yield self._connection

    def declared(self, queue: AmqpQueue) -> DeclaredQueue | None:
        """Return what RabbitMQ says of a queue, None if there is none (or it is somebody's own).

        By a channel of its own: a wrong name ends a channel, and with it everything taken over it.
        """
        with self.connection() as connection:
            probe = connection.channel()
            try:
                answer = probe.queue_declare(queue, passive=True)
            except (NotFound, ResourceLocked):
                return None
            probe.close()
            return DeclaredQueue(ready=answer.message_count, consumers=answer.consumer_count)

    @property
    def is_open(self) -> bool:
        """True if nobody knows yet that it is lost."""
        channel = self._channel
        return channel is not None and bool(channel.is_open)

    def close(self) -> None:
        """Close the connection; RabbitMQ gives back what was taken and not settled."""
        self._stop_heartbeats()
        with self._lock:
            self._drop()

    @contextmanager
    def _used(self) -> Iterator[None]:
        with self._lock:
            try:
                self._open()
                yield
            except CeleryAwsError:
                # One that is lost is an OSError, too.
                raise
            except FAILURES as error:
                self._drop()
                raise LineLostError(error) from error

    def _open(self) -> None:
        if self.is_open:
            return
        self._drop()
        self._connection = self._connected()
        self._channel = self._connection.channel()
        # Bodies are bytes, whatever their encoding says.
        self._channel.auto_decode = False
        self.generation += 1
        self._start_heartbeats()

    def _connected(self) -> Connection:
        connection = self._make()
        connection.heartbeat = float(self._heartbeat_seconds)
        options = {"read_timeout": _READ_TIMEOUT_SECONDS, **(connection.transport_options or {})}
        # Who confirms, and when, is the target's to say.
        options.pop("confirm_publish", None)
        names = {"connection_name": f"celery-aws migrate {self._name}".strip()}
        options["client_properties"] = {**names, **options.get("client_properties", {})}
        options["frame_handler"] = frame_handler
        connection.transport_options = options
        try:
            connection.ensure_connection(
                max_retries=_ATTEMPTS, interval_start=0.5, interval_step=1.5, interval_max=8
            )
        except (OperationalError, *FAILURES) as error:
            refused = isinstance(error, _REFUSALS)
            raise _unusable(address(connection.as_uri()), error, refused=refused) from error
        return connection

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(*FAILURES):
                connection.release()

    def _start_heartbeats(self) -> None:
        # The smaller of RabbitMQ's and ours; they may differ from one opening to the next.
        self._agreed_seconds = float(self._connection.get_heartbeat_interval() or 0)
        if self._agreed_seconds and self._thread is None:
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._send_heartbeats,
                args=(self._stop,),
                name="celery-aws-migrate-heartbeats",
                daemon=True,
            )
            self._thread.start()

    def _stop_heartbeats(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and self._stop is not None:
            self._stop.set()
            thread.join(_JOIN_SECONDS)

    def _send_heartbeats(self, stop: threading.Event) -> None:
        while not stop.wait(
            (self._agreed_seconds or self._heartbeat_seconds) / _HEARTBEATS_IN_TIME
        ):
            with self._lock:
                if self._connection is not None:
                    # If it is lost, whoever uses it next sees that.
                    with suppress(*FAILURES):
                        self._connection.connection.send_heartbeat()


def line_of(app: Any, *, name: str = "", write: bool = False) -> Line:
    """Return a line to an app's broker, as its workers have it. No request.

    Args:
        app: whose broker it is.
        name: of the run, which RabbitMQ's operator sees.
        write: to where it publishes, and not where its workers consume.
    """
    return Line(
        app.connection_for_write if write else app.connection_for_read,
        heartbeat_seconds=float(app.conf.broker_heartbeat or 0),
        name=name,
    )


def _unusable(address: str, cause: BaseException, *, refused: bool) -> CeleryAwsError:
    what = f"{type(cause).__name__}: {cause}"
    if refused:
        return ConfigurationError(
            f"RabbitMQ at {address} refuses: {what}. Check user, password and virtual host, and "
            "that the user has the right to read (or write) the queues",
            where="--from",
        )
    return BrokerLostError(
        f"RabbitMQ at {address} does not answer: {what}. Check host, port and TLS; nothing was "
        "lost, and what was claimed is back in its queue"
    )
