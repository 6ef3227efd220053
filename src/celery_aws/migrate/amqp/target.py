"""RabbitMQ as the broker that is entered: the way back.

Messages are published to their queue by the default exchange, persistent as they were, and count as
sent once RabbitMQ confirmed them. One that is due later goes into the native delays, if the app
uses them and its queue has them; if not, its worker waits, as it did before.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from amqp.exceptions import FrameSyntaxError, PreconditionFailed
from celery.utils.quorum_queues import detect_quorum_queues
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from celery_aws.clock import Clock, SystemClock
from celery_aws.core.envelope import checked_envelope
from celery_aws.core.task_eta import received_timing
from celery_aws.errors import BrokerLostError, ConfigurationError
from celery_aws.migrate.amqp.confirms import Confirms
from celery_aws.migrate.amqp.delays import DELAY_SECONDS_MAX, ENTRANCE
from celery_aws.migrate.amqp.envelopes import amqp_message
from celery_aws.migrate.amqp.line import LineLostError, line_of
from celery_aws.migrate.messages import Answer, Carried, Refused, Sent, Unsent
from celery_aws.migrate.old_app import address
from celery_aws.names import AmqpQueue

#: What py-amqp raises for what AMQP cannot say: a header of more than 64 bits, a long id.
_NOT_TO_BE_WRITTEN = (FrameSyntaxError, struct.error, ValueError, TypeError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class _Publication:
    """One message as it is published.

    Attributes:
        message: of py-amqp.
        exchange: to which; empty is the default one.
        routing_key: with its delay.
    """

    message: Any
    exchange: str
    routing_key: str

    def by(self, confirms: Confirms) -> int:
        """Publish it and return its number."""
        return confirms.publish(self.message, exchange=self.exchange, routing_key=self.routing_key)


class AmqpTarget:
    """The broker of an app to which messages go back, on a connection of its own.

    Args:
        app: whose broker it is; a queue that is missing is declared as this app declares it.
        clock: tells how long a delay still is.
    """

    def __init__(self, app: Any, *, clock: Clock | None = None) -> None:
        self._app = app
        self._clock = clock if clock is not None else SystemClock()
        self._line = line_of(app, name="target", write=True)
        # Whether it has native delays, by queue; of one connection.
        self._delays: dict[AmqpQueue, bool] = {}
        self._confirms: Confirms | None = None
        self._generation = -1

    def send(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        """Publish messages, and wait until RabbitMQ has confirmed them.

        Raises:
            ConfigurationError: a queue is not there, and the app does not declare it.
                Or a right is missing, or an exchange is of another kind than the app says.
            BrokerLostError: RabbitMQ does not answer; none was sent.
        """
        try:
            for queue in dict.fromkeys(each.queue for each in messages):
                self._prepare(queue)
            return self._published(messages)
        except LineLostError as error:
            self._delays.clear()
            where = address(self._app.connection_for_write().as_uri())
            if isinstance(error.__cause__, PreconditionFailed):
                raise ConfigurationError(
                    f"RabbitMQ at {where} has what the app declares, and it is another: {error}",
                    where="task_queues",
                ) from error
            if error.refused:
                raise error.at(where) from error
            # RabbitMQ may have some of them all the same.
            return [Unsent(error=error.at(where))] * len(messages)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def _published(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        with self._line.channel() as channel:
            if self._line.generation != self._generation:
                self._generation = self._line.generation
                self._confirms = Confirms(channel)
            confirms = cast("Confirms", self._confirms)
            prepared = [self._publication(each) for each in messages]
            numbers = [0 if isinstance(each, Refused) else each.by(confirms) for each in prepared]
            confirms.wait()
            problems = [confirms.problem_of(number) for number in numbers]
        if any(problems):
            # Is the queue still there?
            self._delays.clear()
        return [_answer(*each) for each in zip(prepared, problems, strict=True)]

    def _publication(self, carried: Carried) -> "_Publication | Refused":
        try:
            message = amqp_message(carried, user=self._user)
            # It would fail in the middle of a frame.
            message._serialize_properties()  # noqa: SLF001 - the only writer
        except _NOT_TO_BE_WRITTEN as error:
            return Refused(reason=f"AMQP cannot say it: {type(error).__name__}: {error}")
        seconds = self._seconds_left(carried)
        if seconds < 1 or not self._delays.get(carried.queue):
            return _Publication(message=message, exchange="", routing_key=carried.queue)
        routing_key = self._app.amqp.queues[carried.queue].routing_key
        return _Publication(
            message=message,
            exchange=ENTRANCE,
            routing_key=calculate_routing_key(min(seconds, DELAY_SECONDS_MAX), routing_key),
        )

    def _seconds_left(self, carried: Carried) -> int:
        try:
            timing = received_timing(checked_envelope(carried.envelope))
        except ValueError:
            return 0
        if timing is None or timing.eta is None:
            return 0
        return int((timing.eta - self._clock.now()).total_seconds())

    @property
    def _user(self) -> str:
        return str(self._app.connection_for_write().userid or "guest")

    def _prepare(self, queue: AmqpQueue) -> None:
        """See that a queue is there, and note whether it has native delays."""
        if queue in self._delays:
            return
        # Not by [], which makes a queue that nobody declared.
        declared = self._app.amqp.queues.get(queue)
        missing = self._line.declared(queue) is None
        if missing and declared is None:
            raise ConfigurationError(
                f"RabbitMQ has no queue {queue!r}, and the app does not declare it: declare it in "
                "task_queues, or rename it by --queue",
                where="task_queues",
            )
        with self._line.connection() as connection:
            if missing and declared is not None:
                declared(connection.default_channel).declare()
            self._delays[queue] = declared is not None and self._has_delays(declared, connection)

    def _has_delays(self, queue: Any, connection: Any) -> bool:
        uses_them, _ = detect_quorum_queues(self._app, connection.transport.driver_type)
        if not uses_them or not queue.exchange or queue.exchange.type == "direct":
            return False
        if not queue.routing_key:
            return False
        # As its workers do, who may not have been there for a long time.
        kind = self._app.conf.broker_native_delayed_delivery_queue_type
        declare_native_delayed_delivery_exchanges_and_queues(connection, kind)
        bind_queue_to_native_delayed_delivery_exchange(connection, queue)
        return True


def _answer(prepared: "_Publication | Refused", problem: Exception | None) -> Answer:
    if isinstance(prepared, Refused):
        return prepared
    if problem is not None:
        return Unsent(error=BrokerLostError(f"RabbitMQ has not taken a message: {problem}"))
    return Sent(message_id="", parked=prepared.exchange == ENTRANCE)
