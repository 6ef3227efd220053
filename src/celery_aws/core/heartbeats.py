"""How many of a worker's heartbeats a monitor is sent.

Celery's worker sends one every 2 s, and a monitor takes it for offline when it has heard nothing
for twice the ``freq`` that the last one told. Each would be a request, so fewer are sent, and they
say so. Whoever chose an interval himself (``--heartbeat-interval``) gets what he asked for. Facts:
celery/worker/heartbeat.py, celery/worker/control.py ``heartbeat``, celery/events/state.py
``heartbeat_expires``.
"""

import json
from collections.abc import Mapping
from typing import Any

from celery_aws.core.bodies import JSON

#: ``Heart``'s interval if nobody chose one.
CELERY_SECONDS = 2.0

#: By how much one may come early: no timer is exact, and to wait for the next one takes 2 s.
_EARLY_SECONDS = 0.5

#: The events that tell ``freq``, by their routing key.
_HEARTBEAT = "worker.heartbeat"
_TELLING = (_HEARTBEAT, "worker.online")


class Heartbeats:
    """Decides which heartbeats are worth a request; for one thread.

    Args:
        every_seconds: how often one is; no more often than there are any.
    """

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = max(every_seconds, CELERY_SECONDS)
        #: When a heartbeat of a node was last sent, by its host name.
        self._sent: dict[str, float] = {}
        #: The latest one that was not worth a request.
        self._kept: dict[str, Any] = {}

    def thinned(self, routing_key: str, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return an event with the interval that it is sent at from here on, its new ``freq``.

        Args:
            routing_key: of the event.
            message: the virtual message, its body as Celery's serializer made it.

        Returns:
            The message with another body; None if the event is to be sent as it is, at once: it is
            of another type, or somebody chose the interval.
        """
        event = _telling(routing_key, message)
        if event is None:
            return None
        if _is_asked_for(event):
            # The next one has to be sent, and none before it: monitors believe the last one.
            node = str(event.get("hostname"))
            self._sent.pop(node, None)
            self._kept.pop(node, None)
        if event.get("freq") != CELERY_SECONDS:
            return None
        return {**message, "body": json.dumps({**event, "freq": self._every_seconds})}

    def is_due(self, routing_key: str, node: str, now: float) -> bool:
        """Tell whether an event that was :meth:`thinned` is worth a request, which is made then.

        Args:
            routing_key: of the event. That a worker is online always is: monitors wait for it.
            node: whose it is, by its host name.
            now: by a monotonic clock, in seconds.
        """
        next_seconds = self._sent.get(node, float("-inf")) + self._every_seconds - _EARLY_SECONDS
        if routing_key == _HEARTBEAT and now < next_seconds:
            return False
        self._sent[node] = now
        self._kept.pop(node, None)
        return True

    def keep(self, node: str, event: Any) -> None:
        """Keep a heartbeat that was not due, for a request that is made anyway; the latest counts.

        Args:
            node: whose it is.
            event: whatever :meth:`take_kept` shall return.
        """
        self._kept[node] = event

    def take_kept(self, now: float) -> list[Any]:
        """Return what was kept, and keep it no longer: a request is made now.

        Args:
            now: by a monotonic clock, in seconds; their nodes' next heartbeats are due after it.
        """
        kept, self._kept = self._kept, {}
        self._sent.update(dict.fromkeys(kept, now))
        return list(kept.values())


def _telling(routing_key: str, message: Mapping[str, Any]) -> dict[str, Any] | None:
    if routing_key not in _TELLING or message.get("content-type") != JSON:
        return None
    try:
        event = json.loads(message["body"])
    except (TypeError, ValueError):
        return None
    return event if isinstance(event, dict) else None


def _is_asked_for(event: Mapping[str, Any]) -> bool:
    # A monitor that begins asks all workers for a heartbeat. That tells 5 s whatever the interval
    # is, and lacks what the timer's ones tell.
    return event.get("freq") == 5 and "active" not in event
