"""What is in a Redis, counted without taking anything and without hurting who works with it.

Keys are found by SCAN, messages are looked at by LRANGE in pages, and between two pages is a pause
as long as the page took: half of the time is everybody else's. What moves while it is counted may
be counted once, twice or not at all.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from celery_aws.clock import Clock, SystemClock
from celery_aws.migrate.inventory import Inventory, QueueCount
from celery_aws.migrate.redis.entries import read_entry
from celery_aws.migrate.redis.held import HeldMessages
from celery_aws.migrate.redis.kinds import KeyNames, Kind
from celery_aws.migrate.redis.layout import WaitingList
from celery_aws.migrate.redis.looking import Look
from celery_aws.migrate.redis.other_keys import Others
from celery_aws.migrate.redis.runs import registered_lists
from celery_aws.migrate.redis.server import RedisServer
from celery_aws.migrate.redis.workers import listeners
from celery_aws.names import AmqpQueue

#: Keys that one SCAN looks at, and messages that one LRANGE returns.
SCAN_PAGE, MESSAGE_PAGE = 1_000, 100

#: Messages of the first page of a queue, whose size nobody knows, and bytes of the next ones.
FIRST_PAGE, PAGE_BYTES = 5, 1_000_000

T = TypeVar("T")


def redis_inventory(
    app: Any,
    *,
    queues: Collection[AmqpQueue] | None = None,
    look: bool = True,
    clock: Clock | None = None,
) -> Inventory:
    """Return what is in the broker of an app, results aside.

    Args:
        app: the old app.
        queues: only these, by Celery's names; None is every list of messages that is there.
        look: look at each message, for etas, sizes and what cannot be read.
        clock: for the time, and for pauses.

    Raises:
        BrokerLostError: it does not answer.
        ConfigurationError: it refuses.

    Costs a SCAN for a thousand keys of the database, a TYPE and an LRANGE for each key that no rule
    knows, an HSCAN for a hundred messages that workers hold, and with ``look`` an LRANGE for a
    hundred messages.
    """
    server = RedisServer(app)
    try:
        with server.answering():
            server.open()
            return _Counting(app, server, clock or SystemClock()).inventory(queues, look=look)
    finally:
        server.close()


@dataclass(kw_only=True)
class _Queue:
    """One queue, as far as it was counted."""

    look: Look | None
    waiting: dict[int, int] = field(default_factory=dict)
    held: int = 0

    def count(self, queue: AmqpQueue) -> QueueCount:
        """Return what was counted."""
        seen = self.look
        return QueueCount(
            queue=queue,
            waiting=dict(sorted(self.waiting.items())),
            held=self.held,
            with_eta=None if seen is None else seen.with_eta,
            with_far_eta=None if seen is None else seen.with_far_eta,
            latest_eta_seconds=None if seen is None else seen.latest_eta_seconds,
            bytes=None if seen is None else seen.total_bytes,
            largest_bytes=None if seen is None else seen.largest_bytes,
            troubles=() if seen is None else tuple(seen.troubles()),
        )


class _Counting:
    """One look at one server."""

    def __init__(self, app: Any, server: RedisServer, clock: Clock) -> None:
        conf = app.conf
        self._app = app
        self._server = server
        self._clock = clock
        self._names = KeyNames(
            layout=server.layout,
            control_exchange=conf.control_exchange,
            event_prefix=conf.event_queue_prefix,
            schedule_prefix=conf.get("redbeat_key_prefix") or "redbeat:",
        )
        self._others = Others()

    def inventory(self, queues: Collection[AmqpQueue] | None, *, look: bool) -> Inventory:
        """Count everything."""
        lists = self._lists()
        wanted = self._wanted(lists, queues)
        counts = {queue: self._counted(queue, lists, look=look) for queue in wanted}
        self._count_held(counts, all_queues=queues is None)
        claimed = self._count_claimed(counts, all_queues=queues is None)
        return Inventory(
            source=self._server.source,
            server=self._version(),
            queues=tuple(count.count(queue) for queue, count in sorted(counts.items())),
            others=self._others.found(),
            claimed=claimed,
            listeners=listeners(self._app, self._server),
            notes=tuple(self._notes(counts)),
        )

    def _lists(self) -> list[WaitingList]:
        """Return every list of messages, and note what else is there."""
        found: list[WaitingList] = []
        undecided: dict[str, None] = {}
        decided: set[str] = set()
        for name in self._key_names():
            kind = self._names.kind_of(name)
            if kind is not Kind.OPEN:
                self._others.add(kind, name)
            # SCAN may tell of a key twice.
            elif name not in decided:
                undecided[name] = None
            if len(undecided) >= MESSAGE_PAGE:
                found += self._message_lists(list(undecided))
                decided |= undecided.keys()
                undecided = {}
        return found + self._message_lists(list(undecided))

    def _key_names(self) -> Iterator[str]:
        """Yield the names of all keys, without the prefix."""
        prefix = self._server.layout.prefix
        for key in self._keys(_literal(prefix) + "*"):
            name = key[len(prefix.encode()) :]
            if _is_text(name):
                yield name.decode()
            else:
                self._others.add(Kind.OPEN, repr(key))

    def _keys(self, pattern: str) -> Iterator[bytes]:
        ask = partial(self._server.client.scan, match=pattern, count=SCAN_PAGE)
        cursor = 0
        while True:
            cursor, keys = self._paced(partial(ask, cursor))
            yield from keys
            if not cursor:
                return

    def _message_lists(self, names: Sequence[str]) -> list[WaitingList]:
        """Return those names that are lists of messages; the others nobody knows."""
        declared = self._declared()
        found: list[WaitingList] = []
        for name, first in zip(names, self._first_entries(names), strict=True):
            waiting = self._server.layout.split(name)
            if first is not None and (waiting.queue in declared or read_entry(first) is not None):
                found.append(waiting)
            else:
                self._others.add(Kind.OPEN, name)
        return found

    def _first_entries(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the next entry of each key that is a list; None for others."""
        key = self._server.layout.key
        types = self._piped(names, lambda pipe, name: pipe.type(key(name)))
        lists = [name for name, kind in zip(names, types, strict=True) if kind == b"list"]
        entries = self._piped(lists, lambda pipe, name: pipe.lindex(key(name), -1))
        by_name = dict(zip(lists, entries, strict=True))
        return [by_name.get(name) for name in names]

    def _declared(self) -> frozenset[str]:
        return frozenset(self._app.amqp.queues)

    def _wanted(
        self, lists: Iterable[WaitingList], queues: Collection[AmqpQueue] | None
    ) -> list[AmqpQueue]:
        if queues is not None:
            return list(queues)
        # An empty queue has no key, and yet it is one.
        names = [AmqpQueue(name) for name in self._declared()]
        return list(dict.fromkeys([*names, *(each.queue for each in lists)]))

    def _counted(self, queue: AmqpQueue, lists: Iterable[WaitingList], *, look: bool) -> _Queue:
        count = _Queue(look=Look(now=self._clock.now()) if look else None)
        mine = [each for each in lists if each.queue == queue]
        key = self._server.layout.key
        lengths = self._piped([each.name for each in mine], lambda pipe, name: pipe.llen(key(name)))
        for waiting, length in zip(mine, lengths, strict=True):
            count.waiting[waiting.step] = count.waiting.get(waiting.step, 0) + length
            if count.look is not None:
                self._look(waiting, length, count.look)
        return count

    def _look(self, waiting: WaitingList, length: int, look: Look) -> None:
        page = partial(self._server.client.lrange, self._server.layout.key(waiting.name))
        seen = 0
        while seen < length:
            size = page_size(look)
            # From the end that workers take from: what they take is behind us, not before us.
            for raw in self._paced(partial(page, -seen - size, -seen - 1)):
                look.add(raw)
            seen += size

    def _count_held(self, counts: dict[AmqpQueue, _Queue], *, all_queues: bool) -> None:
        for held in HeldMessages(self._server).each():
            for queue in held.queues:
                if queue in counts:
                    counts[queue].held += 1
                elif all_queues:
                    counts[queue] = _Queue(look=None, held=1)
            if not held.queues:
                self._others.add_stray(held.tag.decode(errors="replace"), held.entry)

    def _count_claimed(self, counts: dict[AmqpQueue, _Queue], *, all_queues: bool) -> int:
        """Return how many messages are claimed; their queues are queues, whatever is left there."""
        lists = registered_lists(self._server)
        keys = [self._server.layout.claims(each.run, each.waiting.name) for each in lists]
        lengths = self._piped(keys, lambda pipe, key: pipe.llen(key))
        for each, length in zip(lists, lengths, strict=True):
            if length and all_queues:
                counts.setdefault(each.waiting.queue, _Queue(look=None))
        return sum(lengths)

    def _version(self) -> str:
        facts = self._server.permitted(lambda: self._server.client.info("server")) or {}
        version = facts.get("valkey_version") or facts.get("redis_version")
        name = "Valkey" if facts.get("valkey_version") else "Redis"
        return f"{name} {version}" if version else "Redis (its version may not be asked for)"

    def _notes(self, counts: dict[AmqpQueue, _Queue]) -> Iterator[str]:
        declared = self._declared()
        foreign = [name for name, count in counts.items() if name not in declared and count.waiting]
        if foreign:
            yield (
                f"the old app's configuration does not declare {', '.join(sorted(foreign))}: "
                "their entries are messages of Celery, so they are counted as queues"
            )
        steps = self._server.layout.steps
        for queue, count in sorted(counts.items()):
            forgotten = sorted(
                step for step, length in count.waiting.items() if length and step not in steps
            )
            if forgotten:
                yield (
                    f"queue {queue} has messages of priority steps {forgotten} that are not in "
                    "priority_steps: no old worker gets them; a run moves them, too"
                )

    def _piped(self, names: Sequence[str], ask: Callable[[Any, str], Any]) -> list[Any]:
        if not names:
            return []
        with self._server.client.pipeline(transaction=False) as pipe:
            for name in names:
                ask(pipe, name)
            return list(pipe.execute())

    def _paced(self, ask: Callable[[], T]) -> T:
        """Ask, and then let others ask for as long as the answer took."""
        began = self._clock.monotonic()
        answer = ask()
        self._clock.sleep(self._clock.monotonic() - began)
        return answer


def page_size(look: Look) -> int:
    """Return how many messages to ask for at once, by the size of those that were seen."""
    if not look.messages:
        return FIRST_PAGE
    average = max(1, look.total_bytes // look.messages)
    return max(1, min(MESSAGE_PAGE, PAGE_BYTES // average))


def _literal(prefix: str) -> str:
    """Return a pattern of SCAN that matches a prefix and nothing else."""
    return "".join(f"\\{each}" if each in "*?[]^\\" else each for each in prefix)


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
