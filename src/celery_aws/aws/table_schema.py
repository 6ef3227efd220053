"""What a DynamoDB table is: its key, its capacity, its expiry, and their form in requests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: The states of a table that takes reads and writes.
TABLE_USABLE = frozenset({"ACTIVE", "UPDATING"})

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
    """A table to create: its primary key, and its capacity if it is not on demand."""

    hash_key: KeyAttribute
    range_key: KeyAttribute | None = None
    #: Units; None for both is on demand.
    read_capacity: int | None = None
    write_capacity: int | None = None

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
    """Return the parameters of CreateTable for ``spec``, the name aside."""
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
    return parameters


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
