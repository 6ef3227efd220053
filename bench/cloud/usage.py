"""What a cloud was asked for, as its clients read it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench import prices
from bench.cloud.tally import Asked

#: Operations whose units are read units.
_READS = ("GetItem", "BatchGetItem", "Query")


@dataclass(frozen=True, kw_only=True)
class CloudUsage:
    """Requests and what AWS bills for them, up to one moment or between two.

    Attributes:
        requests: by operation, such as ``sqs.SendMessage``, and name of the queue or table.
        units: the same in requests of 64 KB (SQS), read or write units (DynamoDB).
        cpu_seconds: of the cloud's process.
        seconds: on the clock that all processes of the machine share, or between the moments.
    """

    requests: Mapping[Asked, int] = field(default_factory=dict)
    units: Mapping[Asked, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    seconds: float = 0.0

    def since(self, earlier: "CloudUsage") -> "CloudUsage":
        """Return what came after an earlier moment."""
        requests, units = Counter(self.requests), Counter(self.units)
        requests.subtract(earlier.requests)
        units.subtract(earlier.units)
        return CloudUsage(
            requests={asked: n for asked, n in requests.items() if n},
            units={asked: n for asked, n in units.items() if n},
            cpu_seconds=self.cpu_seconds - earlier.cpu_seconds,
            seconds=self.seconds - earlier.seconds,
        )

    def by_operation(self) -> Counter[str]:
        """Return requests by operation."""
        found: Counter[str] = Counter()
        for (operation, _), requests in self.requests.items():
            found[operation] += requests
        return found

    def count(self, operation: str, resource: str = "") -> int:
        """Return how often an operation was asked for, of one queue or table or of all."""
        if resource:
            return self.requests.get((operation, resource), 0)
        return self.by_operation()[operation]

    @property
    def dollars(self) -> float:
        """The price of all, at the list prices of :mod:`bench.prices`."""
        return sum(_price(operation) * n for (operation, _), n in self.units.items()) / 1_000_000


def _price(operation: str) -> float:
    service, _, name = operation.partition(".")
    if service == "sqs":
        return prices.SQS_REQUESTS
    return prices.READ_UNITS if name in _READS else prices.WRITE_UNITS
