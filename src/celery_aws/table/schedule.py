"""The schedule: tasks that are due later than SQS can delay a message.

Three kinds of item; their keys are in :mod:`celery_aws.core.schedule`. An *entry* is a parked task;
it has no expiry, for it must not go before it was sent. A *part* is a piece of a message that is
too large for one item. A *marker* names a shard with entries in it.

A marker must be there as long as its shard has an entry, or the entry would never be found. Nobody
compares clocks for that: a publisher writes the marker first, with a token of its own, and does so
again with every entry that it writes more than :data:`MARKER_SECONDS` later; who moves tasks
deletes a marker only if the token has been the same for :data:`MARKER_REST_SECONDS`, and the shard
was found empty at the end of them, and on condition that the token still is the same.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from kombu.utils.uuid import uuid

from celery_aws.core.attributes import Item, text, text_of
from celery_aws.core.conditions import Equals, Present
from celery_aws.core.schedule import (
    Lane,
    ScheduledTask,
    Shard,
    bucket_of,
    entry_bound,
    entry_key,
    marker_bound,
    markers_partition,
    shard_of,
)
from celery_aws.core.scheduled_items import SUMMARY, entry_items, part_keys, scheduled_task
from celery_aws.core.table_keys import PARTITION, key_of
from celery_aws.errors import ConditionFailedError
from celery_aws.table.coordination import CoordinationTable

logger = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")

TOKEN = "token"  # noqa: S105 - a mark, no secret

#: For how long a process relies on a marker that it wrote.
MARKER_SECONDS = 60.0

#: How long a marker must not have changed before it is deleted: the time for which a process
#: relies on it, and as much for the write of an entry.
MARKER_REST_SECONDS = 120.0

#: How many shards and buckets a process keeps in mind.
_REMEMBERED = 1_000


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A shard with tasks in it, as it was marked."""

    shard: Shard
    token: str


