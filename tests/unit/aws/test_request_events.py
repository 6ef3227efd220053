"""What the meter hears of calls through boto3; the answers are laid out."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest

from celery_aws import RequestUsage, request_usage
from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import DynamoTableService
from celery_aws.aws.s3 import S3ObjectService, object_access
from celery_aws.aws.sqs import SqsQueueService
from celery_aws.config.credentials import Credentials
from celery_aws.core.attributes import binary, text
from celery_aws.core.conditions import Equals
from celery_aws.core.messages import OutgoingMessage
from celery_aws.core.request_usage import UsageRow
from celery_aws.errors import AwsError, ConditionFailedError, CredentialsError
from celery_aws.names import BucketName, ObjectKey, QueueName, QueueUrl, TableName
from tests.unit.aws.canned import Answer, CannedAws, refusal

URL = QueueUrl("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-celery")
TABLE = TableName("arn:aws:dynamodb:eu-west-1:123456789012:table/results")
KEY = {"id": text("k")}

CHUNK = 65_536


@pytest.fixture
def queues(access: Access) -> SqsQueueService:
    return SqsQueueService(access)


@pytest.fixture
def tables(access: Access) -> DynamoTableService:
    return DynamoTableService(access)


def the_row() -> tuple[str, str, int, float]:
    """Return the only row: operation, resource, requests and units."""
    (row,) = request_usage().rows
    return row.name, row.resource, row.requests, row.units


def received(*bodies: str) -> Answer:
    messages = [{"MessageId": "1", "ReceiptHandle": "r", "Body": body} for body in bodies]
    return Answer(body={"Messages": messages})


def receive(queues: SqsQueueService) -> None:
    queues.receive(URL, max_messages=10, wait_seconds=0, visibility_timeout_seconds=None)


def test_a_send_is_billed_by_its_payload(canned_aws: CannedAws, queues: SqsQueueService) -> None:
    canned_aws.answer("SendMessage", Answer(body={"MessageId": "1"}))
    queues.send(URL, OutgoingMessage(body="x" * (2 * CHUNK + 1)))
    assert the_row() == ("sqs.SendMessage", "shop-celery", 1, 3.0)


def test_the_entries_of_a_batch_are_one_payload(
    canned_aws: CannedAws, queues: SqsQueueService
) -> None:
    canned_aws.answer("SendMessageBatch", Answer(body={"Successful": [], "Failed": []}))
    attributes = {"kind": {"DataType": "Binary", "BinaryValue": b"x" * 10}}
    whole = OutgoingMessage(body="x" * (CHUNK - 20), message_attributes=attributes)
    queues.send_batch(URL, [whole, OutgoingMessage(body="")])
    queues.send_batch(URL, [whole, OutgoingMessage(body="x")])
    assert the_row() == ("sqs.SendMessageBatch", "shop-celery", 2, 1.0 + 2.0)


@pytest.mark.parametrize(
    ("bodies", "units"), [((), 1.0), (("x",) * 10, 1.0), (("x" * CHUNK, "y"), 2.0)]
)
def test_a_receive_is_billed_by_what_it_brings(
    canned_aws: CannedAws, queues: SqsQueueService, bodies: tuple[str, ...], units: float
) -> None:
    canned_aws.answer("ReceiveMessage", received(*bodies))
    receive(queues)
    assert the_row() == ("sqs.ReceiveMessage", "shop-celery", 1, units)


def test_a_failed_attempt_is_a_request_without_units(
    canned_aws: CannedAws, queues: SqsQueueService
) -> None:
    canned_aws.answer("GetQueueUrl", refusal("InternalError", status=500), refusal("Other"))
    with pytest.raises(AwsError):
        queues.queue_url(QueueName("shop-celery"))
    assert the_row() == ("sqs.GetQueueUrl", "shop-celery", 2, 0.0)


def test_no_answer_is_a_request_without_units(
    canned_aws: CannedAws, queues: SqsQueueService
) -> None:
    canned_aws.answer("ReceiveMessage", Answer(drop=True))
    with pytest.raises(AwsError):
        receive(queues)
    assert the_row() == ("sqs.ReceiveMessage", "shop-celery", 1, 0.0)


def test_what_cannot_be_signed_is_no_request(canned_aws: CannedAws, access: Access) -> None:
    bare = Access(region=access.region, endpoint_url=access.endpoint_url)
    with pytest.raises(CredentialsError):
        receive(SqsQueueService(bare))
    assert canned_aws.asked == []
    assert request_usage() == RequestUsage()


def consumed(units: float) -> dict[str, Any]:
    return {"TableName": "results", "CapacityUnits": units}


@pytest.mark.parametrize(
    ("operation", "call", "answer"),
    [
        ("PutItem", lambda tables: tables.put_item(TABLE, KEY), {}),
        ("GetItem", lambda tables: tables.get_item(TABLE, KEY, consistent=True), {}),
        ("DeleteItem", lambda tables: tables.delete_item(TABLE, KEY), {}),
        (
            "UpdateItem",
            lambda tables: tables.update_item(TABLE, KEY, add={"n": 1}, put={}),
            {"Attributes": KEY},
        ),
        (
            "Query",
            lambda tables: tables.query(TABLE, partition=("id", text("k")), consistent=True),
            {"Items": [], "Count": 0},
        ),
    ],
)
def test_units_are_what_dynamodb_tells(
    canned_aws: CannedAws,
    tables: DynamoTableService,
    operation: str,
    call: Callable[[DynamoTableService], object],
    answer: dict[str, Any],
) -> None:
    canned_aws.answer(operation, Answer(body={**answer, "ConsumedCapacity": consumed(7.5)}))
    call(tables)
    assert canned_aws.parameters(operation)[0]["ReturnConsumedCapacity"] == "TOTAL"
    assert the_row() == (f"dynamodb.{operation}", "results", 1, 7.5)


def test_a_batch_tells_units_too(canned_aws: CannedAws, tables: DynamoTableService) -> None:
    told = {"ConsumedCapacity": [consumed(2.0)]}
    canned_aws.answer("BatchGetItem", Answer(body={"Responses": {}, "UnprocessedKeys": {}, **told}))
    canned_aws.answer("BatchWriteItem", Answer(body={"UnprocessedItems": {}, **told}))
    tables.batch_get(TABLE, [KEY], consistent=True)
    tables.write_batch(TABLE, puts=[KEY])
    assert [(row.operation, row.resource, row.units) for row in request_usage().rows] == [
        ("BatchGetItem", "results", 2.0),
        ("BatchWriteItem", "results", 2.0),
    ]


def test_an_answer_that_tells_none_is_estimated(
    canned_aws: CannedAws, tables: DynamoTableService
) -> None:
    canned_aws.answer("PutItem", Answer(body={}))
    tables.put_item(TABLE, {**KEY, "result": binary(b"x" * 1_500)})
    assert the_row() == ("dynamodb.PutItem", "results", 1, 2.0)


def test_a_condition_that_is_not_met_is_billed(
    canned_aws: CannedAws, tables: DynamoTableService
) -> None:
    stored = base64.b64encode(b"x" * 3_000).decode()
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": {"id": {"S": "k"}, "result": {"B": stored}},
    }
    canned_aws.answer("PutItem", Answer(status=400, body=body))
    with pytest.raises(ConditionFailedError):
        tables.put_item(TABLE, KEY, condition=Equals("status", text("x")))
    assert the_row() == ("dynamodb.PutItem", "results", 1, 3.0)


def test_what_dynamodb_refuses_otherwise_is_not_billed(
    canned_aws: CannedAws, tables: DynamoTableService
) -> None:
    canned_aws.answer("GetItem", refusal("ProvisionedThroughputExceededException"))
    with pytest.raises(AwsError):
        tables.get_item(TABLE, KEY, consistent=True)
    assert the_row() == ("dynamodb.GetItem", "results", 3, 0.0)


def test_of_s3_only_requests_are_counted(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer("PutObject", Answer(body=""))
    service = S3ObjectService(object_access(access, canned_aws.url))
    service.put(BucketName("bodies"), ObjectKey("secret/key"), b"body")
    assert the_row() == ("s3.PutObject", "bodies", 1, 0.0)


def test_neither_accounts_nor_secrets_nor_keys_are_kept(
    canned_aws: CannedAws, access: Access
) -> None:
    credentials = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="se/cr+et")
    access = Access(region=access.region, endpoint_url=access.endpoint_url, credentials=credentials)
    canned_aws.answer("SendMessage", Answer(body={"MessageId": "1"}))
    canned_aws.answer("PutItem", Answer(body={}))
    SqsQueueService(access).send(URL, OutgoingMessage(body="hush"))
    DynamoTableService(access).put_item(TABLE, {"id": text("hush")})
    shown = f"{request_usage()!r} {request_usage()} {request_usage().as_json()}"
    assert re.search(r"hush|se/cr|AKID|123456789012|://|arn:", shown) is None


def test_sums_are_readable_in_code(canned_aws: CannedAws, queues: SqsQueueService) -> None:
    canned_aws.answer("SendMessage", Answer(body={"MessageId": "1"}))
    queues.send(URL, OutgoingMessage(body="x"))
    before = request_usage()
    queues.send(URL, OutgoingMessage(body="x" * CHUNK * 2))
    spent = request_usage().since(before)
    assert spent.rows == (
        UsageRow(
            service="sqs", operation="SendMessage", resource="shop-celery", requests=1, units=2.0
        ),
    )
    assert (spent.requests, spent.sqs_units) == (1, 2.0)
