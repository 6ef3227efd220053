from typing import Any

import pytest

from celery_aws.local._serve import leading_keys

ONE, TWO = {"pk": {"S": "one"}, "sk": {"S": "x"}}, {"pk": {"S": "two"}, "sk": {"S": "x"}}
QUERY = {
    "KeyConditionExpression": "#n0 = :v0 AND #n1 BETWEEN :v1 AND :v2",
    "ExpressionAttributeNames": {"#n0": "pk", "#n1": "sk"},
    "ExpressionAttributeValues": {":v0": {"S": "one"}, ":v1": {"S": "a"}, ":v2": {"S": "b"}},
}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"TableName": "t", "Item": ONE}, ["one"]),
        ({"TableName": "t", "Key": TWO}, ["two"]),
        ({"TableName": "t", **QUERY}, ["one"]),
        ({"RequestItems": {"t": {"Keys": [ONE, TWO]}}}, ["one", "two"]),
        (
            {
                "RequestItems": {
                    "t": [{"PutRequest": {"Item": ONE}}, {"DeleteRequest": {"Key": TWO}}]
                }
            },
            ["one", "two"],
        ),
        ({"TableName": "t"}, []),
        ({"TableName": "unknown", "Key": ONE}, []),
        ({}, []),
    ],
)
def test_leading_keys(request_: dict[str, Any], expected: list[str]) -> None:
    assert leading_keys(request_, {"t": "pk"}.get) == expected
