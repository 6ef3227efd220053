"""Public fixtures and doubles for tests, ours and our users'."""

from celery_aws.testing.clock import FakeClock as FakeClock
from celery_aws.testing.fault_proxy import FaultProxy as FaultProxy
from celery_aws.testing.memory_dynamodb import MemoryTableService as MemoryTableService
from celery_aws.testing.memory_operators import MemoryOperators as MemoryOperators
from celery_aws.testing.memory_s3 import MemoryS3 as MemoryS3
from celery_aws.testing.memory_sqs import MemorySqs as MemorySqs
from celery_aws.testing.proxy_faults import ACCESS_DENIED as ACCESS_DENIED
from celery_aws.testing.proxy_faults import EXPIRED_CREDENTIALS as EXPIRED_CREDENTIALS
from celery_aws.testing.proxy_faults import INTERNAL_ERROR as INTERNAL_ERROR
from celery_aws.testing.proxy_faults import SERVICE_UNAVAILABLE as SERVICE_UNAVAILABLE
from celery_aws.testing.proxy_faults import THROTTLED as THROTTLED
from celery_aws.testing.proxy_faults import Cut as Cut
from celery_aws.testing.proxy_faults import Delay as Delay
from celery_aws.testing.proxy_faults import ErrorReply as ErrorReply
from celery_aws.testing.proxy_faults import HalfOpen as HalfOpen
from celery_aws.testing.proxy_faults import LostReply as LostReply
from celery_aws.testing.worker import WorkerProcess as WorkerProcess

__all__ = [
    "ACCESS_DENIED",
    "EXPIRED_CREDENTIALS",
    "INTERNAL_ERROR",
    "SERVICE_UNAVAILABLE",
    "THROTTLED",
    "Cut",
    "Delay",
    "ErrorReply",
    "FakeClock",
    "FaultProxy",
    "HalfOpen",
    "LostReply",
    "MemoryOperators",
    "MemoryS3",
    "MemorySqs",
    "MemoryTableService",
    "WorkerProcess",
]
