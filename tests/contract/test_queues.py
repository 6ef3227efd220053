"""Queues: what every QueueService must do with their names, attributes and lives."""

import json
from collections.abc import Callable

import pytest

from celery_aws.aws.sqs import QueueService
from celery_aws.core.dead_letters import RedrivePolicy, owner_and_name
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.queue_facts import FACT_ATTRIBUTES, QueueFacts, queue_facts
from celery_aws.errors import (
    AlreadyExistsError,
    AwsError,
    InvalidRequestError,
    QueueNotFoundError,
    ThrottledError,
)
from celery_aws.names import AccountId, QueueArn, QueueName, QueueUrl

MISSING = QueueUrl("http://localhost/000000000000/there-is-no-such-queue")


def test_a_created_queue_is_found_by_name(queue_service: QueueService, name: QueueName) -> None:
    url = queue_service.create_queue(name, {"VisibilityTimeout": "7"}, {"team": "web"})

    assert queue_service.queue_url(name) == url
    assert url.endswith(name)


def test_a_queue_is_found_by_name_and_owner(queue_service: QueueService, name: QueueName) -> None:
    url = queue_service.create_queue(name, {}, {})
    owner, _ = owner_and_name(
        QueueArn(queue_service.queue_attributes(url, ["QueueArn"])["QueueArn"])
    )

    assert queue_service.queue_url(name, owner=owner) == url
    with pytest.raises(QueueNotFoundError):
        queue_service.queue_url(name, owner=AccountId("999999999999"))


def test_attributes_are_those_that_it_was_created_with(
    queue_service: QueueService, name: QueueName
) -> None:
    url = queue_service.create_queue(name, {"VisibilityTimeout": "7"}, {})

    attributes = queue_service.queue_attributes(url, ["VisibilityTimeout", "QueueArn"])

    assert attributes["VisibilityTimeout"] == "7"
    assert attributes["QueueArn"].endswith(f":{name}")
    assert set(attributes) == {"VisibilityTimeout", "QueueArn"}


def test_what_the_broker_goes_by_comes_in_one_answer(
    queue_service: QueueService, name: QueueName
) -> None:
    dead = queue_service.create_queue(QueueName(f"{name}-dead"), {}, {})
    arn = QueueArn(queue_service.queue_attributes(dead, ["QueueArn"])["QueueArn"])
    policy = RedrivePolicy(target=arn, max_receive_count=3)
    url = queue_service.create_queue(
        name,
        {
            "RedrivePolicy": policy.text(),
            "MaximumMessageSize": "262144",
            "MessageRetentionPeriod": "60",
            "DelaySeconds": "7",
        },
        {},
    )

    assert queue_facts(queue_service.queue_attributes(url, FACT_ATTRIBUTES)) == QueueFacts(
        redrive_policy=policy, max_message_bytes=262_144, retention_seconds=60, delay_seconds=7
    )


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_a_queue_that_was_given_nothing_says_what_is_assumed(
    queue_service: QueueService, name: QueueName, suffix: str
) -> None:
    given = {"FifoQueue": "true"} if suffix else {}
    url = queue_service.create_queue(QueueName(name + suffix), given, {})

    answer = queue_service.queue_attributes(url, FACT_ATTRIBUTES)

    assert answer.keys() == set(FACT_ATTRIBUTES) - {"RedrivePolicy"}
    assert queue_facts(answer) == QueueFacts()


def test_creating_it_again_with_the_same_attributes_finds_it(
    queue_service: QueueService, name: QueueName
) -> None:
    url = queue_service.create_queue(name, {"VisibilityTimeout": "7"}, {})

    assert queue_service.create_queue(name, {"VisibilityTimeout": "7"}, {}) == url


def test_creating_it_again_with_other_attributes_is_refused(
    queue_service: QueueService, name: QueueName
) -> None:
    queue_service.create_queue(name, {"VisibilityTimeout": "7"}, {})

    with pytest.raises(AlreadyExistsError):
        queue_service.create_queue(name, {"VisibilityTimeout": "8"}, {})


def test_a_missing_queue_is_not_found(queue_service: QueueService, name: QueueName) -> None:
    with pytest.raises(QueueNotFoundError) as caught:
        queue_service.queue_url(name)

    assert caught.value.operation == "GetQueueUrl"


def test_a_deleted_queue_is_not_found(queue_service: QueueService, name: QueueName) -> None:
    url = queue_service.create_queue(name, {}, {})

    queue_service.delete_queue(url)

    with pytest.raises(QueueNotFoundError):
        queue_service.queue_url(name)


