"""Polls that are still under way when their consumers are gone.

A long poll cannot be called back. What SQS hands to one after its process has ended stays hidden
for a whole visibility timeout; a poll that is handed what was just given back ends at once.
"""

import logging
from collections.abc import Callable, Sequence

from celery_aws.broker.acker import Acker
from celery_aws.broker.celery_worker import CeleryWorker
from celery_aws.broker.receiver import Receiver
from celery_aws.clock import Clock

logger = logging.getLogger(__name__)

#: Seconds for which closing a connection waits for polls of a queue that it gave messages
#: back to; another worker may be handed them first, and then the poll goes on.
LAST_POLL_SECONDS = 2.0

#: Seconds after which a wait for polls is looked at again: it may not be wanted any more.
IMPATIENCE_SECONDS = 0.2


class LastPolls:
    """The cancelled receivers of one connection; for the thread that closes it.

    Args:
        acker: gives back what the polls still bring.
        worker: tells how the worker ends, if one runs here.
        clock: measures the waits.
        patience_seconds: how long a warm shutdown waits, at most.
    """

    def __init__(
        self, *, acker: Acker, worker: CeleryWorker, clock: Clock, patience_seconds: float
    ) -> None:
        self._acker = acker
        self._worker = worker
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._ending: list[Receiver] = []

    def add(self, receiver: Receiver) -> None:
        """Remember a receiver that was stopped, for as long as its poll is under way."""
        self._ending = [each for each in (*self._ending, receiver) if each.alive]

    def wait(self) -> None:
        """Let polls end that may still be handed a message, and their receivers give it back."""
        if self._acker.gave_back_to:
            self._acker.flush(LAST_POLL_SECONDS)
        given_back = [each for each in self._ending if each.queue in self._acker.gave_back_to]
        self._wait_for(given_back, LAST_POLL_SECONDS, lambda: True)
        if self._worker.ends_warm and any(receiver.polling for receiver in self._ending):
            logger.info(
                "waiting up to %.0f s for polls under way (last_poll_wait_seconds)",
                self._patience_seconds,
            )
            self._wait_for(self._ending, self._patience_seconds, lambda: self._worker.ends_warm)

    def _wait_for(
        self, receivers: Sequence[Receiver], seconds: float, patient: Callable[[], bool]
    ) -> None:
        deadline = self._clock.monotonic() + seconds
        for receiver in receivers:
            while receiver.alive and patient():
                left = deadline - self._clock.monotonic()
                if left <= 0 or receiver.stop(min(left, IMPATIENCE_SECONDS)):
                    break
