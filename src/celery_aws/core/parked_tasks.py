"""Parked tasks as an operator sees them: in which order, which of them, and where a page ends.

The table keeps them by the time at which they may go to SQS, each lane for itself. That is the
order of their etas, only that a standard queue's tasks go 900 s earlier and a FIFO queue's one
second; so here they are put in order as if all went as early. What is out of order then are tasks
of a queue whose retention is below half an hour: they are up to a quarter of an hour further down.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from celery_aws.core.attributes import Item, text_of
from celery_aws.core.delay_plan import DELAY_SECONDS_OF_ANY_QUEUE, UNDELAYED_LEAD_SECONDS
from celery_aws.core.priorities import base_of
from celery_aws.core.schedule import FIFO, STANDARD, Shard, text_time, time_text
from celery_aws.core.scheduled_items import summary_of
from celery_aws.core.table_keys import SORT, key_of
from celery_aws.limits import SQS_DELAY_SECONDS_MAX
from celery_aws.names import AmqpQueue, QueueUrl

#: By lane, how long before its eta a task may go to SQS: at most, and at least.
_LEADS = {
    STANDARD.name: (float(SQS_DELAY_SECONDS_MAX), float(DELAY_SECONDS_OF_ANY_QUEUE)),
    FIFO.name: (UNDELAYED_LEAD_SECONDS, UNDELAYED_LEAD_SECONDS),
}

#: By how much clocks are taken to differ, and how far a FIFO queue's mover looks ahead.
CLOCKS_DIFFER_SECONDS = 30.0

_FIRST_MOMENT = datetime.min.replace(tzinfo=timezone.utc)
_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class ParkedTask:
    """What a list says of a parked task.

    Attributes:
        key: of its entry.
        task_id: Celery's.
        task: its name, if it has one.
        due: its eta.
        send_after: when it may go to SQS.
        queue: Celery's name of the queue, the step of its priority included.
        queue_url: where it goes.
    """

    key: Item
    task_id: str
    task: str | None
    due: datetime
    send_after: datetime
    queue: AmqpQueue
    queue_url: QueueUrl

    @classmethod
    def of(cls, entry: Item) -> "ParkedTask":
        """Return what an entry says.

        Raises:
            ValueError: it is unreadable.
        """
        return cls(key=key_of(entry), **summary_of(entry))


@dataclass(frozen=True, order=True)
class Position:
    """A place in the order of all parked tasks.

    Attributes:
        leaves: when a task of a standard queue with this eta goes to SQS, as text.
        rest: of the sort key, behind its time.
        lane: name of the lane.
        number: of the shard.
    """

    leaves: str
    rest: str
    lane: str
    number: int

    @classmethod
    def of(cls, shard: Shard, entry: Item) -> "Position":
        """Return the place of an entry of a shard."""
        moment, _, rest = (text_of(entry, SORT) or "").partition("#")
        leaves = later(text_time(moment), -_shift_seconds(shard.lane))
        return cls(time_text(leaves), rest, shard.lane, shard.number)

    @classmethod
    def of_token(cls, token: str) -> "Position":
        """Return the place that a token says.

        Raises:
            ValueError: it is no token.
        """
        try:
            leaves, rest, lane, number = json.loads(base64.urlsafe_b64decode(token.encode()))
            text_time(leaves)
            return cls(leaves, str(rest), _LANE_NAMES[lane], int(number))
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ValueError("it is no token of a list of parked tasks") from error

    @property
    def token(self) -> str:
        """The place as a word that needs no quoting."""
        fields = json.dumps([self.leaves, self.rest, self.lane, self.number])
        return base64.urlsafe_b64encode(fields.encode()).decode("ascii")

    def send_after(self, lane: str) -> datetime:
        """Return when a task of ``lane`` at this place may go to SQS."""
        return later(text_time(self.leaves), _shift_seconds(lane))

    def sort_bound(self, lane: str) -> str:
        """Return a sort key that no entry of ``lane`` behind this place is before."""
        return f"{time_text(self.send_after(lane))}#{self.rest}"


@dataclass(frozen=True, kw_only=True)
class TaskFilter:
    """Which parked tasks are wanted; None is all.

    Attributes:
        queue: Celery's name of their queue; without the step of a priority it means all of them.
        task: their name.
        since: the first eta, itself included.
        until: the first eta that is not wanted any more.
    """

    queue: str | None = None
    task: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_selective(self) -> bool:
        """True if what a query reads may not be wanted."""
        return self.queue is not None or self.task is not None

    def wants(self, parked: ParkedTask) -> bool:
        """Tell whether a task is wanted."""
        return (
            self.queue in (None, parked.queue, base_of(parked.queue))
            and self.task in (None, parked.task)
            and (self.since is None or self.since <= parked.due)
            and (self.until is None or parked.due < self.until)
        )

    def first(self, lane: str) -> datetime | None:
        """Return from when on a wanted task of ``lane`` may go to SQS."""
        return None if self.since is None else later(self.since, -_LEADS[lane][0])

    def last(self, lane: str) -> datetime | None:
        """Return until when a wanted task of ``lane`` may go to SQS."""
        return None if self.until is None else later(self.until, -_LEADS[lane][1])


def due_about(due: datetime) -> TaskFilter:
    """Return a filter for an eta that was read off a list, which leaves out what is below 1 s."""
    return TaskFilter(since=later(due, -1), until=later(due, 1))


def by_hour(tasks: Iterable[ParkedTask]) -> Mapping[datetime, int]:
    """Return how many tasks are due in each hour that has any, by the start of the hour."""
    hours = Counter(task.due.replace(minute=0, second=0, microsecond=0) for task in tasks)
    return dict(sorted(hours.items()))


def by_queue(tasks: Iterable[ParkedTask]) -> Mapping[AmqpQueue, int]:
    """Return how many tasks are for each queue of Celery's, all of its priorities together."""
    return Counter(base_of(task.queue) for task in tasks)


def may_be_moving(send_after: datetime, now: datetime) -> bool:
    """Tell whether somebody may be sending a task to SQS by itself, by now or in a moment."""
    return send_after <= later(now, CLOCKS_DIFFER_SECONDS)


def later(moment: datetime, seconds: float) -> datetime:
    """Return ``moment`` so many seconds later, or the last (or first) moment that there is."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return _LAST_MOMENT if seconds > 0 else _FIRST_MOMENT


def _shift_seconds(lane: str) -> float:
    return _LEADS[STANDARD.name][0] - _LEADS[lane][0]


_LANE_NAMES = {lane.name: lane.name for lane in (STANDARD, FIFO)}
