"""Names of the keys that kombu has in Redis, and of those that a migration adds. Pure.

Everything is under the app's ``global_keyprefix``: two apps may share a database, and in cluster
mode a prefix with ``{...}`` keeps all of it in one slot. Facts: kombu/transport/redis.py
(``Channel``: ``_q_for_pri``, ``keyprefix_queue``, ``unacked_key``), kombu 5.5 to 5.7.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from celery_aws.core.priorities import HIGHEST_NUMBER, LOWEST_NUMBER
from celery_aws.names import AmqpQueue

#: kombu's, unless the transport option ``sep`` says otherwise.
DEFAULT_SEPARATOR = "\x06\x16"

#: What every key of a migration begins with, behind the prefix.
OURS = "celery-aws.migration."


@dataclass(frozen=True, kw_only=True)
class WaitingList:
    """One list of messages: a queue, or one of its priority steps.

    Attributes:
        queue: Celery's name of the queue.
        step: of the list; 0 is the queue itself.
        name: of the list, without the prefix.
    """

    queue: AmqpQueue
    step: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one app names its keys.

    Attributes:
        prefix: the transport option ``global_keyprefix``.
        separator: the transport option ``sep``.
        steps: the transport option ``priority_steps``, ascending.
        unacked: name of the hash of what workers hold.
        unacked_index: name of the sorted set beside it.
        unacked_mutex: name of the lock of who restores from it.
        binding: what the name of an exchange's set of bindings begins with.
    """

    prefix: str = ""
    separator: str = DEFAULT_SEPARATOR
    steps: tuple[int, ...] = (0, 3, 6, 9)
    unacked: str = "unacked"
    unacked_index: str = "unacked_index"
    unacked_mutex: str = "unacked_mutex"
    binding: str = "_kombu.binding."

    def key(self, name: str) -> str:
        """Return the key of what is called ``name``."""
        return f"{self.prefix}{name}"

    def list_for(self, queue: AmqpQueue, priority: int) -> WaitingList:
        """Return where kombu puts a message with this priority."""
        step = self.steps[bisect(self.steps, priority) - 1]
        return self._list(queue, step, self.separator)

    def lists(self, queues: Sequence[AmqpQueue]) -> Iterator[WaitingList]:
        """Yield the lists that the app's workers consume, those first that come first there."""
        for step in self.steps:
            for queue in queues:
                yield self._list(queue, step, self.separator)

    def other_lists(self, queues: Sequence[AmqpQueue]) -> Iterator[WaitingList]:
        """Yield where the queues' messages may wait beside :meth:`lists`, and no worker looks.

        Other steps were configured once, or another separator.
        """
        separators = dict.fromkeys((self.separator, DEFAULT_SEPARATOR))
        consumed = {each.name for each in self.lists(queues)}
        for queue in queues:
            found = {
                each.name: each
                for separator in separators
                for step in range(LOWEST_NUMBER, HIGHEST_NUMBER + 1)
                for each in [self._list(queue, step, separator)]
            }
            yield from (each for name, each in found.items() if name not in consumed)

    def split(self, name: str) -> WaitingList:
        """Return which queue, and which step of it, a list is by its name."""
        for separator in (self.separator, DEFAULT_SEPARATOR):
            queue, found, step = name.rpartition(separator)
            if found and queue and step.isdecimal():
                return WaitingList(queue=AmqpQueue(queue), step=int(step), name=name)
        return WaitingList(queue=AmqpQueue(name), step=LOWEST_NUMBER, name=name)

    @property
    def registry(self) -> str:
        """Key of the set of all lists of claimed messages."""
        return self.key(f"{OURS}claims")

    def claims(self, run: str, waiting: str) -> str:
        """Return the key of the list of what a run has claimed from a list."""
        return self.key(f"{OURS}claimed.{run}.{waiting}")

    def lease(self, run: str) -> str:
        """Return the key of a run's sign of life."""
        return self.key(f"{OURS}run.{run}")

    @property
    def received(self) -> str:
        """Key of the hash of what a migration has put here, by its key in its source."""
        return self.key(f"{OURS}received")

    def _list(self, queue: AmqpQueue, step: int, separator: str) -> WaitingList:
        name = f"{queue}{separator}{step}" if step else queue
        return WaitingList(queue=queue, step=step, name=name)
