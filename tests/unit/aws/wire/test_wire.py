"""What comes of direct requests: the same as of boto3's, and when requests are not direct."""

import os
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.credentials import RefreshableCredentials

from celery_aws.aws import sqs
from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.meter import process_meter, request_counts
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.aws.wire.line import Line, answer_of
from celery_aws.aws.wire.template import WireRequest
from celery_aws.aws.wire.wire import Wire, wire_for
from celery_aws.core.attributes import text
from celery_aws.core.conditions import Missing
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.request_usage import RequestUsage
from celery_aws.errors import AwsError, ConditionFailedError, InvalidRequestError
from celery_aws.names import QueueUrl, ReceiptHandle, TableName
from tests.unit.aws.canned import Answer, CannedAws, refusal

URL = QueueUrl("http://sqs.invalid/123456789012/tasks")
TABLE = TableName("celery")
MESSAGE = OutgoingMessage(body="{}")
SENT = Answer(body={"MessageId": "1"})
PUT = Answer(body={"ConsumedCapacity": {"TableName": TABLE, "CapacityUnits": 3.0}})
PAGE = Answer(body="<html>Please sign in</html>", content_type="text/html")
HANDLE = ReceiptHandle("handle")
FAILED = "ConditionalCheckFailedException"


@pytest.fixture
def service(access: Access) -> SqsQueueService:
    return SqsQueueService(access)


def call(operation: str, access: Access) -> object:
    """Make a call of one of the hot operations."""
    queues, tables = SqsQueueService(access), DynamoTableService(access)
    if operation == "SendMessage":
        return queues.send(URL, MESSAGE)
    if operation == "SendMessageBatch":
        return queues.send_batch(URL, [MESSAGE] * 2)
    if operation == "ReceiveMessage":
        return queues.receive(URL, max_messages=10, wait_seconds=0, visibility_timeout_seconds=None)
    if operation == "DeleteMessageBatch":
        return queues.delete_batch(URL, [HANDLE] * 2)
    if operation == "ChangeMessageVisibilityBatch":
        return queues.change_visibility_batch(URL, [(HANDLE, 0)] * 2)
    return tables.put_item(TABLE, {"id": text("1")}, condition=Missing("id"))


BATCH = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "X", "SenderFault": True}]}
RECEIVED = {
    "MessageId": "1",
    "Body": "é",
    "ReceiptHandle": "handle",
    "Attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1700000000000"},
    "MessageAttributes": {
        "a": {"DataType": "Binary", "BinaryValue": "AP8="},
        "b": {"DataType": "String", "StringValue": "é"},
    },
    "Unknown": 1,
}
STORED = {
    "id": {"B": "AP8="},
    "many": {"BS": ["AA==", "/w=="]},
    "deep": {"M": {"in": {"L": [{"B": "AP8="}, {"NULL": True}]}}},
}
#: Answers that are none of AWS's are among them: what is made of them must not depend on the way.
ANSWERS = {
    "SendMessage": [SENT, Answer(body={"MessageId": "1", "MD5OfMessageBody": None})],
    "SendMessageBatch": [Answer(body=BATCH), Answer(body={"Successful": None, "Failed": None})],
    "ReceiveMessage": [
        Answer(body={"Messages": [RECEIVED, {**RECEIVED, "MessageAttributes": None}]}),
        Answer(body={}),
        Answer(body={"Messages": None}),
    ],
    "DeleteMessageBatch": [Answer(body=BATCH), Answer(body={"Successful": [{"Id": "0"}]})],
    "ChangeMessageVisibilityBatch": [Answer(body=BATCH)],
    "PutItem": [PUT, Answer(body={"Attributes": STORED}), Answer(body={"Attributes": None})],
}
FAILURES = {
    "code": refusal("AccessDenied", "no", status=403),
    "query code": refusal(
        "QueueDoesNotExist", query_code="AWS.SimpleQueueService.NonExistentQueue"
    ),
    "throttled": refusal("ThrottlingException", "slow"),
    "fault": refusal("InternalError", status=500),
    "condition": refusal(FAILED, "The conditional request failed"),
    "expired": refusal("ExpiredToken", status=403),
    "page": PAGE,
    "page of a fault": Answer(
        body="<html>Bad Gateway</html>", status=502, content_type="text/html"
    ),
    "page of no access": Answer(body="<html>No</html>", status=403, content_type="text/html"),
    "nothing": Answer(body="", status=503, content_type=""),
    "no JSON": Answer(body="{"),
    "a list": Answer(body=[1]),
    "another kind": Answer(body={"Messages": 1, "Attributes": 1}),
    "redirect": Answer(body={}, status=307, headers={"Location": "http://127.0.0.1:1/"}),
    "checksum": Answer(body={"Attributes": STORED}, headers={"x-amz-crc32": "1"}),
    "dropped": Answer(drop=True),
    "cut": Answer(body={"MessageId": "1" * 100, "Successful": []}, cut=True),
}


