"""What makes, changes and removes SQS queues asks of SQS, beside what the broker asks.

Facts: SetQueueAttributes, TagQueue, ListQueueTags and ListQueues in the SQS API reference.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from celery_aws.aws.errors import translated
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.limits import SQS_LISTED_QUEUE_COUNT
from celery_aws.names import QueueUrl

#: Every attribute of a queue, in GetQueueAttributes.
ALL_ATTRIBUTES = ("All",)


class QueueAdministration(QueueService, Protocol):
    """What is asked of SQS about queues. Each method is one request, and raises ``AwsError``."""

    def set_queue_attributes(self, url: QueueUrl, attributes: Mapping[str, str]) -> None:
        """Change attributes of a queue, which takes effect within 60 s (SetQueueAttributes)."""

    def queue_tags(self, url: QueueUrl) -> dict[str, str]:
        """Return the tags of a queue (ListQueueTags)."""

    def tag_queue(self, url: QueueUrl, tags: Mapping[str, str]) -> None:
        """Add tags to a queue, in place of those of the same keys (TagQueue)."""

    def queues_named(self, prefix: str) -> list[QueueUrl]:
        """Return the queues whose name begins so (ListQueues, one request for each thousand)."""


class SqsQueueAdministration(SqsQueueService):
    """:class:`QueueAdministration` on boto3."""

    def set_queue_attributes(self, url: QueueUrl, attributes: Mapping[str, str]) -> None:
        """Change attributes of a queue."""
        with translated("sqs", "SetQueueAttributes", url):
            self._client().set_queue_attributes(QueueUrl=url, Attributes=dict(attributes))

    def queue_tags(self, url: QueueUrl) -> dict[str, str]:
        """Return the tags of a queue."""
        with translated("sqs", "ListQueueTags", url):
            answer = self._client().list_queue_tags(QueueUrl=url)
        return dict(answer.get("Tags", {}))

    def tag_queue(self, url: QueueUrl, tags: Mapping[str, str]) -> None:
        """Add tags to a queue."""
        with translated("sqs", "TagQueue", url):
            self._client().tag_queue(QueueUrl=url, Tags=dict(tags))

    def queues_named(self, prefix: str) -> list[QueueUrl]:
        """Return the queues whose name begins so."""
        request: dict[str, Any] = {"QueueNamePrefix": prefix, "MaxResults": SQS_LISTED_QUEUE_COUNT}
        found: list[QueueUrl] = []
        while True:
            with translated("sqs", "ListQueues", prefix):
                answer = self._client().list_queues(**request)
            found += [QueueUrl(url) for url in answer.get("QueueUrls", ())]
            if not answer.get("NextToken"):
                return found
            request["NextToken"] = answer["NextToken"]
