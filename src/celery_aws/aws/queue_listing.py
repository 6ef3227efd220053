"""Which queues there are: for operators only, as the broker asks for each queue by its name.

Facts: ListQueues and ListDeadLetterSourceQueues in the SQS API reference. The first needs
``sqs:ListQueues`` on every queue of the account.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.limits import SQS_LISTED_QUEUE_COUNT
from celery_aws.names import QueueUrl


@dataclass(frozen=True, kw_only=True)
class QueuePage:
    """A part of a list of queues.

    Attributes:
        urls: of the queues.
        after: where the next page begins; None if this is the last one.
    """

    urls: tuple[QueueUrl, ...]
    after: str | None = None


class QueueListingService(Protocol):
    """What is asked of SQS. Each method is one request, and raises :class:`AwsError`."""

    def queues(self, prefix: str, after: str | None = None) -> QueuePage:
        """Return up to 1,000 queues whose names begin with ``prefix`` (ListQueues)."""

    def dead_letter_sources(self, url: QueueUrl, after: str | None = None) -> QueuePage:
        """Return up to 1,000 queues whose redrive policy names this dead-letter queue.

        (ListDeadLetterSourceQueues)
        """


def all_queues(ask: Callable[[str | None], QueuePage]) -> Iterator[QueueUrl]:
    """Yield the queues of every page; a request for each.

    Args:
        ask: returns the page behind a token, or the first.
    """
    page = ask(None)
    yield from page.urls
    while page.after is not None:
        page = ask(page.after)
        yield from page.urls


class SqsQueueListingService:
    """:class:`QueueListingService` on boto3."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def queues(self, prefix: str, after: str | None = None) -> QueuePage:
        """Return up to 1,000 queues whose names begin with ``prefix``."""
        request: dict[str, Any] = _page_request(after)
        if prefix:
            request["QueueNamePrefix"] = prefix
        with translated("sqs", "ListQueues", f"{prefix}*"):
            answer = client_for("sqs", self.access).list_queues(**request)
        return QueuePage(urls=tuple(answer.get("QueueUrls", ())), after=answer.get("NextToken"))

    def dead_letter_sources(self, url: QueueUrl, after: str | None = None) -> QueuePage:
        """Return up to 1,000 queues whose redrive policy names this dead-letter queue."""
        with translated("sqs", "ListDeadLetterSourceQueues", url):
            answer = client_for("sqs", self.access).list_dead_letter_source_queues(
                QueueUrl=url, **_page_request(after)
            )
        # In small letters, of all of SQS's answers (the API model).
        return QueuePage(urls=tuple(answer.get("queueUrls", ())), after=answer.get("NextToken"))


def _page_request(after: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {"MaxResults": SQS_LISTED_QUEUE_COUNT}
    if after is not None:
        request["NextToken"] = after
    return request