def outcome(operation: str, access: Access) -> object:
    try:
        answer = call(operation, access)
        # Failures of a batch have errors in them, which are equal to themselves only.
        return repr(answer) if operation.endswith("Batch") else answer
    except AwsError as error:
        return repr((error, error.code, error.request_id, error.__cause__))
    except Exception as error:  # noqa: BLE001 - a defect must be the same too
        return repr(error)


def boto3s(access: Access) -> Access:
    return replace(access, direct_requests=False)


def name_of(operation: str) -> str:
    return f"{'dynamodb' if operation == 'PutItem' else 'sqs'}.{operation}"


@pytest.fixture(params=ANSWERS)
def operation(request: pytest.FixtureRequest, canned_aws: CannedAws, access: Access) -> str:
    """One of the hot operations, which the process has had a first answer to."""
    operation: str = request.param
    canned_aws.answer(operation, ANSWERS[operation][0])
    call(operation, access)
    return operation


def wire_of(operation: str, access: Access) -> Wire:
    service = SqsQueueService(access)
    if operation == "ReceiveMessage":
        return service._receive_wire(0)
    if operation == "SendMessageBatch":
        return service._one_attempt_wire(sqs.SEND_BATCH_TIMEOUT_SECONDS)
    if operation.endswith("Batch"):
        return service._one_attempt_wire(sqs.SETTLE_TIMEOUT_SECONDS)
    return wire_for(name_of(operation).partition(".")[0], access)


class Calls:
    """Counts the calls that botocore makes from now on, those included that it is handed."""

    def __init__(self, wire: Wire) -> None:
        self.count = 0
        wire.client.meta.events.register("before-call", self._count)

    def _count(self, **_: Any) -> None:
        self.count += 1


def test_an_answer_is_read_as_boto3_reads_it(
    canned_aws: CannedAws, access: Access, operation: str
) -> None:
    calls = Calls(wire_of(operation, access))
    for answer in ANSWERS[operation]:
        canned_aws.answer(operation, answer)
        assert outcome(operation, access) == outcome(operation, boto3s(access))
    assert calls.count == len(ANSWERS[operation])  # boto3's own


def test_a_failure_is_told_and_tried_again_as_by_boto3(
    canned_aws: CannedAws, access: Access, operation: str
) -> None:
    wire = wire_of(operation, access)
    for name, failure in FAILURES.items():
        canned_aws.answer(operation, failure)
        seen = []
        for way in (access, boto3s(access)):
            wire._calls_left_to_botocore = 0
            usage, asked = process_meter().usage(), len(canned_aws.asked)
            told = outcome(operation, way)
            seen.append((name, told, len(canned_aws.asked) - asked, counted_since(usage)))
        assert seen[0] == seen[1]
        assert seen[0][2] == seen[0][3][0]


def counted_since(earlier: RequestUsage) -> tuple[int, float]:
    since = process_meter().usage().since(earlier)
    return since.requests, sum(row.units for row in since.rows)


def test_a_request_is_counted_once(canned_aws: CannedAws, access: Access, operation: str) -> None:
    usage = process_meter().usage()
    call(operation, access)
    (direct,) = process_meter().usage().since(usage).rows
    usage = process_meter().usage()
    call(operation, boto3s(access))
    assert (direct,) == process_meter().usage().since(usage).rows
    assert (direct.name, direct.requests) == (name_of(operation), 1)
    assert direct.resource == (TABLE if operation == "PutItem" else "tasks")


