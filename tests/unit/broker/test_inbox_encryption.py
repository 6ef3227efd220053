"""The control plane of a broker is as the broker's options say."""

from typing import Any

import pytest

from celery_aws.clock import SystemClock
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.names import AmqpQueue
from celery_aws.testing.memory_sqs import MemorySqs
from tests.unit.broker.conftest import PATIENCE_SECONDS, Connect


@pytest.fixture
def clock() -> SystemClock:
    """Return the machine's: the keeper's thread waits by it."""
    return SystemClock()


def test_an_inbox_is_encrypted_as_other_queues_are(connect: Connect, sqs: MemorySqs) -> None:
    """Tasks of Broadcast queues, events and rpc:// results go through it."""
    given: dict[str, Any] = {
        "coordination_table": "coordination",
        "sqs-creation-attributes": {"KmsMasterKeyId": "alias/ours", "DelaySeconds": "5"},
    }
    plane = connect(**given).transport.control_plane
    queue = plane.queues.declare(AmqpQueue("bcast.1"), QueueTraits(auto_delete=True))

    plane.keeper.bind(
        queue, exchange="all", kind="fanout", routing_key="", wait_seconds=PATIENCE_SECONDS
    )

    (binding,) = plane.all_bindings()
    attributes = sqs.queue_attributes(binding.inbox_url, ["KmsMasterKeyId", "DelaySeconds"])
    assert attributes == {"KmsMasterKeyId": "alias/ours", "DelaySeconds": "0"}
    plane.close()
