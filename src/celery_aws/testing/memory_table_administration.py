"""DynamoDB in memory, with what makes and changes tables asks beside what workers ask.

A double of :class:`celery_aws.aws.table_administration.TableAdministration`; it runs the same
contract suite as the boto3 one. A change is done at once, where AWS's takes seconds to minutes.
"""

from collections.abc import Mapping
from dataclasses import replace

from celery_aws.aws.table_administration import TableDetails
from celery_aws.aws.table_schema import MANAGED_KEY, TableSpec
from celery_aws.errors import InvalidRequestError
from celery_aws.names import TableName
from celery_aws.testing.memory_dynamodb import MemoryTableService

_ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/"
_MANAGED_KEY_ARN = f"arn:aws:kms:us-east-1:000000000000:{MANAGED_KEY}"


class MemoryTableAdministration(MemoryTableService):
    """Tables in memory that can be changed; thread-safe."""

    def details(self, table: TableName) -> TableDetails:
        """Return what the table is."""
        with self._request("DescribeTable", table, active=False) as found:
            spec = found.spec
            return TableDetails(
                arn=f"{_ARN}{table}",
                status="ACTIVE" if self._is_active(found) else "CREATING",
                key=spec.key,
                on_demand=spec.on_demand,
                read_capacity=spec.read_capacity or 0,
                write_capacity=spec.write_capacity or 0,
                kms_key=_MANAGED_KEY_ARN if spec.kms_key == MANAGED_KEY else spec.kms_key,
                deletion_protection=spec.deletion_protection,
                items=len(found.items()),
            )

    def recovery(self, table: TableName) -> bool:
        """Tell whether point-in-time recovery is on."""
        with self._request("DescribeContinuousBackups", table, active=False) as found:
            return found.recovery

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a table."""
        with self._request("ListTagsOfResource", _name(arn), active=False) as found:
            return dict(found.spec.tags)

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags to a table."""
        with self._request("TagResource", _name(arn)) as found:
            found.spec = replace(found.spec, tags={**found.spec.tags, **tags})

    def set_billing(self, table: TableName, spec: TableSpec) -> None:
        """Bill by request, or for a capacity."""
        with self._request("UpdateTable", table) as found:
            found.spec = replace(
                found.spec, read_capacity=spec.read_capacity, write_capacity=spec.write_capacity
            )

    def encrypt(self, table: TableName, kms_key: str) -> None:
        """Encrypt with a KMS key."""
        with self._request("UpdateTable", table) as found:
            found.spec = replace(found.spec, kms_key=kms_key)

    def protect(self, table: TableName) -> None:
        """Refuse DeleteTable from now on."""
        with self._request("UpdateTable", table) as found:
            found.spec = replace(found.spec, deletion_protection=True)

    def has_items(self, table: TableName) -> bool:
        """Tell whether there is an item now."""
        with self._request("Scan", table) as found:
            return bool(found.items())

    def delete_table(self, table: TableName) -> None:
        """Delete a table, at once."""
        with self._request("DeleteTable", table) as found:
            if found.spec.deletion_protection:
                raise InvalidRequestError(
                    "Resource cannot be deleted as it is currently protected against deletion",
                    service="dynamodb",
                    operation="DeleteTable",
                    code="ValidationException",
                    resource=table,
                )
            del self._tables[table]


def _name(arn: str) -> TableName:
    return TableName(arn.removeprefix(_ARN))
