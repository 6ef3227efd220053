"""Deletes objects whose messages are gone, and lets no acknowledgement wait for S3.

It works in the acker's thread, which has visibility timeouts to beat. So an S3 that does not
answer is asked once a minute; what could not be deleted is kept for the next time, and what is
still kept when the process ends is left to the bucket's lifecycle rule.
"""

import logging
import threading
from collections.abc import Sequence

from celery_aws.aws.s3 import ObjectService
from celery_aws.clock import Clock
from celery_aws.errors import AwsError, TemporaryError
from celery_aws.limits import S3_DELETE_KEYS
from celery_aws.names import BucketName, ObjectKey

logger = logging.getLogger(__name__)

#: Seconds before an S3 that did not answer is asked again.
REST_SECONDS = 60.0


class ObjectRemoval:
    """Deletes objects of one bucket; thread-safe."""

    def __init__(self, service: ObjectService, bucket: BucketName, clock: Clock) -> None:
        self._service = service
        self._bucket = bucket
        self._clock = clock
        self._kept: list[ObjectKey] = []
        self._rest_until = 0.0
        self._lock = threading.Lock()

    def remove(self, keys: Sequence[ObjectKey]) -> None:
        """Delete objects, now or with later ones; what fails is only logged.

        Costs one DeleteObjects of one attempt, which AWS does not bill.
        """
        self._keep(keys)
        due = self._take()
        if not due:
            return
        try:
            failures = self._service.delete_batch(self._bucket, due)
        except TemporaryError as error:
            self._rest_until = self._clock.monotonic() + REST_SECONDS
            self._keep(due)
            logger.warning("%s S3 object(s) are deleted later: %s", len(due), error)
        except AwsError as error:
            _log_left_behind(len(due), error)
        else:
            for failure in failures:
                _log_left_behind(1, failure.error)

    def _keep(self, keys: Sequence[ObjectKey]) -> None:
        with self._lock:
            self._kept = [*self._kept, *keys]
            too_many = len(self._kept) - S3_DELETE_KEYS
            self._kept = self._kept[:S3_DELETE_KEYS]
        if too_many > 0:
            logger.warning("%s S3 object(s) are left to the bucket's lifecycle rule", too_many)

    def _take(self) -> list[ObjectKey]:
        if self._clock.monotonic() < self._rest_until:
            return []
        with self._lock:
            due, self._kept = self._kept, []
        return due


def _log_left_behind(objects: int, error: AwsError) -> None:
    logger.warning("%s S3 object(s) are left to the bucket's lifecycle rule: %s", objects, error)
