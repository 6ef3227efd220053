"""Messages of every kind, published by real Celery to the broker that will be left.

Each is known by its task id, which its execution writes into the ledger
(:mod:`examples.migration.ledger`): so it can be said of each what became of it.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from uuid import UUID

from celery import chain, group
from examples.migration.ledger import Execution
from kombu import Exchange, Queue

#: Larger than SQS takes.
OVERSIZE_BYTES = 1_200_000

DELAYED_SECONDS = 600
PARKED_SECONDS = 5 * 86_400

#: Where messages with another exchange than the default one go.
TOPIC = Exchange("media", type="topic")
TOPIC_QUEUE = Queue("media.video", TOPIC, routing_key="media.video.#")


@dataclass(kw_only=True)
class Mixture:
    """What was published.

    Attributes:
        runs: executions that shall happen, once each.
        messages: ids of the tasks whose messages are in the source, one for each message.
        delayed: those of them that are due in minutes.
        parked: those of them that are due in days.
        oversize: those of them that cannot be sent.
        revoked: those of them that shall not be sent.
        poison: how many messages nobody can read.
    """

    runs: set[Execution] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    delayed: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    oversize: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    poison: int = 0

    @property
    def sent(self) -> set[str]:
        """Ids of what shall be on the new side."""
        return set(self.messages) - self.oversize - self.revoked


def publish_mixture(app: Any, number: int, *, seed: int) -> Mixture:
    """Publish at least so many messages of all kinds, in turn.

    Args:
        app: the old one; tasks are those of :mod:`examples.migration.tasks`.
        number: of messages.
        seed: of task ids, so that they are the same when it is done again.
    """
    mixture = Mixture()
    publisher = Publisher(app, mixture, seed)
    for kind in itertools.cycle(publisher.kinds()):
        if len(mixture.messages) >= number:
            return mixture
        kind()
    raise AssertionError("there are no kinds")


class Publisher:
    """Publishes one message, or the messages of one canvas, a call."""

    def __init__(self, app: Any, mixture: Mixture, seed: int) -> None:
        self._app = app
        self._mixture = mixture
        self._numbers = itertools.count()
        self._seed = seed

    def kinds(self) -> Iterator[Callable[[], object]]:
        """Return what publishes each kind, those that are rare in life only once."""
        add = self.add
        for serializer in ("json", "pickle", "yaml", "msgpack"):
            yield partial(add, serializer=serializer)
            yield partial(add, serializer=serializer, compression="zlib")
        yield partial(add, compression="bzip2")
        yield partial(add, compression="lzma")
        yield self.old_protocol
        yield partial(self.old_protocol, countdown=1)
        for priority in (0, 3, 5, 9):
            yield partial(add, priority=priority)
        yield partial(add, countdown=2)
        yield partial(add, eta=datetime.now(timezone.utc) - timedelta(hours=1))
        yield self.delayed
        yield self.parked
        yield partial(add, expires=3_600)
        yield partial(add, expiration=3_600)
        yield partial(add, exchange=TOPIC, routing_key="media.video.x", declare=[TOPIC_QUEUE])
        yield partial(add, headers={"tenant": "blue", "höhe": 3}, reply_to="someone")
        yield partial(add, text="a € and a \x00 and \uffff")
        yield self.stamped
        yield self.retried
        yield self.chained
        yield self.grouped
        yield self.revoked

    def add(self, *, text: str = "", **how: Any) -> str:
        """Publish one task."""
        task_id = self._sent()
        self._expect(task_id)
        arguments = (1, 2) if not text else (1, [text])
        name = "add" if not text else "told"
        self._app.send_task(f"examples.migration.tasks.{name}", arguments, task_id=task_id, **how)
        return task_id

    def old_protocol(self, **how: Any) -> str:
        """Publish as Celery 3 did: everything is in the body."""
        self._app.conf.task_protocol = 1
        try:
            return self.add(**how)
        finally:
            self._app.conf.task_protocol = 2

    def delayed(self) -> None:
        task_id = self.add(countdown=DELAYED_SECONDS)
        self._mixture.delayed.add(task_id)
        self._mixture.runs.discard(Execution(task_id))

    def parked(self) -> None:
        task_id = self.add(countdown=PARKED_SECONDS)
        self._mixture.parked.add(task_id)
        self._mixture.runs.discard(Execution(task_id))

    def revoked(self) -> None:
        task_id = self.add()
        self._mixture.revoked.add(task_id)
        self._mixture.runs.discard(Execution(task_id))

    def oversize(self) -> None:
        """Publish one that is too large for SQS."""
        task_id = self._sent()
        self._mixture.oversize.add(task_id)
        arguments = (1, ["x" * OVERSIZE_BYTES])
        self._app.send_task("examples.migration.tasks.told", arguments, task_id=task_id)

    def stamped(self) -> None:
        """Publish with a stamp in the headers."""
        task_id = self._sent()
        self._expect(task_id)
        signature = self._signature("add", (1, 2), task_id)
        signature.stamp(customer="c1")
        signature.apply_async()

    def retried(self) -> None:
        """Publish one that fails at first, so that its retry has no mark of the migration."""
        task_id = self._sent()
        self._expect(task_id, tries=2)
        self._signature("flaky", (1, 5), task_id).apply_async()

    def chained(self) -> None:
        """Publish the first of three."""
        ids = [self._sent(), self._id(), self._id()]
        for task_id in ids:
            self._expect(task_id)
        chain(*(self._signature("add", (1,), task_id) for task_id in ids)).apply_async()

    def grouped(self) -> None:
        """Publish three."""
        ids = [self._sent() for _ in range(3)]
        for task_id in ids:
            self._expect(task_id)
        group(*(self._signature("add", (1, 2), task_id) for task_id in ids)).apply_async()

    def _signature(self, name: str, arguments: tuple[Any, ...], task_id: str) -> Any:
        return self._app.signature(
            f"examples.migration.tasks.{name}", arguments, options={"task_id": task_id}
        )

    def _id(self) -> str:
        return str(UUID(int=(self._seed << 64) + next(self._numbers)))

    def _sent(self) -> str:
        task_id = self._id()
        self._mixture.messages.append(task_id)
        return task_id

    def _expect(self, task_id: str, tries: int = 1) -> None:
        self._mixture.runs |= {Execution(task_id, retries) for retries in range(tries)}