@pytest.mark.parametrize("operation", ["send", "receive", "delete", "change", "attributes"])
def test_no_operation_finds_a_missing_queue(queue_service: QueueService, operation: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "send": lambda: queue_service.send(MISSING, OutgoingMessage(body="x")),
        "receive": lambda: queue_service.receive(
            MISSING, max_messages=1, wait_seconds=0, visibility_timeout_seconds=None
        ),
        "delete": lambda: queue_service.delete_batch(MISSING, []),
        "change": lambda: queue_service.change_visibility_batch(MISSING, []),
        "attributes": lambda: queue_service.queue_attributes(MISSING, ["QueueArn"]),
    }

    with pytest.raises(AwsError):
        calls[operation]()


def test_purging_removes_every_message(queue_service: QueueService, name: QueueName) -> None:
    url = queue_service.create_queue(name, {}, {})
    queue_service.send(url, OutgoingMessage(body="gone"))

    queue_service.purge_queue(url)

    counts = queue_service.queue_attributes(url, ["ApproximateNumberOfMessages"])
    assert counts == {"ApproximateNumberOfMessages": "0"}


@pytest.mark.aws_only("PurgeQueue twice within 60 s is accepted")
def test_purging_twice_within_a_minute_is_refused(
    queue_service: QueueService, name: QueueName
) -> None:
    url = queue_service.create_queue(name, {}, {})
    queue_service.purge_queue(url)

    with pytest.raises(ThrottledError) as caught:
        queue_service.purge_queue(url)

    assert caught.value.code.endswith("PurgeQueueInProgress")


@pytest.mark.aws_only("a name can be used again right after DeleteQueue")
def test_the_name_of_a_deleted_queue_is_blocked(
    queue_service: QueueService, name: QueueName
) -> None:
    queue_service.delete_queue(queue_service.create_queue(name, {}, {}))

    with pytest.raises(ThrottledError) as caught:
        queue_service.create_queue(name, {}, {})

    assert caught.value.code == "QueueDeletedRecently"


@pytest.mark.aws_only("CreateQueue takes any name")
@pytest.mark.parametrize("bad", ["a b", "a.b", "x" * 81, "ünicode"])
def test_a_name_that_sqs_does_not_take_is_refused(queue_service: QueueService, bad: str) -> None:
    with pytest.raises(AwsError):
        queue_service.create_queue(QueueName(bad), {}, {})


@pytest.mark.parametrize(
    "attributes",
    [{"VisibilityTimeout": "43201"}, {"DelaySeconds": "901"}, {"MessageRetentionPeriod": "1"}],
)
def test_attributes_out_of_range_are_refused(
    queue_service: QueueService, name: QueueName, attributes: dict[str, str]
) -> None:
    with pytest.raises(AwsError):
        queue_service.create_queue(name, attributes, {})


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(
    queue_service: QueueService, name: QueueName
) -> None:
    dead = queue_service.create_queue(QueueName(f"{name}-dead"), {}, {})
    arn = queue_service.queue_attributes(dead, ["QueueArn"])["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = queue_service.create_queue(name, {"RedrivePolicy": policy}, {})
    queue_service.send(url, OutgoingMessage(body="poison"))

    first = queue_service.receive(url, max_messages=1, wait_seconds=1, visibility_timeout_seconds=0)
    again = queue_service.receive(url, max_messages=1, wait_seconds=0, visibility_timeout_seconds=0)
    buried = queue_service.receive(
        dead, max_messages=1, wait_seconds=1, visibility_timeout_seconds=30
    )

    assert [message.body for message in first] == ["poison"]
    assert again == []
    assert [message.body for message in buried] == ["poison"]


@pytest.mark.parametrize("max_receive_count", [0, 1_001])
def test_a_receive_count_out_of_range_is_refused(
    queue_service: QueueService, name: QueueName, max_receive_count: int
) -> None:
    dead = queue_service.create_queue(QueueName(f"{name}-dead"), {}, {})
    arn = queue_service.queue_attributes(dead, ["QueueArn"])["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})

    with pytest.raises(InvalidRequestError):
        queue_service.create_queue(name, {"RedrivePolicy": policy}, {})


def test_a_dead_letter_queue_that_does_not_exist_is_refused(
    queue_service: QueueService, name: QueueName
) -> None:
    other = queue_service.create_queue(QueueName(f"{name}-other"), {}, {})
    arn = queue_service.queue_attributes(other, ["QueueArn"])["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": f"{arn}-missing", "maxReceiveCount": 1})

    with pytest.raises(InvalidRequestError):
        queue_service.create_queue(name, {"RedrivePolicy": policy}, {})


@pytest.mark.aws_only("a FIFO queue takes a standard dead-letter queue")
def test_a_dead_letter_queue_of_another_type_is_refused(
    queue_service: QueueService, name: QueueName
) -> None:
    dead = queue_service.create_queue(QueueName(f"{name}-dead"), {}, {})
    arn = queue_service.queue_attributes(dead, ["QueueArn"])["QueueArn"]
    attributes = {
        "FifoQueue": "true",
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}),
    }

    with pytest.raises(InvalidRequestError):
        queue_service.create_queue(QueueName(f"{name}.fifo"), attributes, {})
