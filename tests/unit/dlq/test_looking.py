"""What a look sees, holds and gives back."""

from collections.abc import Callable

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.operators import OperatorServices
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_depth import QueueDepth
from celery_aws.dlq import looking
from celery_aws.dlq.looking import MARGIN_SECONDS, Look, hidden_seconds
from celery_aws.dlq.queues import DeadLetterQueue
from celery_aws.errors import ThrottledError, UnreachableError
from celery_aws.limits import SQS_VISIBILITY_TIMEOUT_SECONDS_MAX
from celery_aws.names import QueueArn, QueueName
from celery_aws.testing import FakeClock, MemoryOperators, MemorySqs

HIDDEN_SECONDS = 60
NAME = QueueName("dead")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sqs(clock: FakeClock) -> MemorySqs:
    return MemorySqs(clock)


@pytest.fixture
def queue(sqs: MemorySqs, monkeypatch: pytest.MonkeyPatch) -> DeadLetterQueue:
    operators = MemoryOperators(sqs)
    monkeypatch.setattr(OperatorServices, "dead_letters", staticmethod(lambda _: operators))
    monkeypatch.setattr(looking, "WAIT_SECONDS", 0)
    return DeadLetterQueue(
        name=NAME,
        url=sqs.create_queue(NAME, {}, {}),
        arn=QueueArn(""),
        depth=QueueDepth(),
        sources=(),
        sources_known=True,
        policy=None,
        service=sqs,
        access=Access(region="eu-west-1"),
    )


@pytest.fixture
def look(queue: DeadLetterQueue, clock: FakeClock) -> Callable[[], Look]:
    return lambda: Look(queue, clock=clock, hidden_seconds=HIDDEN_SECONDS)


def send(sqs: MemorySqs, queue: DeadLetterQueue, count: int) -> None:
    for number in range(count):
        sqs.send(queue.url, OutgoingMessage(body=str(number)))


def visible(sqs: MemorySqs, queue: DeadLetterQueue) -> int:
    wanted = "ApproximateNumberOfMessages"
    return int(sqs.queue_attributes(queue.url, [wanted])[wanted])


def test_each_message_once_and_then_all_are_back(
    sqs: MemorySqs, queue: DeadLetterQueue, look: Callable[[], Look]
) -> None:
    send(sqs, queue, 25)

    with look() as through:
        seen = [each.message.body for page in through.pages() for each in page]
        assert visible(sqs, queue) == 0

    assert sorted(seen, key=int) == [str(number) for number in range(25)]
    assert visible(sqs, queue) == 25
    assert sqs.count("ReceiveMessage") == 5
    assert sqs.count("ChangeMessageVisibilityBatch") == 3


def test_what_is_handed_out_twice_is_seen_once(
    sqs: MemorySqs, queue: DeadLetterQueue, look: Callable[[], Look]
) -> None:
    send(sqs, queue, 3)
    sqs.faults.deliver_twice(2)

    with look() as through:
        seen = [each.message.body for page in through.pages() for each in page]

    assert sorted(seen) == ["0", "1", "2"]
    assert visible(sqs, queue) == 3


def test_what_was_deleted_and_comes_again_is_deleted_again(
    sqs: MemorySqs, queue: DeadLetterQueue, look: Callable[[], Look]
) -> None:
    send(sqs, queue, 1)
    with look() as through:
        (page,) = through.pages()
        assert through.delete(page) == {}
        sqs.send(queue.url, OutgoingMessage(body="0"))
        # As a standard queue may: the message of the same id once more.
        through._gone.add(sqs.messages(NAME)[0].message_id)
        assert list(through.pages()) == []

    assert sqs.messages(NAME) == []


def test_time_is_up_before_the_first_message_is_seen_again(
    sqs: MemorySqs, queue: DeadLetterQueue, clock: FakeClock, look: Callable[[], Look]
) -> None:
    send(sqs, queue, 25)

    with look() as through:
        pages = through.pages()
        next(pages)
        clock.advance(HIDDEN_SECONDS - MARGIN_SECONDS)
        assert list(pages) == []
        assert not through.in_time


def test_a_delete_is_tried_again_and_then_told(
    sqs: MemorySqs, queue: DeadLetterQueue, clock: FakeClock, look: Callable[[], Look]
) -> None:
    send(sqs, queue, 2)
    lost = UnreachableError("no answer")

    with look() as through:
        (page,) = through.pages()
        sqs.faults.fail("DeleteMessageBatch", lost, times=5)
        assert through.delete(page) == {each.message_id: lost for each in page}
        sqs.faults.refuse_entries("DeleteMessageBatch", entries=1)
        assert through.delete(page) == {}

    assert sqs.messages(NAME) == []
    assert len(clock.sleeps) == 6


def test_what_cannot_be_given_back_comes_by_itself(
    sqs: MemorySqs,
    queue: DeadLetterQueue,
    clock: FakeClock,
    look: Callable[[], Look],
    caplog: pytest.LogCaptureFixture,
) -> None:
    send(sqs, queue, 1)
    sqs.faults.fail("ChangeMessageVisibilityBatch", ThrottledError("slow down"))

    with look() as through:
        list(through.pages())

    assert "seen again in 60 s at the latest" in caplog.text
    clock.advance(HIDDEN_SECONDS)
    assert visible(sqs, queue) == 1


@pytest.mark.parametrize(
    ("messages", "seconds"),
    [(0, 120), (1_000, 170), (100_000, 5_120), (10**9, SQS_VISIBILITY_TIMEOUT_SECONDS_MAX)],
)
def test_messages_are_hidden_for_longer_than_a_look_takes(messages: int, seconds: int) -> None:
    assert hidden_seconds(messages) == seconds
