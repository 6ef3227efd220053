"""The inbox of a process as an item of the coordination table: where it is, and what to tidy up.

It is a lease as well: its owner writes a new version from time to time, and what keeps its version
for the whole of its duration belongs to nobody any more (:mod:`celery_aws.core.leadership` says
why no clocks are compared). All of them are in one partition.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import json
from dataclasses import dataclass

from celery_aws.core.attributes import Item, number, number_of, text, text_of
from celery_aws.core.packed_text import read_json
from celery_aws.core.table_keys import SORT, key_item
from celery_aws.names import InboxId, QueueUrl

PARTITION_OF_INBOXES = "inbox"

URL = "url"
OWNER = "owner"
VERSION = "version"
DURATION = "duration_seconds"
BINDINGS = "bindings"


@dataclass(frozen=True, kw_only=True)
class InboxRecord:
    """What everybody may know of an inbox.

    Attributes:
        inbox: which one.
        url: of its queue; empty while that is being made.
        owner: host and pid, for people.
        version: another one with each renewal.
        duration_seconds: after how long without a renewal it is nobody's.
        bindings: sort keys of its bindings, written before them and removed after them.
    """

    inbox: InboxId
    url: QueueUrl
    owner: str
    version: str
    duration_seconds: float
    bindings: tuple[str, ...] = ()


def inbox_key(inbox: InboxId) -> Item:
    """Return the key of an inbox's item."""
    return key_item(PARTITION_OF_INBOXES, inbox)


def inbox_item(record: InboxRecord) -> Item:
    """Return the item of an inbox."""
    return {
        **inbox_key(record.inbox),
        URL: text(record.url),
        OWNER: text(record.owner),
        VERSION: text(record.version),
        DURATION: number(record.duration_seconds),
        BINDINGS: text(json.dumps(record.bindings)),
    }


def inbox_record(item: Item) -> InboxRecord:
    """Undo :func:`inbox_item`.

    Raises:
        ValueError: it is something else.
    """
    inbox, url = text_of(item, SORT), text_of(item, URL)
    duration, bindings = number_of(item, DURATION), _sort_keys(text_of(item, BINDINGS))
    if not inbox or url is None or duration is None or bindings is None:
        raise ValueError(f"{inbox!r} is no inbox")
    return InboxRecord(
        inbox=InboxId(inbox),
        url=QueueUrl(url),
        owner=text_of(item, OWNER) or "somebody",
        version=text_of(item, VERSION) or "",
        duration_seconds=float(duration),
        bindings=bindings,
    )


def _sort_keys(written: str | None) -> tuple[str, ...] | None:
    # Strictly: whoever removes them would be refused for ever because of one that is no sort key.
    try:
        keys = read_json(written or "[]")
    except ValueError:
        return None
    good = isinstance(keys, list) and all(isinstance(key, str) and key for key in keys)
    return tuple(keys) if good else None
