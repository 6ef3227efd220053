"""Two brokers in memory, a journal and a quarantine file, and somebody who kills at any point."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from celery_aws.errors import BrokerLostError, ServiceFaultError
from celery_aws.migrate.journal import Entry, Journal
from celery_aws.migrate.messages import (
    Answer,
    Carried,
    Fate,
    Message,
    Refused,
    Sent,
    Unreadable,
    Unsent,
)
from celery_aws.migrate.quarantine import Quarantine, Quarantined
from celery_aws.migrate.sides import Claim, Source
from celery_aws.migrate.tally import Tally
from celery_aws.migrate.transfer import migrate
from celery_aws.migrate.transfer_order import Order, Sides
from celery_aws.names import AmqpQueue
from celery_aws.testing.clock import FakeClock

QUEUE = AmqpQueue("celery")

#: What a target takes for too large.
HUGE = "huge"

_runs = itertools.count(1)


class Killed(BaseException):
    """The process is no more; nothing of it runs any further."""


class World:
    """What stays when a process is killed, and the points at which it may be."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.path = folder / "journal.sqlite"
        self.waiting: list[Message] = []
        #: By the run that claimed them.
        self.claimed: dict[str, list[Message]] = {}
        self.seen: set[str] = set()
        self.received: Counter[str] = Counter()
        #: Points until the process is killed; None is never.
        self.points_left: int | None = None
        self.killed = False
        self.points = 0
        #: Whether the target loses its next answers, or the source does not answer next.
        self.lost_answers = 0
        self.refusals = 0
        self.outages = 0
        #: Whether the source keeps what may have been sent, as Redis can.
        self.keeps = False
        self.has_twins = False
        self.stops = False
        self.most_at_once = 0

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine.beside(self.path, source="memory://")

    def quarantined(self) -> dict[str, str]:
        """Return the keys in the quarantine file, and their fates."""
        return {line["key"]: line["fate"] for line in self.quarantine.lines()}

    def publish(self, *messages: Message) -> None:
        """Let messages wait."""
        self.waiting += messages

    def point(self) -> None:
        """Be killed here, if it is time to."""
        if self.killed:
            raise Killed
        self.points += 1
        if self.points_left is not None:
            if self.points_left == 0:
                self.killed = True
                raise Killed
            self.points_left -= 1

    def outage(self) -> None:
        """Raise what a source raises that has no connection, if there is none."""
        if self.outages:
            self.outages -= 1
            raise BrokerLostError("nobody answers")

    def run(
        self,
        *,
        kill_after: int | None = None,
        threads: int = 1,
        revoked: Collection[str] = (),
        follow: bool = False,
        per_second: float | None = None,
        stopped: Callable[[], bool] = lambda: False,
        tally: Tally | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Tally:
        """Move what waits; killed after so many points, it raises :class:`Killed`."""
        self.points_left, self.killed = kill_after, False
        journal = CrashingJournal(self)
        try:
            journal.begin(source="memory://", target="aws+sqs://", name="one", now=self.clock.now())
            return migrate(
                Sides(source=self.source, target=self._target),
                Order(
                    run=f"run{next(_runs)}",
                    threads=threads,
                    revoked=revoked,
                    follow=follow,
                    per_second=per_second,
                ),
                journal=journal,
                quarantine=CrashingQuarantine(self),
                clock=self.clock,
                stopped=stopped,
                progress=progress,
                tally=tally,
            )
        finally:
            journal.close()

    def source(self, run: str) -> Source:
        """Return the source of a thread."""
        return MemorySource(self, run)

    def _target(self, _: str) -> "MemoryTarget":
        return MemoryTarget(self)


class MemorySource:
    """Lists of what waits and of what is claimed, as on Redis."""

    def __init__(self, world: World, run: str) -> None:
        self._world = world
        self._run = run
        self._going: list[Message] = []
        self.has_twins = world.has_twins
        world.claimed.setdefault(run, [])

    def recover(self, most: int) -> Sequence[Claim]:
        self._world.point()
        self._world.outage()
        mine = self._run.partition("-")[0]
        for run, claimed in self._world.claimed.items():
            if not run.startswith(mine + "-") and claimed:
                return self._take(claimed, most)
        return []

    def claim(self, most: int) -> Sequence[Claim]:
        self._world.point()
        self._world.outage()
        return self._take(self._world.waiting, most)

    def commit(self, claims: Sequence[Claim]) -> None:
        self._world.outage()
        for claim in claims:
            self._world.point()
            if claim.handle in self._world.claimed[self._run]:
                self._world.claimed[self._run].remove(claim.handle)
        self._world.point()

    def sending(self, claims: Sequence[Claim]) -> None:
        self._going += [claim.handle for claim in claims if claim.handle not in self._going]

    def leave(self, claims: Sequence[Claim]) -> bool:
        if not self._world.keeps:
            self.give_back(claims)
        return self._world.keeps

    def give_back(self, claims: Sequence[Claim]) -> None:
        self._world.point()
        for claim in claims:
            if claim.handle in self._going:
                self._going.remove(claim.handle)
            self._world.claimed[self._run].remove(claim.handle)
            self._world.waiting.insert(0, claim.handle)

    def close(self) -> None:
        if not self._world.killed:
            claimed = self._world.claimed[self._run]
            kept = [each for each in claimed if self._world.keeps and each in self._going]
            self._world.waiting[:0] = [each for each in claimed if each not in kept]
            claimed[:] = kept

    def _take(self, messages: list[Message], most: int) -> Sequence[Claim]:
        taken, messages[:] = messages[:most], messages[most:]
        self._world.claimed[self._run] += taken
        seen = [each.key in self._world.seen for each in taken]
        self._world.seen.update(each.key for each in taken)
        self._world.point()
        return [
            Claim(message=message, handle=message, seen_before=before)
            for message, before in zip(taken, seen, strict=True)
        ]


class MemoryTarget:
    """Counts what it is sent; refuses what is too large."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, messages: Sequence[Carried]) -> Sequence[Answer]:
        world = self._world
        world.most_at_once = max(world.most_at_once, len(messages))
        return [self._send(message) for message in messages]

    def close(self) -> None:
        """Nothing is open."""

    def _send(self, message: Carried) -> Answer:
        world = self._world
        world.point()
        if message.envelope["body"] == HUGE:
            return Refused(reason="too large")
        if world.refusals:
            world.refusals -= 1
            return Unsent(error=ServiceFaultError("busy", service="dynamodb"))
        world.received[message.key] += 1
        world.point()
        if world.lost_answers:
            world.lost_answers -= 1
            return Unsent(
                error=ServiceFaultError("lost", service="sqs", operation="SendMessageBatch")
            )
        return Sent(message_id=f"copy of {message.key}")


class CrashingJournal(Journal):
    """A journal whose process may be killed before it is written, and after."""

    def __init__(self, world: World) -> None:
        super().__init__(world.path)
        self._world = world

    def fates(self, keys: Sequence[str]) -> Mapping[str, Fate]:
        self._world.point()
        return super().fates(keys)

    def record(self, entries: Sequence[Entry]) -> None:
        self._world.point()
        super().record(entries)
        self._world.point()


class CrashingQuarantine(Quarantine):
    """The same for the quarantine file."""

    def __init__(self, world: World) -> None:
        super().__init__(world.quarantine.path, source="memory://")
        self._world = world

    def add(self, messages: Sequence[Quarantined], **options: Any) -> None:
        self._world.point()
        super().add(messages, **options)
        self._world.point()


def carried(key: str, *, body: str = "W10=", task_id: str | None = None) -> Carried:
    """Return a message that can be read."""
    return Carried(
        key=key, queue=QUEUE, envelope={"body": body, "headers": {"id": task_id or f"id of {key}"}}
    )


def unreadable(key: str) -> Unreadable:
    """Return one that cannot."""
    return Unreadable(key=key, queue=QUEUE, raw=b"\x00\xff{", reason="it is no JSON")
