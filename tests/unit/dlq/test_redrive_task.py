"""A redrive by SQS, watched."""

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.message_moves import MoveStatus, MoveTask
from celery_aws.aws.operators import OperatorServices
from celery_aws.core.dead_letters import RedrivePolicy
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.dlq.queues import DeadLetterQueue
from celery_aws.dlq.redrive_task import RedriveTask
from celery_aws.errors import UnsupportedError
from celery_aws.names import QueueArn, QueueName
from celery_aws.testing import FakeClock, MemoryOperators, MemorySqs

DEAD, SOURCE = QueueName("dead"), QueueName("celery")


class Late(MemoryOperators):
    """Lists no task before it was asked so often."""

    asks = 0

    def moves(self, source: QueueArn) -> list[MoveTask]:
        self.asks -= 1
        return [] if self.asks >= 0 else super().moves(source)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def operators(clock: FakeClock) -> Late:
    sqs = MemorySqs(clock)
    dead = sqs.create_queue(DEAD, {}, {})
    policy = RedrivePolicy(target=arn_of(sqs, DEAD), max_receive_count=1)
    sqs.create_queue(SOURCE, {"RedrivePolicy": policy.text()}, {})
    for number in range(3):
        sqs.send(dead, OutgoingMessage(body=str(number)))
    return Late(sqs)


@pytest.fixture
def task(operators: Late, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> RedriveTask:
    monkeypatch.setattr(OperatorServices, "moves", staticmethod(lambda _: operators))
    queue = DeadLetterQueue(
        name=DEAD,
        url=operators._sqs.queue_url(DEAD),
        arn=arn_of(operators._sqs, DEAD),
        depth=QueueDepth(visible=3),
        sources=(),
        sources_known=True,
        policy=None,
        service=operators._sqs,
        access=Access(region="eu-west-1"),
    )
    return RedriveTask(queue, clock)


def arn_of(sqs: MemorySqs, name: QueueName) -> QueueArn:
    return QueueArn(sqs.queue_attributes(sqs.queue_url(name), ["QueueArn"])["QueueArn"])


def test_it_is_watched_to_its_end(task: RedriveTask, operators: Late) -> None:
    told: list[MoveTask] = []
    assert task.running() is None
    task.start(arn_of(operators._sqs, SOURCE))
    operators.asks = 3

    ended = task.watch(told.append, stopped=lambda: False)

    assert (ended.status, ended.moved) == (MoveStatus.COMPLETED, 3)
    assert told[-1] == ended


def test_who_stops_watching_leaves_it_running(task: RedriveTask, operators: Late) -> None:
    task.start(arn_of(operators._sqs, SOURCE))

    assert task.watch(lambda _: None, stopped=lambda: True).active
    assert task.running() is not None


def test_an_older_task_is_not_taken_for_it(
    task: RedriveTask, operators: Late, clock: FakeClock
) -> None:
    operators.start_move(arn_of(operators._sqs, DEAD), None)
    clock.advance(60)
    assert task.running() is None

    with pytest.raises(UnsupportedError, match="does not tell how far"):
        task.watch(lambda _: None, stopped=lambda: False)
