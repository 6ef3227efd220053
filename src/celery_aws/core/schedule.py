"""Where in the coordination table a parked task is, and when it is due to leave.

A task waits under the time from which it may go to SQS (``send_after``), not under its eta: for a
standard queue that is up to 900 s earlier, the rest being ``DelaySeconds``; for a FIFO queue it is
its eta, nearly. Five minutes make a *bucket*, and a bucket has *shards*, each a partition of its
own, so that a million tasks for one minute do not meet in one partition. A *marker* says that a
shard is in use: whoever looks for due tasks asks for the markers first, and for nothing else when
there are none.

Keys are public: golden files hold them, CHANGELOG.md tells of changes.
"""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeAlias

from celery_aws.core.attributes import Item, text_of
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.table_keys import SORT, id_in_key, key_item
from celery_aws.names import AmqpQueue, QueueUrl

#: Length of a bucket. Longer ones need fewer markers, shorter ones are read to their end sooner.
BUCKET_SECONDS = 300

#: For how long a task may wait after the time from which it may go to SQS, until the leader
#: hurries. It has 900 s before it starts late, and a takeover takes up to 180 of them.
LATE_SECONDS = 300.0

#: How many shards a leader that hurries moves at once. A crash doubles up to one batch of each, so
#: one that does not hurry moves one.
STREAMS = 8

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = "%m-%dT%H:%M:%S.%fZ"
_BUCKET = "%m-%dT%H:%MZ"

#: Sorts behind every character of a key.
_LAST = "~"


#: Up to how many tasks, and how many shards for those; None is no end.
Widths: TypeAlias = tuple[tuple[int | None, int], ...]


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One kind of parked task, moved by a leader of its own.

    Attributes:
        name: part of its keys.
        period_seconds: how often its leader looks for tasks to move.
        lookahead_seconds: how long before their time they are read, to be sent on time.
        lease_seconds: after how long without a word from its leader another one takes over.
        renew_seconds: how often the leader says a word, and the others listen.
        widths: over how many shards a process spreads its tasks of a bucket, by how many it has
            parked there: few tasks need few markers, each shard is asked for as often as its
            leader looks, and many must not heat a partition, which takes 1,000 write units a second
            ("Partitions and data distribution" in the DynamoDB developer guide).
    """

    name: str
    period_seconds: float
    lookahead_seconds: float
    lease_seconds: float
    renew_seconds: float
    widths: Widths


#: Tasks of standard queues. They may leave 900 s before their eta, so that nobody notices if
#: nobody moves them for ten minutes.
STANDARD = Lane(
    name="standard",
    period_seconds=60.0,
    lookahead_seconds=0.0,
    lease_seconds=120.0,
    renew_seconds=45.0,
    widths=((16, 4), (1_000, 16), (None, 64)),
)

#: Tasks of FIFO queues, which take no delay of a single message: moved to the second, by a worker
#: that consumes such a queue. In few shards, for its leader asks for each every two seconds.
FIFO = Lane(
    name="fifo",
    period_seconds=2.0,
    lookahead_seconds=2.5,
    lease_seconds=30.0,
    renew_seconds=10.0,
    widths=((16, 1), (None, 4)),
)

LANES = (STANDARD, FIFO)


@dataclass(frozen=True, kw_only=True)
class ScheduledTask:
    """A task on its way into the schedule, or out of it.

    Attributes:
        task_id: Celery's.
        task: its name, for people.
        due: its eta.
        send_after: when it may go to SQS.
        queue: Celery's name of the queue, the step of its priority included.
        queue_url: where it goes.
        message: what goes there, but for the delay.
    """

    task_id: str
    task: str | None
    due: datetime
    send_after: datetime
    queue: AmqpQueue
    queue_url: QueueUrl
    message: OutgoingMessage


@dataclass(frozen=True, order=True)
class Shard:
    """A partition of parked tasks: some of those of one bucket.

    Attributes:
        lane: name of its lane.
        bucket: start of its five minutes, as :func:`bucket_of` writes it.
        number: from 0.
    """

    lane: str
    bucket: str
    number: int

    @classmethod
    def of_marker(cls, lane: str, marker: Item) -> "Shard":
        """Return what a marker marks.

        Raises:
            ValueError: it is not what :attr:`marker_key` is.
        """
        bucket, _, number = (text_of(marker, SORT) or "").rpartition("#")
        bucket_start(bucket)
        return cls(lane, bucket, int(number))

    @property
    def partition(self) -> str:
        """The partition of its tasks."""
        return f"schedule#{self.lane}#{self.bucket}#{self.number:02}"

    @property
    def marker_key(self) -> Item:
        """The key of its marker."""
        return key_item(markers_partition(self.lane), f"{self.bucket}#{self.number:02}")


def shard_of(scheduled: ScheduledTask, lane: Lane, *, parked_before: int) -> Shard:
    """Return where a task is to be parked.

    Args:
        scheduled: the task.
        lane: the lane of its queue.
        parked_before: how many tasks this process has parked in the same bucket.
    """
    width = next(width for most, width in lane.widths if most is None or parked_before < most)
    number = _shard_number(scheduled.task_id, width)
    return Shard(lane.name, bucket_of(scheduled.send_after), number)


def shard_numbers(task_id: str) -> frozenset[int]:
    """Return the numbers of the shards that a task of this id may be in, whoever parked it."""
    # A width that is given up one day stays here for as long as a task may be parked.
    return frozenset(_shard_number(task_id, width) for lane in LANES for _, width in lane.widths)


def entry_key(scheduled: ScheduledTask, shard: Shard) -> Item:
    """Return the key of a parked task.

    A publisher that tries again because an answer was lost writes the same item, unless it has
    begun to use more shards in between.
    """
    moment, task_id = time_text(scheduled.send_after), id_in_key(scheduled.task_id)
    return key_item(shard.partition, f"{moment}#{task_id}#{scheduled.queue}")


def markers_partition(lane: str) -> str:
    """Return the partition of a lane's markers."""
    return f"schedule#{lane}"


