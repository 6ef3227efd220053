from typing import Any

import pytest

from celery_aws.aws.access import Access
from celery_aws.aws.table_administration import DynamoTableAdministration
from celery_aws.names import TableName
from tests.unit.aws.canned import Answer, CannedAws

TABLE = TableName("results")
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"


def test_tags_are_read_to_the_last_page(canned_aws: CannedAws, access: Access) -> None:
    canned_aws.answer(
        "ListTagsOfResource",
        Answer(body={"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "more"}),
        Answer(body={"Tags": [{"Key": "b", "Value": "2"}]}),
    )
    assert DynamoTableAdministration(access).tags("arn") == {"a": "1", "b": "2"}
    _, second = canned_aws.parameters("ListTagsOfResource")
    assert second == {"ResourceArn": "arn", "NextToken": "more"}


@pytest.mark.parametrize(
    ("encryption", "key"),
    [
        (None, None),
        ({"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}, KEY),
        ({"Status": "UPDATING", "SSEType": "KMS", "KMSMasterKeyArn": KEY}, KEY),
        ({"Status": "DISABLED", "SSEType": "KMS", "KMSMasterKeyArn": KEY}, None),
    ],
)
def test_which_key_encrypts(
    canned_aws: CannedAws, access: Access, encryption: dict[str, Any] | None, key: str | None
) -> None:
    table = {
        "TableArn": "arn",
        "TableStatus": "ACTIVE",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        **({} if encryption is None else {"SSEDescription": encryption}),
    }
    canned_aws.answer("DescribeTable", Answer(body={"Table": table}))
    assert DynamoTableAdministration(access).details(TABLE).kms_key == key
