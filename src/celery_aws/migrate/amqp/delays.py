"""RabbitMQ's native delays: which queue a waiting message is for, and when it is due.

A message with an eta goes to the exchange ``celery_delayed_27``, its seconds as 28 bits in front of
its routing key. It waits 2^n seconds in the queue ``celery_delayed_<n>`` of each bit that is
one, and at the end goes through ``celery_delayed_delivery`` to the exchanges of the application's
queues, which are bound there with ``#.`` in front of their keys. Facts:
kombu/transport/native_delayed_delivery.py, celery/worker/consumer/delayed_delivery.py.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE,
    MAX_LEVEL,
    MAX_NUMBER_OF_BITS_TO_USE,
    level_name,
)

from celery_aws.core.routing import KINDS, matches
from celery_aws.names import AmqpQueue

#: Where every delayed message is published to.
ENTRANCE = level_name(MAX_LEVEL)

#: The longest delay that RabbitMQ can keep; what is due later waits in the worker for the rest.
DELAY_SECONDS_MAX = 2**MAX_NUMBER_OF_BITS_TO_USE - 1

#: Levels from the longest wait to the shortest: the way that messages go.
LEVELS = tuple(range(MAX_LEVEL, -1, -1))

# A task that is retried with Celery 5.5 has one of them for each retry.
_BITS = re.compile(rf"^(?:(?:[01]\.){{{MAX_NUMBER_OF_BITS_TO_USE}}})+")


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a delayed message goes at the end.

    Attributes:
        queue: Celery's name of the queue.
        exchange: the last one before it.
        routing_key: without delay.
    """

    queue: AmqpQueue
    exchange: str
    routing_key: str


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One binding, seen from its exchange.

    Attributes:
        to: a queue or another exchange.
        is_queue: which of the two.
        key: the binding key.
    """

    to: str
    is_queue: bool
    key: str


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The way from the end of a delay to the queues.

    Attributes:
        kinds: of exchanges, by name; one of another kind leads nowhere that we know of.
        bindings: by the name of the exchange.
    """

    kinds: Mapping[str, str]
    bindings: Mapping[str, Sequence[Bound]]

    def destinations(self, routing_key: str) -> tuple[Destination, ...]:
        """Return where a message with this routing key, bits included, goes: each queue once."""
        found: dict[str, Destination] = {}
        seen, ahead = set[str](), [CELERY_DELAYED_DELIVERY_EXCHANGE]
        while ahead:
            exchange = ahead.pop(0)
            if exchange in seen:
                continue
            seen.add(exchange)
            for bound in self._matching(exchange, routing_key):
                if bound.is_queue:
                    destination = Destination(
                        queue=AmqpQueue(bound.to),
                        exchange=exchange,
                        routing_key=without_delay(routing_key),
                    )
                    found.setdefault(bound.to, destination)
                else:
                    ahead.append(bound.to)
        return tuple(found.values())

    @property
    def queues(self) -> frozenset[AmqpQueue]:
        """All queues for which a delayed message may be."""
        return frozenset(
            AmqpQueue(bound.to)
            for exchange in self._reachable()
            for bound in self.bindings.get(exchange, ())
            if bound.is_queue
        )

    def _matching(self, exchange: str, routing_key: str) -> Iterable[Bound]:
        kind = self.kinds.get(exchange)
        if kind is None or kind not in KINDS:
            return ()
        return (
            bound
            for bound in self.bindings.get(exchange, ())
            if matches(kind, bound.key, routing_key)
        )

    def _reachable(self) -> set[str]:
        seen, ahead = set[str](), [CELERY_DELAYED_DELIVERY_EXCHANGE]
        while ahead:
            exchange = ahead.pop()
            if exchange not in seen:
                seen.add(exchange)
                ahead += [each.to for each in self.bindings.get(exchange, ()) if not each.is_queue]
        return seen


def routes_of_queues(queues: Iterable[Any]) -> Routes:
    """Return the routes that a worker makes for the queues of its app.

    Args:
        queues: of kombu's; those of direct exchanges have no native delay.
    """
    kinds: dict[str, str] = {CELERY_DELAYED_DELIVERY_EXCHANGE: "topic"}
    bindings: dict[str, list[Bound]] = {CELERY_DELAYED_DELIVERY_EXCHANGE: []}
    for queue in queues:
        for exchange, key in _bindings_of(queue):
            if exchange.type == "direct":
                continue
            pattern = key if key.startswith("#") else f"#.{key}"
            kinds[exchange.name] = exchange.type
            bindings[CELERY_DELAYED_DELIVERY_EXCHANGE].append(
                Bound(to=exchange.name, is_queue=False, key=pattern)
            )
            bindings.setdefault(exchange.name, []).append(
                Bound(to=queue.name, is_queue=True, key=pattern)
            )
    return Routes(kinds=kinds, bindings=bindings)


def without_delay(routing_key: str) -> str:
    """Return a routing key without the bits in front of it."""
    return _BITS.sub("", routing_key)


def due_at(
    routing_key: str, level: int, *, arrived: datetime | None, now: datetime
) -> datetime | None:
    """Return when a message comes out of its delay, at the latest.

    Args:
        routing_key: of the message, bits included.
        level: of the queue where it is.
        arrived: when it came there; None if nobody knows.
        now: aware.

    Returns:
        None if the routing key has no bits.
    """
    if _BITS.match(routing_key) is None:
        return None
    bits = routing_key.split(".", MAX_NUMBER_OF_BITS_TO_USE)[:MAX_NUMBER_OF_BITS_TO_USE]
    seconds = int("".join(bits), 2) & ((2 << level) - 1)
    return (arrived or now) + timedelta(seconds=seconds)


def arrival(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> datetime | None:
    """Return when a message came into the queue where it is, if it says so.

    Args:
        headers: with ``x-death``, the newest one first: it died in the queue before.
        properties: of AMQP; ``timestamp`` is when it was published.
    """
    deaths = headers.get("x-death") or ()
    if deaths and isinstance(deaths[0].get("time"), datetime):
        died: datetime = deaths[0]["time"]
        return died.replace(tzinfo=timezone.utc)
    try:
        return datetime.fromtimestamp(properties.get("timestamp", ""), timezone.utc)
    except (TypeError, ValueError, OverflowError, OSError):
        # There is none, or it is in milliseconds.
        return None


def _bindings_of(queue: Any) -> Iterable[tuple[Any, str]]:
    if queue.exchange:
        return [(queue.exchange, queue.routing_key or "")]
    return [(each.exchange, each.routing_key or "") for each in queue.bindings or ()]