def marker_bound(moment: datetime) -> str:
    """Return a sort key behind the markers of all buckets that have begun by ``moment``."""
    return f"{bucket_of(moment)}#{_LAST}"


def entry_bound(moment: datetime) -> str:
    """Return a sort key behind all tasks that may go to SQS by ``moment``."""
    return f"{time_text(moment)}{_LAST}"


def bucket_of(moment: datetime) -> str:
    """Return the start of the bucket that an aware ``moment`` is in: ``2026-11-22T22:30Z``."""
    # Not by timestamps, which end in 2038 on some machines.
    number = (moment - _EPOCH) // timedelta(seconds=BUCKET_SECONDS)
    start = _EPOCH + number * timedelta(seconds=BUCKET_SECONDS)
    return f"{start.year:04}-{start.strftime(_BUCKET)}"


def bucket_start(bucket: str) -> datetime:
    """Undo :func:`bucket_of`, but for what it rounded off."""
    return datetime.strptime(bucket, f"%Y-{_BUCKET}").replace(tzinfo=timezone.utc)


def time_text(moment: datetime) -> str:
    """Return an aware ``moment`` as text that sorts by time: ``2026-11-22T22:31:00.000000Z``."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc.year:04}-{utc.strftime(_TIME)}"


def text_time(written: str) -> datetime:
    """Undo :func:`time_text`.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.strptime(written, f"%Y-{_TIME}").replace(tzinfo=timezone.utc)


def late_bound(now: datetime) -> str:
    """Return a sort key before those of all tasks that are not late; see :data:`LATE_SECONDS`."""
    return time_text(now - timedelta(seconds=LATE_SECONDS))


def _shard_number(task_id: str, width: int) -> int:
    return zlib.crc32(task_id.encode()) % width
