"""Messages that workers of the old broker received and did not acknowledge.

They are in a hash, with nothing that says whose they are: what a living worker runs looks like what
a killed one left behind. So they are only taken once no worker lives.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions

from celery_aws.migrate.redis.bindings import Bindings, StoredBinding, stored_binding
from celery_aws.migrate.redis.claims import Claims
from celery_aws.migrate.redis.entries import Entry, HeldEntry, read_held
from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.migrate.redis.server import RedisServer
from celery_aws.names import AmqpQueue

#: Fields that one HSCAN returns, more or less.
PAGE = 100

#: Times that a message is tried for which others change the hash.
_ATTEMPTS = 20


@dataclass(frozen=True, kw_only=True)
class HeldMessage:
    """One message that somebody holds.

    Attributes:
        tag: its field.
        entry: what it is; None if nobody can read it.
        queues: where kombu would put it back.
    """

    tag: bytes
    entry: HeldEntry | None
    queues: tuple[AmqpQueue, ...]


class HeldMessages:
    """What workers hold, looked at page by page; of one thread."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._bindings: dict[str, list[StoredBinding]] = {}

    def each(self) -> Iterator[HeldMessage]:
        """Yield all of them, each at least once. A command a page, and one an exchange."""
        client, key = self._server.client, self._server.layout.key(self._server.layout.unacked)
        cursor = 0
        while True:
            cursor, page = client.hscan(key, cursor, count=PAGE)
            for tag, value in page.items():
                entry = read_held(value)
                yield HeldMessage(tag=tag, entry=entry, queues=self._queues_of(entry))
            if not cursor:
                return

    def take(self, queues: Mapping[AmqpQueue, AmqpQueue], claims: Claims, most: int) -> list[Entry]:
        """Claim up to ``most`` of those that belong to these queues; a transaction each."""
        taken: list[Entry] = []
        for held in self.each():
            if len(taken) >= most:
                break
            if held.queues and queues.keys() >= set(held.queues):
                taken += self._moved(held, claims)
        return claims.labelled(taken) if taken else []

    def _moved(self, held: HeldMessage, claims: Claims) -> Sequence[Entry]:
        """Move one from the hash to the claimed ones, unless it is gone meanwhile."""
        key = self._server.layout.key(self._server.layout.unacked)
        index = self._server.layout.key(self._server.layout.unacked_index)
        for _ in range(_ATTEMPTS):
            with self._server.client.pipeline() as pipe:
                try:
                    pipe.watch(key)
                    entry = read_held(pipe.hget(key, held.tag) or b"")
                    if entry is None:
                        return []
                    claimed = [self._entry(entry, queue) for queue in held.queues]
                    pipe.multi()
                    pipe.hdel(key, held.tag)
                    pipe.zrem(index, held.tag)
                    for each in claimed:
                        claims.put(pipe, each)
                    pipe.execute()
                except exceptions.WatchError:
                    continue
                return claimed
        return []

    def _entry(self, held: HeldEntry, queue: AmqpQueue) -> Entry:
        return Entry(stored=held.restored(), waiting=self._list_of(held, queue))

    def _list_of(self, held: HeldEntry, queue: AmqpQueue) -> WaitingList:
        return self._server.layout.list_for(queue, held.priority)

    def _queues_of(self, entry: HeldEntry | None) -> tuple[AmqpQueue, ...]:
        if entry is None:
            return ()
        if entry.exchange and entry.exchange not in self._bindings:
            self._bindings[entry.exchange] = self._bindings_of(entry.exchange)
        return tuple(Bindings(by_exchange=self._bindings).queues_of(entry))

    def _bindings_of(self, exchange: str) -> list[StoredBinding]:
        layout = self._server.layout
        members: Any = self._server.client.smembers(layout.key(layout.binding + exchange))
        found = [stored_binding(member, layout.separator) for member in members]
        return [binding for binding in found if binding is not None]
