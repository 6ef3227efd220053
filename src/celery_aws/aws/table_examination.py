"""Tables as an operator looks at them: what a worker never asks.

Facts: DescribeTable and DescribeContinuousBackups in the DynamoDB API reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from celery_aws.aws.access import Access
from celery_aws.aws.answers import member_of
from celery_aws.aws.clients import client_for
from celery_aws.aws.errors import translated
from celery_aws.aws.table_schema import KeyAttribute, described
from celery_aws.names import TableName


@dataclass(frozen=True, kw_only=True)
class TableDetails:
    """What a table is.

    Attributes:
        status: AWS's word, such as ``ACTIVE``.
        key: the attributes of its primary key.
        on_demand: whether requests are paid one by one.
        read_capacity: units a second; 0 if it is on demand.
        write_capacity: the same.
        deletion_protection: whether DeleteTable is refused.
    """

    status: str
    key: tuple[KeyAttribute, ...]
    on_demand: bool = True
    read_capacity: int = 0
    write_capacity: int = 0
    deletion_protection: bool = False


class TableExamination(Protocol):
    """What an operator asks of DynamoDB. Each method is one request; raises :class:`AwsError`."""

    def details(self, table: TableName) -> TableDetails:
        """Return what a table is (DescribeTable)."""

    def recovery(self, table: TableName) -> bool:
        """Tell whether it can be restored to any second (DescribeContinuousBackups)."""


class DynamoTableExamination:
    """:class:`TableExamination` on boto3.

    Args:
        access: where and who.
    """

    def __init__(self, access: Access) -> None:
        self.access = access

    def details(self, table: TableName) -> TableDetails:
        """Return what a table is."""
        with translated("dynamodb", "DescribeTable", table):
            answer = client_for("dynamodb", self.access).describe_table(TableName=table)
            return table_details(member_of(answer, "Table"))

    def recovery(self, table: TableName) -> bool:
        """Tell whether it can be restored to any second."""
        with translated("dynamodb", "DescribeContinuousBackups", table):
            client = client_for("dynamodb", self.access)
            answer = client.describe_continuous_backups(TableName=table)
        found = answer.get("ContinuousBackupsDescription", {})
        recovery = found.get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")


def table_details(found: Mapping[str, Any]) -> TableDetails:
    """Return what the ``Table`` of a DescribeTable answer says."""
    table = described(found)
    capacity = {} if table.on_demand else found.get("ProvisionedThroughput", {})
    return TableDetails(
        status=table.status,
        key=table.key,
        on_demand=table.on_demand,
        read_capacity=int(capacity.get("ReadCapacityUnits", 0)),
        write_capacity=int(capacity.get("WriteCapacityUnits", 0)),
        deletion_protection=bool(found.get("DeletionProtectionEnabled", False)),
    )
