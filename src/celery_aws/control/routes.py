"""What one process knows of the bindings of each exchange, and for how long it believes that.

A process with an inbox is told when bindings change (a *notice*), so it reads those of an exchange
once, and seldom again: who was bound may have been killed, and a notice may have been lost. Any
other process reads them again after :data:`BELIEVED_SECONDS`. What was read while a notice came is
not believed.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from celery_aws.clock import Clock
from celery_aws.core.routing import Binding
from celery_aws.table.bindings import Bindings

#: Seconds for which bindings are believed that nobody tells the changes of.
BELIEVED_SECONDS = 5.0

#: Seconds after which a process that is told the changes reads again, if somebody is bound.
RENEWED_SECONDS = 60.0

#: The same if nobody is bound: what a lost notice (a sender that was throttled) may cost. With
#: less, an idle worker has more requests than it may have (docs/explanation/monitoring.md).
NOBODY_SECONDS = 1_800.0


@dataclass(frozen=True, kw_only=True)
class _Known:
    bindings: tuple[Binding, ...]
    read_at: float
    told: bool


class Routes:
    """The bindings that one process knows; thread-safe.

    Args:
        bindings: where they are.
        is_told: tells whether this process hears of changes by its inbox.
        clock: measures ages.
    """

    def __init__(self, bindings: Bindings, *, is_told: Callable[[], bool], clock: Clock) -> None:
        self._bindings = bindings
        self._is_told = is_told
        self._clock = clock
        self._known: dict[str, _Known] = {}
        #: How often everything was forgotten, or something was told to be out of date.
        self._changes = 0
        self._lock = threading.Lock()

    def of(self, exchange: str, *, afresh: bool = False) -> Sequence[Binding]:
        """Return the bindings of an exchange.

        Args:
            exchange: its name.
            afresh: whatever is known.

        Raises:
            AwsError: they cannot be read now.

        Costs nothing, or one Query.
        """
        known = self._believed(exchange)
        if known is not None and not afresh:
            return known.bindings
        # Before it is read: what is told after that may not be in it.
        told, changes, now = self._is_told(), self._changes, self._clock.monotonic()
        bindings = tuple(self._bindings.of(exchange))
        with self._lock:
            if changes == self._changes:
                self._known[exchange] = _Known(bindings=bindings, read_at=now, told=told)
        return bindings

    def nobody(self, exchange: str) -> bool:
        """Tell whether it is known that no queue is bound; costs nothing."""
        known = self._believed(exchange)
        return known is not None and not known.bindings

    def known(self, exchange: str) -> Sequence[Binding]:
        """Return the bindings of an exchange as far as they are known; costs nothing."""
        known = self._known.get(exchange)
        return () if known is None else known.bindings

    def changed(self, exchanges: Iterable[str]) -> None:
        """Read the bindings of these exchanges again when they are needed."""
        with self._lock:
            self._changes += 1
            for exchange in exchanges:
                self._known.pop(exchange, None)

    def told(self, exchanges: Iterable[str] | None) -> None:
        """Take in a notice: of some exchanges, or, by None, that notices may have been missed."""
        if exchanges is None:
            self.forget()
        else:
            self.changed(exchanges)

    def forget(self) -> None:
        """Read all bindings again when they are needed."""
        with self._lock:
            self._changes += 1
            self._known.clear()

    def _believed(self, exchange: str) -> _Known | None:
        known = self._known.get(exchange)
        if known is None:
            return None
        limit = BELIEVED_SECONDS
        if known.told and self._is_told():
            limit = RENEWED_SECONDS if known.bindings else NOBODY_SECONDS
        return known if self._clock.monotonic() < known.read_at + limit else None
