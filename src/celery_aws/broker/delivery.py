"""The delivery buffer: between the receiver threads and the one thread that delivers.

Receivers put, the worker's event loop (or ``drain_events``) takes. The loop is woken through
a socketpair, of which at most one byte is under way; a turn of taking begins with clearing that
byte, so that a wake-up cannot be lost between the two.
"""

import socket
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from celery_aws.broker.message import Receipt
from celery_aws.core.messages import ReceivedMessage

if TYPE_CHECKING:
    from celery_aws.broker.receiver import Receiver


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message, what settles it, and the receiver that it came through."""

    receiver: "Receiver"
    message: ReceivedMessage
    receipt: Receipt


class Deliverable(Protocol):
    """What waits for the delivering thread."""

    @property
    def receiver(self) -> Any:
        """Whom it came through: ``receiver.deliver`` hands it to Celery."""


class DeliveryBuffer:
    """Messages that were received and not delivered yet, in order; thread-safe."""

    def __init__(self) -> None:
        self._deliveries: deque[Any] = deque()
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._sockets: tuple[socket.socket, socket.socket] | None = None
        self._signalled = False
        self._interrupted = False
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many messages wait; never blocks."""
        return len(self._deliveries)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to take.

        The socketpair is made here, at the first call: most connections only publish.
        """
        with self._changed:
            if self._sockets is None:
                self._sockets = socket.socketpair()
                for end in self._sockets:
                    end.setblocking(False)
                if self._deliveries or self._failure is not None:
                    self._wake()
            return self._sockets[0].fileno()

    def put(self, deliveries: Iterable[Deliverable]) -> None:
        """Add messages and wake whoever waits for them."""
        with self._changed:
            self._deliveries.extend(deliveries)
            self._wake()

    def put_failure(self, failure: Exception) -> None:
        """Let the delivering thread raise ``failure``: a receiver cannot go on."""
        with self._changed:
            self._failure = failure
            self._wake()

    def begin_turn(self) -> None:
        """Begin to take; whatever is put from now on signals anew.

        Raises:
            Exception: a receiver's failure, once.
        """
        with self._changed:
            self._clear_signal()
            failure, self._failure = self._failure, None
            if failure is not None:
                if self._deliveries:
                    self._wake()
                raise failure

    def take(self) -> Deliverable | None:
        """Return the oldest message, or None."""
        with self._changed:
            return self._deliveries.popleft() if self._deliveries else None

    def end_turn(self) -> None:
        """Signal if something is left, and not otherwise."""
        with self._changed:
            if self._deliveries or self._failure is not None:
                self._wake()
            else:
                self._clear_signal()

    def wait(self, timeout_seconds: float | None) -> bool:
        """Block until there is something to take; False when the time is up, or interrupted."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._has_something() or self._interrupted, timeout_seconds
            )
            self._interrupted = False
            return self._has_something()

    def interrupt(self) -> None:
        """Wake whoever waits for something to take, or the next to do so, though nothing comes."""
        with self._changed:
            self._interrupted = True
            self._wake()

    def discard(self, receiver: Any) -> list[Any]:
        """Take out everything of one receiver: it was cancelled."""
        with self._changed:
            mine = [each for each in self._deliveries if each.receiver is receiver]
            self._deliveries = deque(
                each for each in self._deliveries if each.receiver is not receiver
            )
            return mine

    def close(self) -> None:
        """Close the socketpair; what is put afterwards is kept and wakes nobody."""
        with self._changed:
            self._closed = True
            for end in self._sockets or ():
                end.close()
            self._sockets = None
            self._changed.notify_all()

    def _has_something(self) -> bool:
        return bool(self._deliveries) or self._failure is not None or self._closed

    def _wake(self) -> None:
        self._changed.notify_all()
        if self._sockets is not None and not self._signalled:
            self._signalled = True
            self._sockets[1].send(b"\0")

    def _clear_signal(self) -> None:
        if self._sockets is not None and self._signalled:
            self._sockets[0].recv(16)
            self._signalled = False
