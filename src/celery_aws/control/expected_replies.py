"""Who of this process waits for replies to control commands, and since when."""

import threading

from celery_aws.clock import Clock
from celery_aws.core.control_messages import ControlCommand

#: Seconds for which it is remembered that somebody waits.
REMEMBERED_SECONDS = 600.0

#: Stands for the oid of whoever waits for replies to a command that cannot be read.
_ANYBODY = ""


class ExpectedReplies:
    """When each client last asked for replies; thread-safe.

    Args:
        clock: says when.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._lock = threading.Lock()

    def expect(self, command: ControlCommand) -> None:
        """Somebody is sent a command, and may answer."""
        # What is signed or encrypted does not say whether somebody waits.
        oid = command.reply_to if command.method else _ANYBODY
        if oid is None:
            return
        now = self._clock.monotonic()
        with self._lock:
            recent = now - REMEMBERED_SECONDS
            self._asked = {each: at for each, at in self._asked.items() if at > recent}
            self._asked[oid] = now

    def since(self, oid: str) -> float | None:
        """Return when a client asked last, by the clock's ``monotonic``; None if it did not."""
        return self._asked.get(oid, self._asked.get(_ANYBODY))
