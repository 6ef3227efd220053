"""Hears Celery's events, in a thread of its own, for as long as it takes.

Costs what a monitor costs: an inbox, and what workers send to it (docs/explanation/monitoring.md).
"""

import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.backoff import Backoff, is_worth_logging

logger = logging.getLogger(__name__)

_BACKOFF: Final = Backoff(base_seconds=1.0, cap_seconds=30.0)

#: Hears of one event.
Handler = Callable[[Mapping[str, Any]], None]


class EventListener(BackgroundThread):
    """Listens until stopped, and connects anew when a connection is lost.

    Args:
        app: the Celery app.
        handle: is told each event; ``raw_timestamp`` is the time that its sender gave it.
        clock: for the pauses after failures.
    """

    def __init__(self, app: Any, handle: Handler, clock: Clock) -> None:
        super().__init__("celery-aws-exporter-events")
        self._app = app
        self._handle = handle
        self._clock = clock
        self._receiver: Any = None

    def run(self) -> None:
        """Listen."""
        failures = 0
        while not self.stopping:
            began = self._clock.monotonic()
            error = self._try()
            if error is None:
                continue
            heard_for_long = self._clock.monotonic() - began > _BACKOFF.cap_seconds
            failures = 1 if heard_for_long else failures + 1
            if is_worth_logging(failures):
                logger.warning("events are not heard (%s in a row): %s", failures, error)
            self._clock.sleep(_BACKOFF.wait_seconds(failures - 1, random.random))

    def wake(self) -> None:
        """Let the receiver end, within a second."""
        receiver = self._receiver
        if receiver is not None:
            receiver.should_stop = True

    def _try(self) -> Exception | None:
        """Listen until stopped or something fails; return what."""
        try:
            with self._app.connection_for_read() as connection:
                self._listen(connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, a monitor goes on
            return error
        return None

    def _listen(self, connection: Any) -> None:
        receiver = _receiver_class(self._app.events.Receiver)(
            connection, handlers={"*": self._handle}
        )
        self._receiver = receiver
        receiver.should_stop = self.stopping
        # It asks the workers that there are to say so now, and not with their next heartbeat.
        receiver.capture(limit=None, timeout=None, wakeup=True)


def _receiver_class(base: Any) -> Any:
    """Return Celery's receiver, keeping the time that an event's sender gave it.

    Its ``event_from_message`` replaces that by one which is shifted by the difference of two time
    zones (celery/events/receiver.py).
    """

    class Receiver(base):  # type: ignore[misc]
        def event_from_message(self, body: Any, **options: Any) -> Any:
            body["raw_timestamp"] = body.get("timestamp")
            return super().event_from_message(body, **options)

    return Receiver
