"""Takes messages out of RabbitMQ's native delays.

They are in 28 queues, whoever they are for, and nothing but taking one says for whom. Those that
are not to go (their queue is left out, or nobody knows it) are kept until their level is empty and
then given back together, because each delivery counts: a quorum queue of RabbitMQ 4 passes on what
was delivered 20 times. So a level with such messages is looked at twice, and then no more.

Levels are taken from the longest wait to the shortest, the way that messages go: one that moves on
meanwhile is met again further down, or in its queue.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery_aws.migrate.amqp.delays import LEVELS, Destination, Routes, without_delay
from celery_aws.migrate.amqp.gets import get
from celery_aws.migrate.amqp.queue_names import DELAY_QUEUES
from celery_aws.names import AmqpQueue

_LOOKS = 2


@dataclass(frozen=True, kw_only=True)
class Delayed:
    """A message that waits.

    Attributes:
        message: of py-amqp.
        level: of the queue in which it was.
        destinations: the queues that it is for; each of them gets one.
    """

    message: Any
    level: int
    destinations: Sequence[Destination]


class DelayedQueues:
    """The 28 queues, for one channel: what is kept is gone with it.

    Args:
        routes: from the end of the delays to the queues.
        wanted: the queues whose messages are to go.
    """

    def __init__(self, routes: Routes, wanted: Collection[AmqpQueue]) -> None:
        self._routes = routes
        self._wanted = frozenset(wanted)
        self._kept: dict[int, list[int]] = {}
        self._keys: dict[int, Counter[str]] = {}
        self._looks: Counter[int] = Counter()

    @property
    def left(self) -> Mapping[str, int]:
        """How many messages were left there, by routing key without delay."""
        return sum(self._keys.values(), Counter[str]())

    def take(self, channel: Any, most: int) -> list[Delayed]:
        """Return up to ``most`` messages, none if there are no more."""
        taken: list[Delayed] = []
        for level in LEVELS:
            if self._looks[level] < _LOOKS:
                taken += self._take_of(channel, level, most - len(taken))
            if len(taken) == most:
                break
        return taken

    def _take_of(self, channel: Any, level: int, most: int) -> list[Delayed]:
        taken: list[Delayed] = []
        while len(taken) < most:
            messages = get(channel, DELAY_QUEUES[level], most - len(taken))
            if not messages:
                self._give_back(channel, level)
                break
            taken += self._chosen(level, messages)
        return taken

    def _chosen(self, level: int, messages: Sequence[Any]) -> list[Delayed]:
        chosen: list[Delayed] = []
        for message in messages:
            destinations = self._routes.destinations(message.delivery_info["routing_key"])
            if self._goes(destinations):
                chosen.append(Delayed(message=message, level=level, destinations=destinations))
            else:
                self._keep(level, message)
        return chosen

    def _goes(self, destinations: Sequence[Destination]) -> bool:
        # All or none: taking it for one of them takes it from the others.
        return bool(destinations) and all(each.queue in self._wanted for each in destinations)

    def _keep(self, level: int, message: Any) -> None:
        if not self._kept.get(level):
            self._keys[level] = Counter()
        self._kept.setdefault(level, []).append(message.delivery_tag)
        self._keys[level][without_delay(message.delivery_info["routing_key"])] += 1

    def _give_back(self, channel: Any, level: int) -> None:
        tags = self._kept.pop(level, [])
        if tags:
            self._looks[level] += 1
        for tag in sorted(tags):
            channel.basic_reject(tag, requeue=True)
