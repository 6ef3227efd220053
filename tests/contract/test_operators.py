"""What operators ask of SQS: lists, looks at dead letters, and moves."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

from celery_aws.aws.dead_letters import DeadLetterService, SqsDeadLetterService
from celery_aws.aws.message_moves import (
    MessageMoveService,
    MoveStatus,
    MoveTask,
    SqsMessageMoveService,
)
from celery_aws.aws.queue_listing import QueueListingService, SqsQueueListingService
from celery_aws.aws.sqs import QueueService, SqsQueueService
from celery_aws.core.buried_message import BuriedMessage
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_names import name_of_url
from celery_aws.errors import InvalidRequestError, NotFoundError, QueueNotFoundError
from celery_aws.names import QueueArn, QueueName, QueueUrl
from celery_aws.testing.memory_operators import MemoryOperators
from celery_aws.testing.memory_sqs import MemorySqs

MISSING = QueueUrl("http://localhost/000000000000/there-is-no-such-queue")

#: Seconds within which a handful of messages is moved; far more than it takes.
PATIENCE_SECONDS = 60.0


class Account:
    """One account, with the words of this suite."""

    def __init__(self, service: QueueService) -> None:
        self.service = service
        self.letters: DeadLetterService
        self.moves: MessageMoveService
        self.listing: QueueListingService
        if isinstance(service, SqsQueueService):
            self.letters = SqsDeadLetterService(service.access)
            self.moves = SqsMessageMoveService(service.access)
            self.listing = SqsQueueListingService(service.access)
        else:
            assert isinstance(service, MemorySqs)
            self.letters = self.moves = self.listing = MemoryOperators(service)

    def create(self, name: str, **attributes: str) -> QueueUrl:
        return self.service.create_queue(QueueName(name), attributes, {})

    def arn(self, url: QueueUrl) -> QueueArn:
        return QueueArn(self.service.queue_attributes(url, ["QueueArn"])["QueueArn"])

    def source_of(self, dead: QueueUrl, name: str, **attributes: str) -> QueueUrl:
        """Create a queue whose messages go to ``dead`` after one receive."""
        policy = json.dumps({"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": 1})
        return self.create(name, RedrivePolicy=policy, **attributes)

    def bury(self, url: QueueUrl, *bodies: str) -> None:
        """Send messages and let SQS take them for poison."""
        for body in bodies:
            self.service.send(url, OutgoingMessage(body=body))
        for _ in range(2):
            self.service.receive(url, max_messages=10, wait_seconds=0, visibility_timeout_seconds=0)

    def look(self, url: QueueUrl, hidden_seconds: int = 30) -> list[BuriedMessage]:
        return self.letters.look(
            url, max_messages=10, wait_seconds=1, visibility_timeout_seconds=hidden_seconds
        )

    def bodies(self, url: QueueUrl) -> list[str]:
        received = self.service.receive(
            url, max_messages=10, wait_seconds=0, visibility_timeout_seconds=30
        )
        return [message.body for message in received]


@pytest.fixture
def account(queue_service: QueueService) -> Account:
    return Account(queue_service)


@pytest.fixture
def dead(account: Account, name: QueueName) -> QueueUrl:
    return account.create(f"{name}-dead")


@pytest.fixture
def source(account: Account, name: QueueName, dead: QueueUrl) -> QueueUrl:
    return account.source_of(dead, name)


def test_queues_are_listed_by_the_beginning_of_their_names(
    account: Account, name: QueueName
) -> None:
    made = {account.create(f"{name}-{number}") for number in range(3)}
    account.create(f"other-{name}")

    page = account.listing.queues(name)

    assert set(page.urls) == made
    assert page.after is None
    assert account.listing.queues(f"{name}-nothing").urls == ()
    assert made < set(account.listing.queues("").urls)


def test_a_dead_letter_says_where_it_came_from(
    account: Account, source: QueueUrl, dead: QueueUrl
) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=5)
    account.bury(source, "poison")

    (buried,) = account.look(dead)

    assert buried.source == account.arn(source)
    assert buried.message.body == "poison"
    assert buried.message.sent_at is not None
    assert buried.first_received_at is not None
    assert before < buried.message.sent_at <= buried.first_received_at
    assert account.look(dead, 30) == []


def test_what_somebody_sent_to_a_dead_letter_queue_came_from_nowhere(
    account: Account, dead: QueueUrl
) -> None:
    attributes = {"tenant": {"DataType": "String", "StringValue": "7"}}
    account.service.send(dead, OutgoingMessage(body="sent", message_attributes=attributes))

    (buried,) = account.look(dead)

    assert buried.source is None
    assert buried.message.message_attributes == attributes
    assert buried.message.receive_count == 1


def test_a_look_that_is_given_back_is_seen_again(account: Account, dead: QueueUrl) -> None:
    account.service.send(dead, OutgoingMessage(body="sent"))
    (first,) = account.look(dead)

    account.service.change_visibility_batch(dead, [(first.message.receipt_handle, 0)])
    (again,) = account.look(dead)

    assert again.message_id == first.message_id
    assert again.message.receive_count == 2
    assert again.first_received_at == first.first_received_at


def test_no_look_into_a_missing_queue(account: Account) -> None:
    with pytest.raises(QueueNotFoundError):
        account.look(MISSING)


@pytest.mark.aws_only("it does not have ListDeadLetterSourceQueues")
def test_what_leads_to_a_dead_letter_queue(
    account: Account, name: QueueName, dead: QueueUrl
) -> None:
    made = {account.source_of(dead, f"{name}-{number}") for number in range(3)}

    assert set(account.listing.dead_letter_sources(dead).urls) == made
    assert account.listing.dead_letter_sources(next(iter(made))).urls == ()
    with pytest.raises(QueueNotFoundError):
        account.listing.dead_letter_sources(MISSING)


pytest_move = pytest.mark.aws_only("it does not have StartMessageMoveTask")


def ended(account: Account, dead: QueueUrl) -> MoveTask:
    """Wait until the latest move of a queue has ended, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (task := account.moves.moves(account.arn(dead))[0]).active:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return task


