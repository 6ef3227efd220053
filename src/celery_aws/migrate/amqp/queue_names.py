"""Which queues of a broker are for tasks, by their names and by what the old app declares."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kombu.transport.native_delayed_delivery import level_name

from celery_aws.migrate.amqp.delays import LEVELS
from celery_aws.names import AmqpQueue

#: The queues in which delayed messages wait, the longest wait first.
DELAY_QUEUES: Mapping[int, AmqpQueue] = {level: AmqpQueue(level_name(level)) for level in LEVELS}

#: Remote control, replies and events: of processes, and worth nothing without them.
_CONTROL = re.compile(r".*\.pidbox$|^celeryev(\.|$)|^amq\.gen-")

_MAX_PRIORITY = "x-max-priority"


@dataclass(frozen=True, kw_only=True)
class OldQueues:
    """What the old app says of its queues.

    Attributes:
        declared: kombu's, by name.
        configured: somebody has declared them, and they are not Celery's defaults: then they are as
            they are on RabbitMQ, which takes no declaration that is different.
        routed: names to which ``task_routes`` sends; without a declaration, whoever sends or
            consumes makes such a queue.
    """

    declared: Mapping[AmqpQueue, Any]
    configured: bool = False
    routed: frozenset[AmqpQueue] = frozenset()

    @classmethod
    def of(cls, app: Any) -> "OldQueues":
        """Return those of an app. Without looking one up, which would make it."""
        declared = {AmqpQueue(name): queue for name, queue in app.amqp.queues.items()}
        return cls(
            declared=declared,
            configured=bool(app.conf.task_queues),
            routed=frozenset(_routed(app.conf.task_routes)),
        )

    @property
    def names(self) -> list[AmqpQueue]:
        """All of them, those first that are declared."""
        return list(dict.fromkeys([*self.declared, *sorted(self.routed)]))

    def has_priorities(self, queue: AmqpQueue) -> bool | None:
        """Tell whether RabbitMQ orders a queue by priority; None if the app does not say."""
        declared = self.declared.get(queue)
        if declared is None:
            return None
        arguments = declared.queue_arguments or {}
        if declared.max_priority or arguments.get(_MAX_PRIORITY):
            return True
        return False if self.configured else None


def _routed(routes: Any) -> Iterator[AmqpQueue]:
    """Yield the queues that routes name; those that a function chooses, nobody knows."""
    if isinstance(routes, Mapping):
        for route in routes.values():
            queue = route.get("queue") if isinstance(route, Mapping) else route
            name = getattr(queue, "name", queue)
            if isinstance(name, str):
                yield AmqpQueue(name)
    elif isinstance(routes, list | tuple):
        for each in routes:
            is_pair = isinstance(each, list | tuple) and len(each) == len(("task", "route"))
            yield from _routed(dict([each]) if is_pair else each)


def orders_by_priority(facts: Mapping[str, Any]) -> bool:
    """Tell whether RabbitMQ orders a queue by priority.

    Args:
        facts: what the HTTP API says of the queue.
    """
    return bool((facts.get("arguments") or {}).get(_MAX_PRIORITY))


def is_control(queue: str) -> bool:
    """Tell whether a queue is for remote control, replies or events."""
    return _CONTROL.match(queue) is not None


def is_delay(queue: str) -> bool:
    """Tell whether a queue is one in which delayed messages wait."""
    return queue in DELAY_QUEUES.values()
