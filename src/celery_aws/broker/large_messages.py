"""Messages that are too large for their queue: through S3, or not at all.

The object is put before its pointer is sent, read when the pointer is received, and deleted when
SQS has confirmed that the message is deleted: never before, and not if the message is given back,
moved or left. So an object may outlive its message (a crash, a purge, a reply that was lost),
which the bucket's lifecycle rule sees to, and no message its object.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from celery_aws.aws.access import Access
from celery_aws.aws.s3 import ObjectService, object_access
from celery_aws.broker.directory import QueueAddress, QueueDirectory
from celery_aws.broker.message import Receipt
from celery_aws.broker.object_store import ObjectServiceFactory, ObjectStore
from celery_aws.broker.size_limits import SizeLimits
from celery_aws.clock import Clock
from celery_aws.config.broker import BrokerOptions
from celery_aws.core.large_messages import load_pointer, pause_seconds, pointing
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.core.outages import Outage
from celery_aws.core.queue_names import is_fifo
from celery_aws.errors import (
    AwsError,
    CeleryAwsError,
    InvalidRequestError,
    MessageTooLargeError,
    ObjectNotFoundError,
    TemporaryError,
)
from celery_aws.names import QueueName
from celery_aws.process import PerProcess

logger = logging.getLogger(__name__)

#: Sends a message, or keeps it.
Deliver = Callable[[OutgoingMessage], None]

#: Seconds for which an S3 that did not answer is not asked for objects: a receiver that waits
#: for it receives nothing else.
S3_REST_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What became of the messages of one receive."""

    #: To be delivered, in their order.
    ready: list[ReceivedMessage] = field(default_factory=list)
    #: To be given back, each for so many seconds.
    postponed: list[tuple[ReceivedMessage, int]] = field(default_factory=list)


