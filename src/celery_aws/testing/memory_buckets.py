"""Buckets in memory: what they are set to, not what is in them.

A double of :class:`celery_aws.aws.bucket_administration.BucketAdministration`; it runs the same
contract suite as the boto3 one. As on AWS since April 2023, a new bucket blocks public access and
encrypts by default.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from celery_aws.aws.bucket_administration import Lifecycle
from celery_aws.aws.errors import error_class
from celery_aws.errors import AwsError
from celery_aws.names import BucketName, ObjectKey


@dataclass(kw_only=True)
class MemoryBucket:
    """One bucket; a test may set what it likes."""

    region: str
    public_access_blocked: bool = True
    encrypted: bool = True
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    keys: set[ObjectKey] = field(default_factory=set)


class MemoryBuckets:
    """Buckets in memory; thread-safe.

    Args:
        region: of the buckets that are created.

    Attributes:
        buckets: by their names.
    """

    def __init__(self, region: str = "us-east-1") -> None:
        self.buckets: dict[BucketName, MemoryBucket] = {}
        self._region = region
        self._lock = threading.RLock()

    def region(self, bucket: BucketName) -> str | None:
        """Return where a bucket is, or None."""
        with self._lock:
            found = self.buckets.get(bucket)
            return None if found is None else found.region

    def create(self, bucket: BucketName) -> None:
        """Create a bucket, or find it."""
        with self._lock:
            self.buckets.setdefault(bucket, MemoryBucket(region=self._region))

    def is_public_access_blocked(self, bucket: BucketName) -> bool:
        """Tell whether public access is blocked."""
        with self._bucket("GetPublicAccessBlock", bucket) as found:
            return found.public_access_blocked

    def block_public_access(self, bucket: BucketName) -> None:
        """Block public access."""
        with self._bucket("PutPublicAccessBlock", bucket) as found:
            found.public_access_blocked = True

    def is_encrypted(self, bucket: BucketName) -> bool:
        """Tell whether objects are encrypted by default."""
        with self._bucket("GetBucketEncryption", bucket) as found:
            return found.encrypted

    def encrypt(self, bucket: BucketName) -> None:
        """Encrypt objects by default."""
        with self._bucket("PutBucketEncryption", bucket) as found:
            found.encrypted = True

    def lifecycle(self, bucket: BucketName) -> Lifecycle:
        """Return the lifecycle rules."""
        with self._bucket("GetBucketLifecycleConfiguration", bucket) as found:
            return found.lifecycle

    def set_lifecycle(self, bucket: BucketName, lifecycle: Lifecycle) -> None:
        """Replace all lifecycle rules."""
        with self._bucket("PutBucketLifecycleConfiguration", bucket) as found:
            found.lifecycle = lifecycle

    def has_objects(self, bucket: BucketName, prefix: str = "") -> bool:
        """Tell whether there is an object whose key begins so."""
        with self._bucket("ListObjectsV2", bucket) as found:
            return any(key.startswith(prefix) for key in found.keys)

    def delete(self, bucket: BucketName) -> None:
        """Delete a bucket that is empty."""
        with self._bucket("DeleteBucket", bucket) as found:
            if found.keys:
                raise _error("DeleteBucket", "BucketNotEmpty", "it is not empty", bucket)
            del self.buckets[bucket]

    @contextmanager
    def _bucket(self, operation: str, bucket: BucketName) -> Iterator[MemoryBucket]:
        with self._lock:
            if bucket not in self.buckets:
                raise _error(operation, "NoSuchBucket", "The bucket does not exist", bucket)
            yield self.buckets[bucket]


def _error(operation: str, code: str, message: str, bucket: BucketName) -> AwsError:
    cls = error_class(code, service="s3")
    return cls(message, service="s3", operation=operation, code=code, resource=bucket)
