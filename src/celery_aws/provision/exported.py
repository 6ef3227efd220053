"""What the templates have in common: which resources, and what each is called in them.

Left out are predefined queues and tables that are named by their ARN: they are made elsewhere. No
account is named but in what the app's own settings name.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from celery_aws.core.queue_plan import PlannedQueue
from celery_aws.deployment import Deployment, PlannedTable
from celery_aws.names import BucketName
from celery_aws.provision.bucket_rules import BucketRule, rules_of
from celery_aws.provision.table_steps import is_of_others

#: Attributes of a queue that are numbers in templates.
NUMBERS: Final = frozenset(
    {
        "DelaySeconds",
        "KmsDataKeyReusePeriodSeconds",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "VisibilityTimeout",
    }
)

#: Attributes of a queue that are true or false in templates.
FLAGS: Final = frozenset({"ContentBasedDeduplication", "FifoQueue", "SqsManagedSseEnabled"})

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def exported_queues(deployment: Deployment, region: str | None = None) -> list[PlannedQueue]:
    """Return the queues that a template makes, of one region or all."""
    if deployment.broker is None or region not in (None, deployment.broker.region):
        return []
    return [queue for queue in deployment.queues if queue.predefined is None]


def exported_tables(deployment: Deployment, region: str | None = None) -> list[PlannedTable]:
    """Return the tables that a template makes, of one region or all."""
    return [
        table
        for table in deployment.tables
        if not is_of_others(table) and region in (None, table.access.region)
    ]


def exported_buckets(
    deployment: Deployment, region: str | None = None
) -> dict[BucketName, tuple[BucketRule, ...]]:
    """Return the buckets that a template makes with their rules, of one region or all."""
    return rules_of(
        bucket for bucket in deployment.buckets if region in (None, bucket.access.region)
    )


def regions_of(deployment: Deployment) -> list[str]:
    """Return the regions that a deployment is in."""
    queues = exported_queues(deployment)
    found = {deployment.broker.region} if queues and deployment.broker is not None else set()
    found |= {table.access.region for table in exported_tables(deployment)}
    found |= {bucket.access.region for bucket in deployment.buckets}
    return sorted(found)


def typed(name: str, value: str) -> Any:
    """Return an attribute of a queue with its type in templates."""
    if name in NUMBERS and value.isdecimal():
        return int(value)
    if name in FLAGS:
        return value.lower() == "true"
    return value


def document(value: str) -> Any:
    """Return a policy as what it says, or as it is if it is no JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def identifiers(kind: str, names: Iterable[str], *, separator: str, capitals: bool) -> list[str]:
    """Return what resources are called in a template, for each of their names; no two alike."""
    found: list[str] = []
    for name in names:
        words = [kind, *filter(None, _NOT_IN_NAMES.split(name))]
        base = separator.join(word[:1].upper() + word[1:] if capitals else word for word in words)
        number, identifier = 2, base
        while identifier in found:
            identifier, number = f"{base}{separator}{number}", number + 1
        found.append(identifier)
    return found
