"""Moves parked tasks to SQS when their time has come: a thread in every worker, of which one works.

The thread that holds the lease of its lane asks for the markers of what may go by now, and for
nothing else if there are none. An entry is removed only once SQS has accepted its message, ten at
a time: so a crash in between sends those ten a second time, and loses nothing. What may be such a
second message says so (:mod:`celery_aws.core.parked_messages`).
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from heapq import merge
from math import inf
from typing import Protocol

from celery_aws.background import BackgroundThread
from celery_aws.clock import Clock
from celery_aws.core.attributes import Item, text_of
from celery_aws.core.backoff import Backoff, Random
from celery_aws.core.failure_log import log_failure
from celery_aws.core.schedule import STREAMS, Lane, bucket_of, late_bound
from celery_aws.core.scheduled_items import send_after_of
from celery_aws.core.table_keys import SORT
from celery_aws.errors import AccessDeniedError, AwsError
from celery_aws.limits import SQS_BATCH_ENTRIES
from celery_aws.schedule.outbox import Outbox
from celery_aws.table.leases import LeaderLease
from celery_aws.table.schedule import MARKER_REST_SECONDS, Marker, Schedule

logger = logging.getLogger(__name__)

#: Turns, at most, in which a shard is not read because none of its tasks may be sent.
IDLE_TURNS = 5

#: All rights at once, or who grants them would learn of them one by one, each from another refusal.
_MOVING_REMEDY = (
    "Grant dynamodb:GetItem, PutItem, DeleteItem, Query, BatchGetItem and BatchWriteItem on this "
    "table to the workers, which move parked tasks; or, if no task has an eta beyond what SQS can "
    "delay, set broker_transport_options['coordination_table'] to False"
)


class Chore(Protocol):
    """Something that the leader does beside, while nothing is due."""

    def turn(self) -> float:
        """Do it, if it is time to; return the seconds until it is to be asked again."""


class Mover(BackgroundThread):
    """One contender for the work of one lane.

    Args:
        lane: which tasks.
        schedule: where they are.
        lease: says whether this contender is the one.
        outbox: sends them.
        clock: says what is due, and measures pauses.
        chores: what else one process of all does, between its turns.
        on_moved: is told after each turn how many tasks it moved, if any.
        jitter: random numbers for pauses after failures.
    """

    def __init__(
        self,
        *,
        lane: Lane,
        schedule: Schedule,
        lease: LeaderLease,
        outbox: Outbox,
        clock: Clock,
        chores: Sequence[Chore] = (),
        on_moved: Callable[[int], None] = lambda _: None,
        jitter: Random = random.random,
    ) -> None:
        super().__init__(f"celery-aws-mover-{lane.name}")
        self._chores = chores
        self._on_moved = on_moved
        self._lane = lane
        self._schedule = schedule
        self._lease = lease
        self._outbox = outbox
        self._clock = clock
        self._jitter = jitter
        self._backoff = Backoff(base_seconds=1.0, cap_seconds=lane.renew_seconds)
        self._failures = self._chore_failures = 0
        #: When the lease was taken over from an owner that may have sent what it did not remove.
        self._again_before: datetime | None = None
        #: Markers by when they were seen first, by the monotonic clock.
        self._seen: dict[Marker, float] = {}
        #: Those with nothing but refused tasks, and until when they are left alone.
        self._idle_until: dict[Marker, float] = {}
        self._changed = threading.Condition()

    def run(self) -> None:
        """Take turns until stopped, and leave the lease to others."""
        while not self.stopping:
            self.rest(self.turn())
        self.release()

    def rest(self, seconds: float) -> None:
        """Pause until the next turn; who leads does the chores whose time comes meanwhile.

        Costs what they cost, and a renewal of the lease if it is time to.
        """
        until = self._clock.monotonic() + seconds
        while not self.stopping and self._clock.monotonic() < until:
            wanted_seconds = self._do_chores()
            self._pause(min(until - self._clock.monotonic(), wanted_seconds))

    def release(self) -> None:
        """Leave the lease to others, at once; what fails is only logged.

        Not if something may have been sent that is still parked: only who takes a lease over, when
        its time is up, says of what it sends that it may be a second time.
        """
        if not self._outbox.settled:
            logger.info("lane %s: others have to wait for the lease", self._lane.name)
            return
        try:
            self._lease.release()
        except AwsError as error:
            logger.info("lane %s: others have to wait for the lease: %s", self._lane.name, error)

    def wake(self) -> None:
        """End a pause."""
        with self._changed:
            self._changed.notify_all()

    def turn(self) -> float:
        """Contend for the lease and, if it is held, move what is due: one round of :meth:`run`.

        Returns:
            The seconds until the next turn.

        Costs one GetItem for who does not lead. For who leads a PutItem each ``renew_seconds``
        and one Query if nothing is due; one Query for each shard with tasks in it, and one
        SendMessageBatch and one BatchWriteItem for each ten tasks of a queue.
        """
        began = self._clock.monotonic()
        try:
            led = self._lease.leads
            if not self._lease.contend():
                self._failures = 0
                if self._lease.pointless:
                    # Once there is a table, a task is in it: to be moved in time by somebody.
                    return self._lane.period_seconds
                return self._lease.next_look_seconds
            if not led:
                self._again_before = self._clock.now() if self._lease.taken_over else None
            self._move()
        except Exception as error:  # noqa: BLE001 - whatever it is, tasks wait to be moved
            return self._after_failure(error)
        self._failures = 0
        return max(0.0, began + self._lane.period_seconds - self._clock.monotonic())

    def _do_chores(self) -> float:
        """Do what it is time to do beside; return the seconds until it is to be done again."""
        return min(map(self._do_chore, self._chores), default=inf)

    def _do_chore(self, chore: Chore) -> float:
        try:
            wanted_seconds = chore.turn() if self._lease.leads and self._keeps() else inf
        except Exception as error:  # noqa: BLE001 - whatever it is, tasks have to be moved
            return self._after_chore_failure(error)
        self._chore_failures = 0
        return wanted_seconds

    def _after_chore_failure(self, error: Exception) -> float:
        self._chore_failures += 1
        log_failure(
            logger,
            "what killed processes have left cannot be looked for now",
            error,
            failures=self._chore_failures,
        )
        return self._backoff.wait_seconds(self._chore_failures - 1, self._jitter)

    def _after_failure(self, error: Exception) -> float:
        self._failures += 1
        log_failure(
            logger,
            f"parked tasks ({self._lane.name}) cannot be moved to SQS now, and are tried again",
            error,
            failures=self._failures,
            shown=_with_all_rights(error),
        )
        return self._backoff.wait_seconds(self._failures - 1, self._jitter)

    def _move(self) -> None:
        until = self._clock.now() + timedelta(seconds=self._lane.lookahead_seconds)
        markers = self._schedule.markers(self._lane, until=until)
        if self._lane.lookahead_seconds:
            count = self._move_on_time(markers, until)
        else:
            count = self._move_shards(markers, until)
        if count:
            self._on_moved(count)
            logger.debug("moved %s parked task(s) (%s) to SQS", count, self._lane.name)
        self._tidy(markers)

    def _move_shards(self, markers: Sequence[Marker], until: datetime) -> int:
        """Move shard after shard, but what is left at once if one of its tasks is late."""
        late: list[Marker] = []
        count = self._send(self._timely(markers, until, late), self._keeps)
        return count + self._move_together(late, until) if late and self._keeps() else count

    def _timely(
        self, markers: Sequence[Marker], until: datetime, late: list[Marker]
    ) -> Iterator[Item]:
        """Yield what is in the shards; once an entry is late, its shard and the rest are."""
        for index, marker in enumerate(markers):
            for entry in self._entries(marker, until):
                is_late = _sort_key(entry) < late_bound(self._clock.now())
                if is_late and not self._outbox.rests(entry):
                    late.extend(markers[index:])
                    return
                yield entry

    def _move_together(self, markers: Sequence[Marker], until: datetime) -> int:
        logger.warning("parked tasks are late: %s shards are moved at once", STREAMS)
        with ThreadPoolExecutor(STREAMS, thread_name_prefix=self.name) as pool:
            moving = [pool.submit(self._move_one, each, until) for each in markers]
            pending = set(moving)
            while pending:
                # Here and nowhere else: a contender is for one thread.
                _, pending = wait(pending, timeout=self._lane.renew_seconds / 4)
                self._lease.keep()
        return sum(each.result() for each in moving)

    def _move_one(self, marker: Marker, until: datetime) -> int:
        # Asked first, or who has lost the lease would still read every shard.
        if not self._still_leads():
            return 0
        return self._send(self._entries(marker, until), self._still_leads)

    def _move_on_time(self, markers: Sequence[Marker], until: datetime) -> int:
        """Send entries each at its time, together what is due together."""
        count = 0
        ready: list[Item] = []
        for entry in merge(*(self._entries(each, until) for each in markers), key=_sort_key):
            early = self._seconds_until(entry)
            if early > self._lane.lookahead_seconds:
                # The clock was set back since these were read: they have time.
                break
            if early > 0 or len(ready) == SQS_BATCH_ENTRIES:
                count += self._send(ready, self._keeps)
                ready = []
                self._pause(early)
            if not self._keeps():
                # What was read is as old as the pause in which the lease was lost.
                return count
            ready.append(entry)
        return count + self._send(ready, self._keeps)

    def _seconds_until(self, entry: Item) -> float:
        try:
            return (send_after_of(entry) - self._clock.now()).total_seconds()
        except ValueError:
            return 0.0  # the outbox says that it cannot be read

    def _send(self, entries: Iterable[Item], go_on: Callable[[], bool]) -> int:
        return self._outbox.send(entries, go_on=go_on, again_before=self._again_before)

    def _entries(self, marker: Marker, until: datetime) -> Iterator[Item]:
        if self._is_idle(marker):
            return
        began, idle_seconds = self._clock.monotonic(), inf
        for page in self._schedule.entries(marker.shard, until=until):
            for entry in page:
                idle_seconds = min(idle_seconds, self._outbox.rest_seconds(entry))
                yield entry
        if idle_seconds < inf and self._has_ended(marker):
            most = IDLE_TURNS * self._lane.period_seconds
            self._idle_until[marker] = began + min(idle_seconds, most)

    def _is_idle(self, marker: Marker) -> bool:
        return self._clock.monotonic() < self._idle_until.get(marker, 0.0)

    def _has_ended(self, marker: Marker) -> bool:
        """Tell whether no more tasks are parked in a shard, but for a clock that is wrong."""
        return marker.shard.bucket < bucket_of(self._clock.now())

    def _keeps(self) -> bool:
        return not self.stopping and self._lease.keep()

    def _still_leads(self) -> bool:
        return not self.stopping and self._lease.leads

    def _tidy(self, markers: Sequence[Marker]) -> None:
        """Delete the markers of shards that are empty; see :mod:`celery_aws.table.schedule`."""
        now = self._clock.monotonic()
        self._seen = {marker: self._seen.get(marker, now) for marker in markers}
        for marker, since in list(self._seen.items()):
            rested = now - since >= MARKER_REST_SECONDS and self._has_ended(marker)
            idle = self._is_idle(marker)
            if rested and not idle and not self.stopping and self._schedule.is_empty(marker.shard):
                self._schedule.unmark(marker)
                del self._seen[marker]
        self._idle_until = {
            marker: until for marker, until in self._idle_until.items() if marker in self._seen
        }

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if seconds > 0 and not self.stopping:
                self._clock.wait(self._changed, seconds)


def _with_all_rights(error: Exception) -> Exception:
    return error.with_remedy(_MOVING_REMEDY) if isinstance(error, AccessDeniedError) else error


def _sort_key(entry: Item) -> str:
    return text_of(entry, SORT) or ""
