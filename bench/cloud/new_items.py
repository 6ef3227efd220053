"""PutItem of an item that is not there yet, past most of ministack: what storing a result is.

ministack checks each request as AWS does, and reads each condition anew: 100 us. Here the item
goes into ministack's own table at once, if it has nothing unusual, and if a condition of the same
text was met before by no item: what that says of attributes that are missing does not depend on
its values. Everything else is left to ministack. Facts: ministack 1.5.33, services/dynamodb.py
(``_put_item``, ``_set_item``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from celery_aws.core.billing import write_units

_KNOWN = frozenset(
    (
        "TableName",
        "Item",
        "ReturnValues",
        "ReturnConsumedCapacity",
        "ReturnValuesOnConditionCheckFailure",
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
    )
)

#: In ministack's tables, in place of a sort key.
_NO_SORT_KEY = "__no_sort__"

#: The text of a condition, and the names that its placeholders stand for.
Condition = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Put:
    """A request that could go past ministack.

    Attributes:
        condition: that has to be met by no item, or None.
    """

    request: Mapping[str, Any]
    table: dict[str, Any]
    key: tuple[str, str]
    units: int
    condition: Condition | None


class NewItems:
    """Stores new items."""

    def __init__(self) -> None:
        # Late: it reads its settings from the environment when it is imported.
        from ministack.services.dynamodb import _set_item, _tables  # noqa: PLC0415

        self._tables, self._store = _tables, _set_item
        self._met_by_nothing: set[Condition] = set()

    def read(self, body: bytes) -> Put | None:
        """Return a request as a value; None if it is for ministack, whatever it says."""
        request = json.loads(body)
        table = self._tables.get(request.get("TableName"))
        if table is None or not request.keys() <= _KNOWN or table.get("StreamSpecification"):
            return None
        item = request["Item"]
        key, size_bytes = _key(table, item), _size_bytes(item)
        if key is None or size_bytes is None or key[1] in table["items"].get(key[0], ()):
            return None
        return Put(request, table, key, write_units(size_bytes), _condition(request))

    def stored(self, put: Put) -> bytes | None:
        """Store an item and return the answer; None if nobody knows its condition."""
        if put.condition is not None and put.condition not in self._met_by_nothing:
            return None
        self._store(put.table, *put.key, put.request["Item"])
        if put.request.get("ReturnConsumedCapacity", "NONE") == "NONE":
            return b"{}"
        capacity = {"TableName": put.request["TableName"], "CapacityUnits": float(put.units)}
        return json.dumps({"ConsumedCapacity": capacity}).encode()

    def learn(self, put: Put, status: int) -> None:
        """Take what ministack has answered."""
        if put.condition is not None and status == 200:
            self._met_by_nothing.add(put.condition)


def _condition(request: Mapping[str, Any]) -> Condition | None:
    text = request.get("ConditionExpression")
    if text is None:
        return None
    return text, tuple(sorted(request.get("ExpressionAttributeNames", {}).items()))


def _key(table: Mapping[str, Any], item: Mapping[str, Any]) -> tuple[str, str] | None:
    partition = item.get(table["pk_name"], {}).get("S")
    sort_name = table.get("sk_name")
    sort = item.get(sort_name, {}).get("S") if sort_name else _NO_SORT_KEY
    return (partition, sort) if partition and sort else None


def _size_bytes(item: Mapping[str, Any]) -> int | None:
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        if kind == "S":
            total += len(name) + len(content.encode())
        elif kind == "B":
            total += len(name) + len(content) * 3 // 4
        elif kind == "N":
            total += len(name) + len(content) // 2 + 2
        else:
            return None
    return total
