"""What makes, changes and removes DynamoDB tables asks of DynamoDB, beside what workers ask.

Facts: DescribeTable, DescribeContinuousBackups, ListTagsOfResource, UpdateTable, TagResource and
DeleteTable in the DynamoDB API reference; UpdateTable changes one thing at a time, and its table is
``UPDATING`` until it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from celery_aws.aws.answers import member_of
from celery_aws.aws.dynamodb import DynamoTableService, TableService
from celery_aws.aws.errors import translated
from celery_aws.aws.table_schema import (
    KeyAttribute,
    TableSpec,
    described,
    encryption_parameters,
    tag_list,
)
from celery_aws.names import TableName


@dataclass(frozen=True, kw_only=True)
class TableDetails:
    """What DescribeTable says of a table, as far as it can be asked for.

    Attributes:
        arn: of the table.
        status: ``ACTIVE``, ``UPDATING``, ...
        key: its primary key.
        on_demand: paid by request.
        read_capacity: units; 0 on demand.
        write_capacity: units; 0 on demand.
        kms_key: ARN of the KMS key that encrypts it; None is a key that AWS owns.
        deletion_protection: DeleteTable is refused.
        items: how many there were some hours ago; DynamoDB counts every six hours.
    """

    arn: str
    status: str
    key: tuple[KeyAttribute, ...]
    on_demand: bool
    read_capacity: int = 0
    write_capacity: int = 0
    kms_key: str | None = None
    deletion_protection: bool = False
    items: int = 0


class TableAdministration(TableService, Protocol):
    """What is asked of DynamoDB about tables. Each is one request, and raises ``AwsError``."""

    def details(self, table: TableName) -> TableDetails:
        """Return what the table is (DescribeTable)."""

    def recovery(self, table: TableName) -> bool:
        """Tell whether point-in-time recovery is on (DescribeContinuousBackups)."""

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a table (ListTagsOfResource, one request a page)."""

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a table, in place of those of the same keys (TagResource)."""

    def set_billing(self, table: TableName, spec: TableSpec) -> None:
        """Bill by request, or for the capacity of ``spec`` (UpdateTable)."""

    def encrypt(self, table: TableName, kms_key: str) -> None:
        """Encrypt with a KMS key (UpdateTable)."""

    def protect(self, table: TableName) -> None:
        """Refuse DeleteTable from now on (UpdateTable)."""

    def has_items(self, table: TableName) -> bool:
        """Tell whether there is an item now (Scan of one)."""

    def delete_table(self, table: TableName) -> None:
        """Ask for a table to be deleted with its items; it takes a while (DeleteTable)."""


class DynamoTableAdministration(DynamoTableService):
    """:class:`TableAdministration` on boto3."""

    def details(self, table: TableName) -> TableDetails:
        """Return what the table is."""
        with translated("dynamodb", "DescribeTable", table):
            return _details(member_of(self._client().describe_table(TableName=table), "Table"))

    def recovery(self, table: TableName) -> bool:
        """Tell whether point-in-time recovery is on."""
        with translated("dynamodb", "DescribeContinuousBackups", table):
            answer = self._client().describe_continuous_backups(TableName=table)
            found = member_of(answer, "ContinuousBackupsDescription")
        recovery = found.get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a table."""
        found: dict[str, str] = {}
        request = {"ResourceArn": arn}
        while True:
            with translated("dynamodb", "ListTagsOfResource", arn):
                answer = self._client().list_tags_of_resource(**request)
            found.update({tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())})
            if not answer.get("NextToken"):
                return found
            request["NextToken"] = answer["NextToken"]

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a table."""
        with translated("dynamodb", "TagResource", arn):
            self._client().tag_resource(ResourceArn=arn, Tags=tag_list(tags))

    def set_billing(self, table: TableName, spec: TableSpec) -> None:
        """Bill by request, or for a capacity."""
        if spec.on_demand:
            self._update(table, BillingMode="PAY_PER_REQUEST")
            return
        throughput = {
            "ReadCapacityUnits": spec.read_capacity,
            "WriteCapacityUnits": spec.write_capacity,
        }
        self._update(table, BillingMode="PROVISIONED", ProvisionedThroughput=throughput)

    def encrypt(self, table: TableName, kms_key: str) -> None:
        """Encrypt with a KMS key."""
        self._update(table, SSESpecification=encryption_parameters(kms_key))

    def protect(self, table: TableName) -> None:
        """Refuse DeleteTable from now on."""
        self._update(table, DeletionProtectionEnabled=True)

    def has_items(self, table: TableName) -> bool:
        """Tell whether there is an item now."""
        with translated("dynamodb", "Scan", table):
            answer = self._client().scan(TableName=table, Limit=1, Select="COUNT")
            return bool(member_of(answer, "Count"))

    def delete_table(self, table: TableName) -> None:
        """Ask for a table to be deleted."""
        with translated("dynamodb", "DeleteTable", table):
            self._client().delete_table(TableName=table)

    def _update(self, table: TableName, **changes: Any) -> None:
        with translated("dynamodb", "UpdateTable", table):
            self._client().update_table(TableName=table, **changes)


def _details(found: Mapping[str, Any]) -> TableDetails:
    description = described(found)
    throughput = found.get("ProvisionedThroughput", {})
    return TableDetails(
        arn=found["TableArn"],
        status=description.status,
        key=description.key,
        on_demand=description.on_demand,
        read_capacity=int(throughput.get("ReadCapacityUnits", 0)),
        write_capacity=int(throughput.get("WriteCapacityUnits", 0)),
        kms_key=_kms_key(found.get("SSEDescription") or {}),
        deletion_protection=bool(found.get("DeletionProtectionEnabled")),
        items=int(found.get("ItemCount", 0)),
    )


def _kms_key(encryption: Mapping[str, Any]) -> str | None:
    if encryption.get("Status") not in ("ENABLED", "ENABLING", "UPDATING"):
        return None
    key: str | None = encryption.get("KMSMasterKeyArn")
    return key
