"""Queues by what their names begin with: for operators only, as the broker asks for each by name.

Facts: ListQueues in the SQS API reference. It needs ``sqs:ListQueues`` on every queue of the
account.
"""

from collections.abc import Iterator

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.core.queue_names import name_of_url
from celery_aws.limits import SQS_LISTED_QUEUE_COUNT
from celery_aws.names import QueueName, QueueUrl


def queues_beginning_with(prefix: str, access: Access) -> Iterator[QueueName]:
    """Yield the names of queues.

    Args:
        prefix: what they begin with; empty is any.
        access: where and who.

    Raises:
        AwsError: AWS refused or did not answer.

    Costs one ListQueues for each 1,000.
    """
    wanted = {"QueueNamePrefix": prefix} if prefix else {}
    with translated("sqs", "ListQueues", f"{prefix}*"):
        pages = client_for("sqs", access).get_paginator("list_queues")
        for page in pages.paginate(**wanted, PaginationConfig={"PageSize": SQS_LISTED_QUEUE_COUNT}):
            yield from (name_of_url(QueueUrl(url)) for url in page.get("QueueUrls", ()))
