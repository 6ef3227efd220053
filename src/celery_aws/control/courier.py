"""Sends parcels to inboxes, to many of them at once.

An inbox that is gone is no error: whoever had it is gone too, or will make another one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from kombu.utils.uuid import uuid

from celery_aws.aws.sqs import QueueService
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.parcels import Parcel, pack
from celery_aws.core.queue_names import name_of_url
from celery_aws.errors import AwsError, MessageTooLargeError
from celery_aws.limits import SQS_MESSAGE_BYTES
from celery_aws.names import QueueUrl

#: Requests at the same time: an inspect of a hundred workers has a second for everything.
STREAMS = 10

_TOO_LARGE_REMEDY = (
    "What goes to transient queues (control commands, Broadcast, rpc:// results) cannot be kept in "
    "S3: send less at once, or a key to where it is"
)


class Courier:
    """Sends for one process; thread-safe.

    Args:
        service: asks SQS.

    Attributes:
        sender: what tells this process's parcels from those of others: SQS keeps their order.
    """

    def __init__(self, service: QueueService) -> None:
        self.sender = uuid()
        self._service = service

    def send_all(
        self, urls: Iterable[QueueUrl], parcel: Parcel, *, deduplication_id: str | None = None
    ) -> Mapping[QueueUrl, AwsError]:
        """Send a parcel to several inboxes. One SendMessage for each, :data:`STREAMS` at a time.

        Args:
            urls: of the inboxes' queues.
            parcel: what to send.
            deduplication_id: the same for another try of the same; None if this is the only one.

        Returns:
            Those that could not be reached, and why; a queue that is not found is gone, or not a
            second old.

        Raises:
            MessageTooLargeError: SQS does not take as much.
        """
        several = list(dict.fromkeys(urls))
        if not several:
            return {}
        body = _body(parcel, several[0])
        # One for each inbox, however often it is sent there.
        deduplication_id = deduplication_id or uuid()

        def send(url: QueueUrl) -> AwsError | None:
            try:
                self._send(url, body, deduplication_id)
            except AwsError as error:
                return error
            return None

        answers = zip(several, _together(send, several), strict=True)
        return {url: error for url, error in answers if error is not None}

    def _send(self, url: QueueUrl, body: str, deduplication_id: str) -> None:
        message = OutgoingMessage(
            body=body,
            message_group_id=self.sender,
            message_deduplication_id=deduplication_id,
        )
        self._service.send(url, message)


def _together(
    send: Callable[[QueueUrl], AwsError | None], urls: Sequence[QueueUrl]
) -> list[AwsError | None]:
    if len(urls) == 1:
        return [send(urls[0])]
    with ThreadPoolExecutor(min(STREAMS, len(urls)), "celery-aws-courier") as pool:
        try:
            under_way = [pool.submit(send, url) for url in urls[1:]]
        except RuntimeError:
            # The interpreter is ending, and starts no thread any more.
            return [send(url) for url in urls]
        return [send(urls[0]), *(each.result() for each in under_way)]


def _body(parcel: Parcel, url: QueueUrl) -> str:
    body = pack(parcel)
    if len(body) > SQS_MESSAGE_BYTES:
        raise MessageTooLargeError(
            queue=name_of_url(url),
            size_bytes=len(body),
            limit_bytes=SQS_MESSAGE_BYTES,
            remedy=_TOO_LARGE_REMEDY,
        )
    return body
