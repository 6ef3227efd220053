"""Names for messages that are the same in every byte: each is to run.

RabbitMQ gives messages no names, so that the key of one is what it says. Who chooses ids of tasks
may send one twice, and neither the journal nor a worker must take the second for a copy of the
first. What was never handed out before is no copy: it gets a key that nobody has.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from threading import Lock

from celery_aws.migrate.journal import Journal
from celery_aws.migrate.messages import Carried
from celery_aws.migrate.sides import Claim, Source


def has_twins(source: Source) -> bool:
    """Tell whether two messages of a source may have one key."""
    return bool(getattr(source, "has_twins", False))


class Twins:
    """Gives keys to the messages that the threads of a run have in hand; thread-safe.

    Args:
        journal: knows which keys there are.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._in_hand: set[str] = set()
        self._lock = Lock()

    @contextmanager
    def told_apart(self, claims: Sequence[Claim]) -> Iterator[dict[int, Carried]]:
        """Yield messages under keys of their own by the ``id`` of their claims, for the block.

        Those that were seen before keep theirs: they may be copies.
        """
        named: dict[int, Carried] = {}
        with self._lock:
            for each in claims:
                if isinstance(each.message, Carried) and not each.seen_before:
                    key = self._new_key(each.message.key)
                    named[id(each)] = replace(each.message, key=key)
                    self._in_hand.add(key)
        try:
            yield named
        finally:
            with self._lock:
                self._in_hand.difference_update(each.key for each in named.values())

    def _new_key(self, key: str) -> str:
        used = self._in_hand | self._journal.keys_from(key)
        names = (f"{key}+{number}" if number else key for number in count())
        return next(name for name in names if name not in used)
