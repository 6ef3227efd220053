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
        self._scan = self.each()

    def each(self) -> Iterator[HeldMessage]:
        """Yield all of them, each at least once. A command a page, and one an exchange."""
        cursor = 0
        while True:
            cursor, page = self._server.client.hscan(self._key(), cursor, count=PAGE)
            for tag, value in page.items():
                entry = read_held(value)
                yield HeldMessage(tag=tag, entry=entry, queues=self._queues_of(entry))
            if not cursor:
                return

    def take(self, queues: Mapping[AmqpQueue, AmqpQueue], claims: Claims, most: int) -> list[Entry]:
        """Claim up to ``most`` of those that belong to these queues; one transaction.

        More than that if a message belongs to several queues.
        """
        found: list[HeldMessage] = []
        while len(found) < most and (held := next(self._scan, None)) is not None:
            if held.queues and queues.keys() >= set(held.queues):
                found.append(held)
        if not found:
            self._scan = self.each()
            return []
        return claims.labelled(self._moved(found, claims))

    def _moved(self, messages: Sequence[HeldMessage], claims: Claims) -> list[Entry]:
        """Move messages from the hash to the claimed ones, but for those that are gone meanwhile.

        None if others change the hash all the time: they are found again.
        """
        for _ in range(_ATTEMPTS):
            with self._server.client.pipeline() as pipe:
                try:
                    pipe.watch(self._key())
                    claimed = self._add_moves(pipe, messages, claims)
                    pipe.execute()
                except exceptions.WatchError:
                    continue
                return claimed
        return []

    def _add_moves(self, pipe: Any, messages: Sequence[HeldMessage], claims: Claims) -> list[Entry]:
        """Add the moves of those messages that are still there to a transaction."""
        index = self._server.layout.key(self._server.layout.unacked_index)
        values = pipe.hmget(self._key(), [each.tag for each in messages])
        pipe.multi()
        claimed: list[Entry] = []
        for each, value in zip(messages, values, strict=True):
            held = None if value is None else read_held(value)
            if held is not None:
                claimed += [self._entry(held, queue) for queue in each.queues]
                pipe.hdel(self._key(), each.tag)
                pipe.zrem(index, each.tag)
        for entry in claimed:
            claims.put(pipe, entry)
        return claimed

    def _key(self) -> str:
        return self._server.layout.key(self._server.layout.unacked)

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