@pytest_move
@pytest.mark.parametrize("named", [True, False])
def test_a_move_takes_messages_to_where_they_came_from(
    account: Account, source: QueueUrl, dead: QueueUrl, named: bool
) -> None:
    account.bury(source, "one", "two", "three")

    handle = account.moves.start_move(account.arn(dead), account.arn(source) if named else None)
    task = ended(account, dead)

    assert handle
    assert (task.status, task.moved, task.to_move) == (MoveStatus.COMPLETED, 3, 3)
    assert (task.handle, task.failure) == (None, None)
    assert task.started_at is not None
    assert sorted(account.bodies(source)) == ["one", "three", "two"]
    assert account.look(dead) == []


@pytest_move
def test_what_came_from_nowhere_moves_only_to_a_queue_that_is_named(
    account: Account, source: QueueUrl, dead: QueueUrl
) -> None:
    account.service.send(dead, OutgoingMessage(body="sent"))

    account.moves.start_move(account.arn(dead), None)
    failed = ended(account, dead)
    account.moves.start_move(account.arn(dead), account.arn(source))
    assert ended(account, dead).status is MoveStatus.COMPLETED

    assert (failed.status, failed.failure) == (MoveStatus.FAILED, "CouldNotDetermineMessageSource")
    assert account.bodies(source) == ["sent"]


@pytest_move
def test_only_a_dead_letter_queue_is_moved(account: Account, source: QueueUrl) -> None:
    with pytest.raises(InvalidRequestError, match="configured as a Dead Letter Queue"):
        account.moves.start_move(account.arn(source), None)


@pytest_move
def test_one_move_at_a_time_which_can_be_cancelled(
    account: Account, source: QueueUrl, dead: QueueUrl
) -> None:
    account.bury(source, *map(str, range(10)))
    arn = account.arn(dead)

    handle = account.moves.start_move(arn, None)
    with pytest.raises(InvalidRequestError, match="already a task running"):
        account.moves.start_move(arn, None)
    assert account.moves.moves(arn)[0].handle == handle
    account.moves.cancel_move(handle)

    assert ended(account, dead).status is MoveStatus.CANCELLED
    with pytest.raises(NotFoundError):
        account.moves.cancel_move(handle)


@pytest_move
def test_a_destination_that_is_missing_or_of_another_type_is_refused(
    account: Account, name: QueueName, source: QueueUrl, dead: QueueUrl
) -> None:
    assert source
    fifo = account.create(f"{name}.fifo", FifoQueue="true")

    with pytest.raises(NotFoundError):
        account.moves.start_move(account.arn(dead), QueueArn(f"{account.arn(dead)}-missing"))
    with pytest.raises(InvalidRequestError, match="same queue type"):
        account.moves.start_move(account.arn(dead), account.arn(fifo))
    assert name_of_url(fifo).endswith(".fifo")
