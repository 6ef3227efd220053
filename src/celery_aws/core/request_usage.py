"""What was asked of AWS, as a value: requests and what they are billed, row by row.

Units are what a service bills: of SQS requests of 64 KB, of DynamoDB write or read units. Of S3
and STS only requests are counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"})


@dataclass(frozen=True, order=True, kw_only=True)
class UsageRow:
    """One operation on one queue, table or bucket.

    Attributes:
        service: botocore's service id, such as ``sqs`` or ``dynamodb``.
        operation: AWS's name of it, such as ``SendMessage``.
        resource: name of the queue, table or bucket; ``*`` stands for several, and nothing for
            none.
        requests: attempts on the wire, those included that failed.
        units: what the answered ones are billed.
    """

    service: str
    operation: str
    resource: str = ""
    requests: int = 0
    units: float = 0.0

    @property
    def name(self) -> str:
        """Service and operation, such as ``sqs.SendMessage``."""
        return f"{self.service}.{self.operation}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What it counts."""
        return self.service, self.operation, self.resource


@dataclass(frozen=True, kw_only=True)
class RequestUsage:
    """What was asked of AWS in some time, such as since a process began.

    Attributes:
        rows: sorted by service, operation and resource, each of which there is once.
    """

    rows: tuple[UsageRow, ...] = ()

    @property
    def requests(self) -> int:
        """All attempts."""
        return sum(row.requests for row in self.rows)

    @property
    def sqs_units(self) -> float:
        """Requests as SQS bills them, by 64 KB; those of FIFO queues have another price."""
        return sum(row.units for row in self.rows if row.service == "sqs")

    @property
    def write_units(self) -> float:
        """DynamoDB's write units."""
        return sum(row.units for row in self._of_dynamodb() if row.operation in _WRITES)

    @property
    def read_units(self) -> float:
        """DynamoDB's read units."""
        return sum(row.units for row in self._of_dynamodb() if row.operation not in _WRITES)

    def since(self, earlier: "RequestUsage") -> "RequestUsage":
        """Return what came after ``earlier``, which is of the same process."""
        return _summed([*self.rows, *(_times(row, -1) for row in earlier.rows)])

    def __add__(self, other: "RequestUsage") -> "RequestUsage":
        """Return this and the other together."""
        return _summed([*self.rows, *other.rows])

    def by_operation(self) -> "RequestUsage":
        """Return the same without resources."""
        return _summed(
            UsageRow(
                service=row.service,
                operation=row.operation,
                requests=row.requests,
                units=row.units,
            )
            for row in self.rows
        )

    def as_json(self) -> dict[str, Any]:
        """Return it in a form for JSON.

        Returns:
            ``{"requests": 3, "sqs_units": 3, "write_units": 0, "read_units": 0, "operations":
            {"sqs.SendMessage": {"celery": {"requests": 3, "units": 3}}}}``
        """
        operations: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            counted = {"requests": row.requests, "units": _plain(row.units)}
            operations.setdefault(row.name, {})[row.resource] = counted
        return {
            "requests": self.requests,
            "sqs_units": _plain(self.sqs_units),
            "write_units": _plain(self.write_units),
            "read_units": _plain(self.read_units),
            "operations": operations,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "RequestUsage":
        """Return what :meth:`as_json` told, of this process or of another one.

        Raises:
            ValueError: it is something else.
        """
        try:
            rows = [
                UsageRow(
                    service=name.partition(".")[0],
                    operation=name.partition(".")[2],
                    resource=resource,
                    requests=int(counted["requests"]),
                    units=float(counted["units"]),
                )
                for name, resources in told["operations"].items()
                for resource, counted in resources.items()
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no usage: {type(error).__name__}: {error}") from error
        return _summed(rows)

    def __str__(self) -> str:
        """Return it in a line for a log, by operation."""
        return ", ".join(map(_shown, self.by_operation().rows)) or "none"

    def _of_dynamodb(self) -> Iterable[UsageRow]:
        return (row for row in self.rows if row.service == "dynamodb")


def _summed(rows: Iterable[UsageRow]) -> RequestUsage:
    requests: Counter[tuple[str, str, str]] = Counter()
    units: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        requests[row.key] += row.requests
        units[row.key] += row.units  # type: ignore[assignment]
    found = [
        UsageRow(
            service=key[0], operation=key[1], resource=key[2], requests=count, units=units[key]
        )
        for key, count in sorted(requests.items())
        if count or units[key]
    ]
    return RequestUsage(rows=tuple(found))


def _times(row: UsageRow, factor: int) -> UsageRow:
    return UsageRow(
        service=row.service,
        operation=row.operation,
        resource=row.resource,
        requests=factor * row.requests,
        units=factor * row.units,
    )


def _shown(row: UsageRow) -> str:
    if not row.units:
        return f"{row.name} {row.requests}"
    noun = "unit" if row.units == 1 else "units"
    return f"{row.name} {row.requests} ({_plain(row.units)} {noun})"


def _plain(units: float) -> int | float:
    return int(units) if units == int(units) else round(units, 1)
