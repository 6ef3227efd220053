from datetime import datetime, timezone

import pytest

from celery_aws.aws import sqs
from celery_aws.aws.access import Access
from celery_aws.aws.meter import request_counts
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.core.messages import OutgoingMessage, ReceivedMessage
from celery_aws.errors import (
    InvalidRequestError,
    ServiceFaultError,
    StaleReceiptError,
    UnreachableError,
)
from celery_aws.names import AccountId, QueueName, QueueUrl, ReceiptHandle
from tests.unit.aws.canned import Answer, CannedAws

NAME = QueueName("hoge-celery")
URL = QueueUrl("http://sqs.local/123456789012/hoge-celery")
PAGE = Answer(body="<html>Please sign in</html>", content_type="text/html")


@pytest.fixture
def service(access: Access) -> SqsQueueService:
    return SqsQueueService(access)


def receive(service: SqsQueueService, timeout: int | None = None) -> list[ReceivedMessage]:
    return service.receive(URL, max_messages=7, wait_seconds=20, visibility_timeout_seconds=timeout)


def handles(count: int) -> list[ReceiptHandle]:
    return [ReceiptHandle(f"handle-{number}") for number in range(count)]


def test_a_queue_is_looked_up_by_name(canned_aws: CannedAws, service: SqsQueueService) -> None:
    canned_aws.answer("GetQueueUrl", Answer(body={"QueueUrl": URL}))
    assert service.queue_url(NAME) == URL
    assert canned_aws.parameters("GetQueueUrl") == [{"QueueName": NAME}]
    service.queue_url(NAME, owner=AccountId("123456789012"))
    assert canned_aws.parameters("GetQueueUrl")[1] == {
        "QueueName": NAME,
        "QueueOwnerAWSAccountId": "123456789012",
    }


