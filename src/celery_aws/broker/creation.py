"""Creates a queue that is missing, and the dead-letter queue that it leads to.

An existing queue is never changed, not even to be given a dead-letter queue: what is there was
made by somebody on purpose. Facts: CreateQueue in the SQS API reference (the same attributes
find the queue; a queue can be used about a second after it was created).
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from celery_aws.aws.sqs import QueueService
from celery_aws.clock import Clock
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.dead_letters import REDRIVE_POLICY, RedrivePolicy, dead_letter_name
from celery_aws.core.queue_plan import (
    dead_letter_attributes,
    queue_attributes,
    wants_dead_letters,
)
from celery_aws.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    QueueNotFoundError,
)
from celery_aws.names import QueueArn, QueueName, QueueUrl

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Pauses before a request is tried again that found no queue: SQS needs about a second before a
#: queue that was just created can be used.
NEW_QUEUE_PAUSES_SECONDS = (0.5, 1.0, 2.0)

#: How SQS refuses a redrive policy whose queue it does not know yet; it has no code for it.
_TARGET_UNKNOWN = "Dead letter target does not exist"

_REMEDY = "Create the queue, check region and queue_name_prefix, or grant {grant}"


class QueueCreation:
    """Creates the queues of one broker.

    Args:
        service: asks SQS.
        options: the broker's options.
        clock: for the pauses after a queue was created.
    """

    def __init__(self, service: QueueService, options: BrokerOptions, clock: Clock) -> None:
        self._service = service
        self._options = options
        self._clock = clock

    def create(self, name: QueueName, *, served: QueueName, missing: NotFoundError) -> QueueUrl:
        """Create the queue ``name``, with a dead-letter queue if the options want one.

        Args:
            name: of the queue, on AWS.
            served: the queue whose dead-letter queue it shares; ``name`` itself but for the
                queues of priorities.
            missing: what AWS said when it was asked for the queue.

        Raises:
            QueueNotFoundError: creating one of the two is not permitted.
            ConfigurationError: the name of the dead-letter queue is longer than SQS takes.

        Costs one CreateQueue; with a dead-letter queue two, and one GetQueueAttributes.
        """
        attributes = queue_attributes(name, self._options)
        if wants_dead_letters(name, self._options):
            attributes[REDRIVE_POLICY] = self._redrive_policy(served, missing).text()
        try:
            return once_known(lambda: self._create(name, attributes), self._clock)
        except AccessDeniedError as error:
            raise _not_permitted(name, "creating it", error, "sqs:CreateQueue") from missing

    def _redrive_policy(self, served: QueueName, missing: NotFoundError) -> RedrivePolicy:
        name = dead_letter_name(served)
        try:
            url = self._create(name, dead_letter_attributes(name, self._options))
            arn = once_known(lambda: self._service.queue_attributes(url, ["QueueArn"]), self._clock)
        except AccessDeniedError as error:
            raise _not_permitted(
                served,
                f"creating its dead-letter queue {name}",
                error,
                "sqs:CreateQueue and sqs:GetQueueAttributes, or set "
                "broker_transport_options['max_receive_count'] to 0",
            ) from missing
        return RedrivePolicy(
            target=QueueArn(arn["QueueArn"]), max_receive_count=self._options.max_receive_count
        )

    def _create(self, name: QueueName, attributes: dict[str, str]) -> QueueUrl:
        try:
            url = self._service.create_queue(name, attributes, self._options.queue_tags)
            logger.info("created the SQS queue %s", name)
        except AlreadyExistsError:
            # Another process was faster, with other attributes; the queue is there.
            return self._service.queue_url(name)
        return url


def once_known(ask: Callable[[], T], clock: Clock) -> T:
    """Ask again after a pause while SQS does not know a queue that it has just created.

    Args:
        ask: one request about the queue, or about one that leads to it.
        clock: for the pauses.

    Raises:
        AwsError: what the last request was answered with, after 3.5 seconds.
    """
    for pause_seconds in NEW_QUEUE_PAUSES_SECONDS:
        try:
            return ask()
        except (QueueNotFoundError, InvalidRequestError) as error:
            if isinstance(error, InvalidRequestError) and _TARGET_UNKNOWN not in error.reason:
                raise
        clock.sleep(pause_seconds)
    return ask()


def _not_permitted(
    name: QueueName, what: str, error: AccessDeniedError, grant: str
) -> QueueNotFoundError:
    return QueueNotFoundError(
        f"it does not exist, and {what} is not permitted ({error.reason})",
        service="sqs",
        operation=error.operation or "CreateQueue",
        code=error.code,
        resource=name,
        remedy=_REMEDY.format(grant=grant),
    )
