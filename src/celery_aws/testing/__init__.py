"""Public fixtures and doubles for tests, ours and our users'."""

from celery_aws.testing.clock import FakeClock as FakeClock
from celery_aws.testing.memory_dynamodb import MemoryTableService as MemoryTableService
from celery_aws.testing.memory_s3 import MemoryS3 as MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs as MemorySqs
from celery_aws.testing.worker import WorkerProcess as WorkerProcess

__all__ = ["FakeClock", "MemoryS3", "MemorySqs", "MemoryTableService", "WorkerProcess"]
