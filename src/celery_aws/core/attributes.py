"""DynamoDB's typed JSON as values: what an attribute looks like and how large an item is.

``{"S": "text"}``, ``{"N": "12"}`` (numbers travel as text), ``{"B": b"bytes"}``, and a set of
strings, never empty, as ``{"SS": ["text"]}``: boto3's low-level form, which is also what the
in-memory double keeps. Nothing here talks to AWS. Facts: "Item size" in the DynamoDB developer
guide (read 2026-11-22).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

AttributeValue = Mapping[str, Any]
Item = Mapping[str, AttributeValue]

#: What a number costs beside its digits, two digits to a byte.
_NUMBER_OVERHEAD_BYTES = 1
_DIGITS_PER_BYTE = 2

#: What a list or map costs beside its members, and each member beside itself; truth or nothing.
_NEST_OVERHEAD_BYTES = 3
_MEMBER_OVERHEAD_BYTES = 1
_FLAG_BYTES = 1


def text(value: str) -> AttributeValue:
    """Return ``value`` as a string attribute."""
    return {"S": value}


def number(value: float | Decimal) -> AttributeValue:
    """Return ``value`` as a number attribute, in plain digits."""
    return {"N": format(Decimal(str(value)), "f")}


def binary(value: bytes) -> AttributeValue:
    """Return ``value`` as a binary attribute."""
    return {"B": value}


def texts(values: Iterable[str]) -> AttributeValue:
    """Return ``values``, at least one, as a set of strings."""
    return {"SS": sorted(set(values))}


def number_of(item: Item, name: str) -> Decimal | None:
    """Return the number in attribute ``name``, or None if the item has no such number."""
    value = item.get(name, {}).get("N")
    return None if value is None else Decimal(value)


def text_of(item: Item, name: str) -> str | None:
    """Return the string in attribute ``name``, or None if the item has no such string."""
    value = item.get(name, {}).get("S")
    return None if value is None else str(value)


def texts_of(item: Item, name: str) -> frozenset[str]:
    """Return the set of strings in attribute ``name``; empty if the item has no such set."""
    return frozenset(item.get(name, {}).get("SS", ()))


def binary_of(item: Item, name: str) -> bytes | None:
    """Return the bytes in attribute ``name``, or None if the item has no such bytes."""
    value = item.get(name, {}).get("B")
    return None if value is None else bytes(value)


def comparable(value: AttributeValue) -> tuple[str, Any]:
    """Return the type and content of ``value``, by which DynamoDB compares and sorts.

    Values of one type only are in an order: numbers by size, strings and binaries by their bytes,
    which for text in UTF-8 is the order of its code points.
    """
    ((kind, content),) = value.items()
    return kind, Decimal(content) if kind == "N" else content


def item_bytes(item: Item) -> int:
    """Return the size by which DynamoDB measures ``item``: names and values, in bytes.

    Exact for strings and binaries; a number may be off by a byte, which AWS leaves open. Items
    that others wrote may have attributes of any type.
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: AttributeValue) -> int:
    ((kind, content),) = value.items()
    if kind in ("SS", "NS", "BS"):
        return sum(_scalar_bytes(kind[0], each) for each in content)
    if kind == "L":
        return _nest_bytes(content)
    if kind == "M":
        return _nest_bytes(content.values()) + sum(len(name.encode()) for name in content)
    return _scalar_bytes(kind, content)


def _scalar_bytes(kind: str, content: Any) -> int:
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content)
    if kind == "N":
        digits = Decimal(content).normalize().as_tuple().digits
        return -(-len(digits) // _DIGITS_PER_BYTE) + _NUMBER_OVERHEAD_BYTES
    return _FLAG_BYTES


def _nest_bytes(members: Iterable[AttributeValue]) -> int:
    sizes = [_value_bytes(member) + _MEMBER_OVERHEAD_BYTES for member in members]
    return sum(sizes) + _NEST_OVERHEAD_BYTES
