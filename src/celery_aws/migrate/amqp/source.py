"""RabbitMQ as the broker that is left: what is taken is not acknowledged until it is sent.

There is nothing to recover: with the connection of a run that was killed, RabbitMQ gives everything
back to its queues, as redelivered. What workers hold cannot be taken; it comes back when they end.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from amqp.exceptions import AMQPNotImplementedError, ResourceLocked

from celery_aws.clock import Clock, SystemClock
from celery_aws.migrate.amqp.delayed_queues import Delayed, DelayedQueues
from celery_aws.migrate.amqp.delays import Destination, Routes, arrival, due_at, without_delay
from celery_aws.migrate.amqp.envelopes import Place, read_message, was_handed_out
from celery_aws.migrate.amqp.gets import get
from celery_aws.migrate.amqp.line import Line, LineLostError, line_of
from celery_aws.migrate.amqp.queue_names import (
    DELAY_QUEUES,
    OldQueues,
    is_control,
    is_delay,
    orders_by_priority,
)
from celery_aws.migrate.amqp.routes import facts_of, management_of, routes_of
from celery_aws.migrate.old_app import address
from celery_aws.migrate.sides import Claim
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

#: A connection that is lost is opened again so often for one request.
_ATTEMPTS = 3

#: Of a quorum queue with a single active consumer, and of a stream.
_NEVER_GIVEN = (ResourceLocked, AMQPNotImplementedError)


@dataclass(eq=False, kw_only=True)
class _Delivery:
    """One delivery of one message, which may be for several queues.

    Attributes:
        generation: of the line over which it came.
        tag: settles it there.
        unsettled: keys of the messages that it became, and that are not committed.
    """

    generation: int
    tag: int
    unsettled: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What there is to know of the broker beside its messages.

    Attributes:
        old: what the app declares.
        told: what the HTTP API says of queues.
        routes: from the end of the delays to the queues.
    """

    old: OldQueues
    told: Mapping[AmqpQueue, Mapping[str, Any]]
    routes: Routes

    def has_priorities(self, queue: AmqpQueue) -> bool:
        """Tell whether RabbitMQ orders a queue by priority, or may do so for all that is known."""
        if queue in self.told:
            return orders_by_priority(self.told[queue])
        return self.old.has_priorities(queue) is not False


