"""The signs of life of a worker's event loop, for whoever watches the worker.

With a hub it gives one each second, and one around each delivery: a solo pool works meanwhile, on
one task of many. Without (gevent, eventlet) it gives them whenever it waits for messages.
"""

from typing import Any

from celery_aws.broker.celery_worker import CeleryWorker
from celery_aws.broker.status import delivery_record
from celery_aws.clock import Clock

#: Seconds between two signs of life of a hub.
TICK_SECONDS = 1.0


class LoopLife:
    """What one connection tells of the loop that delivers its messages; for that loop's thread.

    Args:
        worker: whose loop it is; that of any other process, or of a worker's remote control, is
            nobody's business.
        clock: of the signs.
    """

    def __init__(self, worker: CeleryWorker, clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self._ticking: Any = None
        self._shown = False

    def begins(self, hub: Any) -> None:
        """Give signs from now on, as long as the hub turns."""
        self.shows()
        self._ticking = hub.call_repeatedly(TICK_SECONDS, self.shows)

    def shows(self) -> None:
        """Give one sign."""
        if self._worker.present:
            self._shown = True
            delivery_record().loop_turned(self._clock.monotonic())

    def ends(self) -> None:
        """Give no more: the connection is closed."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if self._shown:
            self._shown = False
            delivery_record().loop_lost()
