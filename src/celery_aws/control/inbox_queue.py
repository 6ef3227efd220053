"""The SQS queue of an inbox: makes it and removes it."""

import logging
from collections.abc import Mapping

from celery_aws.aws.sqs import QueueService
from celery_aws.core.inboxes import inbox_attributes, inbox_name
from celery_aws.errors import AccessDeniedError, InvalidRequestError, QueueNotFoundError
from celery_aws.names import InboxId, QueueName, QueueUrl

logger = logging.getLogger(__name__)

_REMEDY = (
    "Grant sqs:CreateQueue, sqs:TagQueue, sqs:DeleteQueue, sqs:ReceiveMessage, sqs:DeleteMessage "
    "and sqs:SendMessage on queues named {name}, or set worker_enable_remote_control to False"
)


class InboxQueue:
    """Makes and removes the queues of inboxes.

    Args:
        service: asks SQS.
        prefix: of queue names.
        tags: of the queue.
        encryption: SQS attributes of the queue that say how it is encrypted; empty is as SQS does.
    """

    def __init__(
        self,
        service: QueueService,
        *,
        prefix: str,
        tags: Mapping[str, str],
        encryption: Mapping[str, str] | None = None,
    ) -> None:
        self._service = service
        self._prefix = prefix
        self._tags = tags
        self._encryption = encryption or {}

    def create(self, inbox: InboxId) -> QueueUrl:
        """Make the queue. One CreateQueue; two where SQS has no high throughput for FIFO queues.

        Raises:
            AwsError: AWS refused.
        """
        name = inbox_name(self._prefix, inbox)
        try:
            try:
                url = self._create(name, high_throughput=True)
            except InvalidRequestError:
                # Emulators, and AWS partitions that came late to it.
                url = self._create(name, high_throughput=False)
        except AccessDeniedError as error:
            pattern = name.replace(inbox, "*")
            raise error.with_remedy(_REMEDY.format(name=pattern)) from error
        logger.debug("created the inbox %s", name)
        return url

    def delete(self, inbox: InboxId, url: QueueUrl) -> None:
        """Remove the queue of an inbox, if it is there.

        Args:
            inbox: which one.
            url: of its queue; empty if nobody wrote it down, then the queue may never have been
                made.

        Raises:
            AwsError: AWS refused.

        Costs one DeleteQueue; without the URL one GetQueueUrl first.
        """
        try:
            found = url or self._service.queue_url(inbox_name(self._prefix, inbox))
            self._service.delete_queue(found)
        except QueueNotFoundError:
            logger.debug("the queue of inbox %s was gone already", inbox)

    def _create(self, name: QueueName, *, high_throughput: bool) -> QueueUrl:
        attributes = {**inbox_attributes(high_throughput=high_throughput), **self._encryption}
        return self._service.create_queue(name, attributes, self._tags)
