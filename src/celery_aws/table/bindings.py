"""Which queues are bound to which exchanges, for every process to see.

Those of transient queues name the inbox of the process that has the queue; its registry item names
them in turn, so that nothing is left when the process is gone (:mod:`celery_aws.table.inboxes`).
The other ones are there until the queue or the exchange is deleted. Keys:
:mod:`celery_aws.core.binding_items`.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from celery_aws.core.attributes import Item
from celery_aws.core.binding_items import (
    PARTITION_OF_BINDINGS,
    binding_item,
    binding_of,
    sort_range,
)
from celery_aws.core.routing import Binding
from celery_aws.core.table_keys import key_item
from celery_aws.names import AmqpQueue
from celery_aws.table.coordination import CoordinationTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """The bindings of a deployment."""

    table: CoordinationTable

    def put(self, binding: Binding) -> None:
        """Write a binding, in place of the one with the same names. One PutItem."""
        self.table.put(binding_item(binding))

    def of(self, exchange: str, queue: AmqpQueue | None = None) -> list[Binding]:
        """Return the bindings of an exchange. One Query, consistent, for each MB.

        Args:
            exchange: its name.
            queue: only those of this queue.
        """
        since, until = sort_range(exchange, queue)
        pages = self.table.pages(PARTITION_OF_BINDINGS, since=since, until=until)
        # A long name is a hash in the key, and might be another's.
        found = [each for page in pages for each in _read(page) if each.exchange == exchange]
        return [each for each in found if queue in (None, each.queue)]

    def all(self) -> list[Binding]:
        """Return the bindings of every exchange. One Query, consistent, for each MB."""
        return [each for page in self.table.pages(PARTITION_OF_BINDINGS) for each in _read(page)]

    def remove(self, sort_keys: Iterable[str]) -> None:
        """Remove bindings. One BatchWriteItem for each 25, nothing for none.

        Args:
            sort_keys: as :func:`celery_aws.core.binding_items.sort_key_of` makes them; one that
                nothing has is no error.
        """
        keys = [key_item(PARTITION_OF_BINDINGS, each) for each in dict.fromkeys(sort_keys)]
        if keys:
            self.table.delete_many(keys)


def _read(page: Iterable[Item]) -> list[Binding]:
    return [binding for item in page if (binding := _binding_or_none(item)) is not None]


def _binding_or_none(item: Item) -> Binding | None:
    try:
        return binding_of(item)
    except ValueError as error:
        logger.warning("coordination table: %s; it is left alone", error)
        return None
