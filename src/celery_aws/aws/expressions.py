"""Conditions, updates and queries in DynamoDB's expression language; nobody else writes it.

Every attribute name becomes a placeholder, because the list of reserved words is long and
has ``status``, ``ttl`` and ``timestamp`` in it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from celery_aws.core.attributes import AttributeValue, number, texts
from celery_aws.core.conditions import (
    And,
    Condition,
    Equals,
    LessThan,
    Missing,
    NotEquals,
    Or,
    Present,
)
from celery_aws.core.key_range import SortRange

#: No attributes.
NOTHING: Mapping[str, Any] = MappingProxyType({})

_OPERATORS: dict[type[Any], str] = {Equals: "=", NotEquals: "<>", LessThan: "<"}


class Expressions:
    """Collects the placeholders of one request while its expressions are written."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, AttributeValue] = {}

    def parameters(self) -> dict[str, Any]:
        """Return the request parameters that resolve the placeholders used so far."""
        parameters: dict[str, Any] = {}
        if self._names:
            parameters["ExpressionAttributeNames"] = {
                placeholder: name for name, placeholder in self._names.items()
            }
        if self._values:
            parameters["ExpressionAttributeValues"] = dict(self._values)
        return parameters

    def condition(self, condition: Condition) -> str:
        """Return ``condition`` as a ConditionExpression."""
        match condition:
            case And(terms):
                return self._joined(" AND ", terms)
            case Or(terms):
                return self._joined(" OR ", terms)
            case Missing(attribute):
                return f"attribute_not_exists({self._name(attribute)})"
            case Present(attribute):
                return f"attribute_exists({self._name(attribute)})"
            case (
                Equals(attribute, value) | NotEquals(attribute, value) | LessThan(attribute, value)
            ):
                operator = _OPERATORS[type(condition)]
                return f"{self._name(attribute)} {operator} {self._value(value)}"

    def update(
        self,
        *,
        add: Mapping[str, int],
        put: Mapping[str, AttributeValue],
        include: Mapping[str, Collection[str]] = NOTHING,
    ) -> str:
        """Return an UpdateExpression: add to numbers and sets, and set attributes."""
        added = {name: number(n) for name, n in add.items()}
        added.update({name: texts(values) for name, values in include.items()})
        clauses = []
        if put:
            terms = (f"{self._name(name)} = {self._value(value)}" for name, value in put.items())
            clauses.append(f"SET {', '.join(terms)}")
        if added:
            terms = (f"{self._name(name)} {self._value(value)}" for name, value in added.items())
            clauses.append(f"ADD {', '.join(terms)}")
        return " ".join(clauses)

    def key_condition(
        self, partition: tuple[str, AttributeValue], sort: SortRange | None = None
    ) -> str:
        """Return the KeyConditionExpression of the items of a partition, or a range of them."""
        name, value = partition
        terms = [f"{self._name(name)} = {self._value(value)}"]
        if sort is not None:
            terms.extend(self._bounds(sort))
        return " AND ".join(terms)

    def projection(self, attributes: Sequence[str]) -> str:
        """Return the ProjectionExpression of these attributes."""
        return ", ".join(map(self._name, attributes))

    def _bounds(self, sort: SortRange) -> Iterator[str]:
        # One term at most: DynamoDB takes no second condition on a key.
        if sort.low is not None and sort.high is not None:
            low, high = self._value(sort.low), self._value(sort.high)
            yield f"{self._name(sort.attribute)} BETWEEN {low} AND {high}"
        elif sort.low is not None:
            yield f"{self._name(sort.attribute)} >= {self._value(sort.low)}"
        elif sort.high is not None:
            yield f"{self._name(sort.attribute)} <= {self._value(sort.high)}"

    def _joined(self, operator: str, terms: tuple[Condition, ...]) -> str:
        if len(terms) == 1:
            # DynamoDB refuses parentheses that change nothing.
            return self.condition(terms[0])
        return operator.join(f"({self.condition(term)})" for term in terms)

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def _value(self, value: AttributeValue) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder
