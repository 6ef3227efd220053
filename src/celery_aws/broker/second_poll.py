"""A second receive of a busy queue, beside its receiver's.

Of one receive at a time a queue brings ten messages in each round trip, and in a worker whose
greenlets share one thread, in each turn of theirs. A worker with room for many messages runs dry
between two of them.
"""

import threading
from collections.abc import Callable

from celery_aws.background import BackgroundThread
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.names import AmqpQueue


class SecondPoll(BackgroundThread):
    """Receives while receives are full and there is room, then waits to be called again.

    Args:
        queue: Celery's name of it, for the thread's.
        reserve: reserves the credits of one receive; False if there are none to spare.
        receive: receives once, with these credits, and returns how many messages came.

    Attributes:
        polling: a receive is under way.
    """

    def __init__(
        self, queue: AmqpQueue, *, reserve: Callable[[], bool], receive: Callable[[], int]
    ) -> None:
        super().__init__(f"celery-aws-second-receiver-{queue}")
        self.polling = False
        self._reserve = reserve
        self._receive = receive
        self._called = threading.Event()

    def call(self) -> None:
        """Begin, if it waits; the thread starts with the first call."""
        self._called.set()
        self.start()

    def run(self) -> None:
        """Receive whenever called, until stopped."""
        while not self.stopping:
            self._called.wait()
            self._called.clear()
            while self._receives_full():
                pass

    def wake(self) -> None:
        """End the wait."""
        self._called.set()

    def _receives_full(self) -> bool:
        self.polling = True
        try:
            return not self.stopping and self._reserve() and self._receive() >= SQS_BATCH_ENTRIES
        finally:
            self.polling = False