def test_a_queue_is_created_with_attributes_and_tags(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("CreateQueue", Answer(body={"QueueUrl": URL}))
    assert service.create_queue(NAME, {"VisibilityTimeout": "120"}, {"team": "web"}) == URL
    assert service.create_queue(NAME, {}, {}) == URL
    assert canned_aws.parameters("CreateQueue") == [
        {"QueueName": NAME, "Attributes": {"VisibilityTimeout": "120"}, "tags": {"team": "web"}},
        {"QueueName": NAME, "Attributes": {}},
    ]


def test_a_queue_is_deleted_and_purged_by_url(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("DeleteQueue", Answer())
    canned_aws.answer("PurgeQueue", Answer())
    service.purge_queue(URL)
    service.delete_queue(URL)
    assert [(asked.operation, asked.parameters) for asked in canned_aws.asked] == [
        ("PurgeQueue", {"QueueUrl": URL}),
        ("DeleteQueue", {"QueueUrl": URL}),
    ]


def test_only_the_attributes_named_are_asked_for(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    name = "ApproximateNumberOfMessages"
    canned_aws.answer("GetQueueAttributes", Answer(body={"Attributes": {name: "3"}}), Answer())
    assert service.queue_attributes(URL, (name,)) == {name: "3"}
    assert service.queue_attributes(URL, (name,)) == {}
    assert canned_aws.parameters("GetQueueAttributes")[0]["AttributeNames"] == [name]


def test_a_plain_message_is_sent_with_its_body_alone(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("SendMessage", Answer(body={"MessageId": "m-1"}))
    assert service.send(URL, OutgoingMessage(body="{}")) == "m-1"
    assert canned_aws.parameters("SendMessage") == [{"QueueUrl": URL, "MessageBody": "{}"}]


def test_a_message_is_sent_with_all_that_it_says(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("SendMessage", Answer(body={"MessageId": "m-1"}))
    attribute = {"trace": {"DataType": "String", "StringValue": "1-2"}}
    message = OutgoingMessage(
        body="{}",
        delay_seconds=0,
        message_group_id="user-7",
        message_deduplication_id="task-1",
        message_attributes=attribute,
    )
    service.send(URL, message)
    assert canned_aws.parameters("SendMessage") == [
        {
            "QueueUrl": URL,
            "MessageBody": "{}",
            "DelaySeconds": 0,
            "MessageGroupId": "user-7",
            "MessageDeduplicationId": "task-1",
            "MessageAttributes": attribute,
        }
    ]


def test_messages_are_received_with_their_counts(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    attributes = {
        "ApproximateReceiveCount": "3",
        "MessageGroupId": "user-7",
        "SentTimestamp": "1795399267672",
    }
    size = {"ExtendedPayloadSize": {"DataType": "Number", "StringValue": "2000000"}}
    plain = {"MessageId": "m-1", "Body": "a", "ReceiptHandle": "h-1"}
    grouped = {"MessageId": "m-2", "Body": "b", "ReceiptHandle": "h-2", "Attributes": attributes,
               "MessageAttributes": size}  # fmt: skip
    canned_aws.answer("ReceiveMessage", Answer(body={"Messages": [plain, grouped]}))
    assert receive(service, timeout=0) == [
        ReceivedMessage(message_id="m-1", body="a", receipt_handle=ReceiptHandle("h-1")),
        ReceivedMessage(
            message_id="m-2",
            body="b",
            receipt_handle=ReceiptHandle("h-2"),
            receive_count=3,
            sent_at=datetime(2026, 11, 23, 2, 1, 7, 672000, timezone.utc),
            message_group_id="user-7",
            message_attributes=size,
        ),
    ]
    assert canned_aws.parameters("ReceiveMessage") == [
        {
            "QueueUrl": URL,
            "MaxNumberOfMessages": 7,
            "WaitTimeSeconds": 20,
            "VisibilityTimeout": 0,
            "MessageSystemAttributeNames": [
                "ApproximateReceiveCount",
                "MessageGroupId",
                "SentTimestamp",
            ],
            "MessageAttributeNames": ["All"],
        }
    ]


def test_the_queue_keeps_its_own_visibility_timeout(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("ReceiveMessage", Answer())
    assert receive(service) == []
    assert "VisibilityTimeout" not in canned_aws.parameters("ReceiveMessage")[0]


def test_a_receive_ends_although_the_network_says_nothing(
    canned_aws: CannedAws, service: SqsQueueService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqs, "RECEIVE_TIMEOUTS", ((20, 0.05),))
    canned_aws.answer("ReceiveMessage", Answer(hang=True))
    with pytest.raises(UnreachableError, match="Read timeout"):
        receive(service)
    assert len(canned_aws.asked) == 1  # the receiver hears of it at once, not after retries


@pytest.mark.parametrize("wait_seconds", range(21))
def test_the_deadline_of_a_receive_lies_beyond_its_poll(
    service: SqsQueueService, wait_seconds: int
) -> None:
    config = service._receive_wire(wait_seconds).client.meta.config
    assert wait_seconds + 2 <= config.read_timeout <= max(10, wait_seconds + 19)
    assert config.retries["total_max_attempts"] == 1


def test_deletes_share_a_request_and_tell_which_failed(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    stale = {"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": True, "Message": "old"}
    fault = {"Id": "2", "Code": "InternalError", "SenderFault": False}
    canned_aws.answer(
        "DeleteMessageBatch", Answer(body={"Successful": [{"Id": "0"}], "Failed": [stale, fault]})
    )
    first, second = service.delete_batch(URL, handles(3))
    assert (first.receipt_handle, type(first.error), first.sender_fault) == (
        "handle-1",
        StaleReceiptError,
        True,
    )
    assert (second.receipt_handle, type(second.error), second.sender_fault) == (
        "handle-2",
        ServiceFaultError,
        False,
    )
    assert f"sqs DeleteMessageBatch for {URL}: old (ReceiptHandleIsInvalid)" in str(first.error)
    assert canned_aws.parameters("DeleteMessageBatch")[0]["Entries"] == [
        {"Id": str(number), "ReceiptHandle": f"handle-{number}"} for number in range(3)
    ]


@pytest.mark.parametrize(
    ("sender_fault", "expected"), [(True, InvalidRequestError), (False, ServiceFaultError)]
)
def test_an_unknown_code_in_a_batch_goes_by_whose_fault_it_is(
    canned_aws: CannedAws, service: SqsQueueService, sender_fault: bool, expected: type[Exception]
) -> None:
    failed = {"Id": "0", "Code": "Surprise", "SenderFault": sender_fault}
    canned_aws.answer("DeleteMessageBatch", Answer(body={"Failed": [failed]}))
    (failure,) = service.delete_batch(URL, handles(1))
    assert type(failure.error) is expected


def test_an_entry_that_the_answer_does_not_mention_has_failed(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("DeleteMessageBatch", Answer(body={"Successful": [{"Id": "0"}]}), PAGE)
    (unknown,) = service.delete_batch(URL, handles(2))
    assert unknown.receipt_handle == "handle-1"
    assert not unknown.sender_fault
    assert len(service.delete_batch(URL, handles(2))) == 2


def test_messages_share_a_request(canned_aws: CannedAws, service: SqsQueueService) -> None:
    canned_aws.answer("SendMessageBatch", Answer(body={"Successful": [{"Id": "1"}, {"Id": "0"}]}))
    attribute = {"trace": {"DataType": "String", "StringValue": "1-2"}}
    grouped = OutgoingMessage(
        body="b",
        delay_seconds=900,
        message_group_id="user-7",
        message_deduplication_id="task-1",
        message_attributes=attribute,
    )
    assert service.send_batch(URL, [OutgoingMessage(body="a"), grouped]) == []
    assert canned_aws.parameters("SendMessageBatch")[0]["Entries"] == [
        {"Id": "0", "MessageBody": "a"},
        {
            "Id": "1",
            "MessageBody": "b",
            "DelaySeconds": 900,
            "MessageGroupId": "user-7",
            "MessageDeduplicationId": "task-1",
            "MessageAttributes": attribute,
        },
    ]
    assert request_counts() == {"sqs.SendMessageBatch": 1}


def test_a_batch_tells_which_messages_were_not_accepted(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    refused = {"Id": "2", "Code": "InvalidMessageContents", "SenderFault": True, "Message": "no"}
    fault = {"Id": "0", "Code": "InternalError", "SenderFault": False}
    canned_aws.answer(
        "SendMessageBatch", Answer(body={"Successful": [{"Id": "1"}], "Failed": [refused, fault]})
    )
    failures = service.send_batch(URL, [OutgoingMessage(body="x")] * 4)
    assert {failed.index: (type(failed.error), failed.sender_fault) for failed in failures} == {
        0: (ServiceFaultError, False),
        2: (InvalidRequestError, True),
        3: (ServiceFaultError, False),  # the answer does not mention it
    }
    (shown,) = [str(failed.error) for failed in failures if failed.index == 2]
    assert f"sqs SendMessageBatch for {URL}: no (InvalidMessageContents)" in shown


def test_a_page_of_a_proxy_accepts_no_message(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("SendMessageBatch", PAGE)
    failures = service.send_batch(URL, [OutgoingMessage(body="x")] * 2)
    assert [(failed.index, failed.sender_fault) for failed in failures] == [(0, False), (1, False)]


@pytest.mark.parametrize("lost", [Answer(hang=True), Answer(drop=True)])
def test_a_batch_whose_answer_is_lost_is_not_sent_again(
    canned_aws: CannedAws,
    service: SqsQueueService,
    monkeypatch: pytest.MonkeyPatch,
    lost: Answer,
) -> None:
    monkeypatch.setattr(sqs, "SEND_BATCH_TIMEOUT_SECONDS", 0.05)
    canned_aws.answer("SendMessageBatch", lost)
    with pytest.raises(UnreachableError):
        service.send_batch(URL, [OutgoingMessage(body="x")])
    assert len(canned_aws.asked) == 1


def test_visibility_timeouts_share_a_request(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer(
        "ChangeMessageVisibilityBatch", Answer(body={"Successful": [{"Id": "0"}, {"Id": "1"}]})
    )
    first, second = handles(2)
    assert service.change_visibility_batch(URL, [(first, 0), (second, 43_200)]) == []
    assert canned_aws.parameters("ChangeMessageVisibilityBatch")[0]["Entries"] == [
        {"Id": "0", "ReceiptHandle": first, "VisibilityTimeout": 0},
        {"Id": "1", "ReceiptHandle": second, "VisibilityTimeout": 43_200},
    ]


def test_a_page_of_a_proxy_is_not_an_answer_of_sqs(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    for operation in ("GetQueueUrl", "CreateQueue", "SendMessage", "ReceiveMessage"):
        canned_aws.answer(operation, PAGE)
    for call in (
        lambda: service.queue_url(NAME),
        lambda: service.create_queue(NAME, {}, {}),
        lambda: service.send(URL, OutgoingMessage(body="{}")),
        lambda: receive(service),
    ):
        with pytest.raises(ServiceFaultError, match="proxy"):
            call()
