import uuid
from typing import Any

import pytest

from celery_aws.core.inboxes import inbox_name
from celery_aws.core.metered_names import metered_name, resource_of


@pytest.mark.parametrize(
    ("parameters", "resource"),
    [
        ({"QueueUrl": "https://sqs/1/q", "MessageBody": "b"}, "https://sqs/1/q"),
        ({"QueueName": "q"}, "q"),
        ({"TableName": "t", "Key": {}}, "t"),
        ({"RequestItems": {"t": {}}}, "t"),
        ({"Bucket": "b", "Key": "k"}, "b"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/worker"}, ""),
        ({}, ""),
    ],
)
def test_a_request_says_what_it_is_for(parameters: dict[str, Any], resource: str) -> None:
    assert resource_of(parameters) == resource


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-celery", "shop-celery"),
        ("http://127.0.0.1:4566/000000000000/orders.fifo/", "orders.fifo"),
        ("arn:aws:sqs:eu-west-1:123456789012:celery", "celery"),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/results", "results"),
        ("arn:aws:s3:eu-west-1:123456789012:accesspoint/bodies", "bodies"),
        ("results", "results"),
        ("", ""),
    ],
)
def test_names_are_kept_and_no_account(resource: str, name: str) -> None:
    assert metered_name(resource) == name


@pytest.mark.parametrize("prefix", ["", "shop-", "p" * 60])
def test_all_inboxes_have_one_name(prefix: str) -> None:
    ids = [uuid.UUID(int=number).hex for number in range(3)]
    names = {metered_name(f"https://sqs/1/{inbox_name(prefix, each)}") for each in ids}
    assert len(names) == 1
    assert names.pop().endswith("*.fifo")


def test_the_label_of_an_inbox_stays() -> None:
    assert metered_name(inbox_name("shop-", uuid.uuid4().hex)) == "shop-celery-inbox-*.fifo"
