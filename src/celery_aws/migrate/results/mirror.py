"""Results written a second time, to the old backend, for clients that look nowhere else.

A task's result is where it belongs already. So a backend that is down costs a line in the log and
a number, never a task, and is left alone for a while: each try may take seconds.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from celery_aws.clock import Clock
from celery_aws.migrate.results.sides import Side

logger = logging.getLogger(__name__)

#: For how long a backend is left alone that did not answer.
PAUSE_SECONDS = 15.0


class Mirror:
    """The old backend, as somewhere to write to if it can be.

    Args:
        side: which.
        clock: for the pause.

    Attributes:
        missed: how many writes are not there.
    """

    def __init__(self, side: Side, clock: Clock) -> None:
        self._side = side
        self._clock = clock
        self._paused_until: float | None = None
        self.missed = 0

    def write(self, what: str, write: Callable[[Any], Any]) -> None:
        """Let ``write`` write to the backend, if it is up.

        Args:
            what: that is written, for the log.
            write: is called with the backend.
        """
        if self._paused_until is not None and self._clock.monotonic() < self._paused_until:
            self.missed += 1
            return
        try:
            write(self._side.backend)
        except SoftTimeLimitExceeded:
            raise  # it is the task's, whichever line of it was running
        except Exception as error:  # noqa: BLE001 - whatever a backend of Celery raises
            self._miss(what, error)
            return
        if self._paused_until is not None:
            self._paused_until = None
            logger.warning(
                "the old result backend answers again; %d of this process's writes are not "
                "there. Who must read them there needs them copied back",
                self.missed,
            )

    def _miss(self, what: str, error: Exception) -> None:
        self.missed += 1
        self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
        logger.warning(
            "%s is not mirrored to the old result backend %s, which is left alone for %.0f s "
            "(%d missed so far): %s: %s",
            what,
            self._side.backend.as_uri(),
            PAUSE_SECONDS,
            self.missed,
            type(error).__name__,
            error,
        )
