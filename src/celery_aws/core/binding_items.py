"""A binding as an item of the coordination table.

All of them are in one partition, by exchange, queue, key and inbox: one Query reads those of an
exchange, or all.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import hashlib
from typing import Any
from urllib.parse import quote

from celery_aws.core.attributes import Item, text, text_of
from celery_aws.core.routing import KINDS, Binding
from celery_aws.core.table_keys import SORT, key_item
from celery_aws.names import AmqpQueue, InboxId, QueueUrl

PARTITION_OF_BINDINGS = "binding"

EXCHANGE = "exchange"
KIND = "kind"
QUEUE = "queue"
ROUTING_KEY = "routing_key"
INBOX = "inbox"
INBOX_URL = "inbox_url"
TOKEN = "token"  # noqa: S105 - it keeps nobody out

#: Characters of a quoted name in a key. A sort key has 1,024 bytes, and takes four of them.
_NAME_CHARACTERS = 200

#: Behind every character that a quoted name or a slash has.
_LAST = "~"


def binding_key(binding: Binding) -> Item:
    """Return the key of a binding's item."""
    return key_item(PARTITION_OF_BINDINGS, sort_key_of(binding))


def sort_key_of(binding: Binding) -> str:
    """Return the sort key of a binding's item."""
    names = (binding.exchange, binding.queue, binding.routing_key, binding.inbox or "")
    return "/".join(map(_quoted, names))


def sort_range(exchange: str, queue: AmqpQueue | None = None) -> tuple[str, str]:
    """Return the first and the last sort key that a binding of an exchange, or a queue, may have.

    Args:
        exchange: its name.
        queue: None is any.
    """
    prefix = f"{_quoted(exchange)}/" + ("" if queue is None else f"{_quoted(queue)}/")
    return prefix, prefix + _LAST


def binding_item(binding: Binding) -> Item:
    """Return the item of a binding."""
    item: dict[str, Any] = {
        **binding_key(binding),
        EXCHANGE: text(binding.exchange),
        KIND: text(binding.kind),
        QUEUE: text(binding.queue),
        ROUTING_KEY: text(binding.routing_key),
    }
    for name, value in (
        (INBOX, binding.inbox),
        (INBOX_URL, binding.inbox_url),
        (TOKEN, binding.token),
    ):
        if value is not None:
            item[name] = text(value)
    return item


def binding_of(item: Item) -> Binding:
    """Undo :func:`binding_item`.

    Raises:
        ValueError: it is something else.
    """
    exchange, kind, queue, key = (
        text_of(item, name) for name in (EXCHANGE, KIND, QUEUE, ROUTING_KEY)
    )
    inbox, url, token = (text_of(item, name) for name in (INBOX, INBOX_URL, TOKEN))
    complete = inbox is None or (url is not None and token is not None)
    if exchange is None or kind not in KINDS or queue is None or key is None or not complete:
        raise ValueError(f"{text_of(item, SORT)!r} is no binding")
    return Binding(
        exchange=exchange,
        kind=kind,
        queue=AmqpQueue(queue),
        routing_key=key,
        inbox=None if inbox is None else InboxId(inbox),
        inbox_url=None if url is None else QueueUrl(url),
        token=token,
    )


def _quoted(name: str) -> str:
    # What stays as it is: letters, digits and "_.-". The tilde is quoted, to be the last of all.
    quoted = quote(name, safe="").replace("~", "%7E")
    return quoted if len(quoted) <= _NAME_CHARACTERS else hashlib.sha256(name.encode()).hexdigest()
