"""The one bucket and prefix in S3 that a broker keeps large bodies in.

Nothing is read or deleted anywhere else, whatever a message says.
"""

from collections.abc import Callable, Sequence

from kombu.utils.uuid import uuid

from celery_aws.aws.access import Access
from celery_aws.aws.s3 import ObjectService
from celery_aws.broker.object_removal import ObjectRemoval
from celery_aws.clock import Clock
from celery_aws.config.broker import WHERE, BrokerOptions
from celery_aws.core.large_messages import pointer_problem
from celery_aws.core.messages import S3Pointer
from celery_aws.errors import ConfigurationError
from celery_aws.names import BucketName, ObjectKey

#: Makes the service that asks S3: :class:`celery_aws.aws.s3.S3ObjectService`, or a test's double.
ObjectServiceFactory = Callable[[Access], ObjectService]

_BUCKET_OPTION = "large_message_bucket"


class ObjectStore:
    """Bodies in S3, if a bucket is configured; thread-safe."""

    def __init__(self, options: BrokerOptions, service: ObjectService, clock: Clock) -> None:
        self._prefix = options.large_message_prefix
        self._service = service
        self._bucket: BucketName | None = None
        self._removal: ObjectRemoval | None = None
        if options.large_message_bucket is not None:
            self._bucket = BucketName(options.large_message_bucket)
            self._removal = ObjectRemoval(service, self._bucket, clock)

    def new_pointer(self) -> S3Pointer | None:
        """Return where one more body can be kept; None without a bucket."""
        if self._bucket is None:
            return None
        return S3Pointer(bucket=self._bucket, key=ObjectKey(f"{self._prefix}{uuid()}"))

    def put(self, pointer: S3Pointer, body: str) -> None:
        """Keep a body (one PutObject)."""
        self._service.put(pointer.bucket, pointer.key, body.encode())

    def get(self, pointer: S3Pointer) -> str:
        """Return a body (one GetObject, of one attempt).

        Raises:
            ConfigurationError: the pointer leads out of the bucket and the prefix.
            ObjectNotFoundError: the object is not there.
            UnicodeDecodeError: it is no text.
            AwsError: it could not be read.
        """
        problem = self._problem(pointer)
        if problem is not None:
            raise ConfigurationError(
                f"{pointer} is not read: {problem}. Senders and consumers of a queue need the "
                f"same {WHERE}[{_BUCKET_OPTION!r}] and 'large_message_prefix'",
                where=WHERE,
                key=_BUCKET_OPTION,
            )
        return self._service.get(pointer.bucket, pointer.key).decode()

    def remove(self, pointers: Sequence[S3Pointer]) -> None:
        """Delete bodies (:meth:`ObjectRemoval.remove`); none outside the bucket and the prefix."""
        keys = [pointer.key for pointer in pointers if self._problem(pointer) is None]
        if keys and self._removal is not None:
            self._removal.remove(keys)

    def _problem(self, pointer: S3Pointer) -> str | None:
        return pointer_problem(pointer, bucket=self._bucket, prefix=self._prefix)
