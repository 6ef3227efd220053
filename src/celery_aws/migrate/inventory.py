"""What is in a source, counted without taking anything; plan, status and verify are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from celery_aws.names import AmqpQueue


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Messages of one queue that cannot go as they are, of one kind.

    Attributes:
        kind: which; ``unroutable`` blocks the queue, the others go to the quarantine file.
        count: how many.
        example: one of them: its task id, or a sample of the raw bytes, without arguments.
        remedy: what to do.
    """

    kind: Literal["oversize", "unreadable", "unroutable", "retention"]
    count: int
    example: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class QueueCount:
    """One queue.

    Attributes:
        queue: Celery's name.
        waiting: messages that no worker has, by priority (0 is first; all under 0 if the source
            does not tell them apart).
        held: messages that workers have and have not acknowledged; None if the source does not say.
        delayed: messages that wait for their eta in the broker (RabbitMQ's native delay).
        with_eta: those of `waiting` whose eta is still to come; None if messages cannot be looked
            at.
        with_far_eta: of those that are delayed or have an eta, how many are due later than SQS can
            delay a message; None if that is not known.
        latest_eta_seconds: from now until the last of all etas; None if there is none, or if
            messages cannot be looked at.
        bytes: of all that wait; None if messages cannot be looked at.
        largest_bytes: of the largest of them; None likewise.
        consumers: who consumes it; None if the source does not say.
        troubles: what cannot go as it is.
    """

    queue: AmqpQueue
    waiting: Mapping[int, int]
    held: int | None = None
    delayed: int = 0
    with_eta: int | None = None
    with_far_eta: int | None = None
    latest_eta_seconds: float | None = None
    bytes: int | None = None
    largest_bytes: int | None = None
    consumers: int | None = None
    troubles: tuple[Trouble, ...] = ()

    @property
    def messages(self) -> int:
        """All that a run would take now."""
        return sum(self.waiting.values()) + self.delayed


@dataclass(frozen=True, kw_only=True)
class ResultCount:
    """What the old result backend has.

    Attributes:
        results: states of tasks, by status.
        without_ttl: those of them that never expire.
        seconds_left: the longest time that any of them has left; None if there is none that
            expires.
        groups: saved groups.
        chords: chords whose body has not been sent yet, by id: parts that are there, of how many.
        bytes: of all of it.
    """

    results: Mapping[str, int]
    without_ttl: int = 0
    seconds_left: float | None = None
    groups: int = 0
    chords: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class OtherKeys:
    """What else is there, which is not moved: schedules, locks, the control plane, the unknown.

    Attributes:
        kind: what it is.
        count: of keys.
        example: the name of one.
        note: what becomes of it, and what to do.
        blocks: the old side must not be switched off before somebody has looked at it.
    """

    kind: Literal["schedule", "lock", "control", "binding", "unacked", "unknown"]
    count: int
    example: str
    note: str
    blocks: bool = False


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All that is in a broker and its result backend.

    Attributes:
        source: its URL without secrets.
        server: kind and version, such as ``Redis 7.0.15``.
        queues: of tasks.
        delayed: messages that wait for their eta in the broker, and of which nobody knows for which
            of the queues they are before they are taken (RabbitMQ's native delay).
        others: what is not moved.
        claimed: messages that a run which did not end had claimed.
        listeners: who consumes the queues or hears control commands, and so may be a worker that
            answers nobody; None if the broker does not say.
        results: of the result backend; None if it is of a kind that cannot be counted.
        notes: what else the operator ought to know.
        incomplete: why there may be queues that are not in here; None if all of them are.
    """

    source: str
    server: str
    queues: tuple[QueueCount, ...]
    delayed: int = 0
    others: tuple[OtherKeys, ...] = ()
    claimed: int = 0
    listeners: int | None = None
    results: ResultCount | None = None
    notes: tuple[str, ...] = ()
    incomplete: str | None = None
