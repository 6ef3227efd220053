from typing import Any

from celery_aws.aws.access import Access
from celery_aws.aws.table_examination import DynamoTableExamination, TableDetails
from celery_aws.aws.table_schema import KeyAttribute
from celery_aws.names import TableName
from tests.unit.aws.canned import Answer, CannedAws

TABLE = TableName("results")

DESCRIBED: dict[str, Any] = {
    "TableStatus": "ACTIVE",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}


def test_a_table_of_celerys_own_backend(canned_aws: CannedAws, access: Access) -> None:
    units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2, "NumberOfDecreasesToday": 0}
    table = {**DESCRIBED, "ProvisionedThroughput": units}
    canned_aws.answer("DescribeTable", Answer(body={"Table": table}))
    assert DynamoTableExamination(access).details(TABLE) == TableDetails(
        status="ACTIVE",
        key=(KeyAttribute(name="id"),),
        on_demand=False,
        read_capacity=1,
        write_capacity=2,
    )


def test_a_table_on_demand(canned_aws: CannedAws, access: Access) -> None:
    table = {
        **DESCRIBED,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
        "DeletionProtectionEnabled": True,
    }
    canned_aws.answer("DescribeTable", Answer(body={"Table": table}))
    found = DynamoTableExamination(access).details(TABLE)
    assert (found.on_demand, found.deletion_protection) == (True, True)


def test_recovery(canned_aws: CannedAws, access: Access) -> None:
    def answer(status: str) -> Answer:
        recovery = {"PointInTimeRecoveryStatus": status}
        described = {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": recovery,
        }
        return Answer(body={"ContinuousBackupsDescription": described})

    canned_aws.answer("DescribeContinuousBackups", answer("ENABLED"), answer("DISABLED"))
    examination = DynamoTableExamination(access)
    assert [examination.recovery(TABLE) for _ in range(2)] == [True, False]
