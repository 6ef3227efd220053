"""What the tests of the acker share."""

from celery_aws.broker.acker import Acker
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS

DELETE = "DeleteMessageBatch"
#: A linger that no test waits for.
LONG_SECONDS = 3_600.0


def entries(sqs: MemorySqs, operation: str) -> list[int]:
    return [call.entries for call in sqs.calls if call.operation == operation]


def stop(acker: Acker) -> None:
    assert acker.stop(PATIENCE_SECONDS)
