"""The one bucket and prefix in S3 that a backend keeps large results in.

Nothing is read or deleted anywhere else, whatever an item of the results table says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from kombu.utils.uuid import uuid

from celery_aws.aws.access import Access
from celery_aws.aws.s3 import ObjectService, S3ObjectService, object_access
from celery_aws.config.results import WHERE, ResultOptions
from celery_aws.core.large_messages import pointer_problem
from celery_aws.core.messages import S3Pointer
from celery_aws.errors import BucketNotFoundError, ConfigurationError
from celery_aws.names import BucketName, ObjectKey

#: What the names of the options begin with.
OPTIONS = "large_result"

_BUCKET_OPTION = f"{OPTIONS}_bucket"

#: How often a result is asked for; nobody brings it again, as SQS does a message.
_READ_ATTEMPTS = 3

_NO_BUCKET = (
    f"Create the bucket, or check {_BUCKET_OPTION!r} in result_backend_transport_options and the "
    "region, which must be the bucket's"
)


@dataclass(frozen=True, kw_only=True)
class ResultObjects:
    """Large results in S3; holds no connection.

    Attributes:
        service: asks S3.
        bucket: None if none is configured: then nothing is kept, read or deleted.
        prefix: of the keys.
        access: where S3 is, and who asks.
    """

    service: ObjectService | None = None
    bucket: BucketName | None = None
    prefix: str = ""
    access: Access | None = None

    def through(self, service: ObjectService) -> "ResultObjects":
        """Return the same bucket and prefix, asked for by another service."""
        return replace(self, service=service)

    def new_pointer(self) -> S3Pointer | None:
        """Return where one more result can be kept; None without a bucket."""
        if self.bucket is None:
            return None
        return S3Pointer(bucket=self.bucket, key=ObjectKey(f"{self.prefix}{uuid()}"))

    def put(self, pointer: S3Pointer, content: bytes) -> None:
        """Keep a result (one PutObject); raises as :meth:`get`."""
        with self._asked("written", pointer) as service:
            service.put(pointer.bucket, pointer.key, content)

    def get(self, pointer: S3Pointer) -> bytes:
        """Return what is stored (one GetObject).

        Raises:
            ConfigurationError: the pointer leads out of the bucket and the prefix.
            AwsError: there is nothing, or S3 refused or did not answer.
        """
        with self._asked("read", pointer) as service:
            return service.get(pointer.bucket, pointer.key)

    def remove(self, pointer: S3Pointer) -> None:
        """Delete what is stored (one DeleteObjects of one attempt); raises as :meth:`get`.

        AWS does not bill deletes.
        """
        with self._asked("deleted", pointer) as service:
            for failure in service.delete_batch(pointer.bucket, [pointer.key]):
                raise failure.error

    @contextmanager
    def _asked(self, what: str, pointer: S3Pointer) -> Iterator[ObjectService]:
        problem = pointer_problem(pointer, bucket=self.bucket, prefix=self.prefix, options=OPTIONS)
        if problem is not None or self.service is None:
            raise ConfigurationError(
                f"{pointer} is not {what}: {problem}. Workers and readers need the same "
                f"{_BUCKET_OPTION!r} and '{OPTIONS}_prefix' in result_backend_transport_options",
                where=WHERE,
                key=_BUCKET_OPTION,
            )
        try:
            yield self.service
        except BucketNotFoundError as error:
            raise error.with_remedy(_NO_BUCKET) from error


#: Without a bucket.
NO_OBJECTS = ResultObjects()


def result_objects(options: ResultOptions, access: Access) -> ResultObjects:
    """Return where large results are kept by these options.

    Args:
        options: of the backend.
        access: of the backend, to DynamoDB.

    Costs no request.
    """
    s3 = object_access(access, options.large_result_endpoint_url)
    bucket = options.large_result_bucket
    return ResultObjects(
        service=S3ObjectService(s3, read_attempts=_READ_ATTEMPTS),
        bucket=None if bucket is None else BucketName(bucket),
        prefix=options.large_result_prefix,
        access=s3,
    )
