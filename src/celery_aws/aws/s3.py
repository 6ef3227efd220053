"""S3 as typed operations: what broker and result backend keep there, and how they get it back.

:class:`ObjectService` is the seam, as :class:`celery_aws.aws.sqs.QueueService` is for SQS: they
know only this Protocol, tests run the in-memory double of ``celery_aws.testing``
through the same contract suite. Facts: PutObject, GetObject and DeleteObjects in the S3 API
reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from celery_aws.aws.access import Access, beside
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import error_class, translated
from celery_aws.errors import AwsError
from celery_aws.names import BucketName, ObjectKey

#: Seconds for an answer to a delete, which is tried again some time or left to a lifecycle rule.
DELETE_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class ObjectFailure:
    """An object that AWS did not delete although the request succeeded."""

    key: ObjectKey
    error: AwsError


class ObjectService(Protocol):
    """What is asked of S3. Each method is one request, and raises :class:`AwsError`."""

    def put(self, bucket: BucketName, key: ObjectKey, content: bytes) -> None:
        """Store an object in place of whatever is there (PutObject)."""

    def get(self, bucket: BucketName, key: ObjectKey) -> bytes:
        """Return the content of an object (GetObject).

        Raises :class:`ObjectNotFoundError` if there is none, and :class:`AccessDeniedError` in
        that case too if the credentials may not list the bucket (s3:ListBucket).
        """

    def delete_batch(self, bucket: BucketName, keys: Sequence[ObjectKey]) -> list[ObjectFailure]:
        """Delete up to 1,000 objects, in one attempt, and return those refused (DeleteObjects).

        An object that is not there counts as deleted.
        """


class S3ObjectService:
    """:class:`ObjectService` on boto3; safe to share between threads and across a fork.

    It holds no client: each call takes the one of its own process.

    Args:
        access: where and who.
        read_attempts: how often botocore tries to read an object, the first included. The broker
            has one: what it cannot read comes again.
    """

    def __init__(self, access: Access, *, read_attempts: int = 1) -> None:
        self.access = access
        self._read_attempts = read_attempts

    def put(self, bucket: BucketName, key: ObjectKey, content: bytes) -> None:
        """Store an object."""
        with translated("s3", "PutObject", f"{bucket}/{key}"):
            client_for("s3", self.access).put_object(Bucket=bucket, Key=key, Body=content)

    def get(self, bucket: BucketName, key: ObjectKey) -> bytes:
        """Return the content of an object."""
        with translated("s3", "GetObject", f"{bucket}/{key}"):
            client = client_for("s3", self.access, attempts=self._read_attempts)
            return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def delete_batch(self, bucket: BucketName, keys: Sequence[ObjectKey]) -> list[ObjectFailure]:
        """Delete up to 1,000 objects."""
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with translated("s3", "DeleteObjects", bucket):
            answer = self._deleting_client().delete_objects(Bucket=bucket, Delete=request)
        return [_failure(bucket, refused) for refused in answer.get("Errors", ())]

    def _deleting_client(self) -> Any:
        # The acker waits for it, with other messages whose visibility timeouts run meanwhile.
        return client_for(
            "s3", self.access, read_timeout_seconds=DELETE_TIMEOUT_SECONDS, attempts=1
        )


def object_access(access: Access, endpoint_url: str | None = None) -> Access:
    """Return how the S3 of a broker or backend is reached, from how its SQS or DynamoDB is.

    Args:
        access: of the broker or the backend.
        endpoint_url: of S3, if the user named one; see :func:`~celery_aws.aws.access.beside`.
    """
    found = beside(access, endpoint_url)
    if found.endpoint_url is None:
        return found
    config = dict(found.client_config)
    # An emulator has no DNS names for its buckets.
    config["s3"] = {"addressing_style": "path", **config.get("s3", {})}
    return replace(found, client_config=config)


def _failure(bucket: BucketName, refused: dict[str, str]) -> ObjectFailure:
    code = refused.get("Code", "Unknown")
    error = error_class(code, service="s3")(
        refused.get("Message") or "refused",
        service="s3",
        operation="DeleteObjects",
        code=code,
        resource=f"{bucket}/{refused['Key']}",
    )
    return ObjectFailure(key=ObjectKey(refused["Key"]), error=error)
