"""What the broker's threads of this process did and hold, for health checks and metrics.

The parts of every connection write into one :class:`DeliveryRecord` of the process; nothing here
asks AWS, and reading costs no request.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from celery_aws.process import PerProcess

if TYPE_CHECKING:
    from celery_aws.broker.leases import Leases
    from celery_aws.broker.receiver import Receiver

#: What is counted, in messages; and events.
Counted = Literal[
    "received",
    "deleted",
    "given_back",
    "unsettled",
    "extended",
    "leases_lost",
    "discarded",
    "known",
    "expired",
    "put_off",
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
        received: messages received since the process began; so are the counts below.
        deleted: messages deleted, after their acknowledgement.
        given_back: messages made visible to other workers.
        unsettled: messages that could neither be deleted nor given back.
        extended: extensions of leases.
        leases_lost: leases that ended although somebody here had the message; its task may run,
            or have run, a second time.
        discarded: messages dropped before their delivery, because their leases had ended.
        known: messages received again while they were worked on here, and not delivered again.
        expired: messages deleted, because they had waited for longer than their ``expiration``.
        put_off: messages that came long before their eta, and were sent on to wait for it.
        events_dropped: events for monitors that could not be sent.
    """

    last_polls: Mapping[str, datetime | None]
    held: int
    received: int = 0
    deleted: int = 0
    given_back: int = 0
    unsettled: int = 0
    extended: int = 0
    leases_lost: int = 0
    discarded: int = 0
    known: int = 0
    expired: int = 0
    put_off: int = 0
    events_dropped: int = 0


class DeliveryRecord:
    """What one process has to tell; thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[Counted] = Counter()
        self._receivers: weakref.WeakSet[Receiver] = weakref.WeakSet()
        self._leases: weakref.WeakSet[Leases] = weakref.WeakSet()
        self._lock = threading.Lock()

    def count(self, what: Counted, messages: int = 1) -> None:
        """Count messages."""
        with self._lock:
            self._counts[what] += messages

    def add_receiver(self, receiver: "Receiver") -> None:
        """Tell of a receiver from now on, for as long as it polls."""
        with self._lock:
            self._receivers.add(receiver)

    def add_leases(self, leases: "Leases") -> None:
        """Tell of a connection's leases from now on."""
        with self._lock:
            self._leases.add(leases)

    def status(self) -> DeliveryStatus:
        """Return what is known now."""
        with self._lock:
            counts = dict(self._counts)
            receivers = [each for each in self._receivers if not each.stopping]
            leases = list(self._leases)
        return DeliveryStatus(
            last_polls=_oldest(receivers), held=sum(each.held for each in leases), **counts
        )


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
