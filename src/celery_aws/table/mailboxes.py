"""Replies to control commands, from workers to the client that waits for them.

No queue is made for them: a queue cannot be used in the first second, and a client waits for one
second. A worker writes its reply, the client asks for what is there and removes what it has read;
what nobody reads expires. Keys: :mod:`celery_aws.core.reply_items`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kombu.utils.uuid import uuid

from celery_aws.core.attributes import Item
from celery_aws.core.reply_items import reply_items, reply_partition
from celery_aws.core.table_keys import key_of
from celery_aws.table.coordination import CoordinationTable


@dataclass(frozen=True, kw_only=True)
class Mailboxes:
    """The replies under way."""

    table: CoordinationTable

    def put(self, oid: str, message: Mapping[str, Any]) -> None:
        """Write a reply. One PutItem for each 350 KB of it, compressed.

        Args:
            oid: whose it is.
            message: the virtual message, its body encoded. Put again, because no answer came, it is
                told by its delivery tag, and still one reply.
        """
        reply_id = message["properties"].get("delivery_tag") or uuid()
        now = self.table.clock.now().timestamp()
        for item in reply_items(oid, reply_id, message, now=now):
            self.table.put(item)

    def read(self, oid: str) -> list[Item]:
        """Return the items of all replies to a client, complete or not. One Query for each MB.

        Args:
            oid: the client.

        Returns:
            What :func:`celery_aws.core.reply_items.reply_messages` makes replies of; what was read
            before is there again until it is removed.
        """
        return [item for page in self.table.pages(reply_partition(oid)) for item in page]

    def remove(self, items: Sequence[Item]) -> None:
        """Remove what was read. One BatchWriteItem for each 25, nothing for none.

        Args:
            items: from :meth:`read`.
        """
        if items:
            self.table.delete_many([key_of(item) for item in items])