def test_a_request_is_counted_before_it_is_answered(
    access: Access, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    name = name_of(operation)
    counted = request_counts()[name]
    seen = []

    def killed(line: Line, request: WireRequest) -> None:
        seen.append(request_counts()[name])
        raise KeyboardInterrupt

    monkeypatch.setattr(Line, "send", killed)
    with pytest.raises(KeyboardInterrupt):
        call(operation, access)
    assert seen == [counted + 1]
    assert request_counts()[name] == counted + 1


def test_botocore_tries_again_what_has_failed(
    canned_aws: CannedAws, service: SqsQueueService
) -> None:
    canned_aws.answer("SendMessage", SENT)
    service.send(URL, MESSAGE)
    canned_aws.answer("SendMessage", Answer(drop=True), refusal("ThrottlingException"), SENT)
    assert service.send(URL, MESSAGE) == "1"
    attempts = [asked.headers["amz-sdk-request"] for asked in canned_aws.asked]
    for attempt, number in zip(attempts, (1, 1, 2, 3), strict=True):
        assert f"attempt={number}" in attempt
    assert request_counts() == {"sqs.SendMessage": 4}


def test_botocores_retry_quota_fills_again(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("SendMessage", SENT)
    call("SendMessage", access)
    calls = Calls(wire_of("SendMessage", access))
    fault = refusal("InternalError", status=500)
    canned_aws.answer("SendMessage", fault, fault, fault, SENT)
    assert "InternalError" in str(outcome("SendMessage", access))
    for _ in range(30):
        call("SendMessage", access)
    assert calls.count == 1 + 20


def test_a_refusal_that_is_final_leaves_later_requests_direct(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("PutItem", PUT)
    call("PutItem", access)
    calls = Calls(wire_of("PutItem", access))
    canned_aws.answer("PutItem", refusal(FAILED), PUT)
    assert "ConditionFailedError" in str(outcome("PutItem", access))
    call("PutItem", access)
    assert calls.count == 1


def test_a_condition_that_fails_tells_the_stored_item(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("PutItem", PUT)
    call("PutItem", access)
    body = {"__type": FAILED, "message": "no", "Item": {"id": {"B": "AP8="}}}
    canned_aws.answer("PutItem", Answer(status=400, body=body))
    with pytest.raises(ConditionFailedError) as caught:
        call("PutItem", access)
    assert caught.value.item == {"id": {"B": b"\x00\xff"}}


def test_renewed_credentials_sign_the_next_request(canned_aws: CannedAws, access: Access) -> None:
    rotating = Rotating()
    wire = wire_of("SendMessage", access)
    wire.client._request_signer._credentials = rotating.credentials
    wire = Wire(wire.client, direct=True)
    canned_aws.answer("SendMessage", SENT)
    keys = []
    for _ in range(3):
        wire.ask("SendMessage", URL, {"QueueUrl": URL, "MessageBody": "{}"})
        wire.ask("SendMessage", URL, {"QueueUrl": URL, "MessageBody": "{}"})
        keys += [asked.access_key_id for asked in canned_aws.asked[-2:]]
        rotating.expire()
    assert keys == ["ASIA1", "ASIA1", "ASIA2", "ASIA2", "ASIA3", "ASIA3"]
    tokens = [asked.headers["X-Amz-Security-Token"] for asked in canned_aws.asked]
    assert tokens == ["token-1", "token-1", "token-2", "token-2", "token-3", "token-3"]


class Rotating:
    """Credentials that are other ones each time that they have ended."""

    def __init__(self) -> None:
        self.number = 0
        self.credentials = RefreshableCredentials.create_from_metadata(
            metadata=self.refresh(), refresh_using=self.refresh, method="test"
        )

    def refresh(self) -> dict[str, str]:
        self.number += 1
        ends = datetime.now(timezone.utc) + timedelta(hours=1)
        return {
            "access_key": f"ASIA{self.number}",
            "secret_key": f"secret-{self.number}",
            "token": f"token-{self.number}",
            "expiry_time": ends.isoformat(),
        }

    def expire(self) -> None:
        self.credentials._expiry_time = datetime.now(timezone.utc)


def calls_after_learning(canned_aws: CannedAws, access: Access) -> int:
    """Return how many of two sends botocore makes once it has made two."""
    canned_aws.answer("SendMessage", SENT)
    for _ in range(2):
        call("SendMessage", access)
    calls = Calls(wire_of("SendMessage", access))
    for _ in range(2):
        call("SendMessage", access)
    return calls.count


def test_requests_are_direct(canned_aws: CannedAws, access: Access) -> None:
    assert calls_after_learning(canned_aws, access) == 0


def test_the_option_sends_all_through_boto3(canned_aws: CannedAws, access: Access) -> None:
    assert calls_after_learning(canned_aws, boto3s(access)) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"retries": {"mode": "adaptive", "max_attempts": 2}},
        {"retries": {"mode": "adaptive", "total_max_attempts": 1}},
        {"signature_version": UNSIGNED},
    ],
)
def test_what_no_template_carries_goes_through_boto3(
    canned_aws: CannedAws, access: Access, config: dict[str, Any]
) -> None:
    assert calls_after_learning(canned_aws, replace(access, client_config=config)) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"retries": {"mode": "legacy", "max_attempts": 2}},
        {"user_agent_extra": "billing/7 (100%)"},
        {"max_pool_connections": 1},
        {"tcp_keepalive": True},
    ],
)
def test_what_a_template_carries_is_direct(
    canned_aws: CannedAws, access: Access, config: dict[str, Any]
) -> None:
    assert calls_after_learning(canned_aws, replace(access, client_config=config)) == 0
    agents = {asked.headers["User-Agent"] for asked in canned_aws.asked}
    assert len(agents) == 1


