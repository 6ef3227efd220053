"""Where the transient queues of other processes are that are sent to by name.

The clients of ``rpc://`` results have one each; their names are looked up once in a while.
"""

import threading
from collections.abc import Sequence

from celery_aws.clock import Clock
from celery_aws.core.routing import Binding
from celery_aws.names import AmqpQueue
from celery_aws.table.bindings import Bindings

#: Seconds for which it is remembered where a queue is, and how many are remembered.
REMEMBERED_SECONDS = 60.0
REMEMBERED_QUEUES = 1_000


class QueuesElsewhere:
    """What one process knows of the queues of others; thread-safe.

    Args:
        bindings: tells where they are.
        clock: measures ages.
    """

    def __init__(self, bindings: Bindings, clock: Clock) -> None:
        self._bindings = bindings
        self._clock = clock
        self._found: dict[AmqpQueue, tuple[Sequence[Binding], float]] = {}
        self._lock = threading.Lock()

    def find(self, queue: AmqpQueue) -> Sequence[Binding]:
        """Return the processes that have a queue of this name; none if it is nobody's.

        Raises:
            AwsError: that cannot be read now.

        Costs one Query, for a queue that is somebody's once in :data:`REMEMBERED_SECONDS`.
        """
        now = self._clock.monotonic()
        found, read_at = self._found.get(queue, ((), float("-inf")))
        if now >= read_at + REMEMBERED_SECONDS:
            found = tuple(self._bindings.of("", queue))
            self._remember(queue, found, now)
        return found

    def __contains__(self, queue: AmqpQueue) -> bool:
        """Tell whether the queue was another process's a little while ago."""
        return queue in self._found

    def _remember(self, queue: AmqpQueue, found: Sequence[Binding], now: float) -> None:
        with self._lock:
            self._found.pop(queue, None)
            if len(self._found) >= REMEMBERED_QUEUES:
                self._found.clear()
            if found:
                self._found[queue] = (found, now)
