"""What one thread's scan over results has read before it was asked for, and may still be told.

Celery looks at the members of a group one by one (``GroupResult.completed_count()``, a chord's
header before each ``get()``), a request each. A scan that asks for results in the order in which
the group has them is read ahead: one more request, for more each time.

Why no caller can notice: an answer was read before it was asked for, but

* it is told once, to the thread whose scan it was read for, and only while that asks on in order;
  a result that is asked for twice is read twice, and whatever else the thread does with the
  backend drops what was read ahead;
* that a task has *ended* was true when it was read and stays true; it is told for 100 ms;
* that a task has *not* ended may be over. It is told for 20 ms, and only to a caller that has
  asked for the one before within the last 2 ms: that is a loop which does nothing else. To know
  better it would have had to hear of the end of that very task in between, from elsewhere, faster
  than a message goes from one process to another.

Anything else is read anew, on its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from celery_aws.core.result_order import ResultOrder

#: How many results one request reads in the course of a scan.
WINDOWS = (1, 4, 16, 64, 100)

#: How long an ended task may be told as such after it was read.
ENDED_SECONDS = 0.1

#: How long any other may be,
UNENDED_SECONDS = 0.02

#: and after how long a pause of the caller no more.
PAUSE_SECONDS = 0.002

#: A window holds so much at most, going by what the last one held.
WINDOW_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was read for one task.

    Attributes:
        payload: what is stored, or None.
        age_seconds: since it was read.
        pause_seconds: for how long the caller had done without an answer when it asked.
    """

    payload: bytes | None
    age_seconds: float
    pause_seconds: float

    def may_be_told(self, *, has_ended: bool) -> bool:
        """Tell whether it is as good as a fresh one.

        Args:
            has_ended: what the payload says of the task.
        """
        if has_ended:
            return self.age_seconds <= ENDED_SECONDS
        return self.age_seconds <= UNENDED_SECONDS and self.pause_seconds <= PAUSE_SECONDS


class Scan:
    """One thread's asks, in order; for that thread only.

    Args:
        order: what is known of the order of results.
    """

    def __init__(self, order: ResultOrder) -> None:
        self._order = order
        self._ahead: dict[str, bytes | None] = {}
        self._read_at = 0.0
        self._asked: str | None = None
        self._told_at = 0.0
        self._window = 0
        self._most = WINDOWS[-1]

    def take(self, task_id: str, now: float) -> Entry | None:
        """Return what was read ahead for ``task_id``, at most once.

        Args:
            task_id: what is asked for.
            now: seconds of a monotonic clock.
        """
        if task_id not in self._ahead:
            return None
        self._skip_to(task_id)
        self._asked = task_id
        return Entry(
            payload=self._ahead.pop(task_id),
            age_seconds=now - self._read_at,
            pause_seconds=now - self._told_at,
        )

    def to_read(self, task_id: str, now: float) -> list[str]:
        """Return what to read instead: ``task_id``, and behind it what it may ask for next.

        Args:
            task_id: what is asked for and was not taken, or was too old.
            now: seconds of a monotonic clock.
        """
        goes_on = not self._ahead and self._goes_on(task_id, now)
        self._window = min(self._window + 1, len(WINDOWS) - 1) if goes_on else 0
        if not goes_on:
            self.drop()
        self._asked = task_id
        return self._order.from_here(task_id, min(WINDOWS[self._window], self._most))

    def read(self, found: Mapping[str, bytes | None], now: float) -> None:
        """Keep what was read behind the task that was asked for.

        Args:
            found: by task, in order.
            now: seconds of a monotonic clock, after the read.
        """
        size = sum(len(payload or b"") for payload in found.values())
        self._most = max(1, WINDOW_BYTES * len(found) // max(size, 1))
        self._ahead = {task_id: found[task_id] for task_id in found if task_id != self._asked}
        self._read_at = now

    def told(self, now: float, *, has_ended: bool) -> None:
        """Note that an answer was given.

        Args:
            now: seconds of a monotonic clock.
            has_ended: whether it was that the task has ended.
        """
        self._told_at = now
        if has_ended and self._asked is not None:
            self._order.finish(self._asked)

    def drop(self) -> None:
        """Forget what was read ahead: what comes next is no part of this scan."""
        if self._ahead and self._asked is not None:
            self._order.end(self._asked)
        self._ahead = {}
        self._asked = None

    def _goes_on(self, task_id: str, now: float) -> bool:
        if self._asked is None or now - self._told_at > ENDED_SECONDS:
            return False
        return self._order.follows(self._asked, task_id)

    def _skip_to(self, task_id: str) -> None:
        # Skipped: somebody has told the caller of these already.
        for skipped in list(self._ahead):
            if skipped == task_id:
                return
            del self._ahead[skipped]
