"""What was asked, by operation and by the queue or table that it was for."""

from collections import Counter
from typing import Any

#: An operation such as ``sqs.SendMessage``, and the name of a queue or table.
Asked = tuple[str, str]


class Tally:
    """Requests and what AWS bills for them, since the cloud was started.

    Attributes:
        requests: attempts that reached the cloud, those refused included.
        units: requests of 64 KB each for SQS, read or write units for DynamoDB.
    """

    def __init__(self) -> None:
        self.requests: Counter[Asked] = Counter()
        self.units: Counter[Asked] = Counter()

    def add(self, operation: str, resource: str, units: float = 1.0) -> None:
        """Count one request."""
        self.requests[operation, resource] += 1
        self.units[operation, resource] += units  # type: ignore[assignment]

    def add_units(self, operation: str, resource: str, units: float) -> None:
        """Count what a request that was counted already is billed on top."""
        self.units[operation, resource] += units  # type: ignore[assignment]

    def rows(self) -> list[Any]:
        """Return operation, resource, requests and units of each, as JSON can carry it."""
        return [
            [operation, resource, requests, self.units[operation, resource]]
            for (operation, resource), requests in self.requests.items()
        ]
