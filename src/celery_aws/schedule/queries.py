"""What is parked, for operators: lists by time, counts by hour, and one task by its id.

Only reads. A list reads no more than its page needs: buckets in their order, the shards of one
merged, both lanes merged. A task id says in which of a bucket's shards a task may be, but not in
which bucket. All reads are consistent. Order and filters: :mod:`celery_aws.core.parked_tasks`.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby
from typing import Final

from celery_aws.core.attributes import Item, text_of
from celery_aws.core.parked_tasks import ParkedTask, Position, TaskFilter, by_hour, by_queue
from celery_aws.core.schedule import LANES, Lane, Shard, shard_numbers, time_text
from celery_aws.core.scheduled_items import TASK_ID
from celery_aws.core.table_keys import SORT
from celery_aws.errors import TableNotFoundError
from celery_aws.names import AmqpQueue
from celery_aws.table.schedule import Schedule

logger = logging.getLogger(__name__)

#: Every task.
EVERYTHING: Final = TaskFilter()

#: Goes through shards, and may tell somebody how far it has got.
Progress = Callable[[Sequence[Shard]], Iterable[Shard]]

#: An entry, and where it is in the order of all.
_Placed = tuple[Position, Item]


@dataclass(frozen=True, kw_only=True)
class ParkedPage:
    """A part of a list of parked tasks.

    Attributes:
        tasks: by their time.
        after: where the next page begins, or None if this is the last one.
    """

    tasks: list[ParkedTask]
    after: Position | None


class ScheduleQueries:
    """Asks the schedule of one coordination table; a table that does not exist is empty."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def page(
        self, wanted: TaskFilter = EVERYTHING, *, limit: int, after: Position | None = None
    ) -> ParkedPage:
        """Return the first parked tasks by their time.

        Args:
            wanted: which of them.
            limit: how many at most.
            after: the end of the page before; None begins with the first.

        Costs one Query a lane and one for each shard of the buckets that the page is from; with a
        filter by queue or task name, one for each MB down to the end of the page.
        """
        # What is read may be dropped again by such a filter: then whole pages are cheaper.
        page_items = None if wanted.is_selective else limit
        tasks: list[ParkedTask] = []
        last = after
        for position, entry in self._in_order(wanted, after, page_items):
            if len(tasks) == limit:
                return ParkedPage(tasks=tasks, after=last)
            last = position
            tasks += _wanted(entry, wanted)
        return ParkedPage(tasks=tasks, after=None)

    def hours(
        self, wanted: TaskFilter = EVERYTHING, *, progress: Progress = iter
    ) -> Mapping[datetime, int]:
        """Return how many tasks are due in each hour (UTC) that has any.

        Args:
            wanted: which of them.
            progress: goes through the shards.

        Costs one Query a lane, and one for each shard, or each MB of one. Asking only for numbers
        would cost the same.
        """
        return by_hour(self._all(wanted, progress))

    def queues(self) -> Mapping[AmqpQueue, int]:
        """Return how many tasks are parked for each of Celery's queues; costs as :meth:`hours`."""
        return by_queue(self._all(EVERYTHING, iter))

    def find(
        self,
        task_ids: Collection[str],
        wanted: TaskFilter = EVERYTHING,
        *,
        progress: Progress = iter,
    ) -> list[ParkedTask]:
        """Return all that is parked under some task ids, by time.

        There may be several of one id: a task that was sent to two queues, or again with another
        eta.

        Args:
            task_ids: the ids.
            wanted: narrows the search; :func:`~celery_aws.core.parked_tasks.due_about` an eta.
            progress: goes through the shards.

        Costs one Query a lane, and one (or one for each MB) for up to three shards of each bucket
        with tasks in it, for each id; with an eta, of two or three buckets.
        """
        numbers = {task_id: shard_numbers(task_id) for task_id in task_ids}
        shards = [
            shard
            for lane in LANES
            for shard in self._shards(lane, wanted)
            if any(shard.number in each for each in numbers.values())
        ]
        found = [
            task
            for shard in progress(shards)
            for entry in self._entries(shard, wanted)
            if text_of(entry, TASK_ID) in numbers
            for task in _wanted(entry, wanted)
        ]
        return sorted(found, key=lambda task: (task.due, task.task_id, task.queue))

    def _all(self, wanted: TaskFilter, progress: Progress) -> Iterator[ParkedTask]:
        shards = [shard for lane in LANES for shard in self._shards(lane, wanted)]
        for shard in progress(shards):
            for entry in self._entries(shard, wanted):
                yield from _wanted(entry, wanted)

    def _in_order(
        self, wanted: TaskFilter, after: Position | None, page_items: int | None
    ) -> Iterator[_Placed]:
        lanes = (self._lane_in_order(lane, wanted, after, page_items) for lane in LANES)
        return merge(*lanes, key=_position)

    def _lane_in_order(
        self, lane: Lane, wanted: TaskFilter, after: Position | None, page_items: int | None
    ) -> Iterator[_Placed]:
        shards = self._shards(lane, wanted, after)
        for _, bucket in groupby(shards, key=lambda shard: shard.bucket):
            # All shards of a bucket, as markers are sorted, before the first of them is asked.
            placed = [self._placed(shard, wanted, after, page_items) for shard in bucket]
            yield from merge(*placed, key=_position)

    def _placed(
        self, shard: Shard, wanted: TaskFilter, after: Position | None, page_items: int | None
    ) -> Iterator[_Placed]:
        for entry in self._entries(shard, wanted, after, page_items):
            try:
                position = Position.of(shard, entry)
            except ValueError as error:
                _left_out(entry, error)
                continue
            if after is None or position > after:
                yield position, entry

    def _shards(
        self, lane: Lane, wanted: TaskFilter, after: Position | None = None
    ) -> Iterator[Shard]:
        since = [wanted.first(lane.name), None if after is None else after.send_after(lane.name)]
        first = max((each for each in since if each is not None), default=None)
        try:
            yield from self._schedule.shards(lane, since=first, until=wanted.last(lane.name))
        except TableNotFoundError:
            return

    def _entries(
        self,
        shard: Shard,
        wanted: TaskFilter,
        after: Position | None = None,
        page_items: int | None = None,
    ) -> Iterator[Item]:
        first = wanted.first(shard.lane)
        since = ["" if first is None else time_text(first)]
        if after is not None:
            since.append(after.sort_bound(shard.lane))
        return self._schedule.summaries(
            shard,
            since=max(since) or None,
            until=wanted.last(shard.lane),
            page_items=page_items,
        )


def _wanted(entry: Item, wanted: TaskFilter) -> list[ParkedTask]:
    """Return the task of an entry if it is wanted, and none if the entry is unreadable."""
    try:
        task = ParkedTask.of(entry)
    except ValueError as error:
        _left_out(entry, error)
        return []
    return [task] if wanted.wants(task) else []


def _left_out(entry: Item, error: ValueError) -> None:
    logger.warning("entry %s is unreadable and left out: %s", text_of(entry, SORT), error)


def _position(placed: _Placed) -> Position:
    return placed[0]
