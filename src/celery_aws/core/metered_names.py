"""Under which name the meter keeps what is asked of a queue, table or bucket.

Names only: a queue's URL and a table's ARN have the account's number in them. And few names, for
the meter lives as long as its process: of an inbox, which each process has one of, the id goes.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from celery_aws.core.inboxes import INBOX_ID_CHARACTERS, is_inbox_name
from celery_aws.core.queue_names import FIFO_SUFFIX
from celery_aws.names import QueueName

#: Any of several queues, tables or buckets.
ANY: Final = "*"

#: Parameters of a request that say what it is for.
_NAMING: Final = ("QueueUrl", "TableName", "QueueName", "Bucket")


def resource_of(parameters: Mapping[str, Any]) -> str:
    """Return what a request is for, by its parameters as boto3 takes them; empty if for nothing.

    It is as the request has it: a queue may be a URL, and a table an ARN.
    """
    for name in _NAMING:
        if name in parameters:
            return str(parameters[name])
    return next(iter(parameters.get("RequestItems", ())), "")


@lru_cache(maxsize=1_024)
def metered_name(resource: str) -> str:
    """Return the name that the meter uses for a queue's URL or name, or a table's ARN or name."""
    name = resource.rstrip("/").rpartition("/")[2].rpartition(":")[2]
    if is_inbox_name(QueueName(name)):
        return name[: -INBOX_ID_CHARACTERS - len(FIFO_SUFFIX)] + ANY + FIFO_SUFFIX
    return name
