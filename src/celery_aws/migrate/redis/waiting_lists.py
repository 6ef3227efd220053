"""Which lists of queues have messages, in the order in which the old workers take from them.

kombu's workers ask for the first priority step of all queues, then for the next; among queues the
transport option ``queue_order_strategy`` decides. Facts: kombu/transport/redis.py
(``_brpop_start``), kombu/utils/scheduling.py.
"""

from collections.abc import Sequence
from typing import Any

from kombu.utils.scheduling import cycle_by_name

from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.migrate.redis.server import RedisServer
from celery_aws.names import AmqpQueue


class WaitingLists:
    """The lists of some queues; of one thread."""

    def __init__(self, server: RedisServer, queues: Sequence[AmqpQueue]) -> None:
        self._server = server
        self._queues = list(queues)
        self._cycle: Any = cycle_by_name(server.channel.queue_order_strategy)()
        self._cycle.update(self._queues)
        self._forgotten: list[WaitingList] | None = None

    def next(self, most: int) -> dict[WaitingList, int]:
        """Return from which lists to take the next ``most`` messages, and how many of each.

        Empty when nothing waits. One round trip.
        """
        if self._forgotten is None:
            self._forgotten = self._found_beside()
        lists = [*self._in_order(), *self._forgotten]
        counts = _first(lists, self.lengths(lists), most)
        if counts:
            self._cycle.rotate(next(iter(counts)).queue)
        else:
            # Somebody may change the steps while we are at it.
            self._forgotten = None
        return counts

    def lengths(self, lists: Sequence[WaitingList]) -> list[int]:
        """Return how many messages wait in each list. One round trip."""
        with self._server.client.pipeline(transaction=False) as pipe:
            for each in lists:
                pipe.llen(self._server.layout.key(each.name))
            return list(pipe.execute()) if len(pipe) else []

    def _in_order(self) -> list[WaitingList]:
        return list(self._server.layout.lists(self._cycle.consume(len(self._queues))))

    def _found_beside(self) -> list[WaitingList]:
        """Return lists with messages that no worker looks at."""
        lists = list(self._server.layout.other_lists(self._queues))
        pairs = zip(lists, self.lengths(lists), strict=True)
        return [each for each, length in pairs if length]


def _first(
    lists: Sequence[WaitingList], lengths: Sequence[int], most: int
) -> dict[WaitingList, int]:
    counts: dict[WaitingList, int] = {}
    for each, length in zip(lists, lengths, strict=True):
        taken = min(length, most - sum(counts.values()))
        if taken > 0:
            counts[each] = taken
    return counts