class AmqpSource:
    """The broker of an old app, on a connection of its own.

    Args:
        app: the old one.
        queues: old names to new names; others are not touched.
        run: name of this run and thread, which RabbitMQ's operator sees.
        take_held: accepted, and nothing: nobody but a worker itself can give back what it holds.
        management_url: of the HTTP API, which knows for which queues delayed messages are; without
            it, those that the app declares are known.
        clock: tells when a delayed message is due that does not say it itself.
    """

    #: Messages that are the same in every byte have one key.
    has_twins = True

    def __init__(
        self,
        app: Any,
        *,
        queues: Mapping[AmqpQueue, AmqpQueue],
        run: str,
        take_held: bool = False,  # noqa: ARG002 - see above
        management_url: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._app = app
        self._queues = {
            old: new for old, new in queues.items() if not is_control(old) and not is_delay(old)
        }
        self._line: Line = line_of(app, name=run)
        self._management_url = management_url
        self._clock = clock if clock is not None else SystemClock()
        self._old_queues = OldQueues.of(app)
        self._surroundings: _Surroundings | None = None
        self._generation = -1
        self._present: list[AmqpQueue] = []
        # Queues of which RabbitMQ gives no single message, and why.
        self._closed: dict[AmqpQueue, str] = {}
        self._ready_there: dict[AmqpQueue, int] = {}
        self._delayed: DelayedQueues | None = None

    @property
    def left(self) -> Mapping[str, int]:
        """Messages that are not for this run: delayed ones, and those of queues that give none.

        By routing key, or by the name of the queue.
        """
        delayed = {} if self._delayed is None else self._delayed.left
        return {**delayed, **{str(name): ready for name, ready in self._ready_there.items()}}

    def recover(self, most: int) -> Sequence[Claim]:  # noqa: ARG002 - see the module
        """Return nothing: RabbitMQ has given it back."""
        return ()

    def claim(self, most: int) -> Sequence[Claim]:
        """Take up to ``most`` messages: of the queues, then of the delays.

        A request to RabbitMQ a message, and one for each queue that is empty.

        Raises:
            BrokerLostError: it does not answer.
            ConfigurationError: it refuses.
            ManagementError: somebody said where the HTTP API is, and it does not answer.
        """
        return self._tried(lambda: self._claimed(most))

    def commit(self, claims: Sequence[Claim]) -> None:
        """Acknowledge these.

        Where the connection was lost they are back in their queues, and come again as seen before.
        """
        done = [claim.handle for claim in claims if self._settle(claim)]
        self._settled(done, lambda channel, tag: channel.basic_ack(tag))

    def sending(self, claims: Sequence[Claim]) -> None:
        """Nothing: RabbitMQ gives back what is not acknowledged when the connection ends."""

    def leave(self, claims: Sequence[Claim]) -> bool:
        """Give these back: no message stays claimed without a connection."""
        self.give_back(claims)
        return False

    def give_back(self, claims: Sequence[Claim]) -> None:
        """Let workers have these again, in the order in which they came.

        They are the next ones of a classic queue; a quorum queue puts them behind the others.
        """
        deliveries = {id(claim.handle): claim.handle for claim in claims}
        open_ones = [each for each in deliveries.values() if each.unsettled]
        for delivery in open_ones:
            delivery.unsettled.clear()
        self._settled(open_ones, lambda channel, tag: channel.basic_reject(tag, requeue=True))

    def close(self) -> None:
        """Close the connection: RabbitMQ gives back what is not acknowledged."""
        for queue, why in self._closed.items():
            logger.warning("queue %s stays: RabbitMQ gives no single message of it: %s", queue, why)
        delayed = {} if self._delayed is None else self._delayed.left
        for routing_key, count in delayed.items():
            logger.warning(
                "%s message(s) stay in RabbitMQ's delays: those of the routing key %r are for no "
                "queue of this run, or for none that is known",
                count,
                routing_key,
            )
        self._line.close()

    def _tried(self, ask: Callable[[], _Answer], attempts: int = _ATTEMPTS) -> _Answer:
        try:
            return ask()
        except LineLostError as error:
            if isinstance(error.__cause__, _NEVER_GIVEN):
                # Once for each such queue.
                return self._tried(ask, attempts)
            if attempts == 1 or error.refused:
                raise error.at(address(self._app.connection_for_read().as_uri())) from error
        return self._tried(ask, attempts - 1)

    def _claimed(self, most: int) -> Sequence[Claim]:
        self._look_around()
        with self._line.channel() as channel:
            if self._line.generation != self._generation:
                raise LineLostError(ConnectionError("lost while queues were looked for"))
            claims = list(self._of_queues(channel, most))
            if len(claims) < most and self._delayed is not None:
                # A message for two queues becomes two, so it may be more than was asked for.
                for each in self._delayed.take(channel, most - len(claims)):
                    claims += self._claims_of(each)
                # What came out of its delay meanwhile.
                claims += self._of_queues(channel, most - len(claims))
        if not claims:
            self._present.clear()
        return claims

    def _of_queues(self, channel: Any, most: int) -> Iterator[Claim]:
        for queue in self._present:
            for message in self._got(channel, queue, most):
                most -= 1
                delivery = message.delivery_info
                place = self._place(queue, delivery["exchange"], delivery["routing_key"])
                yield from self._claims(message, [place])

    def _got(self, channel: Any, queue: AmqpQueue, most: int) -> list[Any]:
        try:
            return get(channel, queue, most)
        except _NEVER_GIVEN as error:
            # The channel is gone with what was taken over it; the next one leaves the queue out.
            self._closed[queue] = str(error)
            raise

    def _claims_of(self, delayed: Delayed) -> Iterator[Claim]:
        message = delayed.message
        routing_key = message.delivery_info["routing_key"]
        headers = message.properties.get("application_headers") or {}
        due = due_at(
            routing_key,
            delayed.level,
            arrived=arrival(headers, message.properties),
            now=self._clock.now(),
        )
        places = [self._delayed_place(each, due) for each in delayed.destinations]
        return self._claims(message, places)

    def _claims(self, message: Any, places: Sequence[Place]) -> Iterator[Claim]:
        delivery = _Delivery(generation=self._generation, tag=message.delivery_tag)
        messages = [read_message(message, place) for place in places]
        delivery.unsettled.update(each.key for each in messages)
        for each in messages:
            yield Claim(message=each, handle=delivery, seen_before=was_handed_out(message))

    def _place(self, queue: AmqpQueue, exchange: str, routing_key: str) -> Place:
        return Place(
            queue=queue,
            new_queue=self._queues[queue],
            exchange=exchange,
            routing_key=without_delay(routing_key),
            has_priorities=self._around().has_priorities(queue),
        )

    def _delayed_place(self, destination: Destination, due: Any) -> Place:
        return Place(
            queue=destination.queue,
            new_queue=self._queues[destination.queue],
            exchange=destination.exchange,
            routing_key=destination.routing_key,
            has_priorities=self._around().has_priorities(destination.queue),
            due=due,
        )

    def _settle(self, claim: Claim) -> bool:
        """Note that one is done with; tell whether its delivery is, now."""
        delivery: _Delivery = claim.handle
        if claim.message.key not in delivery.unsettled:
            return False
        delivery.unsettled.discard(claim.message.key)
        return not delivery.unsettled

    def _settled(self, deliveries: Sequence[_Delivery], tell: Callable[[Any, int], None]) -> None:
        ours = [each.tag for each in deliveries if each.generation == self._line.generation]
        # Lost meanwhile: they are back in their queues.
        if not ours or not self._line.is_open:
            return
        try:
            with self._line.channel() as channel:
                if self._line.generation == self._generation:
                    for tag in sorted(ours):
                        tell(channel, tag)
        except LineLostError:
            return

    def _look_around(self) -> None:
        """Find out which queues there are: taking from one that is not there ends the channel."""
        fresh = self._line.generation != self._generation or self._generation < 0
        if not fresh and self._present:
            return
        # Not in the middle of a batch: it may take seconds.
        self._around()
        seen = {name: self._line.declared(name) for name in self._queues}
        there = {name: each.ready for name, each in seen.items() if each is not None}
        self._present = [name for name in there if name not in self._closed]
        self._ready_there = {name: there.get(name, 0) for name in self._closed}
        if fresh or self._delayed is None:
            self._delayed = self._delays()
        self._generation = self._line.generation

    def _delays(self) -> DelayedQueues | None:
        if any(self._line.declared(name) is None for name in DELAY_QUEUES.values()):
            return None
        return DelayedQueues(self._around().routes, self._queues)

    def _around(self) -> _Surroundings:
        if self._surroundings is None:
            management = management_of(self._app, self._management_url)
            self._surroundings = _Surroundings(
                old=self._old_queues,
                told=facts_of(management) or {},
                routes=routes_of(self._old_queues, management),
            )
        return self._surroundings
