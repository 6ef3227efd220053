"""The units that DynamoDB bills for one answered request: its own figure, or ours.

DynamoDB tells what an operation on items used if the request asks for it
(``ReturnConsumedCapacity``), and charges nothing for that. It does not tell when a condition is
not met, which is billed as well, and some emulators never do: then the units are estimated from
the items in request and answer. An estimate is too low where the answer holds less than was read,
as that of a Query with a projection does. Facts: "DynamoDB read and write operations" and "Item
sizes and formats" in the developer guide (read 2026-11-23).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from celery_aws.core.attributes import Item, item_bytes
from celery_aws.core.billing import read_units, write_units

#: What a request on items asks for, so that the answer has its ``ConsumedCapacity``.
RETURN_CONSUMED_CAPACITY: Final[Mapping[str, str]] = {"ReturnConsumedCapacity": "TOTAL"}

#: How DynamoDB says that a condition was not met.
CONDITION_FAILED: Final = "ConditionalCheckFailedException"

Members = Mapping[str, Any]


def billed_units(operation: str, request: Members, answer: Members) -> float:
    """Return the write or read units of one request.

    Args:
        operation: AWS's name of it; what does not work on items costs none.
        request: its parameters as boto3 takes them.
        answer: its members; of a failed condition, the stored item as ``Item``.
    """
    told = told_units(answer)
    if told is not None:
        return told
    estimate = _ESTIMATES.get(operation)
    return 0.0 if estimate is None else estimate(request, answer)


def told_units(answer: Members) -> float | None:
    """Return the units that the answer names, of all tables together; None if it names none."""
    consumed = answer.get("ConsumedCapacity")
    if not consumed:
        return None
    tables = [consumed] if isinstance(consumed, Mapping) else consumed
    return float(sum(table.get("CapacityUnits", 0.0) for table in tables))


def estimated_write_units(*versions: Item | None) -> float:
    """Return the units of one write, done or refused by its condition.

    Args:
        versions: the item before and after, as far as they are known.
    """
    return float(write_units(max((item_bytes(item) for item in versions if item), default=0)))


def _write(request: Members, answer: Members) -> float:
    # Attributes is what was there, of an update what is there now; Item is of a failed condition.
    return estimated_write_units(request.get("Item"), answer.get("Attributes"), answer.get("Item"))


def _get(request: Members, answer: Members) -> float:
    return _read([answer.get("Item") or {}], request)


def _query(request: Members, answer: Members) -> float:
    return _read(answer.get("Items", ()), request)


def _read(items: Any, request: Members) -> float:
    size_bytes = sum(map(item_bytes, items))
    return read_units(size_bytes, consistent=bool(request.get("ConsistentRead")))


def _batch_get(request: Members, answer: Members) -> float:
    left_out = answer.get("UnprocessedKeys") or {}
    units = 0.0
    for table, wanted in request["RequestItems"].items():
        consistent = bool(wanted.get("ConsistentRead"))
        found = (answer.get("Responses") or {}).get(table, ())
        asked = len(wanted["Keys"]) - len(left_out.get(table, {}).get("Keys", ()))
        # A key without an item is read too.
        sizes = [*map(item_bytes, found), *[0] * (asked - len(found))]
        units += sum(read_units(each, consistent=consistent) for each in sizes)
    return units


def _batch_write(request: Members, answer: Members) -> float:
    return _entries(request["RequestItems"]) - _entries(answer.get("UnprocessedItems") or {})


def _entries(by_table: Members) -> float:
    return sum(
        estimated_write_units(entry.get("PutRequest", {}).get("Item"))
        for entries in by_table.values()
        for entry in entries
    )


_ESTIMATES: Final[Mapping[str, Callable[[Members, Members], float]]] = {
    "PutItem": _write,
    "UpdateItem": _write,
    "DeleteItem": _write,
    "GetItem": _get,
    "Query": _query,
    "BatchGetItem": _batch_get,
    "BatchWriteItem": _batch_write,
}
