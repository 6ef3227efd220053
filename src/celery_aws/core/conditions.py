"""What must be true of a stored item for a write to happen, as values.

Whoever writes to a table says its condition with these; only ``aws/`` turns them into
expression strings, and the in-memory double asks :func:`holds`. That keeps one meaning for
both: DynamoDB's, where an attribute that is missing equals nothing, is less than nothing,
and differs from everything. Facts: "Condition and filter expressions, operators, and
functions" in the DynamoDB developer guide; tried on the emulator by tests/contract.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias, Union

from celery_aws.core.attributes import AttributeValue, Item, comparable


@dataclass(frozen=True)
class Missing:
    """The item has no such attribute (or there is no item)."""

    attribute: str


@dataclass(frozen=True)
class Present:
    """The item has the attribute."""

    attribute: str


@dataclass(frozen=True)
class Equals:
    """The attribute has this value."""

    attribute: str
    value: AttributeValue


@dataclass(frozen=True)
class NotEquals:
    """The attribute is missing or has another value."""

    attribute: str
    value: AttributeValue


@dataclass(frozen=True)
class LessThan:
    """The attribute is of the value's type and smaller."""

    attribute: str
    value: AttributeValue


@dataclass(frozen=True)
class And:
    """Every term holds; there is at least one."""

    terms: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Or:
    """At least one term holds; there is at least one."""

    terms: "tuple[Condition, ...]"


Condition: TypeAlias = Union[  # noqa: UP007 - a forward reference cannot be put into X | Y
    Missing, Present, Equals, NotEquals, LessThan, And, Or
]


def all_of(first: Condition, *others: Condition) -> Condition:
    """Return the condition that every one of these holds."""
    return And((first, *others))


def any_of(first: Condition, *others: Condition) -> Condition:
    """Return the condition that at least one of these holds."""
    return Or((first, *others))


def holds(condition: Condition, item: Item) -> bool:
    """Tell whether ``condition`` is true of ``item``; no item is the empty one."""
    match condition:
        case And(terms):
            return all(holds(term, item) for term in terms)
        case Or(terms):
            return any(holds(term, item) for term in terms)
        case Missing(attribute):
            return attribute not in item
        case Present(attribute):
            return attribute in item
        case _:
            return _compares(condition, item)


def _compares(condition: Equals | NotEquals | LessThan, item: Item) -> bool:
    stored = _comparable(item.get(condition.attribute))
    wanted = _comparable(condition.value)
    match condition:
        case Equals():
            return stored == wanted
        case NotEquals():
            return stored != wanted
        case LessThan():
            return _less(stored, wanted)


def _comparable(value: AttributeValue | None) -> tuple[str, Any] | None:
    return None if value is None else comparable(value)


def _less(left: tuple[str, Any] | None, right: tuple[str, Any] | None) -> bool:
    if left is None or right is None or left[0] != right[0]:
        return False
    return bool(left[1] < right[1])
