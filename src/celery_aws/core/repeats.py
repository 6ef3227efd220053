"""Commands that are repeated although their effect lasts, and who need not hear them again.

Flower asks all workers for events every 5 s, for the sake of those that started meanwhile. A worker
that was asked a little while ago need not be asked again. Facts: flower/events.py
``on_enable_events``; celery/worker/control.py ``enable_events``.
"""

from collections.abc import Iterable

from celery_aws.core.control_messages import ControlCommand
from celery_aws.core.routing import Binding

#: The command, and what undoes it.
ENABLE = "enable_events"
DISABLE = "disable_events"

#: Seconds for which a worker that was asked is not asked again: somebody else may have undone it.
REPEAT_SECONDS = 60.0


class Repeats:
    """Remembers who was asked; not thread-safe, and forgetting does no harm."""

    def __init__(self) -> None:
        #: When the queue of a token was asked. A worker that connects anew has a new one, and has
        #: forgotten that it was asked.
        self._asked: dict[str, float] = {}

    def heard_anew(
        self, command: ControlCommand, bindings: Iterable[Binding], now: float
    ) -> list[Binding]:
        """Return those that have to hear a command, and remember that they were sent it.

        Args:
            command: the command. One that names nodes, or wants replies, is heard by all that it
                is for: somebody waits for its effect.
            bindings: whom it is for.
            now: by a monotonic clock, in seconds.
        """
        several = list(bindings)
        if command.method == DISABLE:
            self._asked.clear()
        if command.method != ENABLE or not command.for_all or command.reply_to is not None:
            return several
        asked = {token: when for token, when in self._asked.items() if now < when + REPEAT_SECONDS}
        heard = [each for each in several if each.token not in asked]
        asked.update((each.token, now) for each in heard if each.token is not None)
        self._asked = asked
        return heard
