"""Nobody is told of an inbox that SQS does not know everywhere yet."""

import threading

from celery_aws.core.queue_traits import QueueTraits
from celery_aws.errors import QueueNotFoundError
from celery_aws.names import AmqpQueue
from tests.unit.control.conftest import PATIENCE_SECONDS, Planes, StillClock, World


def test_a_queue_is_bound_once_its_inbox_has_answered(world: World, planes: Planes) -> None:
    assert isinstance(world.clock, StillClock)
    world.sqs.faults.fail("ReceiveMessage", QueueNotFoundError("too new", service="sqs"))
    plane = planes()
    queue = plane.queues.declare(AmqpQueue("one"), QueueTraits(exclusive=True))

    def bind() -> None:
        plane.keeper.bind(
            queue, exchange="", kind="direct", routing_key="one", wait_seconds=PATIENCE_SECONDS
        )

    binding = threading.Thread(target=bind)
    binding.start()
    # The receiver's, before it polls once more.
    assert world.clock.has_paused(1)
    assert world.bindings.all() == []

    world.clock.advance(0.5)
    binding.join(PATIENCE_SECONDS)
    assert [each.queue for each in world.bindings.all()] == ["one"]
