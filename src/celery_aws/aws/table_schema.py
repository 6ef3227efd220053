"""What a DynamoDB table is: key, capacity, expiry, protection, and their form in requests.

Facts: CreateTable, UpdateContinuousBackups and TableDescription in the DynamoDB API reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The states of a table that takes reads and writes.
TABLE_USABLE = frozenset({"ACTIVE", "UPDATING"})

#: The states of a table whose KMS key cannot be used, and has not been for a week.
TABLE_WITHOUT_KEY = frozenset({"INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVING", "ARCHIVED"})

#: AWS's managed key, which is asked for by naming none.
MANAGED_KEY = "alias/aws/dynamodb"

#: The states of an expiry that is on, or about to be, which may take an hour.
TTL_IN_FORCE = frozenset({"ENABLED", "ENABLING"})


@dataclass(frozen=True, kw_only=True)
class KeyAttribute:
    """One attribute of a primary key."""

    name: str
    #: ``S``, ``N`` or ``B``.
    kind: str = "S"


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table to create; all but the key matters to its creation alone.

    Attributes:
        hash_key: the first attribute of the primary key.
        range_key: the second, or None.
        read_capacity: units; None for both capacities is on demand.
        write_capacity: units.
        point_in_time_recovery: keep what it takes to restore any second of the last 35 days.
        kms_key: alias, id or ARN of the KMS key that encrypts it; None is a key that AWS owns.
        tags: for cost allocation and for policies.
        deletion_protection: refuse DeleteTable.
    """

    hash_key: KeyAttribute
    range_key: KeyAttribute | None = None
    read_capacity: int | None = None
    write_capacity: int | None = None
    point_in_time_recovery: bool = False
    kms_key: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    deletion_protection: bool = False

    @property
    def key(self) -> tuple[KeyAttribute, ...]:
        """The attributes of the primary key, the hash key first."""
        return (self.hash_key,) if self.range_key is None else (self.hash_key, self.range_key)

    @property
    def on_demand(self) -> bool:
        """True if requests are paid one by one, not capacity by the hour."""
        return self.read_capacity is None or self.write_capacity is None


@dataclass(frozen=True, kw_only=True)
class TableDescription:
    """What DescribeTable says, as far as it matters here."""

    status: str
    key: tuple[KeyAttribute, ...]
    on_demand: bool


@dataclass(frozen=True, kw_only=True)
class TtlDescription:
    """Whether the table removes expired items, and by which attribute."""

    #: ``ENABLED``, ``ENABLING``, ``DISABLED`` or ``DISABLING``.
    status: str
    attribute: str | None = None


def creation_parameters(spec: TableSpec) -> dict[str, Any]:
    """Return the parameters of CreateTable for ``spec``, the name aside.

    Point-in-time recovery is none of them: UpdateContinuousBackups switches it on.
    """
    roles = ("HASH", "RANGE")
    parameters: dict[str, Any] = {
        "AttributeDefinitions": [
            {"AttributeName": key.name, "AttributeType": key.kind} for key in spec.key
        ],
        "KeySchema": [
            {"AttributeName": key.name, "KeyType": role}
            for key, role in zip(spec.key, roles, strict=False)
        ],
        "BillingMode": "PAY_PER_REQUEST" if spec.on_demand else "PROVISIONED",
    }
    if not spec.on_demand:
        parameters["ProvisionedThroughput"] = {
            "ReadCapacityUnits": spec.read_capacity,
            "WriteCapacityUnits": spec.write_capacity,
        }
    return {**parameters, **_protection(spec)}


def _protection(spec: TableSpec) -> dict[str, Any]:
    # What is not wanted is left out: an IAM policy may refuse whoever mentions it.
    parameters: dict[str, Any] = {}
    if spec.kms_key is not None:
        parameters["SSESpecification"] = encryption_parameters(spec.kms_key)
    if spec.tags:
        parameters["Tags"] = tag_list(spec.tags)
    if spec.deletion_protection:
        parameters["DeletionProtectionEnabled"] = True
    return parameters


def encryption_parameters(kms_key: str) -> dict[str, Any]:
    """Return the ``SSESpecification`` for a KMS key, or for :data:`MANAGED_KEY`."""
    named = {} if kms_key == MANAGED_KEY else {"KMSMasterKeyId": kms_key}
    return {"Enabled": True, "SSEType": "KMS", **named}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as DynamoDB and CloudFormation take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def described(found: Mapping[str, Any]) -> TableDescription:
    """Return what the ``Table`` of a DescribeTable answer says."""
    kinds = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in found["AttributeDefinitions"]
    }
    names = [key["AttributeName"] for key in found["KeySchema"]]
    billing = found.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    return TableDescription(
        status=found["TableStatus"],
        key=tuple(KeyAttribute(name=name, kind=kinds[name]) for name in names),
        on_demand=billing == "PAY_PER_REQUEST",
    )