class Schedule:
    """The parked tasks of one coordination table; thread-safe, one a process."""

    def __init__(self, table: CoordinationTable) -> None:
        self._table = table
        self._clock = table.clock
        self._lock = threading.Lock()
        #: When this process marked a shard.
        self._marked: dict[Shard, float] = {}
        #: How many tasks it has parked in a bucket.
        self._parked: dict[tuple[str, str], int] = {}

    # What a publisher asks.

    def park(self, scheduled: ScheduledTask, lane: Lane) -> None:
        """Park a task; it has returned when the task is safe.

        Raises:
            AwsError: AWS refused; nothing will be found of the task.

        Costs one PutItem of one unit for most tasks, and one more for the marker if this process
        has not written it within a minute; a PutItem for each 350 KB of a larger task.
        """
        shard = shard_of(scheduled, lane, parked_before=self._count(scheduled, lane))
        marked_at = self._mark(shard)
        for item in entry_items(scheduled, entry_key(scheduled, shard)):
            self._table.put(item)
        slow = self._clock.monotonic() - marked_at > (MARKER_SECONDS + MARKER_REST_SECONDS) / 2
        if slow or bucket_of(self._clock.now()) > shard.bucket:
            # It took so long that the marker may be gone; by the wall clock too, because the other
            # one stands still while the machine is suspended.
            self._mark(shard, again=True)

    # What a mover asks.

    def markers(self, lane: Lane, *, until: datetime | None = None) -> list[Marker]:
        """Return the shards with tasks in them, oldest first.

        Args:
            lane: the lane.
            until: only those whose bucket has begun by then.

        Costs one Query.
        """
        bound = None if until is None else marker_bound(until)
        found = [
            _marker(lane, item)
            for page in self._table.pages(markers_partition(lane.name), until=bound)
            for item in page
        ]
        return [marker for marker in found if marker is not None]

    def entries(
        self, shard: Shard, *, until: datetime | None = None, summary: bool = False
    ) -> Iterator[list[Item]]:
        """Yield a shard's entries by the time at which they may go to SQS, in pages.

        Args:
            shard: the shard.
            until: only those that may go by then.
            summary: leave out the message; it costs the same.

        Costs one Query a page of up to 1 MB.
        """
        bound = None if until is None else entry_bound(until)
        attributes = SUMMARY if summary else ()
        return self._table.pages(shard.partition, until=bound, attributes=attributes)

    def is_empty(self, shard: Shard) -> bool:
        """Tell whether a shard has no task. One Query of one item."""
        return not self._table.has_items(shard.partition)

    def count(self, shard: Shard) -> int:
        """Return how many tasks a shard has. One Query for each MB."""
        return self._table.count(shard.partition)

    def task_of(self, entry: Item) -> ScheduledTask | None:
        """Return the task of an entry, or None if its parts are gone: then it was sent.

        Raises:
            ValueError: it is unreadable.

        Costs nothing, or one BatchGetItem for a task in parts.
        """
        keys = part_keys(entry)
        parts = self._table.get_many(keys) if keys else []
        return scheduled_task(entry, parts) if len(parts) == len(keys) else None

    def remove(self, entries: Sequence[Item]) -> None:
        """Remove entries and their parts. One BatchWriteItem for each 25."""
        keys = [key_of(entry) for entry in entries]
        self._table.delete_many([*keys, *(part for each in entries for part in part_keys(each))])

    def take(self, entry: Item) -> bool:
        """Remove one entry; False if it was gone already.

        Costs one DeleteItem, and one BatchWriteItem for a task in parts.
        """
        try:
            self._table.delete(key_of(entry), condition=Present(PARTITION))
        except ConditionFailedError:
            return False
        keys = part_keys(entry)
        if keys:
            self._table.delete_many(keys)
        return True

    def unmark(self, marker: Marker) -> None:
        """Delete a marker, unless it was written again. One DeleteItem."""
        # The condition fails if a task was parked there in between, or another mover was faster.
        with suppress(ConditionFailedError):
            self._table.delete(marker.shard.marker_key, condition=Equals(TOKEN, text(marker.token)))

    # What an operator asks.

    def shards(
        self, lane: Lane, *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Shard]:
        """Yield the shards with tasks in them, bucket by bucket, as they are wanted.

        Args:
            lane: the lane.
            since: only those whose bucket has not ended by then.
            until: only those whose bucket has begun by then.

        Costs one Query for each 1 MB of markers, which is some 10,000.
        """
        pages = self._table.pages(
            markers_partition(lane.name),
            since=None if since is None else bucket_of(since),
            until=None if until is None else marker_bound(until),
        )
        for page in pages:
            for item in page:
                # What is no marker is for who moves tasks to complain of.
                with suppress(ValueError):
                    yield Shard.of_marker(lane.name, item)

    def summaries(
        self,
        shard: Shard,
        *,
        since: str | None = None,
        until: datetime | None = None,
        page_items: int | None = None,
    ) -> Iterator[Item]:
        """Yield a shard's entries without their messages, by the time at which they may go.

        Args:
            shard: the shard.
            since: the first sort key, itself included.
            until: only those that may go by then.
            page_items: most items of a Query, for who may need only the first.

        Costs one Query a page of up to 1 MB, of the entries with their messages.
        """
        bound = None if until is None else entry_bound(until)
        for page in self._table.pages(
            shard.partition,
            since=since,
            until=bound,
            attributes=SUMMARY,
            page_items=page_items,
        ):
            yield from page

    def entry(self, key: Item) -> Item | None:
        """Return a whole entry, or None if it is gone. One GetItem."""
        return self._table.get(key)

    def _count(self, scheduled: ScheduledTask, lane: Lane) -> int:
        bucket = (lane.name, bucket_of(scheduled.send_after))
        with self._lock:
            before = self._parked.pop(bucket, 0)
            self._parked[bucket] = before + 1
            _forget_oldest(self._parked)
            return before

    def _mark(self, shard: Shard, *, again: bool = False) -> float:
        """Make sure that the shard is marked, and return when that was begun."""
        now = self._clock.monotonic()
        with self._lock:
            marked_at = self._marked.get(shard)
        if marked_at is not None and not again and now - marked_at <= MARKER_SECONDS:
            return marked_at
        self._table.put({**shard.marker_key, TOKEN: text(uuid())})
        with self._lock:
            self._marked.pop(shard, None)
            self._marked[shard] = now
            _forget_oldest(self._marked)
        return now


def _marker(lane: Lane, item: Item) -> Marker | None:
    try:
        shard = Shard.of_marker(lane.name, item)
    except ValueError as error:
        # Of a version to come, or somebody's own: it must not stop what is understood.
        logger.error("a marker of parked tasks cannot be read: %s", error)  # noqa: TRY400
        return None
    return Marker(shard=shard, token=text_of(item, TOKEN) or "")


def _forget_oldest(remembered: dict[K, V]) -> None:
    # A dict is in the order of insertion.
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
