"""The requests that go over the wire, and answers that only AWS, or nobody, gives."""

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.dynamodb import BatchWritten, DynamoTableService, QueryPage
from celery_aws.aws.meter import request_counts
from celery_aws.core.attributes import Item, text
from celery_aws.core.key_range import SortRange
from celery_aws.errors import ServiceFaultError
from celery_aws.names import TableName
from tests.unit.aws.canned import Answer, CannedAws

TABLE = TableName("notes")
PARTITION = ("place", text("here"))
KEY = {"place": text("here"), "at": text("1")}
PAGE = Answer(body="<html>Please sign in</html>", content_type="text/html")


@pytest.fixture
def service(access: Access) -> DynamoTableService:
    return DynamoTableService(access)


def test_a_query_says_only_what_it_was_asked(
    canned_aws: CannedAws, service: DynamoTableService
) -> None:
    canned_aws.answer("Query", Answer(body={"Items": [KEY], "Count": 1, "LastEvaluatedKey": KEY}))
    page = service.query(TABLE, partition=PARTITION, consistent=False)
    assert page == QueryPage(items=[KEY], count=1, last_key=KEY)
    assert canned_aws.parameters("Query") == [
        {
            "TableName": TABLE,
            "KeyConditionExpression": "#n0 = :v0",
            "ExpressionAttributeNames": {"#n0": "place"},
            "ExpressionAttributeValues": {":v0": text("here")},
            "ConsistentRead": False,
            "ReturnConsumedCapacity": "TOTAL",
        }
    ]
    assert request_counts() == {"dynamodb.Query": 1}


def test_a_query_says_all_that_it_was_asked(
    canned_aws: CannedAws, service: DynamoTableService
) -> None:
    canned_aws.answer("Query", Answer(body={"Items": [], "Count": 0}))
    service.query(
        TABLE,
        partition=PARTITION,
        sort=SortRange(attribute="at", low=text("0"), high=text("2")),
        consistent=True,
        limit=7,
        start_after=KEY,
        attributes=["at", "status"],
    )
    (asked,) = canned_aws.parameters("Query")
    assert asked["KeyConditionExpression"] == "#n0 = :v0 AND #n1 BETWEEN :v1 AND :v2"
    assert asked["ProjectionExpression"] == "#n1, #n2"
    assert asked["ExpressionAttributeNames"] == {"#n0": "place", "#n1": "at", "#n2": "status"}
    assert (asked["Limit"], asked["ExclusiveStartKey"], asked["ConsistentRead"]) == (7, KEY, True)
    assert "Select" not in asked


def test_a_count_has_no_items(canned_aws: CannedAws, service: DynamoTableService) -> None:
    canned_aws.answer("Query", Answer(body={"Count": 3, "ScannedCount": 3}))
    page = service.query(TABLE, partition=PARTITION, consistent=False, count_only=True)
    assert page == QueryPage(items=[], count=3)
    assert canned_aws.parameters("Query")[0]["Select"] == "COUNT"


def test_a_page_of_a_proxy_is_not_an_empty_page(
    canned_aws: CannedAws, service: DynamoTableService
) -> None:
    canned_aws.answer("Query", PAGE)
    with pytest.raises(ServiceFaultError, match="proxy"):
        service.query(TABLE, partition=PARTITION, consistent=False)


def test_a_batch_of_writes_tells_what_was_left_out(
    canned_aws: CannedAws, service: DynamoTableService
) -> None:
    others: list[Item] = [{"place": text("here"), "at": text(at)} for at in "23"]
    put, delete = {"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": others[0]}}
    left_out = Answer(body={"UnprocessedItems": {TABLE: [delete, put]}})
    canned_aws.answer("BatchWriteItem", left_out, Answer(body={"UnprocessedItems": {}}))
    written = service.write_batch(TABLE, puts=[KEY], deletes=others)
    assert written == BatchWritten(unprocessed_puts=[KEY], unprocessed_deletes=others[:1])
    assert service.write_batch(TABLE, puts=[KEY]) == BatchWritten()
    everything = [put, delete, {"DeleteRequest": {"Key": others[1]}}]
    assert [asked["RequestItems"] for asked in canned_aws.parameters("BatchWriteItem")] == [
        {TABLE: everything},
        {TABLE: [put]},
    ]
    assert request_counts() == {"dynamodb.BatchWriteItem": 2}


def test_a_page_of_a_proxy_has_written_nothing(
    canned_aws: CannedAws, service: DynamoTableService
) -> None:
    canned_aws.answer("BatchWriteItem", PAGE)
    with pytest.raises(ServiceFaultError, match="proxy"):
        service.write_batch(TABLE, puts=[KEY])
