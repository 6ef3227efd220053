"""The cloud of the benchmarks as boto3 sees it."""

import time
from collections.abc import Iterator

import boto3
import pytest
from bench.cloud import Cloud, capacity

from celery_aws.local.environment import ACCESS_KEY_ID, SECRET_ACCESS_KEY


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


def client(cloud: Cloud, service: str):  # type: ignore[no-untyped-def]
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )


def test_a_message_there_and_gone(cloud: Cloud) -> None:
    sqs = client(cloud, "sqs")
    url = sqs.create_queue(QueueName="there", Attributes={"VisibilityTimeout": "60"})["QueueUrl"]
    attributes = {
        "text": {"DataType": "String", "StringValue": "ü"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    before = cloud.usage()
    entries = [{"Id": str(n), "MessageBody": f"ü {n}"} for n in range(9)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    sqs.send_message(QueueUrl=url, MessageBody="last", MessageAttributes=attributes)
    received = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )["Messages"]
    assert [each["Body"] for each in received] == [f"ü {n}" for n in range(9)] + ["last"]
    assert received[-1]["MessageAttributes"] == attributes
    assert received[-1]["Attributes"] == {"ApproximateReceiveCount": "1"}
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(received)]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    assert (len(answer["Successful"]), answer.get("Failed", [])) == (10, [])
    used = cloud.usage().since(before)
    assert used.requests == {
        ("sqs.SendMessageBatch", "there"): 1,
        ("sqs.SendMessage", "there"): 1,
        ("sqs.ReceiveMessage", "there"): 1,
        ("sqs.DeleteMessageBatch", "there"): 1,
    }
    assert used.dollars == pytest.approx(4 * 0.4 / 1_000_000)


def test_a_queue_that_is_not_there(cloud: Cloud) -> None:
    sqs = client(cloud, "sqs")
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="missing")
    assert sqs.list_queues(QueueNamePrefix="missing").get("QueueUrls", []) == []


def test_items_and_their_units(cloud: Cloud) -> None:
    dynamodb = client(cloud, "dynamodb")
    dynamodb.create_table(
        TableName="items",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id": {"S": "one"}, "value": {"B": bytes(2_000)}}
    before = cloud.usage()
    condition = {"TableName": "items", "ConditionExpression": "attribute_not_exists(id)"}
    dynamodb.put_item(Item=item, **condition)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.put_item(Item=item, **condition)
    found = dynamodb.get_item(TableName="items", Key={"id": {"S": "one"}}, ConsistentRead=True)
    assert found["Item"] == item
    units = cloud.usage().since(before).units
    assert units == {("dynamodb.PutItem", "items"): 3, ("dynamodb.GetItem", "items"): 1}


def test_conditions_hold_however_often_they_were_met(cloud: Cloud) -> None:
    dynamodb = client(cloud, "dynamodb")
    dynamodb.create_table(
        TableName="conditions",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(name: str, state: str) -> float:
        answer = dynamodb.put_item(
            TableName="conditions",
            Item={"id": {"S": name}, "#": {"S": state}},
            ConditionExpression="attribute_not_exists(#i) OR #s <> :done",
            ExpressionAttributeNames={"#i": "id", "#s": "#"},
            ExpressionAttributeValues={":done": {"S": "done"}},
            ReturnConsumedCapacity="TOTAL",
        )
        return float(answer["ConsumedCapacity"]["CapacityUnits"])

    before = cloud.usage()
    assert [put(str(n), "begun") for n in range(3)] == [1, 1, 1]
    put("2", "done")
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        put("2", "begun")
    found = dynamodb.get_item(TableName="conditions", Key={"id": {"S": "2"}})
    assert found["Item"]["#"] == {"S": "done"}
    assert cloud.usage().since(before).count("dynamodb.PutItem", "conditions") == 5


def test_latency_is_added_to_what_is_for_aws(cloud: Cloud) -> None:
    sqs = client(cloud, "sqs")
    cloud.set_latency(50)
    try:
        began = time.monotonic()
        sqs.list_queues()
        assert time.monotonic() - began >= 0.05
    finally:
        cloud.set_latency(0)


def test_its_capacity_is_measured(cloud: Cloud) -> None:
    found = capacity.measured(cloud, requests=64)
    assert all(each.per_second > 0 for each in found)
    assert len(list(capacity.written(found))) == len(found) + 2
