"""What operators ask of SQS beside what the broker does, made for who asks."""

from collections.abc import Callable
from typing import ClassVar

from celery_aws.aws.access import Access
from celery_aws.aws.dead_letters import DeadLetterService, SqsDeadLetterService
from celery_aws.aws.message_moves import MessageMoveService, SqsMessageMoveService
from celery_aws.aws.queue_listing import QueueListingService, SqsQueueListingService


class OperatorServices:
    """Makes each service for one access. Tests put functions here that return a double."""

    dead_letters: ClassVar[Callable[[Access], DeadLetterService]] = SqsDeadLetterService
    moves: ClassVar[Callable[[Access], MessageMoveService]] = SqsMessageMoveService
    listing: ClassVar[Callable[[Access], QueueListingService]] = SqsQueueListingService
