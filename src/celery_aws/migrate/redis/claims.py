"""Messages that a run has claimed: in a list of its own in Redis until they are committed.

An entry is always in one list: its queue's, or that of who claimed it; each step from one to the
other is one transaction. Every claim writes the name of its list into a registry and renews the
run's sign of life in the same transaction, so that who is killed between any two commands is found.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions

from celery_aws.migrate.redis.entries import Entry
from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.migrate.redis.owners import Owner
from celery_aws.migrate.redis.server import RedisServer
from celery_aws.names import AmqpQueue

#: How long a run counts as alive that nobody hears of, and cannot be looked at from here.
LEASE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ClaimedList:
    """The list of what one run has claimed from one list.

    Attributes:
        run: its name.
        waiting: where its entries were.
    """

    run: str
    waiting: WaitingList

    def member(self) -> str:
        """Return how it is registered."""
        return json.dumps([self.run, self.waiting.queue, self.waiting.step, self.waiting.name])


def claimed_list(member: bytes) -> ClaimedList | None:
    """Undo :meth:`ClaimedList.member`; None if it says something else."""
    try:
        run, queue, step, name = json.loads(member)
    except (TypeError, ValueError):
        return None
    waiting = WaitingList(queue=AmqpQueue(queue), step=int(step), name=name)
    return ClaimedList(run=run, waiting=waiting)


class Claims:
    """The claimed messages of one run; of one thread."""

    def __init__(self, server: RedisServer, *, run: str, owner: Owner) -> None:
        self._server = server
        self._run = run
        self._owner = owner.text()
        self._lists: dict[str, WaitingList] = {}

    def resume(self, lists: Sequence[ClaimedList]) -> bool:
        """Go on with what this run had claimed over another connection; tell if there is any."""
        self._lists.update({each.waiting.name: each.waiting for each in lists})
        return bool(lists)

    def take(self, counts: Mapping[WaitingList, int]) -> list[Entry]:
        """Claim up to so many entries of each list, from the end that workers take from.

        One transaction; one more if there are entries that nothing tells apart.
        """
        return self._moved([(each, self._queue(each), count) for each, count in counts.items()])

    def adopt(self, orphan: ClaimedList, most: int) -> list[Entry]:
        """Claim up to ``most`` entries that another run had claimed, its first ones first."""
        key = self._server.layout.claims(orphan.run, orphan.waiting.name)
        return self._moved([(orphan.waiting, key, most)])

    def put(self, pipe: Any, entry: Entry) -> None:
        """Add to a transaction that an entry becomes a claimed one."""
        self._sign(pipe, entry.waiting)
        pipe.lpush(self._key(entry.waiting), entry.stored)

    def there(self) -> list[Entry]:
        """Return all that is claimed, the first claimed first."""
        found = []
        for waiting in self._lists.values():
            stored = self._server.client.lrange(self._key(waiting), 0, -1)
            found += [Entry(stored=each, waiting=waiting) for each in reversed(stored)]
        return found

    def labelled(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return entries, those with a label that need one; they have it in their list, too."""
        pairs = [(each, each.labelled() if each.needs_label else each) for each in entries]
        with self._server.client.pipeline() as pipe:
            for old, new in pairs:
                if new is not old:
                    pipe.lrem(self._key(old.waiting), 1, old.stored)
                    pipe.lpush(self._key(old.waiting), new.stored)
            if len(pipe):
                pipe.execute()
        return [new for _, new in pairs]

    def forget(self, entries: Sequence[Entry]) -> None:
        """Remove entries for good; what is not there is no error. One transaction."""
        with self._server.client.pipeline() as pipe:
            for entry in entries:
                pipe.lrem(self._key(entry.waiting), 1, entry.stored)
            self._renew(pipe)
            pipe.execute()

    def give_back(self, entries: Sequence[Entry]) -> None:
        """Put entries back as the next ones of their lists, the first one foremost.

        Those that another run has taken over are left to it.
        """
        for waiting in dict.fromkeys(entry.waiting for entry in entries):
            mine = [entry for entry in entries if entry.waiting == waiting]
            while not self._given_back(waiting, mine):
                pass

    def release(self) -> None:
        """Remove the sign of life, and the names of lists that are empty."""
        client, layout = self._server.client, self._server.layout
        with client.pipeline() as pipe:
            for waiting in self._lists.values():
                pipe.llen(self._key(waiting))
            lengths = pipe.execute() if len(pipe) else []
        with client.pipeline() as pipe:
            for waiting, length in zip(self._lists.values(), lengths, strict=True):
                if not length:
                    pipe.srem(layout.registry, self._member(waiting))
            pipe.delete(layout.lease(self._run))
            pipe.execute()

    def _moved(self, moves: Sequence[tuple[WaitingList, str, int]]) -> list[Entry]:
        with self._server.client.pipeline() as pipe:
            for waiting, _, _ in moves:
                self._sign(pipe, waiting)
            signed = len(pipe)
            for waiting, key, count in moves:
                for _ in range(count):
                    pipe.rpoplpush(key, self._key(waiting))
            stored = pipe.execute()[signed:]
        places = [waiting for waiting, _, count in moves for _ in range(count)]
        found = [
            Entry(stored=each, waiting=waiting)
            for each, waiting in zip(stored, places, strict=True)
            if each is not None
        ]
        return self.labelled(found) if found else []

    def _given_back(self, waiting: WaitingList, entries: Sequence[Entry]) -> bool:
        key = self._key(waiting)
        with self._server.client.pipeline() as pipe:
            try:
                pipe.watch(key)
                there = Counter(pipe.lrange(key, 0, -1))
                pipe.multi()
                for entry in reversed(entries):
                    if there[entry.stored]:
                        there[entry.stored] -= 1
                        pipe.lrem(key, 1, entry.stored)
                        pipe.rpush(self._queue(waiting), entry.raw)
                pipe.execute()
            except exceptions.WatchError:
                return False
        return True

    def _sign(self, pipe: Any, waiting: WaitingList) -> None:
        self._lists[waiting.name] = waiting
        pipe.sadd(self._server.layout.registry, self._member(waiting))
        self._renew(pipe)

    def _renew(self, pipe: Any) -> None:
        pipe.set(self._server.layout.lease(self._run), self._owner, ex=LEASE_SECONDS)

    def _member(self, waiting: WaitingList) -> str:
        return ClaimedList(run=self._run, waiting=waiting).member()

    def _key(self, waiting: WaitingList) -> str:
        return self._server.layout.claims(self._run, waiting.name)

    def _queue(self, waiting: WaitingList) -> str:
        return self._server.layout.key(waiting.name)
