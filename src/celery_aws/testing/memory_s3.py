"""S3 in memory: a double of :class:`celery_aws.aws.s3.ObjectService` for tests.

It runs the same contract suite as the boto3 service. A kombu connection or a Celery application
uses it once it stands behind the transport, in the process of the test::

    s3 = MemoryS3("my-bucket")
    transport = celery_aws.broker.Transport
    monkeypatch.setattr(transport, "object_services", staticmethod(lambda access: s3))

Not simulated: permissions, versions, lifecycle rules.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery_aws.aws.errors import error_class
from celery_aws.aws.s3 import ObjectFailure
from celery_aws.errors import AwsError
from celery_aws.limits import S3_DELETE_KEYS, S3_KEY_BYTES
from celery_aws.names import BucketName, ObjectKey
from celery_aws.testing.memory_faults import Faults


class MemoryS3:
    """Buckets in memory; thread-safe.

    Args:
        buckets: names of the buckets that exist.

    Attributes:
        faults: what shall go wrong next.
        requests: how often each operation was asked for, failures included.
    """

    def __init__(self, *buckets: str) -> None:
        self.faults = Faults()
        self.requests: Counter[str] = Counter()
        self._buckets: dict[str, dict[ObjectKey, bytes]] = {name: {} for name in buckets}
        self._lock = threading.RLock()

    def objects(self, bucket: str) -> dict[ObjectKey, bytes]:
        """Return a copy of what a bucket holds; not a request."""
        with self._lock:
            return dict(self._buckets[bucket])

    def put(self, bucket: BucketName, key: ObjectKey, content: bytes) -> None:
        """Store an object."""
        with self._request("PutObject", bucket, key) as stored:
            if not 1 <= len(key.encode()) <= S3_KEY_BYTES:
                raise _error("PutObject", "KeyTooLongError", "Your key is too long", bucket)
            stored[key] = bytes(content)

    def get(self, bucket: BucketName, key: ObjectKey) -> bytes:
        """Return the content of an object."""
        with self._request("GetObject", bucket, key) as stored:
            if key not in stored:
                reason = "The specified key does not exist"
                raise _error("GetObject", "NoSuchKey", reason, f"{bucket}/{key}")
            return stored[key]

    def delete_batch(self, bucket: BucketName, keys: Sequence[ObjectKey]) -> list[ObjectFailure]:
        """Delete up to 1,000 objects."""
        with self._request("DeleteObjects", bucket) as stored:
            if not 1 <= len(keys) <= S3_DELETE_KEYS:
                raise _error("DeleteObjects", "MalformedXML", "1 to 1,000 keys", bucket)
            asked_for = self.faults.refused_entries("DeleteObjects")
            refused = keys[: asked_for.entries] if asked_for is not None else ()
            for key in keys[len(refused) :]:
                stored.pop(key, None)
            code = asked_for.code if asked_for is not None else ""
            return [
                ObjectFailure(key=key, error=_error("DeleteObjects", code, "a fault", bucket))
                for key in refused
            ]

    @contextmanager
    def _request(
        self, operation: str, bucket: BucketName, key: ObjectKey | None = None
    ) -> Iterator[dict[ObjectKey, bytes]]:
        with self._lock:
            self.requests[operation] += 1
            self.faults.before(operation)
            if bucket not in self._buckets:
                resource = bucket if key is None else f"{bucket}/{key}"
                raise _error(operation, "NoSuchBucket", "The bucket does not exist", resource)
            yield self._buckets[bucket]
            self.faults.after(operation)


def _error(operation: str, code: str, message: str, resource: str) -> AwsError:
    cls = error_class(code, service="s3")
    return cls(message, service="s3", operation=operation, code=code, resource=resource)
