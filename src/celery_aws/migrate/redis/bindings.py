"""To which queues kombu's bindings lead a message that a worker held. Pure.

The kind of an exchange is not written down, but the bindings of a topic exchange have a pattern and
others have none. Facts: kombu/transport/redis.py (``_queue_bind``, ``get_table``),
kombu/transport/virtual/exchange.py (``lookup``, ``prepare_bind``).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from celery_aws.migrate.redis.entries import HeldEntry
from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class StoredBinding:
    """One member of an exchange's set.

    Attributes:
        routing_key: that the queue was bound with.
        pattern: the regular expression of a topic; empty for other exchanges.
        queue: Celery's name of the queue.
    """

    routing_key: str
    pattern: str
    queue: AmqpQueue

    def matches(self, routing_key: str) -> bool:
        """Tell whether a message with this routing key goes to the queue."""
        if not self.pattern:
            return self.routing_key == routing_key
        try:
            return re.match(self.pattern, routing_key) is not None
        except re.error:
            return False


def stored_binding(member: bytes, separator: str) -> StoredBinding | None:
    """Return what a member of an exchange's set says, or None if it is no binding."""
    parts = member.decode(errors="replace").split(separator)
    if len(parts) != 3:
        return None
    routing_key, pattern, queue = parts
    return StoredBinding(routing_key=routing_key, pattern=pattern, queue=AmqpQueue(queue))


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """All bindings that are stored.

    Attributes:
        by_exchange: those of each exchange.
    """

    by_exchange: Mapping[str, Iterable[StoredBinding]] = field(default_factory=dict)

    def queues_of(self, held: HeldEntry) -> list[AmqpQueue]:
        """Return where kombu would put a held message back; nowhere if nothing is bound."""
        if not held.exchange:
            return [AmqpQueue(held.routing_key)] if held.routing_key else []
        found = (
            binding.queue
            for binding in self.by_exchange.get(held.exchange, ())
            if binding.matches(held.routing_key)
        )
        return sorted(set(found))
