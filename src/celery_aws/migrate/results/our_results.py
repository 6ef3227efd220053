"""The results in our table, found by reading all of it.

DynamoDB has no other way to list them. Pieces of large results are read as well, and left out.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from celery_aws.core.attributes import Item, item_bytes, text_of
from celery_aws.errors import TableNotFoundError
from celery_aws.migrate.results.redis_results import Kind
from celery_aws.results import DynamoDBBackend
from celery_aws.results.chord_items import is_ours
from celery_aws.results.items import ID, is_expired


@dataclass(frozen=True, kw_only=True)
class OurItem:
    """An item of the table.

    Attributes:
        key: Celery's.
        kind: what it is.
        id: of the task, the group or the chord.
        item: as it is.
    """

    key: bytes
    kind: Kind
    id: str
    item: Item

    @property
    def bytes(self) -> int:
        """As DynamoDB counts them."""
        return item_bytes(self.item)


class OurResults:
    """The results of one backend.

    Args:
        backend: ours.
    """

    def __init__(self, backend: DynamoDBBackend) -> None:
        self._store = backend.store
        self._prefixes = {
            Kind.TASK: bytes(backend.task_keyprefix),
            Kind.GROUP: bytes(backend.group_keyprefix),
            Kind.CHORD: bytes(backend.chord_keyprefix),
        }

    def found(self) -> Iterator[OurItem]:
        """Yield all that has not expired.

        Costs one Scan for each 1 MB of the table, in read units all of its size.
        """
        start: Item | None = None
        while True:
            try:
                page = self._store.service.scan(self._store.table, start_after=start)
            except TableNotFoundError:
                if self._store.creates_table:
                    return  # with the first result
                raise
            now = self._store.clock.now()
            for item in page.items:
                named = None if is_expired(item, now) else self._named(item)
                if named is not None:
                    yield named
            start = page.last_key
            if start is None:
                return

    def _named(self, item: Item) -> OurItem | None:
        key = _key_of(text_of(item, ID) or "")
        for kind, prefix in self._prefixes.items():
            if key is not None and key.startswith(prefix):
                if kind is Kind.CHORD and not is_ours(item):
                    return None  # a shard, a part, or a counter of Celery's own backend
                name = key[len(prefix) :].decode()
                return OurItem(key=key, kind=kind, id=name, item=item)
        return None


def _key_of(item_id: str) -> bytes | None:
    try:
        key = ast.literal_eval(item_id)
    except (SyntaxError, ValueError):
        return None
    return key if isinstance(key, bytes) else None
