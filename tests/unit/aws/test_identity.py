import pytest

from celery_aws.aws.identity import identity_in
from celery_aws.names import AccountId, QueueName, TableName

ACCOUNT = AccountId("123456789012")


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("cn-north-1", "aws-cn"),
        ("us-gov-west-1", "aws-us-gov"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eusc-de-east-1", "aws-eusc"),
    ],
)
def test_partitions(region: str, partition: str) -> None:
    found = identity_in(ACCOUNT, region)
    assert found.partition == partition
    assert found.queue_arn(region, QueueName("q")) == f"arn:{partition}:sqs:{region}:{ACCOUNT}:q"
    table = found.table_arn(region, TableName("t"))
    assert table == f"arn:{partition}:dynamodb:{region}:{ACCOUNT}:table/t"