def test_a_message_that_boto3_would_refuse_is_boto3s(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("SendMessage", SENT)
    call("SendMessage", access)
    asked = len(canned_aws.asked)
    wrong = OutgoingMessage(body="{}", message_group_id=7)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="Invalid type for parameter MessageGroupId"):
        SqsQueueService(access).send(URL, wrong)
    assert len(canned_aws.asked) == asked


def test_who_patches_botocores_calls_sees_all_of_them(
    canned_aws: CannedAws, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned_aws.answer("SendMessage", SENT)
    call("SendMessage", access)
    seen = []

    def made(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        seen.append(operation)
        return {"MessageId": "patched"}

    with monkeypatch.context() as patching:
        patching.setattr(BaseClient, "_make_api_call", made)
        assert call("SendMessage", access) == "patched"
    assert call("SendMessage", access) == "1"
    assert seen == ["SendMessage"]


def test_who_answers_for_aws_is_asked_every_time(canned_aws: CannedAws, access: Access) -> None:
    # As moto does, and whoever else has a handler on a client when it is first used.
    canned_aws.answer("SendMessage", SENT)
    wire = wire_of("SendMessage", access)
    answer = answer_of(canned_aws.url, 200, {}, b'{"MessageId": "moto"}')
    wire.client.meta.events.register("before-send", lambda **_: answer)
    assert [call("SendMessage", access) for _ in range(3)] == ["moto"] * 3
    assert canned_aws.asked == []


def test_threads_share_a_wire(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("SendMessage", SENT)
    threads = [
        threading.Thread(target=lambda: [call("SendMessage", access) for _ in range(20)])
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(canned_aws.asked) == 120
    assert request_counts() == {"sqs.SendMessage": 120}


def test_a_forked_child_uses_no_connection_of_its_parent(
    canned_aws: CannedAws, access: Access
) -> None:
    canned_aws.answer("SendMessage", SENT)
    call("SendMessage", access)
    wire = wire_of("SendMessage", access)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        own = wire_of("SendMessage", access)
        sent = [call("SendMessage", access) for _ in range(3)]
        os.write(writing, f"{own is not wire} {sent}".encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "True ['1', '1', '1']"
    os.waitpid(child, 0)
    assert call("SendMessage", access) == "1"


def test_no_secret_is_shown(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("SendMessage", SENT)
    for _ in range(2):
        call("SendMessage", access)
    wire = wire_of("SendMessage", access)
    shown = repr((vars(wire), [vars(template) for template in wire._templates.values()]))
    assert "AmazonSQS.SendMessage" in shown
    assert "se/cr+et" not in shown
    assert "Signature=" not in shown
