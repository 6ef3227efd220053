"""What a process asked of AWS on one day, as an item of the coordination table.

Each process has an item a day, written anew with the sum of the day so far: written twice, because
no answer came, it is still right. All of a month are in one partition.

The form is public: golden files hold it, CHANGELOG.md tells of changes.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Final

from celery_aws.core.attributes import Item, binary, binary_of, number, number_of, text, text_of
from celery_aws.core.packed_text import pack_text, read_json, unpack_text
from celery_aws.core.request_usage import RequestUsage
from celery_aws.core.table_keys import SORT, TTL, key_item

#: For how long records are kept: a year to look back at.
MEMORY_DAYS: Final = 400

#: Seconds between two writes of a process that has enough to write, and of one that has not.
RECORD_SECONDS: Final = 900.0
IDLE_RECORD_SECONDS: Final = 14_400.0

#: Requests that are enough. An idle worker asks for so many in four hours, a tenth of a cent.
ENOUGH_REQUESTS: Final = 2_000

#: Seconds that a process has to live to be worth a record.
LEAST_LIFE_SECONDS: Final = 60.0

_USAGE: Final = "usage"
_NODE: Final = "node"
_SINCE: Final = "since"
_UNTIL: Final = "until"


@dataclass(frozen=True, kw_only=True)
class UsageRecord:
    """What a process asked on one day.

    Attributes:
        day: in UTC.
        process: its id, no other's.
        node: name of its worker.
        since: when it began to count on this day.
        until: when it wrote.
        usage: what came in between.
    """

    day: date
    process: str
    node: str
    since: datetime
    until: datetime
    usage: RequestUsage


def usage_partition(month: str) -> str:
    """Return the partition of a month, such as ``2026-11``."""
    return f"usage#{month}"


def month_of(day: date) -> str:
    """Return the name of a day's month."""
    return f"{day:%Y-%m}"


def record_item(record: UsageRecord) -> Item:
    """Return the item of a record."""
    expires = record.until + timedelta(days=MEMORY_DAYS)
    packed = pack_text(json.dumps(record.usage.as_json()["operations"]))
    sort = f"{record.day:%d}#{record.process}"
    return {
        **key_item(usage_partition(month_of(record.day)), sort),
        _NODE: text(record.node),
        _SINCE: number(int(record.since.timestamp())),
        _UNTIL: number(int(record.until.timestamp())),
        _USAGE: binary(packed),
        TTL: number(int(expires.timestamp())),
    }


def record_of(item: Item, month: str) -> UsageRecord:
    """Return the record of an item.

    Raises:
        ValueError: it is none, such as one of a later version.
    """
    day, _, process = (text_of(item, SORT) or "").partition("#")
    packed, since, until = binary_of(item, _USAGE), number_of(item, _SINCE), number_of(item, _UNTIL)
    if packed is None or since is None or until is None:
        raise ValueError("it is no record of usage")
    return UsageRecord(
        day=date.fromisoformat(f"{month}-{day}"),
        process=process,
        node=text_of(item, _NODE) or "",
        since=datetime.fromtimestamp(float(since), timezone.utc),
        until=datetime.fromtimestamp(float(until), timezone.utc),
        usage=RequestUsage.from_json({"operations": read_json(unpack_text(packed))}),
    )


def is_due(unwritten_requests: int, seconds: float) -> bool:
    """Tell whether a record is worth a request.

    Args:
        unwritten_requests: since the last write.
        seconds: the same.
    """
    if unwritten_requests >= ENOUGH_REQUESTS:
        return seconds >= RECORD_SECONDS
    return unwritten_requests > 0 and seconds >= IDLE_RECORD_SECONDS


def seconds_until_tomorrow(now: datetime) -> float:
    """Return how long a day still is, in UTC."""
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), timezone.utc)
    return (tomorrow - now).total_seconds()