class LargeMessages:
    """Sends, loads and cleans up messages of any size; safe to share between threads.

    Args:
        options: the broker's.
        service: asks S3.
        clock: measures for how long something is believed.
    """

    def __init__(self, options: BrokerOptions, service: ObjectService, clock: Clock) -> None:
        self._threshold_bytes: int | None = None
        if options.large_message_bucket is not None:
            self._threshold_bytes = options.large_message_threshold_bytes
        self._store = ObjectStore(options, service, clock)
        self._limits = SizeLimits(clock)
        self._clock = clock
        #: Why S3 could not be read, and until when it is not asked again.
        self._outage: Outage | None = None

    def send(
        self,
        address: QueueAddress,
        message: OutgoingMessage,
        *,
        queue: QueueName,
        deliver: Deliver | None = None,
    ) -> None:
        """Send one message, its body through S3 if it has to.

        Args:
            address: where to.
            message: as it would go through SQS alone, or a pointer that was received, which is
                sent on as it is.
            queue: the queue's name on AWS, for the error.
            deliver: instead of sending it: to keep it, and send it later.

        Raises:
            MessageTooLargeError: the queue does not take it, and there is no bucket.
            AwsError: S3 or SQS refused or did not answer.

        Costs one SendMessage, one PutObject if the message is too large for the queue, and a
        GetQueueAttributes now and then (:meth:`SizeLimits.limit_bytes`).
        """
        if deliver is None:
            deliver = partial(_send_now, address)
        if self._is_large(address, message) or not self._sent(address, message, deliver):
            self._send_pointer(address, message, queue, deliver)

    def load(self, address: QueueAddress, messages: Sequence[ReceivedMessage]) -> Loaded:
        """Read what received messages point to; raises nothing that AWS can cause.

        An object that is missing makes its message one that cannot be decoded. While S3 cannot
        be read, or if the pointer leads out of the bucket, the message is postponed: it comes
        again after a pause that grows with its receives. On a FIFO queue the messages behind it
        in its group are postponed with it.

        Costs one GetObject of one attempt for each pointer; none for
        :data:`S3_REST_SECONDS` after one that had no answer.
        """
        loaded = Loaded()
        held_back: dict[str | None, int] = {}
        for message in messages:
            seconds = held_back.get(message.message_group_id)
            if seconds is None:
                try:
                    loaded.ready.append(self._loaded(message))
                    continue
                except CeleryAwsError as error:
                    seconds = _pause(address, message, error)
                if is_fifo(address.url):
                    held_back[message.message_group_id] = seconds
            loaded.postponed.append((message, seconds))
        return loaded

    def remove(self, receipts: Sequence[Receipt]) -> None:
        """Delete the objects of messages that SQS has deleted; what fails is only logged.

        Costs nothing without an object, else one DeleteObjects, which AWS does not bill.
        """
        self._store.remove([each.pointer for each in receipts if each.pointer is not None])

    def read(self, message: OutgoingMessage) -> str:
        """Return the body of a message that was not sent yet, or what it points to.

        Raises:
            ConfigurationError: it points out of the bucket and the prefix.
            AwsError: the object could not be read.

        Costs nothing, or one GetObject.
        """
        pointer = load_pointer(message.body)
        return message.body if pointer is None else self._store.get(pointer)

    def discard(self, message: OutgoingMessage) -> None:
        """Delete what a message points to that will not be sent; what fails is only logged.

        Costs nothing, or one DeleteObjects, which AWS does not bill.
        """
        pointer = load_pointer(message.body)
        if pointer is not None:
            self._store.remove([pointer])

    def _is_large(self, address: QueueAddress, message: OutgoingMessage) -> bool:
        threshold_bytes, size_bytes = self._threshold_bytes, message.size_bytes
        if threshold_bytes is not None and size_bytes > threshold_bytes:
            return load_pointer(message.body) is None
        return size_bytes > self._limits.limit_bytes(address, size_bytes)

    def _sent(self, address: QueueAddress, message: OutgoingMessage, deliver: Deliver) -> bool:
        """Send a message as it is; False if SQS finds it too large."""
        try:
            deliver(message)
        except InvalidRequestError as error:
            if not self._limits.refused(address, message.size_bytes, error):
                raise
            return False
        return True

    def _send_pointer(
        self, address: QueueAddress, message: OutgoingMessage, queue: QueueName, deliver: Deliver
    ) -> None:
        pointer = self._store.new_pointer()
        if pointer is None:
            raise self._too_large(address, message, queue)
        small = pointing(message, pointer)
        if small.size_bytes > self._limits.limit_bytes(address, small.size_bytes):
            remedy = "Message attributes do not go through S3: send fewer or smaller ones"
            raise self._too_large(address, small, queue, remedy)
        self._store.put(pointer, message.body)
        try:
            deliver(small)
        except TemporaryError:
            # AWS may have the message although its answer did not come; it needs the object.
            logger.warning("%s may be left to the bucket's lifecycle rule", pointer)
            raise
        except AwsError:
            self._store.remove([pointer])
            raise

    def _too_large(
        self,
        address: QueueAddress,
        message: OutgoingMessage,
        queue: QueueName,
        remedy: str | None = None,
    ) -> MessageTooLargeError:
        return MessageTooLargeError(
            queue=queue,
            size_bytes=message.size_bytes,
            limit_bytes=self._limits.limit_bytes(address, message.size_bytes),
            remedy=remedy,
        )

    def _loaded(self, message: ReceivedMessage) -> ReceivedMessage:
        pointer = load_pointer(message.body)
        if pointer is None:
            return message
        if self._outage is not None:
            self._outage.raise_if_on(self._clock.monotonic())
        try:
            return replace(message, pointer=pointer, stored_body=self._store.get(pointer))
        except (ObjectNotFoundError, UnicodeDecodeError) as error:
            return replace(message, error=error)
        except TemporaryError as error:
            self._outage = Outage(error, self._clock.monotonic() + S3_REST_SECONDS)
            raise


def _send_now(address: QueueAddress, message: OutgoingMessage) -> None:
    address.service.send(address.url, message)


def _pause(address: QueueAddress, message: ReceivedMessage, error: CeleryAwsError) -> int:
    seconds = pause_seconds(message.receive_count)
    logger.error("a message of %s is given back for %s s: %s", address.url, seconds, error)
    return seconds


_per_process: PerProcess[tuple[object, ...], LargeMessages] = PerProcess()


def large_messages(
    directory: QueueDirectory, access: Access, services: ObjectServiceFactory, clock: Clock
) -> LargeMessages:
    """Return this process's one for a directory: connections share what they know of queues.

    Args:
        directory: of the broker.
        access: of the broker; S3's is made from it.
        services: makes the service that asks S3.
        clock: see :class:`LargeMessages`.

    Costs no request.
    """
    options = directory.options

    def make() -> LargeMessages:
        service = services(object_access(access, options.large_message_endpoint_url))
        return LargeMessages(options, service, clock)

    return _per_process.get((directory, services, clock), make)
