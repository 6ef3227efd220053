"""Remembers which messages this process gave back unseen, so that they do not count as redelivered.

SQS counts every receive. A message that was received here and given back before any task of it
could start (its consumer was cancelled, the connection closed) has been delivered to nobody. What
other processes gave back cannot be known.
"""

import threading
from collections import OrderedDict

from celery_aws.process import PerProcess

#: Messages remembered; beyond it the oldest are forgotten, and count as redelivered.
REMEMBERED_MESSAGES = 10_000


class GiveBacks:
    """How often each message was given back unseen; thread-safe."""

    def __init__(self, most: int = REMEMBERED_MESSAGES) -> None:
        self._most = most
        self._times: OrderedDict[str, int] = OrderedDict()
        # Re-entrant: a signal handler of Celery's may cancel what the main thread is cancelling.
        self._lock = threading.RLock()

    def note(self, message_id: str) -> None:
        """Remember one more give-back."""
        with self._lock:
            self._times[message_id] = self._times.pop(message_id, 0) + 1
            while len(self._times) > self._most:
                self._times.popitem(last=False)

    def times(self, message_id: str) -> int:
        """Return how often the message was given back here."""
        return self._times.get(message_id, 0)


_give_backs: PerProcess[str, GiveBacks] = PerProcess()


def give_backs() -> GiveBacks:
    """Return this process's memory."""
    return _give_backs.get("give-backs", GiveBacks)
