"""Queues in the memory of one process, fed by its inbox; see :mod:`celery_aws.core.queue_traits`.

What they hold is lost with the process, as it is with a Redis or RabbitMQ client: what must not be
lost goes through a queue on SQS.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from kombu.utils.uuid import uuid

from celery_aws.clock import Clock
from celery_aws.core.message_life import life_of
from celery_aws.core.priorities import HIGHEST_NUMBER, LOWEST_NUMBER
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.names import AmqpQueue

logger = logging.getLogger(__name__)

#: Messages that wait for a consumer, at most: beyond it the oldest go, as from a queue with
#: ``x-max-length``.
WAITING_MAX = 100_000

Message = Mapping[str, Any]


class QueueConsumer(Protocol):
    """Who is handed the messages of a queue."""

    def accept(self, message: Message) -> None:
        """Take a message; from any thread, and without waiting."""


class TransientQueue:
    """One queue; thread-safe.

    Attributes:
        name: Celery's name of it.
        token: which of the queues of that name it is.
        traits: how it ends.
    """

    def __init__(
        self,
        name: AmqpQueue,
        traits: QueueTraits,
        clock: Clock,
        *,
        highest_priority: int = LOWEST_NUMBER,
    ) -> None:
        self.name = name
        self.token = uuid()
        self.traits = traits
        self._highest_priority = highest_priority
        self._clock = clock
        #: Each with the time at which it goes.
        self._waiting: deque[tuple[float, Message]] = deque()
        #: None of them goes before.
        self._first_end = math.inf
        self._consumers: deque[QueueConsumer] = deque()
        #: Since when it has no consumer; None while it has one.
        self._unused_since: float | None = clock.monotonic()
        self._lock = threading.Lock()

    @property
    def consumers(self) -> int:
        """How many consumers it has."""
        return len(self._consumers)

    @property
    def expired(self) -> bool:
        """True if it had no consumer for as long as it may."""
        expires, since = self.traits.expires_seconds, self._unused_since
        if expires is None or since is None:
            return False
        return self._clock.monotonic() >= since + expires

    def touch(self) -> None:
        """It was declared once more: its time without a consumer begins anew."""
        with self._lock:
            if self._unused_since is not None:
                self._unused_since = self._clock.monotonic()

    def put(self, message: Message) -> None:
        """Hand a message to a consumer, each in turn, or keep it until there is one."""
        with self._lock:
            if self._consumers:
                consumer = self._consumers[0]
                self._consumers.rotate(-1)
                consumer.accept(message)
                return
            self._drop_old()
            while len(self._waiting) >= WAITING_MAX:
                self._waiting.popleft()
            self._wait(self._place(message), message)

    def put_back(self, messages: Iterable[Message]) -> None:
        """Put messages in front of their equals again that were taken, in their order."""
        with self._lock:
            for message in reversed(list(messages)):
                self._wait(self._place_in_front(message), message)
            self._hand_out()

    def take(self) -> Message | None:
        """Return the oldest message that waits, or None."""
        with self._lock:
            self._drop_old()
            return self._waiting.popleft()[1] if self._waiting else None

    def size(self) -> int:
        """Return how many messages wait."""
        with self._lock:
            self._drop_old()
            return len(self._waiting)

    def purge(self) -> int:
        """Drop what waits, and return how much that was."""
        with self._lock:
            count = len(self._waiting)
            self._waiting.clear()
            return count

    def add_consumer(self, consumer: QueueConsumer) -> None:
        """Hand what waits, and what comes, to ``consumer``."""
        with self._lock:
            self._drop_old()
            self._consumers.append(consumer)
            self._unused_since = None
            self._hand_out()

    def remove_consumer(self, consumer: QueueConsumer) -> bool:
        """Hand it nothing any more; tell whether it was the last one."""
        with self._lock:
            if consumer in self._consumers:
                self._consumers.remove(consumer)
            if not self._consumers and self._unused_since is None:
                self._unused_since = self._clock.monotonic()
            return not self._consumers

    def _hand_out(self) -> None:
        while self._waiting and self._consumers:
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            consumer.accept(self._waiting.popleft()[1])

    def _place(self, message: Message) -> int:
        """Return where a message comes in: behind those that are as urgent, or more."""
        place = len(self._waiting)
        if self.traits.prioritised:
            rank = self._rank(message)
            while place and self._rank(self._waiting[place - 1][1]) > rank:
                place -= 1
        return place

    def _place_in_front(self, message: Message) -> int:
        place = 0
        if self.traits.prioritised:
            rank = self._rank(message)
            while place < len(self._waiting) and self._rank(self._waiting[place][1]) < rank:
                place += 1
        return place

    def _rank(self, message: Message) -> int:
        number = min(max(message["properties"].get("priority") or 0, LOWEST_NUMBER), HIGHEST_NUMBER)
        return number if self._highest_priority == LOWEST_NUMBER else -number

    def _wait(self, place: int, message: Message) -> None:
        lives_seconds = [math.inf]
        if self.traits.message_ttl_seconds is not None:
            lives_seconds.append(self.traits.message_ttl_seconds)
        own = life_of(message)
        if own is not None:
            lives_seconds.append(own.total_seconds())
        end = self._clock.monotonic() + min(lives_seconds)
        self._first_end = min(self._first_end, end)
        self._waiting.insert(place, (end, message))

    def _drop_old(self) -> None:
        now = self._clock.monotonic()
        if now <= self._first_end:
            return
        self._waiting = deque(each for each in self._waiting if each[0] >= now)
        self._first_end = min((end for end, _ in self._waiting), default=math.inf)


class TransientQueues:
    """The transient queues of one process; thread-safe."""

    def __init__(self, clock: Clock, *, highest_priority: int = LOWEST_NUMBER) -> None:
        self._clock = clock
        self._highest_priority = highest_priority
        self._by_name: dict[AmqpQueue, TransientQueue] = {}
        self._by_token: dict[str, TransientQueue] = {}
        self._lock = threading.Lock()

    def declare(self, name: AmqpQueue, traits: QueueTraits) -> TransientQueue:
        """Return the queue of this name; a new one if there is none."""
        with self._lock:
            queue = self._by_name.get(name)
            if queue is None:
                queue = TransientQueue(
                    name, traits, self._clock, highest_priority=self._highest_priority
                )
                self._by_name[name] = self._by_token[queue.token] = queue
            # Before anybody else can take it for one that has expired.
            queue.touch()
            return queue

    def find(self, name: AmqpQueue) -> TransientQueue | None:
        """Return the queue of this name, or None."""
        return self._by_name.get(name)

    def discard(self, queue: TransientQueue) -> None:
        """Forget a queue, with what waits in it."""
        with self._lock:
            self._forget(queue)

    def holds(self, token: str) -> bool:
        """Tell whether a queue of this process has this token."""
        return token in self._by_token

    def deliver(self, tokens: Iterable[str], message: Message) -> None:
        """Put a message into the queues of these tokens; those that are gone are passed over."""
        for token in tokens:
            queue = self._by_token.get(token)
            if queue is not None:
                queue.put(message)

    def expire(self) -> list[TransientQueue]:
        """Forget the queues that had no consumer for as long as they may, and return them."""
        with self._lock:
            expired = [queue for queue in self._by_name.values() if queue.expired]
            for queue in expired:
                self._forget(queue)
            return expired

    def may_expire(self) -> bool:
        """Tell whether there is a queue that expires without a consumer, and has none."""
        queues = list(self._by_name.values())
        return any(q.traits.expires_seconds is not None and not q.consumers for q in queues)

    def _forget(self, queue: TransientQueue) -> None:
        self._by_token.pop(queue.token, None)
        if self._by_name.get(queue.name) is queue:
            del self._by_name[queue.name]
