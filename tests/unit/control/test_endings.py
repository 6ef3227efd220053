"""An AWS that does not answer keeps nobody from closing a connection, or a process from ending."""

import threading
from collections.abc import Callable, Iterator

import pytest

from celery_aws.control.control_plane import LAST_SECONDS
from celery_aws.control.event_sender import Event
from celery_aws.core.queue_traits import QueueTraits
from celery_aws.errors import UnreachableError
from celery_aws.names import AmqpQueue
from tests.unit.control.planes import PATIENCE_SECONDS, Deployment, virtual_message


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    made = Deployment()
    yield made
    made.close()


def ends_within(seconds: float, action: Callable[[], object]) -> bool:
    done = threading.Event()

    def run() -> None:
        action()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done.wait(seconds)


def test_events_that_cannot_be_sent_are_not_waited_for(deployment: Deployment) -> None:
    dropped = threading.Event()
    plane = deployment.process(count_dropped=lambda _: dropped.set())
    for _ in range(100):
        deployment.tables.fail_next("Query", UnreachableError("no route"))
    event = Event(exchange="celeryev", routing_key="task.sent", message=virtual_message())
    plane.publish_event(event)
    assert dropped.wait(PATIENCE_SECONDS)

    plane.publish_event(event)

    assert ends_within(PATIENCE_SECONDS, lambda: plane.flush(10 * PATIENCE_SECONDS))


def test_an_inbox_that_never_came_is_not_waited_for(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def create_queue(*_: object) -> str:
        asked.set()
        answer.wait(PATIENCE_SECONDS)
        raise UnreachableError("no route")

    monkeypatch.setattr(deployment.sqs, "create_queue", create_queue)
    plane = deployment.process()
    queue = plane.queues.declare(AmqpQueue("w1.celery.pidbox"), QueueTraits(auto_delete=True))
    with pytest.raises(UnreachableError):
        plane.keeper.bind(
            queue, exchange="celery.pidbox", kind="fanout", routing_key="", wait_seconds=0
        )
    assert asked.wait(PATIENCE_SECONDS)

    assert ends_within(LAST_SECONDS / 2, plane.close)
    answer.set()
