"""What makes buckets, and keeps a lifecycle rule in them, asks of S3.

Lifecycle rules are in S3's form, so that those of others go back exactly as they came. Facts:
CreateBucket, HeadBucket, PutPublicAccessBlock, PutBucketEncryption and
PutBucketLifecycleConfiguration in the S3 API reference; the last replaces all rules of a bucket,
and its option ``TransitionDefaultMinimumObjectSize`` as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.errors import AccessDeniedError, AwsError, BucketNotFoundError
from celery_aws.names import BucketName

#: The one region that CreateBucket takes for granted, and cannot be told.
DEFAULT_REGION = "us-east-1"

#: All four settings of S3 Block Public Access.
PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}

#: Encryption with keys of S3's own, which costs nothing.
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}

#: S3 says no more to a HEAD.
_NOT_SEEN = "Grant s3:ListBucket on it; or, if it is of somebody else, name another bucket"

_MINIMUM_SIZE = "TransitionDefaultMinimumObjectSize"

#: S3's codes for a bucket that has no such configuration.
_NONE_CONFIGURED = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The lifecycle configuration of a bucket.

    Attributes:
        rules: in S3's form.
        minimum_size: which sizes transitions apply to, or None where S3 does not say.
    """

    rules: tuple[Mapping[str, Any], ...] = ()
    minimum_size: str | None = None


class BucketAdministration(Protocol):
    """What is asked of S3 about buckets. Each method is one request, and raises ``AwsError``."""

    def region(self, bucket: BucketName) -> str | None:
        """Return where a bucket is, or None if there is none (HeadBucket)."""

    def create(self, bucket: BucketName) -> None:
        """Create a bucket, or find one of our own (CreateBucket)."""

    def is_public_access_blocked(self, bucket: BucketName) -> bool:
        """Tell whether all four settings are on (GetPublicAccessBlock)."""

    def block_public_access(self, bucket: BucketName) -> None:
        """Switch all four settings on (PutPublicAccessBlock)."""

    def is_encrypted(self, bucket: BucketName) -> bool:
        """Tell whether objects are encrypted by default (GetBucketEncryption)."""

    def encrypt(self, bucket: BucketName) -> None:
        """Encrypt objects by default, with keys of S3's own (PutBucketEncryption)."""

    def lifecycle(self, bucket: BucketName) -> Lifecycle:
        """Return the lifecycle rules (GetBucketLifecycleConfiguration)."""

    def set_lifecycle(self, bucket: BucketName, lifecycle: Lifecycle) -> None:
        """Replace all lifecycle rules (PutBucketLifecycleConfiguration).

        No rules are DeleteBucketLifecycle.
        """

    def has_objects(self, bucket: BucketName, prefix: str = "") -> bool:
        """Tell whether there is an object whose key begins so (ListObjectsV2 of one)."""

    def delete(self, bucket: BucketName) -> None:
        """Delete a bucket, which S3 refuses unless it is empty (DeleteBucket)."""


class S3BucketAdministration:
    """:class:`BucketAdministration` on boto3.

    Args:
        access: where and who.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    def region(self, bucket: BucketName) -> str | None:
        """Return where a bucket is, or None."""
        try:
            with translated("s3", "HeadBucket", bucket):
                answer = self._client().head_bucket(Bucket=bucket)
        except BucketNotFoundError:
            return None
        except AccessDeniedError as error:
            raise error.with_remedy(_NOT_SEEN) from error
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(headers.get("x-amz-bucket-region") or self.access.region)

    def create(self, bucket: BucketName) -> None:
        """Create a bucket."""
        request: dict[str, Any] = {"Bucket": bucket}
        if self.access.region != DEFAULT_REGION:
            request["CreateBucketConfiguration"] = {"LocationConstraint": self.access.region}
        with translated("s3", "CreateBucket", bucket):
            self._client().create_bucket(**request)

    def is_public_access_blocked(self, bucket: BucketName) -> bool:
        """Tell whether all four settings are on."""
        answer: Mapping[str, Any] = {}
        with _perhaps_none_configured(), translated("s3", "GetPublicAccessBlock", bucket):
            answer = self._client().get_public_access_block(Bucket=bucket)
        found = answer.get("PublicAccessBlockConfiguration", {})
        return all(found.get(setting) for setting in PUBLIC_ACCESS_BLOCK)

    def block_public_access(self, bucket: BucketName) -> None:
        """Switch all four settings on."""
        with translated("s3", "PutPublicAccessBlock", bucket):
            self._client().put_public_access_block(
                Bucket=bucket, PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK
            )

    def is_encrypted(self, bucket: BucketName) -> bool:
        """Tell whether objects are encrypted by default."""
        answer: Mapping[str, Any] = {}
        with _perhaps_none_configured(), translated("s3", "GetBucketEncryption", bucket):
            answer = self._client().get_bucket_encryption(Bucket=bucket)
        return bool(answer.get("ServerSideEncryptionConfiguration", {}).get("Rules"))

    def encrypt(self, bucket: BucketName) -> None:
        """Encrypt objects by default."""
        with translated("s3", "PutBucketEncryption", bucket):
            self._client().put_bucket_encryption(
                Bucket=bucket, ServerSideEncryptionConfiguration=ENCRYPTION
            )

    def lifecycle(self, bucket: BucketName) -> Lifecycle:
        """Return the lifecycle rules."""
        answer: Mapping[str, Any] = {}
        with (
            _perhaps_none_configured(),
            translated("s3", "GetBucketLifecycleConfiguration", bucket),
        ):
            answer = self._client().get_bucket_lifecycle_configuration(Bucket=bucket)
        return Lifecycle(
            rules=tuple(answer.get("Rules", ())), minimum_size=answer.get(_MINIMUM_SIZE)
        )

    def set_lifecycle(self, bucket: BucketName, lifecycle: Lifecycle) -> None:
        """Replace all lifecycle rules."""
        if not lifecycle.rules:
            with translated("s3", "DeleteBucketLifecycle", bucket):
                self._client().delete_bucket_lifecycle(Bucket=bucket)
            return
        request: dict[str, Any] = {
            "Bucket": bucket,
            "LifecycleConfiguration": {"Rules": _rules(lifecycle.rules)},
        }
        if lifecycle.minimum_size is not None:
            request[_MINIMUM_SIZE] = lifecycle.minimum_size
        with translated("s3", "PutBucketLifecycleConfiguration", bucket):
            self._client().put_bucket_lifecycle_configuration(**request)

    def has_objects(self, bucket: BucketName, prefix: str = "") -> bool:
        """Tell whether there is an object whose key begins so."""
        with translated("s3", "ListObjectsV2", bucket):
            answer = self._client().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        return bool(answer.get("Contents"))

    def delete(self, bucket: BucketName) -> None:
        """Delete a bucket."""
        with translated("s3", "DeleteBucket", bucket):
            self._client().delete_bucket(Bucket=bucket)

    def _client(self) -> Any:
        return client_for("s3", self.access)


@contextmanager
def _perhaps_none_configured() -> Iterator[None]:
    try:
        yield
    except AwsError as error:
        if error.code not in _NONE_CONFIGURED:
            raise


def _rules(rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(rule) for rule in rules]
