"""FIFO queues as inboxes: created as one, polled without end, deleted under a poll."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.core.inboxes import inbox_attributes, inbox_name
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import AlreadyExistsError, InvalidRequestError, QueueNotFoundError
from celery_aws.names import QueueName, QueueUrl
from celery_aws.testing.fault_proxy import FaultProxy
from celery_aws.testing.memory_sqs import MemorySqs
from tests.contract.conftest import READY_SECONDS, local_access

#: Seconds in which a waiting receive has a message that is sent to it.
WAKE_SECONDS = 2.0

#: Seconds of a poll that may go on although its queue is gone.
SHORT_POLL_SECONDS = 2

ATTRIBUTES = inbox_attributes(high_throughput=True)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A service, and a way to wait until it was asked for that many polls."""

    service: QueueService
    polls: Callable[[int], bool]


@pytest.fixture(params=["memory", "local AWS"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    if request.param == "memory":
        sqs = MemorySqs()
        yield Watched(
            service=sqs,
            polls=lambda count: sqs.wait_until(lambda: sqs.count("ReceiveMessage") >= count),
        )
        return
    access = local_access(request)
    with FaultProxy(str(access.endpoint_url)) as proxy:
        yield Watched(
            service=SqsQueueService(replace(access, endpoint_url=proxy.endpoint_url)),
            polls=lambda count: proxy.requests.wait_for(
                "sqs.ReceiveMessage", count=count, timeout_seconds=READY_SECONDS
            ),
        )


class Inbox:
    """One inbox, with the words of this suite."""

    def __init__(self, watched: Watched, url: QueueUrl) -> None:
        self.service = watched.service
        self.url = url
        self._polls = watched.polls
        self._asked = 0

    def send(self, body: str, *, group: str = "sender", deduplication_id: str | None = None) -> str:
        return self.service.send(
            self.url,
            OutgoingMessage(
                body=body,
                message_group_id=group,
                message_deduplication_id=deduplication_id or uuid4().hex,
            ),
        )

    def receive(self, most: int = 10, *, wait_seconds: int = 0) -> list[ReceivedMessage]:
        self._asked += 1
        return self.service.receive(
            self.url,
            max_messages=most,
            wait_seconds=wait_seconds,
            visibility_timeout_seconds=None,
        )

    def settle(self, messages: Sequence[ReceivedMessage]) -> None:
        handles = [message.receipt_handle for message in messages]
        assert self.service.delete_batch(self.url, handles) == []

    def poll(self, pool: ThreadPoolExecutor, wait_seconds: int) -> "Future[Answer]":
        """Let a poll begin in another thread; return once it is under way."""
        due = self._asked + 1
        poll = pool.submit(self._answer, wait_seconds)
        assert self._polls(due)
        return poll

    def _answer(self, wait_seconds: int) -> "Answer":
        messages = self.receive(wait_seconds=wait_seconds)
        return Answer(bodies=bodies(messages), came_at=time.monotonic())


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a poll was answered with, and when."""

    bodies: list[str]
    came_at: float


def bodies(messages: Sequence[ReceivedMessage]) -> list[str]:
    return [message.body for message in messages]


@pytest.fixture
def inbox(watched: Watched) -> Inbox:
    name = inbox_name("contract-", uuid4().hex)
    return Inbox(watched, watched.service.create_queue(name, ATTRIBUTES, {"team": "web"}))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("high_throughput", [True, False])
def test_an_inbox_is_what_it_was_created_as(
    queue_service: QueueService, high_throughput: bool
) -> None:
    attributes = inbox_attributes(high_throughput=high_throughput)
    name = inbox_name("contract-", uuid4().hex)

    url = queue_service.create_queue(name, attributes, {"team": "web"})

    assert queue_service.queue_attributes(url, list(attributes)) == attributes
    assert queue_service.create_queue(name, attributes, {"team": "web"}) == url


@pytest.mark.aws_only("the attributes that the queue was not given are not compared")
def test_an_inbox_is_not_taken_for_another_sort_of_queue(queue_service: QueueService) -> None:
    name = inbox_name("contract-", uuid4().hex)
    queue_service.create_queue(name, inbox_attributes(high_throughput=False), {})

    with pytest.raises(AlreadyExistsError):
        queue_service.create_queue(name, ATTRIBUTES, {})


@pytest.mark.aws_only("CreateQueue takes any value for the attributes of high throughput")
@pytest.mark.parametrize(
    ("suffix", "attributes", "code"),
    [
        ("", {"DeduplicationScope": "messageGroup"}, "InvalidAttributeName"),
        ("", {"FifoThroughputLimit": "perQueue"}, "InvalidAttributeName"),
        (".fifo", {"FifoThroughputLimit": "perMessageGroupId"}, "InvalidAttributeValue"),
        (".fifo", {"DeduplicationScope": "messagegroup"}, "InvalidAttributeValue"),
    ],
)
def test_high_throughput_is_refused_where_sqs_has_none(
    queue_service: QueueService,
    name: QueueName,
    suffix: str,
    attributes: Mapping[str, str],
    code: str,
) -> None:
    given = {**attributes, "FifoQueue": "true"} if suffix else attributes

    with pytest.raises(InvalidRequestError) as caught:
        queue_service.create_queue(QueueName(name + suffix), given, {})

    assert caught.value.code == code


def test_the_order_of_a_sender_is_kept_over_many_receives(inbox: Inbox) -> None:
    sent = [str(number) for number in range(35)]
    for body in sent[:25]:
        inbox.send(body)
    received: list[str] = []

    while messages := inbox.receive():
        received += bodies(messages)
        inbox.settle(messages)
        if len(received) == 10:  # what is sent in between comes last
            for body in sent[25:]:
                inbox.send(body)

    assert received == sent


def test_a_message_that_is_sent_twice_comes_once(inbox: Inbox) -> None:
    first = inbox.send("1", deduplication_id="same")
    inbox.settle(inbox.receive())

    again = inbox.send("1", deduplication_id="same")

    assert again == first
    assert inbox.receive() == []


def test_senders_do_not_share_deduplication_ids(inbox: Inbox) -> None:
    one = inbox.send("of one", group="one", deduplication_id="same")
    other = inbox.send("of other", group="other", deduplication_id="same")

    assert one != other
    assert sorted(bodies(inbox.receive())) == ["of one", "of other"]


def test_senders_share_deduplication_ids_on_other_fifo_queues(
    watched: Watched, name: QueueName
) -> None:
    url = watched.service.create_queue(
        QueueName(f"{name}.fifo"), inbox_attributes(high_throughput=False), {}
    )
    queue = Inbox(watched, url)
    queue.send("of one", group="one", deduplication_id="same")
    queue.send("of other", group="other", deduplication_id="same")

    assert bodies(queue.receive()) == ["of one"]


def test_a_sender_whose_messages_are_in_flight_holds_up_no_other(inbox: Inbox) -> None:
    for body in ("a1", "a2"):
        inbox.send(body, group="a")
    first = inbox.receive(1)
    for body in ("b1", "b2"):
        inbox.send(body, group="b")

    assert bodies(first) == ["a1"]
    assert bodies(inbox.receive()) == ["b1", "b2"]


def test_the_next_message_comes_as_soon_as_those_before_are_deleted(inbox: Inbox) -> None:
    for number in range(5):
        inbox.send(str(number))
    first = inbox.receive(3)
    assert inbox.receive() == []

    inbox.settle(first)

    assert bodies(inbox.receive()) == ["3", "4"]


def test_a_waiting_receive_has_a_message_at_once(inbox: Inbox, pool: ThreadPoolExecutor) -> None:
    for body in ("1", "2", "3"):
        poll = inbox.poll(pool, 20)

        sent_at = time.monotonic()
        inbox.send(body, group=body)
        answer = poll.result(READY_SECONDS)

        assert answer.bodies == [body]
        assert answer.came_at - sent_at < WAKE_SECONDS


def test_a_waiting_receive_has_the_next_message_when_its_group_is_free(
    inbox: Inbox, pool: ThreadPoolExecutor
) -> None:
    inbox.send("1")
    inbox.send("2")
    first = inbox.receive(1)
    poll = inbox.poll(pool, 20)

    deleted_at = time.monotonic()
    inbox.settle(first)
    answer = poll.result(READY_SECONDS)

    assert answer.bodies == ["2"]
    assert answer.came_at - deleted_at < WAKE_SECONDS


def test_a_poll_ends_in_its_time_although_its_inbox_is_deleted(
    inbox: Inbox, pool: ThreadPoolExecutor
) -> None:
    poll = inbox.poll(pool, SHORT_POLL_SECONDS)

    began_at = time.monotonic()
    inbox.service.delete_queue(inbox.url)
    with suppress(QueueNotFoundError):  # SQS documents neither this nor an empty answer
        assert poll.result(READY_SECONDS).bodies == []

    assert time.monotonic() - began_at < SHORT_POLL_SECONDS + WAKE_SECONDS


def test_a_deleted_inbox_is_not_found(inbox: Inbox) -> None:
    inbox.service.delete_queue(inbox.url)
    asked: list[Callable[[], object]] = [
        inbox.receive,
        lambda: inbox.receive(wait_seconds=20),
        lambda: inbox.send("1"),
        lambda: inbox.service.delete_queue(inbox.url),
    ]

    for ask in asked:
        with pytest.raises(QueueNotFoundError):
            ask()
