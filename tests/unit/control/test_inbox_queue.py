import pytest

from celery_aws.control.inbox_queue import InboxQueue
from celery_aws.errors import AccessDeniedError, InvalidRequestError, UnreachableError
from celery_aws.names import InboxId, QueueName, QueueUrl
from tests.unit.control.conftest import FAULT, World

INBOX = InboxId("0123456789abcdef0123456789abcdef")
NAME = QueueName(f"shop-celery-inbox-{INBOX}.fifo")


@pytest.fixture
def queue(world: World) -> InboxQueue:
    return InboxQueue(world.sqs, prefix="shop-", tags={"team": "web"})


def test_it_is_made_with_its_tags(world: World, queue: InboxQueue) -> None:
    url = queue.create(INBOX)

    assert world.sqs.queue_url(NAME) == url
    assert world.sqs.tags(NAME) == {"team": "web"}
    attributes = world.sqs.queue_attributes(url, ["All"])
    assert attributes["FifoThroughputLimit"] == "perMessageGroupId"
    assert attributes["MessageRetentionPeriod"] == "300"


def test_it_is_made_where_sqs_has_no_high_throughput(world: World, queue: InboxQueue) -> None:
    refusal = InvalidRequestError("Unknown Attribute", service="sqs", operation="CreateQueue")
    world.sqs.faults.fail("CreateQueue", refusal)

    attributes = world.sqs.queue_attributes(queue.create(INBOX), ["All"])

    assert attributes["FifoQueue"] == "true"
    assert "FifoThroughputLimit" not in attributes


def test_made_once_more_it_is_the_same(world: World, queue: InboxQueue) -> None:
    world.sqs.faults.lose_reply("CreateQueue")
    with pytest.raises(UnreachableError):
        queue.create(INBOX)
    assert world.queue_urls() == {queue.create(INBOX)}


def test_who_may_not_make_it_is_told_what_to_grant(world: World, queue: InboxQueue) -> None:
    refusal = AccessDeniedError("no", service="sqs", operation="CreateQueue")
    world.sqs.faults.fail("CreateQueue", refusal)
    with pytest.raises(AccessDeniedError, match=r"sqs:CreateQueue.*shop-celery-inbox-\*\.fifo"):
        queue.create(INBOX)


def test_it_is_removed_by_its_url(world: World, queue: InboxQueue) -> None:
    url = queue.create(INBOX)
    world.sqs.calls.clear()
    queue.delete(INBOX, url)
    queue.delete(INBOX, url)
    assert world.queue_urls() == set()
    assert [call.operation for call in world.sqs.calls] == ["DeleteQueue"] * 2


def test_it_is_removed_by_its_name_if_nobody_wrote_down_the_url(
    world: World, queue: InboxQueue
) -> None:
    queue.delete(INBOX, QueueUrl(""))
    queue.create(INBOX)
    queue.delete(INBOX, QueueUrl(""))
    assert world.queue_urls() == set()


def test_what_refuses_to_be_removed_is_told(world: World, queue: InboxQueue) -> None:
    world.sqs.faults.fail("DeleteQueue", FAULT)
    with pytest.raises(type(FAULT)):
        queue.delete(INBOX, queue.create(INBOX))
