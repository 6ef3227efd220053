"""What the broker's threads of this process did and hold, for health checks and metrics.

The parts of every connection write into one :class:`DeliveryRecord` of the process; nothing here
asks AWS, and reading costs no request. Nor does it wait for a lock: who watches the process reads
while whatever holds one may hang.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeVar

from celery_aws.broker.poll_record import ReceiverStatus
from celery_aws.process import PerProcess

if TYPE_CHECKING:
    from celery_aws.broker.leases import Leases
    from celery_aws.broker.receiver import Receiver

T = TypeVar("T")

#: What is counted, in messages; and events.
Counted = Literal[
    "polls",
    "empty_polls",
    "received",
    "deleted",
    "given_back",
    "unsettled",
    "settled_later",
    "extended",
    "leases_lost",
    "discarded",
    "known",
    "expired",
    "put_off",
    "duplicates",
    "moved",
    "events_dropped",
]


@dataclass(frozen=True, kw_only=True)
class DeliveryStatus:
    """The broker in this process at one moment.

    Attributes:
        last_polls: by Celery's name of each queue that is consumed here: when SQS last answered
            a poll (aware, UTC), None if it never did. Of several consumers the one that waits
            longest.
        held: messages whose leases are extended here: prefetched, held or running.
        polls: receives that SQS answered since the process began; so are the counts below.
        empty_polls: those of them that brought nothing.
        received: messages received.
        deleted: messages deleted, after their acknowledgement.
        given_back: messages made visible to other workers.
        unsettled: messages that could neither be deleted nor given back.
        settled_later: deletes and give-backs of a message that failed, and were tried again.
        extended: extensions of leases.
        leases_lost: leases that ended although somebody here had the message; its task may run,
            or have run, a second time.
        discarded: messages dropped before their delivery, because their leases had ended.
        known: messages received again while they were worked on here, and not delivered again.
        expired: messages deleted, because they had waited for longer than their ``expiration``.
        put_off: messages that came long before their eta, and were sent on to wait for it.
        duplicates: messages deleted, because a migration had sent them twice and the other copies
            came before.
        moved: parked tasks that were moved to SQS.
        events_dropped: events for monitors that could not be sent.
        receivers: what each receiver of this process does, one a consumer and queue.
        loop_turned_at: when a worker's event loop last turned here, or delivered, by the monotonic
            clock; None if none ever did.
        loop_connected: that loop is at work; False before, and while a lost connection is made
            again.
    """

    last_polls: Mapping[str, datetime | None]
    held: int
    polls: int = 0
    empty_polls: int = 0
    received: int = 0
    deleted: int = 0
    given_back: int = 0
    unsettled: int = 0
    settled_later: int = 0
    extended: int = 0
    leases_lost: int = 0
    discarded: int = 0
    known: int = 0
    expired: int = 0
    put_off: int = 0
    duplicates: int = 0
    moved: int = 0
    events_dropped: int = 0
    receivers: tuple[ReceiverStatus, ...] = ()
    loop_turned_at: float | None = None
    loop_connected: bool = False


class DeliveryRecord:
    """What one process has to tell; thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[Counted] = Counter()
        # Replaced as a whole by who adds, so that reading takes no lock.
        self._receivers: tuple[weakref.ref[Receiver], ...] = ()
        self._leases: tuple[weakref.ref[Leases], ...] = ()
        self._loop_turned_at: float | None = None
        self._loop_connected = False
        self._lock = threading.Lock()

    def count(self, what: Counted, messages: int = 1) -> None:
        """Count messages."""
        with self._lock:
            self._counts[what] += messages

    def count_poll(self, messages: int) -> None:
        """Count a receive that SQS answered with so many messages."""
        with self._lock:
            self._counts["polls"] += 1
            self._counts["received"] += messages
            self._counts["empty_polls"] += not messages

    def add_receiver(self, receiver: "Receiver") -> None:
        """Tell of a receiver from now on, for as long as it polls."""
        with self._lock:
            here = [each for each in _present(self._receivers) if not each.stopping]
            self._receivers = tuple(weakref.ref(each) for each in (*here, receiver))

    def add_leases(self, leases: "Leases") -> None:
        """Tell of a connection's leases from now on."""
        with self._lock:
            here = (*_present(self._leases), leases)
            self._leases = tuple(weakref.ref(each) for each in here)

    def loop_turned(self, at: float) -> None:
        """Note that a worker's event loop turns, or delivers; ``at`` by the monotonic clock."""
        self._loop_turned_at = at
        self._loop_connected = True

    def loop_lost(self) -> None:
        """Note that the loop's connection is closed."""
        self._loop_connected = False

    def status(self) -> DeliveryStatus:
        """Return what is known now."""
        receivers = [each for each in _present(self._receivers) if not each.stopping]
        return DeliveryStatus(
            last_polls=_oldest(receivers),
            held=sum(each.held for each in _present(self._leases)),
            receivers=tuple(each.record.status() for each in receivers),
            loop_turned_at=self._loop_turned_at,
            loop_connected=self._loop_connected,
            **dict(self._counts),
        )


def _present(references: "Iterable[weakref.ref[T]]") -> list[T]:
    return [each for reference in references if (each := reference()) is not None]


def _oldest(receivers: "list[Receiver]") -> dict[str, datetime | None]:
    polls: dict[str, datetime | None] = {}
    for receiver in receivers:
        known = polls.get(receiver.queue, receiver.last_poll)
        last = receiver.last_poll
        polls[receiver.queue] = None if last is None or known is None else min(last, known)
    return polls


_records: PerProcess[str, DeliveryRecord] = PerProcess()


def delivery_record() -> DeliveryRecord:
    """Return this process's record."""
    return _records.get("record", DeliveryRecord)


def delivery_status() -> DeliveryStatus:
    """Return what the broker's threads of this process did and hold.

    Costs no request.
    """
    return delivery_record().status()
