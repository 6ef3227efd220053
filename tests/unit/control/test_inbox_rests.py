"""Who only monitors lets events gather between two polls; whoever takes commands does not."""

import pytest

from celery_aws.control.inbox_receiver import REST_SECONDS, InboxReceiver
from celery_aws.control.transient_queues import TransientQueues
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.routing import ExchangeKind
from tests.unit.control.conftest import Process, World


class Monitor:
    """A receiver that may rest, its first poll behind it."""

    def __init__(self, world: World, *, rests: bool) -> None:
        self.world = world
        self.url = world.new_queue("monitor.fifo")
        self.receiver = InboxReceiver(
            service=world.sqs,
            url=self.url,
            queues=TransientQueues(world.clock),
            on_changed=lambda _: None,
            on_lost=lambda: None,
            wait_seconds=20,
            clock=world.clock,
            rests=lambda: rests,
        )
        self.receiver.turn()

    def send(self, count: int) -> None:
        for number in range(count):
            message = OutgoingMessage(
                body="{}", message_group_id=f"worker-{number}", message_deduplication_id=str(number)
            )
            self.world.sqs.send(self.url, message)


def test_a_few_events_are_let_gather(world: World) -> None:
    monitor = Monitor(world, rests=True)
    monitor.send(9)
    assert monitor.receiver.turn() == REST_SECONDS


def test_many_are_received_at_once(world: World) -> None:
    monitor = Monitor(world, rests=True)
    monitor.send(12)
    assert monitor.receiver.turn() == 0.0
    assert monitor.receiver.turn() == REST_SECONDS


def test_commands_do_not_wait(world: World) -> None:
    monitor = Monitor(world, rests=False)
    monitor.send(1)
    assert monitor.receiver.turn() == 0.0


@pytest.mark.parametrize(
    ("exchange", "kind", "rests"),
    [("celery.pidbox", "fanout", False), ("", "direct", False), ("celeryev", "topic", True)],
)
def test_who_is_bound_to_topics_only_is_a_monitor(
    process: Process, exchange: str, kind: ExchangeKind, rests: bool
) -> None:
    process.want(process.declare("events"))
    process.want(process.declare("other"), exchange, kind=kind, routing_key="other")
    assert process.keeper.only_monitors == rests
